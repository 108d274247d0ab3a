"""CCSD(T) of small clusters, where density functionals disagree on the order of isomers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Hartree

from iia_calc.labels.dft import gpu
from iia_calc.labels.dft.electronic import lowest_solution
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LabelFailed
from search.errors import InputError

NAME = "CCSD(T)"
LARGEST = 8
"""Atoms: beyond, a calculation takes days."""
T1 = 0.02
"""T1 diagnostic above which one determinant describes a state badly (Int. J. Quantum Chem. 1989, S23, 199)."""
FLOPS = 4e9
"""Floating-point operations a second on one core, to estimate the time."""


def check_coupled_cluster(functionals: Sequence[str], formula: str, n_atoms: int) -> None:
    """Raise an InputError where CCSD(T) is among `functionals` and the cluster is too large for it."""
    if NAME in functionals and n_atoms > LARGEST:
        raise InputError(
            f"{NAME}: of at most {LARGEST} atoms, and {formula} has {n_atoms}; leave it out of --functionals"
        )


def reference_level(level: DFTLevel) -> DFTLevel:
    """Hartree-Fock in the basis of `level`, without density fitting."""
    return level.but(functional="HF", density_fit=False)


def coupled_cluster(level: DFTLevel, atoms: Atoms, multiplicity: int) -> dict[str, Any]:
    """CCSD(T) with frozen cores from the lowest stable Hartree-Fock solution: energy, eV, and T1 diagnostic.

    level : as `reference_level` gives it.

    Raises
    ------
    LabelFailed : Hartree-Fock or CCSD did not converge.
    """
    from pyscf import cc

    mean_field, _ = lowest_solution(level, atoms, multiplicity, True, None, True)
    solver = cc.CCSD(gpu.to_cpu(mean_field).to_hf()).set_frozen()
    solver.verbose, solver.max_cycle = 0, 100
    solver.kernel()
    if not solver.converged:
        raise LabelFailed(f"{NAME}/{level.basis} on {atoms.get_chemical_formula()}: CCSD did not converge")
    energy = float(solver.e_tot + solver.ccsd_t())
    one = isinstance(solver.t1, np.ndarray)
    amplitudes = [solver.t1, solver.t1] if one else list(solver.t1)  # [n_occupied, n_empty] of each spin
    electrons = sum(part.shape[0] for part in amplitudes)
    t1 = float(np.sqrt(sum((part**2).sum() for part in amplitudes) / (2 * electrons)))
    return {"energy": energy * Hartree, "t1": t1}


def coupled_cluster_seconds(atoms: Atoms, n_functions: int) -> float:
    """About how long it takes on one core: the triples, and fifteen cycles of CCSD."""
    pairs, empty = _orbitals(atoms, n_functions)
    return float((2 * pairs**3 * empty**4 + 15 * pairs**2 * empty**4) / FLOPS)


def coupled_cluster_gigabytes(atoms: Atoms, n_functions: int) -> float:
    """About how much memory it takes: the integrals of empty orbitals, three kinds of them where spins are unpaired.

    Beyond 4 GB PySCF keeps them in a temporary file.
    """
    empty = _orbitals(atoms, n_functions)[1]
    kinds = 3 if int(atoms.numbers.sum()) % 2 else 1
    return float(0.3 + kinds * 8e-9 * (empty * (empty + 1) / 2) ** 2)


def _orbitals(atoms: Atoms, n_functions: int) -> tuple[float, float]:
    """Filled orbitals that are correlated (half ones where a spin is unpaired), and empty ones."""
    from pyscf.data.elements import chemcore_atm

    cores = sum(int(chemcore_atm[number]) for number in atoms.numbers)  # frozen orbitals
    pairs = float(atoms.numbers.sum()) / 2 - cores
    return pairs, n_functions - cores - pairs
