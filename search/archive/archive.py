"""Every distinct minimum of a search, stored before it is reported."""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase import Atoms

from search.archive.encoding import to_json
from search.archive.minimum import Minimum, sound
from search.archive.sqlite import ReadOnlyStore, SQLiteStore
from search.archive.store import MemoryStore, Store
from search.errors import InputError, InputTypeError, checked_path, positive, quote
from search.geometry.composition import Composition
from search.geometry.fingerprint import Fingerprint, Sameness, same
from search.geometry.scale import LengthScale
from search.relaxers.base import Relaxed

LOWER_BY = 1e-6
"""eV or the model's unit: a copy replaces the stored geometry when it is lower by more, so that rounding writes
nothing."""


class Archive:
    """Distinct minima by energy, in memory or in a file as well.

    Parameters
    ----------
    path : database file (ending in .db), or a folder, in which it is called archive.db; None: in memory. Any other
        `Store` keeps the minima where it likes.
    composition : formula, Atoms or Composition; may be left out for a file that exists.
    signature : what the search was asked for; a file with another signature is refused. None accepts any.
    sameness : when two minima are one; kept in the file.
    bond_length : the host's bond length where it isn't that of covalent radii (see `LengthScale`); kept too.

    Raises
    ------
    BlockingIOError : another process has the file.
    ValueError : a foreign or unreadable file, another composition or signature; the file is left as it was.
    """

    def __init__(
        self,
        path: str | Path | Store | None = None,
        composition: str | Atoms | Composition | None = None,
        signature: str | None = None,
        sameness: Sameness | None = None,
        bond_length: float | None = None,
    ) -> None:
        wanted: dict[str, str] = {}
        if composition is not None:
            wanted["composition"] = Composition.parse(composition).formula
        if sameness is not None:
            if not isinstance(sameness, Sameness):
                raise InputTypeError(f"sameness is {quote(sameness)}; it must be a Sameness")
            wanted["sameness"] = json.dumps(asdict(sameness))
        if bond_length is not None:
            wanted["bond_length"] = repr(positive("bond_length", bond_length, "a length"))
        self._store = _open(path, wanted)
        try:
            values = self._store.values
            self._check(wanted)
            self.composition = Composition.parse(values["composition"])
            self.sameness = sameness or Sameness(**json.loads(values.get("sameness", "{}")))
            length = float(values["bond_length"]) if "bond_length" in values else bond_length
            self.bind(signature)
            self.scale = LengthScale.with_bond(self.composition, length)
            self._minima: list[Minimum] = []  # by energy
            self._energies: list[float] = []
            self._changed: dict[int, Minimum] = {}  # by id(): to be written
            self._gone: list[Minimum] = []  # stored minima that turned out to be copies
            self.n_once = 0  # minima that were found a single time
            for minimum in self._store.minima():
                self._insert(minimum)
                self.n_once += minimum.times_found == 1
        except BaseException:
            self.close()
            raise

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """What a file (or the archive.db of a folder) holds now, also while a search writes it; nothing is changed.

        Raises
        ------
        ValueError : the file is missing, empty or not a search archive.
        """
        return cls(ReadOnlyStore(_file(path)))

    @property
    def path(self) -> Path | None:
        """The file; None in memory."""
        return self._store.path

    @property
    def state(self) -> dict[str, Any] | None:
        """What the search last stored with `commit`, to go on from; None where nothing was."""
        values = self._store.values
        return dict(json.loads(values["state"])) if "state" in values else None

    @property
    def best(self) -> Minimum | None:
        """The lowest; None where there is none."""
        return self._minima[0] if self._minima else None

    def __len__(self) -> int:
        return len(self._minima)

    def __iter__(self) -> Iterator[Minimum]:
        """Lowest first."""
        return iter(list(self._minima))

    def bind(self, signature: str | None) -> None:
        """Tie the archive to one search, or check that it belongs to it (ValueError if not)."""
        known = self._store.values.get("signature")
        if signature is None or signature == known:
            return
        if known is not None:
            raise InputError(
                f"{self.path or 'this archive'} belongs to another search: {_difference(known, signature)}. "
                "Use the same settings to go on with it, or another folder"
            )
        self._store.write([], [], {"signature": signature})

    def find(self, energy: float, positions: np.ndarray) -> Minimum | None:
        """The known minimum that positions [n_atoms, 3] of this energy are a copy of, if any."""
        tolerance = self.sameness.energy_tolerance
        window = range(
            bisect_left(self._energies, energy - tolerance), bisect_right(self._energies, energy + tolerance)
        )
        if not window:
            return None
        print_ = Fingerprint(positions, self.scale.numbers)
        for k in sorted(window, key=lambda k: abs(self._energies[k] - energy)):
            if same(self._minima[k].fingerprint, print_, self.scale.bond, self.sameness):
                return self._minima[k]
        return None

    def add(self, relaxed: Relaxed, quench: int) -> tuple[Minimum | None, bool]:
        """Store one result: (its minimum, whether it is new); (None, False) for what is no sound minimum."""
        entry = self.enter(relaxed, quench)
        self.commit()
        return entry

    def enter(self, relaxed: Relaxed, quench: int) -> tuple[Minimum | None, bool]:
        """As `add`, but in memory until `commit`: report nothing of it before."""
        if not sound(relaxed):
            return None, False
        positions = self._order(relaxed.atoms)
        known = self.find(float(relaxed.energy), positions)
        if known is None:
            entry = Minimum.of(relaxed, positions, self.scale.numbers, quench)
            self._insert(entry)
            self.n_once += 1
            self._mark(entry)
            return entry, True
        self.n_once -= known.times_found == 1
        known.times_found += 1
        if relaxed.energy < known.energy - LOWER_BY:
            self._remove(known)
            known.move_to(relaxed, positions)
            self._insert(known)
            known = self._absorb_copies(known)
        self._mark(known)
        return known, False

    def commit(self, state: dict[str, Any] | None = None) -> None:
        """Make durable, in one transaction, what was entered and the state to go on from.

        Raises
        ------
        TypeError : the state isn't plain data. OSError, sqlite3.Error : it could not be written. In both cases the
            file holds what was committed before.
        """
        values = {} if state is None else {"state": to_json(state)}
        self._store.write(list(self._changed.values()), self._gone, values)
        self._changed, self._gone = {}, []

    def export(self, path: str | Path) -> int:
        """Write the minima to an ASE database at `path`, lowest first; how many. `ase gui` and `ase db` open it.

        Raises
        ------
        ValueError : the file exists.
        """
        import ase.db

        if Path(path).exists():
            raise InputError(f"{path} exists; give another name")
        with ase.db.connect(path, type="db") as database:
            for minimum in self:
                database.write(minimum.atoms, key_value_pairs=minimum.info)
        return len(self)

    def close(self) -> None:
        """Let others have the file; called again, nothing happens."""
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check(self, wanted: dict[str, str]) -> None:
        """Refuse a file that was made for something else than is `wanted`."""
        for name, value in wanted.items():
            known = self._store.values.get(name, "the default")
            if known != value and name == "composition":
                raise InputError(f"{self.path} holds minima of {known}, not of {value}; use another folder")
            if known != value:
                raise InputError(f"{self.path} was made with {name} {known}, not {value}; use another folder")

    def _absorb_copies(self, entry: Minimum) -> Minimum:
        """Entries that were too far in energy to be copies of `entry` may be so now that it lies lower.

        A quench along a soft mode ends a few meV high and enters as a minimum of its own; better
        converged copies then lower it step by step onto the true one. The lowest stays and is returned.
        """
        tolerance = self.sameness.energy_tolerance
        first = bisect_left(self._energies, entry.energy - tolerance)
        last = bisect_right(self._energies, entry.energy + tolerance)
        for other in [m for m in self._minima[first:last] if m is not entry]:
            if not same(other.fingerprint, entry.fingerprint, self.scale.bond, self.sameness):
                continue
            kept, copy = (other, entry) if other.energy <= entry.energy else (entry, other)
            self.n_once -= (kept.times_found == 1) + (copy.times_found == 1)
            kept.times_found += copy.times_found
            kept.first_quench = min(kept.first_quench, copy.first_quench)
            self._remove(copy)
            self._changed.pop(id(copy), None)
            if copy.row is not None:
                self._gone.append(copy)
            entry = kept
        return entry

    def _insert(self, entry: Minimum) -> None:
        place = bisect_right(self._energies, entry.energy)
        self._minima.insert(place, entry)
        self._energies.insert(place, entry.energy)

    def _remove(self, entry: Minimum) -> None:
        place = bisect_left(self._energies, entry.energy)
        while self._minima[place] is not entry:
            place += 1
        del self._minima[place], self._energies[place]

    def _mark(self, entry: Minimum) -> None:
        self._changed[id(entry)] = entry

    def _order(self, atoms: Atoms) -> np.ndarray:
        """Positions [n_atoms, 3] in the order of the composition."""
        positions: np.ndarray = atoms.positions
        if np.array_equal(atoms.numbers, self.scale.numbers):
            return positions.copy()
        if not self.composition.matches(atoms):
            raise InputError(f"{atoms.get_chemical_formula()} does not belong in an archive of {self.composition}")
        order = np.empty(len(atoms), dtype=int)
        for z in np.unique(atoms.numbers):
            order[self.scale.numbers == z] = np.flatnonzero(atoms.numbers == z)
        return positions[order]


def _open(path: str | Path | Store | None, wanted: dict[str, str]) -> Store:
    """The store that a path means."""
    if path is None:
        if "composition" not in wanted:
            raise InputError("an archive in memory needs a composition, for example SeB16")
        return MemoryStore(wanted)
    if isinstance(path, Store):
        return path
    return SQLiteStore(_file(path), wanted if "composition" in wanted else None)


def _file(path: str | Path) -> Path:
    path = checked_path("the archive", path, "a folder or a .db file")
    return path if path.suffix.lower() == ".db" else path / "archive.db"


def _difference(there: str, now: str) -> str:
    """In which keys two signatures differ, where they are JSON objects; else both in full."""
    try:
        before, after = json.loads(there), json.loads(now)
        keys = [key for key in sorted(before | after) if before.get(key) != after.get(key)]
    except (ValueError, TypeError):
        return f"there {there}, now {now}"
    text = "; ".join(f"{key} was {before.get(key)!r}, now {after.get(key)!r}" for key in keys)
    if keys == ["relaxer"] and re.fullmatch(r"\w+\(\{.*\}\) \{.*\}", str(before["relaxer"])):
        text += " (it was made by an earlier version, which told calculators apart by their names and parameters only)"
    return text
