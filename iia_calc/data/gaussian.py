"""Gaussian logs: ASE reads geometries, energies and forces; what it leaves out (did the SCF converge?) is read here.

Gaussian prints a line "Convergence criterion not met" before the "SCF Done" of an SCF that failed, and
that energy looks like any other. Forces refer to the input orientation; where a log has only the
standard orientation (turned, unless symmetry was off), its forces don't belong to its positions and
are left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from ase.units import Hartree

from search.errors import InputError

GEOMETRIES = ("first", "last")
SUFFIXES = (".log", ".out")

_DONE = re.compile(r"^\s*SCF Done:.*?=\s*(-?\d+\.\d+(?:[DE][-+]?\d+)?)")
_FAILED = ("Convergence criterion not met", "Convergence failure")


@dataclass(frozen=True)
class GaussianGeometry:
    """One geometry of a log.

    Attributes
    ----------
    atoms : numbers and positions, Å.
    energy : of its SCF, hartree.
    forces : [n_atoms, 3], hartree/Å; None where the log prints none in the frame of the positions.
    converged : whether the SCF converged.
    optimised : whether Gaussian called it a stationary point.
    ended : whether the log ends with "Normal termination".
    """

    atoms: Atoms
    energy: float
    forces: np.ndarray | None
    converged: bool
    optimised: bool
    ended: bool


def read_gaussian(path: str | Path, geometry: str = "last") -> GaussianGeometry:
    """The first or the last geometry of a log that has an SCF energy.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : not a Gaussian log, no geometry, or no SCF energy; or `geometry` is neither first nor last.
    """
    if geometry not in GEOMETRIES:
        raise InputError(f"geometry is {geometry!r}; it must be {' or '.join(GEOMETRIES)}")
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    text = path.read_text(encoding="utf-8", errors="replace")
    scf = _scf_energies(text)
    if not scf:
        what = "" if "Gaussian" in text else " and is perhaps no Gaussian log"
        raise InputError(f"{path} has no SCF energy (a line 'SCF Done'){what}; give a log of a finished SCF")
    try:
        frames = read(path, index=":", format="gaussian-out")
    except Exception as error:  # ASE's parser raises anything on a log cut short
        raise InputError(f"{path} can't be read as a Gaussian log: {type(error).__name__}: {error}") from error
    with_energy = [atoms for atoms in frames if atoms.calc.results.get("energy") is not None]
    if not with_energy:
        raise InputError(f"{path} has no geometry with an SCF energy; its route must not switch geometries off (#P)")
    atoms = with_energy[0 if geometry == "first" else -1]
    energy = atoms.calc.results["energy"] / Hartree
    forces = atoms.calc.results.get("forces")
    if forces is None or len(forces) != len(atoms) or "Input orientation:" not in text:
        forces = None
    return GaussianGeometry(
        Atoms(atoms.numbers, atoms.positions),
        energy,
        None if forces is None else np.asarray(forces) / Hartree,
        all(converged for value, converged in scf if abs(value - energy) < 1e-6),
        geometry == "last" and "Stationary point found" in text,
        "Normal termination" in text[-2000:],
    )


def _scf_energies(text: str) -> list[tuple[float, bool]]:
    """Energy, hartree, and whether it converged, of every SCF of the log, in order."""
    found, failed = [], False
    for line in text.splitlines():
        match = _DONE.match(line)
        if match:
            found.append((float(match[1].replace("D", "e")), not failed))
            failed = False
        elif _FAILED[0] in line:
            failed = True
        elif _FAILED[1] in line and found:  # printed after the energy
            found[-1] = (found[-1][0], False)
    return found
