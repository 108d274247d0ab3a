"""Every distinct minimum of a search, stored before it is reported."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from ase import Atoms

from search.archive.encoding import to_json
from search.archive.minimum import Minimum, sound
from search.archive.sqlite import Store
from search.errors import InputError
from search.geometry.composition import Composition
from search.geometry.fingerprint import Fingerprint, Sameness, same
from search.geometry.scale import LengthScale
from search.relaxers.base import Relaxed

# A copy replaces the stored geometry when it is lower by more than this, so that rounding writes nothing.
LOWER_BY = 1e-6


class Archive:
    """Distinct minima by energy, in memory or in an ASE database as well.

    Parameters
    ----------
    path : database file (ending in .db), or a folder, in which it is called archive.db; None: in memory.
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
        path: str | Path | None = None,
        composition: str | Atoms | Composition | None = None,
        signature: str | None = None,
        sameness: Sameness | None = None,
        bond_length: float | None = None,
    ) -> None:
        wanted = None if composition is None else Composition.parse(composition)
        told = {}
        if sameness is not None:
            told["sameness"] = json.dumps(asdict(sameness))
        if bond_length is not None:
            told["bond_length"] = repr(float(bond_length))
        self._store: Store | None = None
        self._values: dict[str, str] = {}
        if path is not None:
            file = Path(path)
            file = file if file.suffix == ".db" else file / "archive.db"
            self._store = Store(file, None if wanted is None else {"composition": wanted.formula, **told})
            self._values = self._store.values
        elif wanted is None:
            raise InputError("an archive in memory needs a composition, for example SeB16")
        try:
            self.composition = wanted or Composition.parse(self._values["composition"])
            self._check({"composition": self.composition.formula, **told})
            self.sameness = sameness or Sameness(**json.loads(self._values.get("sameness", "{}")))
            length = bond_length if "bond_length" not in self._values else float(self._values["bond_length"])
            self.bind(signature)
            self.scale = LengthScale.with_bond(self.composition, length)
            self._minima: list[Minimum] = []  # by energy
            self._energies: list[float] = []
            self._new: list[Minimum] = []  # to be written whole
            self._counted: list[Minimum] = []  # of which only times_found changed
            self.n_once = 0  # minima that were found a single time
            self._gone: list[int] = []  # rows of minima that turned out to be copies
            self._load()
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path | None:
        """The database file; None in memory."""
        return None if self._store is None else self._store.path

    @property
    def state(self) -> dict | None:
        """What the search last stored with `commit`, to go on from; None where nothing was."""
        return json.loads(self._values["state"]) if "state" in self._values else None

    @property
    def best(self) -> Minimum | None:
        """The lowest minimum; None in an empty archive."""
        return self._minima[0] if self._minima else None

    def __len__(self) -> int:
        return len(self._minima)

    def __iter__(self) -> Iterator[Minimum]:
        """Lowest first."""
        return iter(list(self._minima))

    def bind(self, signature: str | None) -> None:
        """Tie the archive to one search, or check that it belongs to it (ValueError if not)."""
        known = self._values.get("signature")
        if signature is None or signature == known:
            return
        if known is not None:
            raise InputError(
                f"{self.path or 'this archive'} belongs to another search: {_difference(known, signature)}. "
                "Use the same settings to go on with it, or another folder"
            )
        if self._store is not None:
            self._store.write([], [], {"signature": signature})
        self._values["signature"] = signature

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
        positions = self._ordered(relaxed.atoms)
        energy = float(relaxed.energy)
        known = self.find(energy, positions)
        if known is None:
            entry = Minimum(positions, self.scale.numbers, energy, float(relaxed.fmax), 1, int(quench))
            entry.energy_std, entry.forces_std = _float(relaxed.energy_std), _float(relaxed.forces_std)
            self._insert(entry)
            self.n_once += 1
            self._new.append(entry)
            return entry, True
        self.n_once -= known.times_found == 1
        known.times_found += 1
        if energy < known.energy - LOWER_BY:
            place = self._place(known)
            del self._minima[place], self._energies[place]
            known.positions, known.energy, known.fmax = positions, energy, float(relaxed.fmax)
            known.energy_std, known.forces_std = _float(relaxed.energy_std), _float(relaxed.forces_std)
            known.__dict__.pop("fingerprint", None)
            self._insert(known)
            self._mark(self._new, known)
            known = self._absorb_copies(known)
        else:
            self._mark(self._counted, known)
        return known, False

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
            self._mark(self._new, kept)
            place = self._place(copy)
            del self._minima[place], self._energies[place]
            self._new = [m for m in self._new if m is not copy]
            self._counted = [m for m in self._counted if m is not copy]
            if copy.row is not None:
                self._gone.append(copy.row)
            entry = kept
        return entry

    def commit(self, state: dict | None = None) -> None:
        """Make durable, in one transaction, what was entered and the state to go on from."""
        values = {} if state is None else {"state": to_json(state)}
        if self._store is not None:
            whole = [(entry.row, entry.database_row, entry.pairs) for entry in self._new]
            counts = [(entry.row, entry.pairs) for entry in self._counted if entry.row is not None]
            rows = self._store.write(whole, counts, values, self._gone)
            for entry, row in zip(self._new, rows, strict=True):
                entry.row = row
        self._values.update(values)
        self._new, self._counted, self._gone = [], [], []

    def close(self) -> None:
        """Write what is left and let other processes have the file."""
        if self._store is not None:
            self._store.close()

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _check(self, told: dict[str, str]) -> None:
        """Refuse a file that was made for something else than `told`."""
        if self._store is None:
            return
        stored, wanted = self._values["composition"], told.pop("composition")
        if stored != wanted:
            raise InputError(f"{self.path} holds minima of {stored}, not of {wanted}; use another folder")
        for name, value in told.items():
            if self._values.get(name) != value:
                known = self._values.get(name, "the default")
                raise InputError(f"{self.path} was made with {name} {known}, not {value}; use another folder")

    def _load(self) -> None:
        if self._store is None:
            return
        for row in self._store.rows():
            pairs = row.key_value_pairs
            entry = Minimum(
                np.array(row.positions),
                np.array(row.numbers),
                row.energy,
                pairs["residual_force"],
                int(pairs["times_found"]),
                int(pairs["first_quench"]),
                pairs.get("energy_std"),
                pairs.get("forces_std"),
                row.id,
            )
            self._insert(entry)
            self.n_once += entry.times_found == 1

    def _insert(self, entry: Minimum) -> None:
        place = bisect_right(self._energies, entry.energy)
        self._minima.insert(place, entry)
        self._energies.insert(place, entry.energy)

    def _place(self, entry: Minimum) -> int:
        place = bisect_left(self._energies, entry.energy)
        while self._minima[place] is not entry:
            place += 1
        return place

    def _mark(self, changed: list[Minimum], entry: Minimum) -> None:
        if any(entry is other for other in self._new) or any(entry is other for other in changed):
            return
        if changed is self._new:
            self._counted = [other for other in self._counted if other is not entry]
        changed.append(entry)

    def _ordered(self, atoms: Atoms) -> np.ndarray:
        """Positions in the order of the composition."""
        if np.array_equal(atoms.numbers, self.scale.numbers):
            return atoms.positions.copy()
        if not self.composition.matches(atoms):
            raise InputError(f"{atoms.get_chemical_formula()} does not belong in an archive of {self.composition}")
        order = np.empty(len(atoms), dtype=int)
        for z in np.unique(atoms.numbers):
            order[self.scale.numbers == z] = np.flatnonzero(atoms.numbers == z)
        return atoms.positions[order]


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)


def _difference(there: str, now: str) -> str:
    """In which keys two signatures differ, where they are JSON objects; else both in full."""
    try:
        before, after = json.loads(there), json.loads(now)
        keys = [key for key in sorted(before | after) if before.get(key) != after.get(key)]
    except (ValueError, TypeError):
        return f"there {there}, now {now}"
    return "; ".join(f"{key} was {before.get(key)!r}, now {after.get(key)!r}" for key in keys)
