"""Labels in an ASE database: one level of theory per file, written a batch at a time, never twice."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect

from iia_calc.labels.level import FOLLOWED, Label, same_level
from search.errors import InputError
from search.geometry.composition import Composition

ASE_TABLES = {"systems", "species", "keys", "text_key_values", "number_key_values", "information", "sqlite_sequence"}
RECHECKS = OPEN_SHELL, ALL, ONCE_UNSTABLE = "open-shell", "all", "followed"
"""Which labels may lie on too high an SCF solution; see `LabelStore.list_doubtful`."""


@dataclass(frozen=True)
class LabelledStructure:
    """A structure with its label and where it comes from.

    start : name of the random start it descends from, e.g. "SeB12-7-000041": the unit in which
        training, validation and test are split.
    origin : path, minimum, rattled, compressed, expanded, pulled, pressed, dimer, model-minimum, ...
    split : "training" or "held-out"; "" where nobody decided.
    batch : what it was made for, e.g. "double-rings"; files hold many, and `in_batches` chooses.
    """

    atoms: Atoms
    label: Label
    start: str
    origin: str
    charge: int = 0
    multiplicity: int = 1
    split: str = ""
    batch: str = ""


def in_batches(labelled: Iterable[LabelledStructure], batches: Sequence[str]) -> list[LabelledStructure]:
    """Those of the named batches, in the order given; all where none is named.

    Raises
    ------
    InputError : no label is of one of the batches; the message lists those there are.
    """
    labelled = list(labelled)
    found = {item.batch for item in labelled}
    if missing := sorted(set(batches) - found):
        known = ", ".join(sorted(found - {""})) or "none"
        raise InputError(f"no label is of the batch {', '.join(missing)}; the batches there are: {known}")
    return [item for item in labelled if not batches or item.batch in batches]


def place_in_order(item: LabelledStructure) -> tuple[str, bytes, bytes, float, bytes]:
    """A key to sort labels by, from what they say: several workers store them in another order each time."""
    positions, forces = np.array(item.atoms.positions, dtype=float), np.array(item.label.forces, dtype=float)
    return item.start, item.atoms.numbers.tobytes(), positions.tobytes(), item.label.energy, forces.tobytes()


class LabelStore:
    """An ASE database of labels of one level of theory (`ase gui labels.db` opens it).

    Raises
    ------
    ValueError : the file holds another level of theory, or is not such a database.
    """

    def __init__(self, path: str | Path, level: str | None = None) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        if self.path.suffix.lower() != ".db":
            how = "name it *.db" if level is not None else "iia label makes them"
            raise InputError(
                f"{self.path} is no database of labels (*.db, or *.npz.xz where they are only read); {how}"
            )
        if level is None and not self.path.exists():
            raise FileNotFoundError(f"there is no label database at {self.path}")
        if self.path.exists() and _never_finished(self.path):
            if level is None:
                raise InputError(f"{self.path} is empty: no label database")
            self.path.unlink()
        if level is not None and not self.path.exists():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _create(self.path, level)
        # SQLite's own locks end with the process; ASE's lock file outlives a kill, and the next writer waits for ever
        self._db = connect(self.path, type="db", append=True, use_lock_file=False)
        try:
            self.metadata = dict(self._db.metadata)
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path} cannot be opened or written: {error}") from error
        except Exception as error:
            raise InputError(f"{self.path} is not a readable ASE database: {error}") from error
        found = self.metadata.get("level")
        if found is None:
            raise InputError(f"{self.path} is an ASE database, but not one of labels: it names no level of theory")
        if level is not None and not same_level(level, found):
            raise InputError(f"{self.path} holds labels of {found!r}; labels of {level!r} need another file")
        self.level: str = found

    def __len__(self) -> int:
        return int(self._db.count())

    @property
    def element_energies(self) -> dict[str, float]:
        """Energies, eV, of the free atoms of every element in the store, at its level."""
        return dict(self.metadata.get("element_energies", {}))

    def add_element_energies(self, energies: Mapping[str, float]) -> None:
        """Keep the energies, eV, of elements that the store has none of yet."""
        if all(symbol in self.element_energies for symbol in energies):
            return
        # another job on this file may have added some since it was opened
        self.metadata = dict(connect(self.path, type="db", append=True, use_lock_file=False).metadata)
        self.metadata["element_energies"] = dict(energies) | self.element_energies
        self._db.metadata = self.metadata

    @property
    def failures_path(self) -> Path:
        """The list of failures, a JSON object a line, beside the database."""
        return self.path.with_suffix(".failed.jsonl")

    def finished_starts(self) -> set[str]:
        """Starts that need no more work: labelled, or tried in vain."""
        done = {row.start for row in self._db.select(columns=["id", "key_value_pairs"], include_data=False)}
        return done | {str(failure["start"]) for failure in self.failures()}

    def failures(self) -> list[dict[str, str]]:
        """What was tried in vain: "start" and "reason" of each, and of given structures "structure", their content."""
        found = []
        for line in self.failures_path.read_text().splitlines() if self.failures_path.exists() else ():
            try:
                found.append(dict(json.loads(line)))
            except json.JSONDecodeError:
                continue  # the last line of a killed run
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; threads wait for one another. After a commit that failed (no room) the next one can begin."""
        with self._lock:
            try:
                with self._db:
                    yield
            except BaseException:
                connection, self._db.connection = self._db.connection, None  # ASE leaves it open
                if connection is not None:
                    connection.close()
                raise

    def add(self, labelled: Iterable[LabelledStructure]) -> int:
        """Write a batch in one transaction; returns how many. Threads wait for one another."""
        count = 0
        with self._transaction():
            for item in labelled:
                self._db.write(
                    _with_label(item.atoms, item.label),
                    start=item.start,
                    origin=item.origin,
                    label_charge=item.charge,
                    label_multiplicity=item.multiplicity,
                    **_stability(item.label),
                    **{name: text for name, text in (("split", item.split), ("batch", item.batch)) if text},
                )
                count += 1
        return count

    def list_doubtful(self, which: str = OPEN_SHELL, largest: int | None = None) -> list[tuple[int, LabelledStructure]]:
        """(row, item) of labels that may lie on too high an SCF solution, small clusters first.

        Open shells come before closed ones.

        which : `OPEN_SHELL` or `ALL` of those whose stability was not tested ("carried" ones among them), or
            `ONCE_UNSTABLE`: those that came down along an instability, which earlier versions followed one way only.
        largest : leave out clusters of more atoms.
        """
        rows = [(row.id, _read(row)) for row in self._db.select(include_data=False)]
        kept = [
            (row, item)
            for row, item in rows
            if (item.label.stability == FOLLOWED if which == ONCE_UNSTABLE else not item.label.is_tested)
            and (item.multiplicity > 1 or which != OPEN_SHELL)
            and len(item.atoms) <= (largest or np.inf)
        ]
        return sorted(kept, key=lambda r: (r[1].multiplicity == 1, len(r[1].atoms)))

    def replace(self, row: int, label: Label) -> None:
        """Put another label, of the same structure, in a row."""
        with self._transaction():
            old = _read(self._db.get(id=row))
            before = {} if label.energy == old.label.energy else {"energy_before": old.label.energy}
            self._db.update(row, atoms=_with_label(old.atoms, label), **_stability(label), **before)

    def add_failure(self, start: str, reason: str, structure: str = "") -> None:
        """Note that a start, or a given structure of this content name, was tried in vain."""
        failure = {"start": start, "reason": reason} | ({"structure": structure} if structure else {})
        with self.failures_path.open("ab+") as out:
            if out.tell():
                out.seek(-1, os.SEEK_END)
                if out.read(1) != b"\n":  # the last line of a killed run
                    out.write(b"\n")
            out.write(json.dumps(failure).encode() + b"\n")

    def read(self) -> Iterator[LabelledStructure]:
        """All labels, in the order in which they were written."""
        for row in self._db.select(include_data=False):
            yield _read(row)

    def tally(self) -> Counter[tuple[str, str]]:
        """Number of labels by formula, dopants first, and by what is known of their SCF stability."""
        rows = self._db.select(columns=["id", "numbers", "key_value_pairs"], include_data=False)
        return Counter((Composition.parse(Atoms(row.numbers)).formula, row.get("scf_stability", "")) for row in rows)

    def counts(self) -> dict[str, int]:
        """Number of labels per formula."""
        return dict(Counter(row.formula for row in self._db.select(columns=["id", "numbers", "key_value_pairs"])))


def _read(row: Any) -> LabelledStructure:
    return LabelledStructure(
        Atoms(row.numbers, row.positions),
        Label(row.energy, row.forces, row.get("scf_stability", "")),
        row.start,
        row.origin,
        row.label_charge,
        row.label_multiplicity,
        row.get("split", ""),
        row.get("batch", ""),
    )


def _with_label(atoms: Atoms, label: Label) -> Atoms:
    bare = Atoms(atoms.numbers, atoms.positions)
    bare.calc = SinglePointCalculator(bare, energy=label.energy, free_energy=label.energy, forces=label.forces)
    return bare


def _stability(label: Label) -> dict[str, str]:
    return {"scf_stability": label.stability} if label.stability else {}


def _create(path: Path, level: str) -> None:
    """An empty database, made beside and put in place whole, unless another job was faster."""
    made = path.with_name(f".{path.stem}.{os.getpid()}.new.db")
    made.unlink(missing_ok=True)
    try:
        units = {"positions": "Å", "energy": "eV", "forces": "eV/Å"}
        connect(made, type="db", append=True, use_lock_file=False).metadata = {"level": level, "units": units}
        os.link(made, path)
    except FileExistsError:
        pass
    except (OSError, sqlite3.Error) as error:
        raise OSError(f"{path} cannot be written: {error}") from error
    finally:
        made.unlink(missing_ok=True)


def _never_finished(path: Path) -> bool:
    """A database that was stopped while its tables were made: it holds nothing, and nothing can be added."""
    try:
        with closing(sqlite3.connect(path)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return (
                "information" not in tables
                and ("systems" not in tables or not database.execute("SELECT COUNT(*) FROM systems").fetchone()[0])
                and tables <= ASE_TABLES
            )
    except sqlite3.DatabaseError:
        return False
