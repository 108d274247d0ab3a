"""One structure as a file holds it, with everything the file says of it, and what a reader found of a file.

Readers convert lengths to Å and nothing else; energies keep their unit until a set is made of them (`grouping`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms

from iia_calc.common.electrons import declared_charge, declared_multiplicity, multiplicity_of
from iia_calc.common.structures import check_geometry
from iia_calc.data.arrays import Floats
from iia_calc.data.columns import (
    BASIS_NAMES,
    ENERGY_WORDS,
    FORCE_WORDS,
    LENGTH_WORDS,
    LEVEL_NAMES,
    LEVEL_PARTS,
    METHOD_NAMES,
    UNIT_WORDS,
    Wanted,
    as_forces,
    as_number,
    choose,
    looks_like_energy,
    looks_like_forces,
    words,
)
from iia_calc.data.units import ANGSTROM_PER, check_length_unit, check_unit, force_unit
from search.errors import InputError

UNKNOWN_LEVEL = "published"
"""Level of theory that files written here give to energies whose level nobody said."""


@dataclass(frozen=True)
class Units:
    """What a source declares; None where it declares nothing.

    energy : unit of its energies. length : unit of its lengths. forces : units of energy and length of its forces.
    """

    energy: str | None = None
    length: str | None = None
    forces: tuple[str, str] | None = None


@dataclass(frozen=True)
class Record:
    """One structure as read.

    Attributes
    ----------
    atoms : numbers and positions, Å. energy : in `unit`, NaN where there is none.
    forces : [n_atoms, 3], `forces_unit` per Å; None where there are none.
    unit, forces_unit : of the energies, as declared; None where nothing is declared.
    charge : e. multiplicity : 2S+1. level : of theory. None where nothing is declared.
    converged : what the source says of the SCF. index : place in the source, from 0. file : where from.
    """

    atoms: Atoms
    energy: float = np.nan
    forces: Floats | None = None
    unit: str | None = None
    forces_unit: str | None = None
    charge: int | None = None
    multiplicity: int | None = None
    level: str | None = None
    converged: bool | None = None
    index: int = 0
    file: Path | None = None

    def check(self) -> None:
        """Raises InputError where it is no sound cluster, or its electrons don't allow charge and multiplicity."""
        check_geometry(self.atoms)
        numbers = self.atoms.numbers
        if numbers.min() < 1 or numbers.max() > 118:
            raise InputError("an atomic number is not from 1 to 118")
        if self.forces is not None and not np.isfinite(self.forces).all():
            raise InputError("forces aren't finite")
        if self.charge is not None:
            multiplicity_of(self.atoms, self.charge, self.multiplicity)


@dataclass
class Contents:
    """What a reader found in a file.

    records : sound structures. aside : the others, (which, reason). remarks : what else a user should know.
    """

    records: list[Record] = field(default_factory=list)
    aside: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def keep(self, record: Record, where: str) -> None:
        """Keep a structure, or set it aside with the reason."""
        try:
            record.check()
        except InputError as error:
            self.aside.append((where, str(error)))
        else:
            self.records.append(record)

    def notes(self) -> tuple[str, ...]:
        """The remarks, and how many structures were set aside and why."""
        if not self.aside:
            return tuple(self.remarks)
        total = len(self.records) + len(self.aside)
        return (*self.remarks, f"{len(self.aside)} of {total} structures set aside: {reasons(self.aside)}")

    def sound(self, path: Path) -> Contents:
        """These contents, where they hold a sound structure.

        Raises
        ------
        InputError : there is no sound structure.
        """
        if not self.records:
            what = f"no sound structure: {reasons(self.aside)}" if self.aside else "no structures"
            raise InputError(f"{path} holds {what}")
        return self


def reasons(aside: Iterable[tuple[str, str]], most: int = 3) -> str:
    """The commonest reasons, each with how often and where first."""
    items = list(aside)
    first = {reason: where for where, reason in reversed(items)}
    counted = Counter(reason for _, reason in items).most_common()
    told = [f"{first[r]} {r}" if n == 1 else f"{n} × {r} (first: {first[r]})" for r, n in counted[:most]]
    rest = sum(n for _, n in counted[most:])
    return "; ".join([*told, f"{rest} for other reasons"] if rest else told)


@dataclass
class Raw:
    """A structure and all named values beside it, before it is decided what they mean.

    values : by name, of the whole structure or per atom. units : what its source declares of them.
    """

    atoms: Atoms
    values: dict[str, object]
    units: Mapping[str, str] = field(default_factory=dict)
    index: int = 0
    where: str = ""


def records_of(raws: Iterable[Raw], contents: Contents, wanted: Wanted = Wanted()) -> Contents:
    """Decide for a whole file which columns are energy and forces, then make a record of each structure.

    raws : structures in the file's order. contents : gets the records, what is set aside, and remarks on columns.
    wanted : columns that the user names.

    Raises
    ------
    InputError : it can't be told which column is the energy, or a column that the user names isn't there.
    """
    items = list(raws)
    energies: dict[str, list[float]] = {}
    forces: dict[str, int] = {}
    others: set[str] = set()
    for raw in items:
        for name, value in raw.values.items():
            if (looks_like_energy(name) or name == wanted.energy) and as_number(value) is not None:
                energies.setdefault(name, [])
            elif (looks_like_forces(name) or name == wanted.forces) and as_forces(value, len(raw.atoms)) is not None:
                forces[name] = forces.get(name, 0) + 1
            elif (looks_like_energy(name) or looks_like_forces(name)) and _is_data(value):
                others.add(name)
    for name, column in energies.items():
        column += [_number(raw.values.get(name)) for raw in items]
    choice = choose(energies, forces, others - energies.keys() - forces.keys(), wanted)
    if choice.remark:
        contents.remarks.append(choice.remark)
    lacking = sum(not np.isfinite(value) for value in energies.get(choice.energy or "", ()))
    if lacking:
        contents.remarks.append(f"{choice.energy} is missing or no number in {lacking} of {len(items)} structures")
    for raw in items:
        try:
            record = _record(raw, choice.energy, choice.forces)
        except InputError as error:
            contents.aside.append((raw.where, str(error)))
            continue
        contents.keep(record, raw.where)
    return contents


def _record(raw: Raw, energy_name: str | None, forces_name: str | None) -> Record:
    """InputError where a unit, a charge, a multiplicity or an energy makes no sense."""
    units = declared_units(raw.values, raw.units, energy_name, forces_name)
    positions = raw.atoms.positions * ANGSTROM_PER[units.length or "Å"]
    charge, multiplicity = _electrons(raw)
    energy = _number(raw.values.get(energy_name)) if energy_name else np.nan
    forces = as_forces(raw.values.get(forces_name), len(raw.atoms)) if forces_name else None
    forces_unit: str | None = None
    if forces is not None:
        forces_unit, length = units.forces or (units.energy, units.length or "Å")
        forces = forces / ANGSTROM_PER[length]
    return Record(
        Atoms(raw.atoms.numbers, positions, pbc=raw.atoms.pbc),
        energy if np.isfinite(energy) else np.nan,
        forces,
        units.energy,
        forces_unit,
        charge,
        multiplicity,
        _level(raw.values),
        _scf_state(raw.values),
        raw.index,
    )


def declared_units(
    values: Mapping[str, object], units: Mapping[str, str], energy_name: str | None, forces_name: str | None
) -> Units:
    """The units that a structure's values ("energy_unit=Hartree") or its source's metadata declare.

    values : named values. units : units by the name of what they are units of, and of "positions".
    energy_name, forces_name : the columns read.

    Raises
    ------
    InputError : a unit that isn't known, or one that could be meant for several quantities.
    """
    energy, length, forces = units.get(energy_name or ""), units.get("positions"), units.get(forces_name or "")
    for name, value in values.items():
        found = set(words(name))
        if not found & UNIT_WORDS and name not in ("e_unit", "r_unit", "f_unit"):
            continue
        if not isinstance(value, str):
            continue
        what = found - UNIT_WORDS
        if what & FORCE_WORDS:
            forces = value
        elif what & LENGTH_WORDS:
            length = value
        elif what & ENERGY_WORDS or name == "unit":
            energy = value
        elif name.lower() in ("units", "unit"):
            energy, length = _of_everything(value, energy, length)
    return Units(
        None if energy is None else check_unit(energy),
        None if length is None else check_length_unit(length),
        None if forces is None else force_unit(forces),
    )


def _of_everything(value: str, energy: str | None, length: str | None) -> tuple[str | None, str | None]:
    """What "units=..." says: of the energies, of the lengths; "au" says neither."""
    text = value.strip().lower()
    if text in ("metal", "ase"):
        return "eV", "Å"
    if text in ("au", "a.u.", "atomic"):
        raise InputError(f"units={value} leaves open whether lengths are meant; give energy_unit and length_unit")
    try:
        return check_unit(value), length
    except InputError:
        return energy, check_length_unit(value)


def _electrons(raw: Raw) -> tuple[int | None, int | None]:
    """Charge, e, and multiplicity, as declared."""
    bare = raw.atoms.copy()
    bare.info = {
        name: value for name, value in raw.values.items() if not isinstance(value, np.ndarray) or value.size == 1
    }
    return declared_charge(bare), declared_multiplicity(bare)


def _level(values: Mapping[str, object]) -> str | None:
    """The level of theory that a structure's values declare."""
    plain = {name.lower(): value.strip() for name, value in values.items() if isinstance(value, str)}
    plain = {name: value for name, value in plain.items() if value}
    for name in sorted(LEVEL_NAMES & plain.keys()):
        return None if plain[name] == UNKNOWN_LEVEL else plain[name]
    named = [next((plain[name] for name in names if name in plain), None) for names in (METHOD_NAMES, BASIS_NAMES)]
    told = [part for part in named if part is not None]
    if not told:
        return None
    more = sorted(f"{name.lower()}={values[name]}" for name in values if name.lower() in LEVEL_PARTS)
    return " ".join(["/".join(told), *more])


def _scf_state(values: Mapping[str, object]) -> bool | None:
    for name in ("scf_converged", "converged"):
        value = values.get(name)
        value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
        if isinstance(value, bool | np.bool_) or (isinstance(value, int) and value in (0, 1)):
            return bool(value)
    return None


def _number(value: object) -> float:
    found = as_number(value)
    return np.nan if found is None else found


def _is_data(value: object) -> bool:
    """Whether a value is a number or an array of some, and not a word or a flag."""
    if isinstance(value, np.ndarray):
        return value.size > 0 and value.dtype.kind in "iufc"
    return as_number(value) is not None or (isinstance(value, str) and _starts_with_number(value))


def _starts_with_number(text: str) -> bool:
    try:
        float(text.split()[0])
    except (ValueError, IndexError):
        return False
    return True
