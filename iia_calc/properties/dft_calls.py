"""What DFT computes for properties: functions of a module, all by position, so that a worker process can run them."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Bohr

from iia_calc.confirm.vibrations import central_differences, hessian_as_plain
from iia_calc.labels.dft import gpu
from iia_calc.labels.dft.electronic import lowest_solution
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import HessianUnavailable, LabelFailed, multiplicity_of
from iia_calc.properties.electronic import DEBYE, analyse, dipole_moment
from iia_calc.properties.infrared import displace

TIGHT = 1e-9
"""Hartree: convergence of SCFs whose small differences count."""

_REFERENCE: dict[tuple[str, bytes, bytes], np.ndarray] = {}
"""Density of the last structure whose displaced copies were asked for: their SCFs start from it, in its state."""


def hessian_of(level: DFTLevel, atoms: Atoms) -> dict[str, Any]:
    """Second derivatives as `hessian_as_plain` stores them: analytic, or by differences where there are none.

    Raises
    ------
    LabelFailed : an SCF did not converge.
    """
    try:
        return hessian_as_plain(level.hessian(atoms), "analytic")
    except HessianUnavailable:
        tight = level.but(conv_tol=min(level.conv_tol, TIGHT))
        found = central_differences(atoms, lambda _atom, _axis, _sign, moved: tight.label(moved).forces)
        return hessian_as_plain(found, "central differences")


def displaced_dipole(level: DFTLevel, atoms: Atoms, atom: int, axis: int, sign: int) -> dict[str, Any]:
    """Dipole, e·Å, where one atom is displaced, the SCF started from the solution of `atoms` itself.

    Raises
    ------
    LabelFailed : an SCF did not converge.
    """
    tight = level.but(conv_tol=min(level.conv_tol, TIGHT))
    multiplicity = multiplicity_of(atoms, level.charge, level.multiplicity)
    key = (tight.name, atoms.numbers.tobytes(), atoms.positions.tobytes())
    if key not in _REFERENCE:
        _REFERENCE.clear()
        _REFERENCE[key] = gpu.to_numpy(tight.solution(atoms)[1].make_rdm1())
    mean_field = tight.mean_field(displace(atoms, atom, axis, sign), multiplicity)
    mean_field.kernel(dm0=gpu.beside(mean_field, _REFERENCE[key]))
    if not mean_field.converged:
        raise LabelFailed(f"{level.name} on {atoms.get_chemical_formula()}: a displaced SCF did not converge")
    return {"dipole": (dipole_moment(gpu.to_cpu(mean_field)) / DEBYE * Bohr).tolist()}


def electronic_of(
    level: DFTLevel, atoms: Atoms, multiplicity: int, checked: bool, start: DFTLevel | None, symmetric: Atoms
) -> dict[str, Any]:
    """`ElectronicProperties` of the lowest solution, as plain data.

    start : a smaller basis that gives the guess. symmetric : the structure made symmetric.

    Raises
    ------
    LabelFailed : the SCF did not converge.
    """
    mean_field, stability = lowest_solution(level, atoms, multiplicity, checked, start, checked)
    return analyse(mean_field, level.but(multiplicity=multiplicity).name, stability, symmetric).as_plain()


def state_as_plain(level: DFTLevel, atoms: Atoms, multiplicity: int, start: DFTLevel | None) -> dict[str, Any]:
    """The lowest state of a multiplicity, tested for stability, as plain data. start : a smaller basis for the guess.

    Raises
    ------
    LabelFailed : the SCF did not converge.
    """
    return level.state(atoms, multiplicity, start=start).as_plain()
