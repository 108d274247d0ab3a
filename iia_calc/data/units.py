"""Energy units at the border: what an energy's size says about its unit.

A total energy is nearly the sum of its atoms' energies (binding is some 0.01 % of it), and those are
known well enough from the charges alone: Thomas-Fermi theory with Scott's and Schwinger's terms,
E ≈ −0.7687 Z^(7/3) + Z²/2 − 0.2699 Z^(5/3) hartree (Englert and Schwinger, Phys. Rev. A 1985, 32, 26),
−24.3 for boron (PBE0/3-21G: −24.5) and −2398 for selenium (−2384). Hartree and eV are 27 apart, so
this decides. Elements beyond krypton mostly come with effective core potentials, which leave a part
of the energy out: anything up to the whole is taken as theirs.
"""

from __future__ import annotations

import numpy as np
from ase.units import Hartree

from search.errors import InputError

UNITS = ("hartree", "eV")
EV_PER = {"hartree": Hartree, "eV": 1.0}

TOLERANCE = 0.2
"""Share by which a total may miss the estimate: lithium's atom is 14 % off, those from boron on below 3 %."""
ALL_ELECTRON = 36
"""Largest charge whose core is taken as calculated."""


def total_energy_range(numbers: np.ndarray) -> tuple[float, float]:
    """Least and greatest magnitude, hartree, of a total energy of the atoms `numbers` [n_atoms]."""
    z = np.asarray(numbers, dtype=float)
    atoms = 0.768745 * z ** (7 / 3) - 0.5 * z**2 + 0.2699 * z ** (5 / 3)  # [n_atoms], hartree
    return (1.0 - TOLERANCE) * float(atoms[z <= ALL_ELECTRON].sum()), (1.0 + TOLERANCE) * float(atoms.sum())


def unit_by_size(numbers: np.ndarray, energies: np.ndarray) -> str | None:
    """Hartree or eV, where total energies [n] of one composition have the size of one and not of the other.

    None where they have neither's (binding energies, tight binding, pseudopotentials) or could have both's.
    """
    finite = np.asarray(energies, dtype=float)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return None
    size = -float(np.median(finite))
    low, high = total_energy_range(numbers)
    fitting = [unit for unit in UNITS if low <= size * EV_PER[unit] / Hartree <= high]
    return fitting[0] if len(fitting) == 1 else None


def check_unit(unit: str) -> str:
    """`unit` as one of `UNITS`, however it is written.

    Raises
    ------
    ValueError : another unit.
    """
    known = {"hartree": "hartree", "ha": "hartree", "eh": "hartree", "a.u.": "hartree", "au": "hartree", "ev": "eV"}
    try:
        return known[unit.strip().lower()]
    except (KeyError, AttributeError):
        raise InputError(f"the energy unit is {unit!r}; it must be hartree or eV") from None
