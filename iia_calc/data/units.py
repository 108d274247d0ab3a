"""Units at the border: how files spell them, what they are worth, and what an energy's size says about its unit.

A total energy is nearly the sum of its atoms' energies (binding is some 0.01 % of it), and those are
known well enough from the charges alone: Thomas-Fermi theory with Scott's and Schwinger's terms,
E ≈ −0.7687 Z^(7/3) + Z²/2 − 0.2699 Z^(5/3) hartree (Englert and Schwinger, Phys. Rev. A 1985, 32, 26),
−24.3 for boron (PBE0/3-21G: −24.5) and −2398 for selenium (−2384). Hartree and eV are 27 apart, so
this decides. Elements beyond krypton mostly come with effective core potentials, which leave a part
of the energy out: anything up to the whole is taken as theirs.
"""

from __future__ import annotations

import numpy as np
from ase import units as ase_units

from iia_calc.data.arrays import Floats, Numbers
from search.errors import InputError

UNITS = ("hartree", "eV")
"""Units between which the size of an energy decides."""
EV_PER = {
    "hartree": ase_units.Hartree,
    "eV": 1.0,
    "meV": 1e-3,
    "rydberg": ase_units.Rydberg,
    "kcal/mol": ase_units.kcal / ase_units.mol,
    "kJ/mol": ase_units.kJ / ase_units.mol,
}
"""eV per unit of energy."""
ANGSTROM_PER = {"Å": 1.0, "bohr": ase_units.Bohr, "nm": ase_units.nm, "pm": 0.01}
"""Å per unit of length."""

ENERGY_SPELLINGS = {
    "hartree": ("hartree", "hartrees", "ha", "eh", "e_h", "a.u.", "au"),
    "eV": ("ev", "electronvolt", "electronvolts", "electron_volt"),
    "meV": ("mev",),
    "rydberg": ("rydberg", "ry"),
    "kcal/mol": ("kcal/mol", "kcal_per_mol", "kcal mol^-1", "kcal*mol^-1", "kcalmol"),
    "kJ/mol": ("kj/mol", "kj_per_mol", "kj mol^-1", "kj*mol^-1", "kjmol"),
}
LENGTH_SPELLINGS = {
    "Å": ("å", "ang", "angs", "angstrom", "angstroms", "a", "ångström", "\u212b"),
    "bohr": ("bohr", "bohrs", "a0", "a_0", "a.u.", "au"),
    "nm": ("nm", "nanometer", "nanometre"),
    "pm": ("pm", "picometer", "picometre"),
}
_ENERGIES = {spelling: unit for unit, spellings in ENERGY_SPELLINGS.items() for spelling in spellings}
_LENGTHS = {spelling: unit for unit, spellings in LENGTH_SPELLINGS.items() for spelling in spellings}

TOLERANCE = 0.2
"""Share by which a total may miss the estimate: lithium's atom is 14 % off, those from boron on below 3 %."""
ALL_ELECTRON = 36
"""Largest charge whose core is taken as calculated."""


def total_energy_range(numbers: Numbers) -> tuple[float, float]:
    """Least and greatest magnitude, hartree, of a total energy of the atoms `numbers` [n_atoms]."""
    z = np.asarray(numbers, dtype=float)
    atoms = 0.768745 * z ** (7 / 3) - 0.5 * z**2 + 0.2699 * z ** (5 / 3)  # [n_atoms], hartree
    return (1.0 - TOLERANCE) * float(atoms[z <= ALL_ELECTRON].sum()), (1.0 + TOLERANCE) * float(atoms.sum())


def unit_by_size(numbers: Numbers, energies: Floats) -> str | None:
    """Hartree or eV, where total energies [n] of one composition have the size of one and not of the other.

    None where they have neither's (binding energies, tight binding, pseudopotentials) or could have both's.
    """
    fitting = [unit for unit in UNITS if has_size_of(unit, numbers, energies)]
    return fitting[0] if len(fitting) == 1 else None


def has_size_of(unit: str, numbers: Numbers, energies: Floats) -> bool:
    """Whether energies [n], taken as `unit`, have the size of total energies of the atoms `numbers` [n_atoms]."""
    finite = np.asarray(energies, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return False
    low, high = total_energy_range(numbers)
    return low <= -float(np.median(finite)) * EV_PER[unit] / EV_PER["hartree"] <= high


def check_unit(unit: str) -> str:
    """The energy unit `unit` as one of `EV_PER`, however it is written.

    Raises
    ------
    InputError : another unit.
    """
    found = _ENERGIES.get(_plain(unit)) if isinstance(unit, str) else None
    if found is None:
        raise InputError(f"the energy unit is {unit!r}; it must be hartree or eV (meV, rydberg, kcal/mol, kJ/mol)")
    return found


def check_length_unit(unit: str) -> str:
    """The unit of length `unit` as one of `ANGSTROM_PER`, however it is written.

    Raises
    ------
    InputError : another unit.
    """
    found = _LENGTHS.get(_plain(unit)) if isinstance(unit, str) else None
    if found is None:
        raise InputError(f"the unit of length is {unit!r}; it must be Å, bohr, nm or pm")
    return found


def force_unit(unit: str) -> tuple[str, str]:
    """The units of energy and of length of a unit of force such as "Hartree/Bohr", "kcal/mol/Ang" or "eV/Å".

    Raises
    ------
    InputError : it isn't one of energy per length.
    """
    text = _plain(unit) if isinstance(unit, str) else ""
    energy, _, length = text.rpartition("/")
    if text in ("a.u.", "au"):
        return "hartree", "bohr"
    if energy not in _ENERGIES or length not in _LENGTHS:
        raise InputError(f"the unit of the forces is {unit!r}; it must be one of energy per length, such as eV/Å")
    return _ENERGIES[energy], _LENGTHS[length]


def is_auto(unit: str) -> bool:
    """Whether the file is to say the unit, and not the user.

    Raises
    ------
    InputError : neither "auto" nor a unit of energy.
    """
    if isinstance(unit, str) and unit.strip().lower() == "auto":
        return True
    check_unit(unit)
    return False


def _plain(unit: str) -> str:
    """Lower case, single blanks, none around slashes."""
    return "/".join(" ".join(part.split()) for part in unit.strip().lower().split("/"))
