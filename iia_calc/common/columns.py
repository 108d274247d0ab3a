"""Energies and forces that structures bring along: under which name, in which unit, and what was left unused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from iia_calc.common.units import energy_in_ev, force_in_ev_per_angstrom, length_in_angstrom
from search.errors import InputError

SETS = (
    (("energy", "energies", "total_energy", "free_energy"), ("forces", "force")),
    (("ref_energy",), ("ref_forces",)),
    (("dft_energy",), ("dft_forces",)),
)
"""Names that are read, of energies and of their forces, in capitals or not; the first set with an energy counts."""
_LOOKS_LIKE_RESULT = re.compile(r"energ|force|hessian|gradient|^e$|^etot$|^toten$", re.IGNORECASE)
_NOT_A_LABEL = re.compile(r"unit|_std$|^relative_|max|_error$|^label_|interval", re.IGNORECASE)
_ENERGY_UNIT = ("energy_unit", "energy_units", "unit_energy", "units_energy")
_FORCES_UNIT = ("forces_unit", "force_unit", "forces_units", "force_units", "unit_forces", "units_forces")
_LENGTH_WORDS = ("length", "distance", "position", "positions", "pos", "coordinate", "coordinates", "coords")
_LENGTH_UNIT = tuple(name for word in _LENGTH_WORDS for name in (f"{word}_unit", f"{word}_units", f"unit_{word}"))
_OF_ALL = ("units", "unit")
"""Of energies or of lengths, as the unit itself says; "metal" is LAMMPS' word for Å and eV."""


@dataclass(frozen=True)
class Columns:
    """Energy and forces of one structure.

    Attributes
    ----------
    energy : eV; None where there is none. forces : [n_atoms, 3], eV/Å; None where there are none.
    energy_name, forces_name : where they were found; "" where they weren't.
    unused : names that look like energies or forces and were not used.
    """

    energy: float | None
    forces: np.ndarray | None
    energy_name: str = ""
    forces_name: str = ""
    unused: tuple[str, ...] = ()


def looks_like_result(name: str) -> bool:
    """Whether a column of this name speaks of an energy or a force."""
    return bool(_LOOKS_LIKE_RESULT.search(name))


def read_columns(atoms: Atoms) -> Columns:
    """Energy and forces of `atoms`: those of its calculator's results, else of `info` and per-atom columns.

    They are in eV and eV/Å, as ASE's files are, unless `info` declares another unit ("energy_unit",
    "forces_unit"). Forces of an energy in another unit are used only where their own unit is declared.

    Raises
    ------
    InputError : a declared unit is not known.
    """
    results: dict[str, Any] = {} if atoms.calc is None else dict(atoms.calc.results)
    per_atom = {name: values for name, values in atoms.arrays.items() if name not in ("numbers", "positions")}
    energy_unit, forces_unit = _find_unit(atoms.info, _ENERGY_UNIT), _find_unit(atoms.info, _FORCES_UNIT)
    energy_factor = _of_all(atoms.info)[0] if energy_unit is None else energy_in_ev(energy_unit)
    forces_factor = 1.0 if forces_unit is None else force_in_ev_per_angstrom(forces_unit)
    sets = [
        (
            _numbers({**atoms.info, **results}, energy_names),
            _vectors({**per_atom, **atoms.info, **results}, forces_names, len(atoms)),
        )
        for energy_names, forces_names in SETS
    ]
    energies, forces = next((s for s in sets if s[0]), next((s for s in sets if s[1]), ({}, {})))
    energy_name, forces_name = next(iter(energies), ""), next(iter(forces), "")
    if forces_unit is None and (energy_factor != 1.0 or declared_length(atoms.info) != 1.0):
        forces_name = ""
    there = [name for name in (*results, *atoms.info, *per_atom) if looks_like_result(name)]
    used = {energy_name, forces_name, "free_energy"}
    return Columns(
        energies[energy_name] * energy_factor if energy_name else None,
        forces[forces_name] * forces_factor if forces_name else None,
        energy_name,
        forces_name,
        tuple(dict.fromkeys(name for name in there if name not in used and not _NOT_A_LABEL.search(name))),
    )


def _numbers(source: dict[str, Any], names: tuple[str, ...]) -> dict[str, float]:
    """Finite single numbers by their name in `source`, in the order of `names`."""
    found = {}
    for name in _match_keys(source, names):
        value = np.asarray(source[name])
        if value.size == 1 and value.dtype.kind in "iuf" and np.isfinite(value).all():
            found[name] = float(value.reshape(-1)[0])
    return found


def _vectors(source: dict[str, Any], names: tuple[str, ...], n_atoms: int) -> dict[str, np.ndarray]:
    """Finite arrays [n_atoms, 3] by their name in `source`, in the order of `names`."""
    found = {}
    for name in _match_keys(source, names):
        value = np.asarray(source[name])
        if value.shape == (n_atoms, 3) and value.dtype.kind in "iuf" and np.isfinite(value).all():
            found[name] = value.astype(float)
    return found


def _match_keys(source: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    return [key for name in names for key in source if key.lower() == name]


def looks_like_unit(name: str) -> bool:
    """Whether a column of this name says a unit that is read here."""
    return name.lower() in (*_ENERGY_UNIT, *_FORCES_UNIT, *_LENGTH_UNIT, *_OF_ALL)


def declared_length(info: Mapping[str, Any]) -> float:
    """Å per unit of length that `info` declares ("length_unit", "units" where it is one of length); 1 without one.

    Raises
    ------
    InputError : a unit that isn't known, or that leaves open what it is of.
    """
    unit = _find_unit(info, _LENGTH_UNIT)
    return _of_all(info)[1] if unit is None else length_in_angstrom(unit)


def _of_all(info: Mapping[str, Any]) -> tuple[float, float]:
    """eV and Å per unit, as "units=..." says, which may speak of energies or of lengths."""
    unit = _find_unit(info, _OF_ALL)
    if unit is None or unit.strip().lower() in ("metal", "ase"):
        return 1.0, 1.0
    if unit.strip().lower().replace(".", "") in ("au", "atomic"):
        raise InputError(f"units={unit} leaves open whether lengths are meant; give energy_unit and length_unit")
    try:
        return energy_in_ev(unit), 1.0
    except InputError:
        pass
    try:
        return 1.0, length_in_angstrom(unit)
    except InputError:
        raise InputError(f"units={unit} is no unit of energy or of length that is known here") from None


def _find_unit(info: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key, unit in info.items():
        if str(key).lower() in keys and unit is not None:
            if not isinstance(unit, str):
                raise InputError(f'info["{key}"] is {unit!r}; it must be a unit, for example eV')
            return unit
    return None
