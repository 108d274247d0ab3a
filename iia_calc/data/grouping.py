"""Records of a file as sets of one composition, charge, multiplicity and level of theory: what may be compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms

from iia_calc.data.arrays import Floats, Mask, Numbers
from iia_calc.data.records import Record
from iia_calc.data.sets import StructureSet, short_name
from iia_calc.data.units import EV_PER, UNITS, check_unit, has_size_of, is_auto, total_energy_range, unit_by_size
from search.errors import InputError

type Key = tuple[bytes, int | None, int | None, str, str, str]


def make_sets(
    records: Sequence[Record], source: Path, convention: str | None, unit: str, remarks: tuple[str, ...] = ()
) -> list[StructureSet]:
    """One set for each composition, charge, multiplicity, level of theory and declared unit; atoms ordered by element.

    Parameters
    ----------
    convention : unit of the energies in files of this kind that declare none; None where there is no convention.
    unit : what the user says, or "auto".
    remarks : on the source; the first set gets them.

    Raises
    ------
    InputError : there are no records, or nothing says the unit of the energies.
    """
    if not records:
        raise InputError(f"{source} holds no structures")
    groups: dict[Key, list[Record]] = defaultdict(list)
    for record in records:
        order = np.argsort(record.atoms.numbers, kind="stable")
        forces = None if record.forces is None else record.forces[order]
        turned = replace(record, atoms=record.atoms[order], forces=forces)
        declared = (record.level or "", record.unit or "", record.forces_unit or "")
        key = (turned.atoms.numbers.astype(np.int64).tobytes(), record.charge, record.multiplicity, *declared)
        groups[key].append(turned)
    sets = []
    for k, members in enumerate(groups.values()):
        built = _set_of(members, source, convention, unit, remarks if k == 0 else ())
        sets.append(built if len(groups) == 1 else replace(built, name=f"{built.name}:{_told_apart(built, groups)}"))
    return sets


def _set_of(
    members: Sequence[Record], source: Path, convention: str | None, unit: str, remarks: tuple[str, ...]
) -> StructureSet:
    first = members[0]
    numbers: Numbers = first.atoms.numbers.astype(np.int64)
    energies: Floats = np.array([record.energy for record in members], dtype=float)
    chosen, origin = choose_unit(source, numbers, energies, first.unit, convention, unit)
    forces = _forces_of(members, EV_PER[first.forces_unit or chosen] / EV_PER[chosen])
    told = any(record.converged is not None for record in members)
    converged: Mask | None = np.array([record.converged is not False for record in members]) if told else None
    return StructureSet(
        short_name(source),
        numbers,
        np.array([record.atoms.positions for record in members]),
        energies,
        chosen,
        source,
        forces=forces,
        converged=converged,
        indices=np.array([record.index for record in members]),
        labelled=first.unit or convention or (None if is_auto(unit) else check_unit(unit)),
        remarks=remarks,
        files=tuple(str(record.file) for record in members) if first.file is not None else (),
        charge=first.charge,
        multiplicity=first.multiplicity,
        level=first.level,
        unit_origin=origin,
    )


def _forces_of(members: Sequence[Record], factor: float) -> Floats | None:
    """[n, n_atoms, 3] times `factor`, NaN for structures without; None where none has any."""
    if all(record.forces is None for record in members):
        return None
    forces = np.full((len(members), len(members[0].atoms), 3), np.nan)
    for k, record in enumerate(members):
        if record.forces is not None:
            forces[k] = record.forces * factor
    return forces


def choose_unit(
    source: Path, numbers: Numbers, energies: Floats, declared: str | None, convention: str | None, unit: str
) -> tuple[str, str]:
    """The unit of energies [n] of the atoms `numbers` [n_atoms], and what it rests on (`sets.UNIT_ORIGINS`).

    The user's word counts first, then the size of the energies where it contradicts what the file says, then what
    the file declares, then the convention of its format.

    Raises
    ------
    InputError : nothing tells.
    """
    if not is_auto(unit):
        return check_unit(unit), "user"
    labelled = declared or convention
    if not np.isfinite(energies).any():
        return labelled or "eV", "none"
    if labelled is None or not has_size_of(labelled, numbers, energies):
        by_size = unit_by_size(numbers, energies)
        if by_size is not None:
            return by_size, "size"
    if declared is not None:
        return declared, "declared"
    if convention is not None:
        return convention, "format"
    low, high = total_energy_range(numbers)
    ranges = " or ".join(
        f"{-high * EV_PER['hartree'] / EV_PER[u]:.4g} to {-low * EV_PER['hartree'] / EV_PER[u]:.4g} {u}" for u in UNITS
    )
    raise InputError(
        f"{source}: the size of the energies (median {np.nanmedian(energies):.6g}) doesn't tell their unit, total "
        f"energies of these atoms are {ranges}; say hartree or eV"
    )


def _told_apart(built: StructureSet, groups: dict[Key, list[Record]]) -> str:
    """The formula, and what else tells a set from the others of its source."""
    same = [key for key, members in groups.items() if _formula(members[0]) == built.formula]
    parts = [built.formula]
    if len({key[1] for key in same}) > 1:
        parts.append(
            "charge unknown" if built.charge is None else f"charge {built.charge:+d}" if built.charge else "neutral"
        )
    if len({key[2] for key in same}) > 1:
        parts.append(f"multiplicity {built.multiplicity or 'unknown'}")
    if len({key[3] for key in same}) > 1:
        parts.append(built.level or "level unknown")
    if len({key[4] for key in same}) > 1:
        parts.append(built.unit)
    return ", ".join(parts)


def _formula(record: Record) -> str:
    from search.geometry.composition import Composition

    return Composition.parse(Atoms(record.atoms.numbers)).formula
