"""What the metadata of an ASE database says of its rows: units, charge, multiplicity, level of theory.

SchNetPack keeps its properties in each row's `data` and their units in the metadata, `_property_unit_dict` and
`_distance_unit`; databases written here name theirs under `units`; others say `energy_unit` and `length_unit` there.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db.row import AtomsRow

from iia_calc.common.columns import looks_like_unit
from iia_calc.common.units import energy_in_ev, force_in_ev_per_angstrom, length_in_angstrom
from search.errors import InputError

SHARED = ("level", "level_of_theory", "theory", "charge", "total_charge", "multiplicity", "spin_multiplicity")
"""What metadata may say of all structures together; what a row says of itself counts more."""


def shared_values(metadata: Mapping[str, object]) -> dict[str, object]:
    """What the metadata says of each row: `SHARED`, and units of energies, lengths and forces in words."""
    return {
        name: value
        for name, value in metadata.items()
        if value is not None and (name in SHARED or (isinstance(value, str) and looks_like_unit(name)))
    }


def declared_units(metadata: Mapping[str, object]) -> dict[str, str]:
    """Units by the name of what they are units of; "positions" for the lengths.

    Raises
    ------
    InputError : the metadata says something else under SchNetPack's or this project's names of units.
    """
    units: dict[str, str] = {}
    for key in ("units", "_property_unit_dict"):
        named = metadata.get(key, {})
        if isinstance(named, str) and key == "units":
            continue  # of everything, one of `shared_values`
        if not isinstance(named, Mapping):
            raise InputError(f"metadata {key} is {named!r}; it must name the unit of each property")
        units |= {str(name): str(unit) for name, unit in named.items() if unit not in (None, "", 1)}
    length = metadata.get("_distance_unit", units.get("positions"))
    return units | ({"positions": str(length)} if length else {})


def row_atoms(row: AtomsRow, shared: Mapping[str, object], units: Mapping[str, str]) -> Atoms:
    """A row with all that it and the metadata say of it; what has a unit by name is in Å, eV and eV/Å.

    shared : as from `shared_values`. units : as from `declared_units`; units that the row itself says count more.

    Raises
    ------
    InputError : a unit of the energy, the forces or the lengths that isn't known.
    """
    atoms: Atoms = row.toatoms()
    if units or any(map(looks_like_unit, row.key_value_pairs)):
        shared = {name: value for name, value in shared.items() if not looks_like_unit(name)}
    by_name = {} if any(map(looks_like_unit, row.key_value_pairs)) else units
    atoms.info.update(shared)
    atoms.info.update(row.key_value_pairs)
    atoms.positions *= length_in_angstrom(by_name.get("positions", "Å"))
    results: dict[str, object] = {} if atoms.calc is None else dict(atoms.calc.results)
    for name, value in {**{str(key): value for key, value in row.data.items()}, **results}.items():
        column = _as_numbers(value)
        if column is None:
            continue
        factor = _factor(name, by_name.get(name))
        if factor is None:
            atoms.info[f"{name} ({by_name[name]})"] = column
            continue
        column = column * factor
        one: object = float(column.reshape(-1)[0]) if column.size == 1 else column
        if name in ("energy", "forces"):
            results[name] = one
        elif column.shape == (len(atoms), 3) and name not in atoms.arrays:
            atoms.arrays[name] = column
        elif name not in results:
            atoms.info[name] = one
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _as_numbers(value: object) -> np.ndarray | None:
    """An array of numbers; None for anything else."""
    if isinstance(value, bool | str) or value is None:
        return None
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return array.astype(float) if array.dtype.kind in "iuf" and array.size else None


def _factor(name: str, unit: str | None) -> float | None:
    """eV or eV/Å per unit; None where it is one of neither.

    Raises
    ------
    InputError : the energy's or the forces' isn't known.
    """
    if unit is None:
        return 1.0
    if name == "energy":
        return energy_in_ev(unit)
    if name == "forces":
        return force_in_ev_per_angstrom(unit)
    for convert in (energy_in_ev, force_in_ev_per_angstrom):
        try:
            return convert(unit)
        except InputError:
            continue
    return None
