"""The electronic state of one structure: multiplicity, ⟨S²⟩, and whether the SCF solution is a minimum.

A solution is tested against all real rotations of its orbitals, a restricted singlet against those
that part the spins too. Where one lowers the energy it is followed both ways, up to three times, and the
lower end is kept: with one way alone, neighbouring structures get now one solution, now the other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Hartree

from iia_calc.common.electrons import multiplicity_of
from iia_calc.labels.dft import gpu
from iia_calc.labels.dft.scf import SCFMethod
from iia_calc.labels.dft.stability import unstable_orbitals
from iia_calc.labels.level import FOLLOWED, STABLE, UNCHECKED, UNSTABLE, LabelFailed

LOWER = 1e-6
"""Hartree by which a followed instability must lower the energy."""


@dataclass(frozen=True)
class ElectronicState:
    """The lowest SCF solution found of one multiplicity.

    Attributes
    ----------
    level : name of the level of theory. basis : its basis.
    energy : eV. s_squared : ⟨S²⟩; None where restricted.
    stability : "stable", "instability followed" (and stable now), "unstable", "not checked".
    """

    level: str
    basis: str
    charge: int
    multiplicity: int
    energy: float
    restricted: bool
    s_squared: float | None
    stability: str

    @property
    def ideal_s_squared(self) -> float:
        """S(S+1)."""
        spin = 0.5 * (self.multiplicity - 1)
        return spin * (spin + 1.0)

    def as_plain(self) -> dict[str, Any]:
        """For JSON; energy in eV."""
        return {**asdict(self), "ideal_s_squared": self.ideal_s_squared}

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> ElectronicState:
        """Read what `as_plain` gave."""
        return ElectronicState(**{name: value for name, value in plain.items() if name != "ideal_s_squared"})


@dataclass(frozen=True)
class _Solution:
    """What is kept of a mean field, whose integrals are large; energy in Hartree."""

    molecule: Any
    density: np.ndarray  # [n_ao, n_ao], or [2, n_ao, n_ao] where unrestricted
    energy: float
    restricted: bool
    s_squared: float | None
    stability: str


_RECENT: dict[tuple[Any, ...], _Solution] = {}
"""Last solutions of this process: a larger basis starts from the smaller one's."""


def electronic_state(
    level: SCFMethod,
    atoms: Atoms,
    multiplicity: int,
    check_stability: bool = True,
    start: SCFMethod | None = None,
    check_start: bool = True,
) -> ElectronicState:
    """The lowest solution of `level` at `atoms`; `start` is a level in a smaller basis that gives the guess.

    Raises
    ------
    ValueError : the electrons don't allow the multiplicity.
    LabelFailed : the SCF did not converge.
    """
    multiplicity_of(atoms, level.charge, multiplicity)
    solution = _solve(level, atoms, multiplicity, check_stability, start, check_start)
    return ElectronicState(
        level.but(multiplicity=multiplicity).name,
        level.basis,
        level.charge,
        multiplicity,
        solution.energy * Hartree,
        solution.restricted,
        solution.s_squared,
        solution.stability,
    )


def next_multiplicity(atoms: Atoms, charge: int, multiplicity: int) -> int | None:
    """Two unpaired electrons more; None where there are not so many."""
    return multiplicity + 2 if multiplicity + 1 <= int(atoms.numbers.sum()) - charge else None


def _solve(
    level: SCFMethod, atoms: Atoms, multiplicity: int, checked: bool, start: SCFMethod | None, check_start: bool
) -> _Solution:
    key = (
        level.name,
        multiplicity,
        checked,
        check_start,
        atoms.numbers.tobytes(),
        atoms.positions.tobytes(),
    )
    if key in _RECENT:
        return _RECENT[key]
    mean_field, stability = lowest_solution(level, atoms, multiplicity, checked, start, check_start)
    restricted = np.ndim(mean_field.mo_occ) == 1
    s_squared = None if restricted else float(mean_field.spin_square()[0])
    density = np.asarray(mean_field.make_rdm1())
    solution = _Solution(mean_field.mol, density, float(mean_field.e_tot), restricted, s_squared, stability)
    while len(_RECENT) >= 4:
        _RECENT.pop(next(iter(_RECENT)))
    _RECENT[key] = solution
    return solution


def lowest_solution(
    level: SCFMethod,
    atoms: Atoms,
    multiplicity: int,
    check_stability: bool = True,
    start: SCFMethod | None = None,
    check_start: bool = True,
) -> tuple[Any, str]:
    """PySCF's mean field, on the CPU, of the solution that `electronic_state` tells, and its stability.

    Raises
    ------
    LabelFailed : the SCF did not converge.
    """
    guess, unrestricted = None, multiplicity > 1
    if start is not None:
        from pyscf.scf import addons

        below = _solve(start, atoms, multiplicity, check_start, None, True)
        unrestricted = not below.restricted
        larger = level.but(gpu=False).mean_field(atoms, multiplicity, unrestricted).mol
        guess = addons.project_dm_nr2nr(below.molecule, below.density, larger)
    mean_field, stability = level.converge(atoms, multiplicity, guess, unrestricted), UNCHECKED
    if check_stability:
        mean_field, stability = follow_instabilities(level, atoms, multiplicity, mean_field)
    return gpu.to_cpu(mean_field), stability


def follow_instabilities(
    level: SCFMethod, atoms: Atoms, multiplicity: int, mean_field: Any, part_spins: bool = True
) -> tuple[Any, str]:
    """The mean field that instabilities lead to; "unstable" where following them ends no lower.

    part_spins : False keeps a restricted solution restricted.
    """
    stability = STABLE
    for _ in range(3):
        rotated = unstable_orbitals(mean_field, part_spins)
        if rotated is None:
            return mean_field, stability
        ends = [_follow(level, atoms, multiplicity, orbitals, mean_field.e_tot) for orbitals in rotated]
        lower = min((end for end in ends if end is not None), key=lambda end: float(end.e_tot), default=None)
        if lower is None:
            return mean_field, UNSTABLE
        mean_field, stability = lower, FOLLOWED
        if part_spins and multiplicity == 1 and mean_field.spin_square()[0] < 1e-4:  # the spins came together again
            mean_field = level.converge(atoms, 1, mean_field.make_rdm1().sum(0))
    return mean_field, stability if unstable_orbitals(mean_field, part_spins) is None else UNSTABLE


def _follow(level: SCFMethod, atoms: Atoms, multiplicity: int, orbitals: np.ndarray, energy: float) -> Any:
    """The solution below `energy` (Hartree) that turned orbitals lead to; None where there is none.

    orbitals : [2, n_ao, n_mo], or [n_ao, n_mo] of a restricted solution that is to stay so.

    Plain SCF may fall back to where it came from; Newton steps don't.
    """
    unrestricted = orbitals.ndim == 3
    lower = level.mean_field(atoms, multiplicity, unrestricted)
    filled = np.array([np.arange(orbitals.shape[-1]) < count for count in lower.mol.nelec], dtype=float)
    lower.mo_coeff, lower.mo_occ = orbitals, filled if unrestricted else filled.sum(0)
    start = gpu.to_cpu(lower.copy())
    lower.kernel(dm0=start.make_rdm1())
    if lower.converged and lower.e_tot < energy - LOWER:
        return lower
    try:
        lower = level.second_order(start, atoms, multiplicity, unrestricted)
    except LabelFailed:
        return None
    return lower if lower.e_tot < energy - LOWER else None
