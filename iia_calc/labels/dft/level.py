"""DFT labels through PySCF: charge, spin, functional and basis explicit; what did not converge is never a label."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree

from iia_calc.common.electrons import multiplicity_of
from iia_calc.labels.dft import gpu as gpus
from iia_calc.labels.dft.electronic import ElectronicState, electronic_state, follow_instabilities
from iia_calc.labels.dft.scf import SCFMethod
from iia_calc.labels.level import (
    ALREADY_LOWER,
    FOLLOWED,
    STABLE,
    UNCHECKED,
    HessianUnavailable,
    Label,
    LabelFailed,
)
from search.errors import InputError

_GROUND_STATE_MULTIPLICITY = {  # of free atoms (Hund), for the element reference energies
    "H": 2,
    "He": 1,
    "Li": 2,
    "Be": 1,
    "B": 2,
    "C": 3,
    "N": 4,
    "O": 3,
    "F": 2,
    "Ne": 1,
    "Na": 2,
    "Mg": 1,
    "Al": 2,
    "Si": 3,
    "P": 4,
    "S": 3,
    "Cl": 2,
    "Ar": 1,
    "Ga": 2,
    "Ge": 3,
    "As": 4,
    "Se": 3,
    "Br": 2,
    "Kr": 1,
}

SAME_SOLUTION = 2e-3
"""eV within which two energies of one structure are of one SCF solution (the convergence's noise is 1e-4)."""


@dataclass(frozen=True)
class DFTLevel(SCFMethod):
    """Kohn-Sham DFT; by default the level of the SchNet-IIA paper, PBE0/3-21G, no dispersion.

    Even electron counts are restricted singlets unless `multiplicity` says otherwise, odd ones
    unrestricted doublets. Solutions are tested for instabilities, which are followed down, though
    restricted ones stay restricted: without it nearby structures get different states.

    A label depends on its structure and these settings alone: every SCF starts from PySCF's guess, whatever
    was computed before.
    """

    def label(self, atoms: Atoms) -> Label:
        """Energy and forces of `atoms`, and the stability of the SCF solution.

        Raises
        ------
        LabelFailed : no SCF attempt converged, or the energy is above what any bound or
            torn-apart cluster can have (the mark of a failed SCF solution).
        """
        energy, mean_field, stability = self.solution(atoms)
        return Label(energy, self._forces(atoms, mean_field), stability)

    def label_again(self, atoms: Atoms, known: Label) -> Label:
        """The label of `atoms`, whose `known` one is kept where its energy is the same, or lower.

        Forces are computed only where a lower solution is found.

        Raises
        ------
        LabelFailed : as `label`.
        """
        energy, mean_field, stability = self.solution(atoms)
        if energy < known.energy - SAME_SOLUTION:
            return Label(energy, self._forces(atoms, mean_field), stability)
        if energy > known.energy + SAME_SOLUTION:
            return known._replace(stability=ALREADY_LOWER)
        return known._replace(stability=STABLE if stability == FOLLOWED else stability)

    def _forces(self, atoms: Atoms, mean_field: Any) -> np.ndarray:
        gradient = mean_field.nuc_grad_method()
        gradient.verbose = 0
        forces = -gpus.to_numpy(gradient.kernel()) * Hartree / Bohr
        if not np.isfinite(forces).all():
            raise LabelFailed(f"{self.name} on {atoms.get_chemical_formula()}: forces are not finite")
        return forces

    def energy(self, atoms: Atoms) -> float:
        """Energy alone, eV, for about two thirds of a label's cost.

        Raises
        ------
        LabelFailed : as `label`.
        """
        return self.solution(atoms)[0]

    def solution(self, atoms: Atoms) -> tuple[float, Any, str]:
        """Energy, eV, of a label, PySCF's converged mean field, and its stability.

        Raises
        ------
        LabelFailed : as `label`.
        """
        multiplicity = multiplicity_of(atoms, self.charge, self.multiplicity)
        mean_field, stability = self.converge(atoms, multiplicity), UNCHECKED
        if self.follow:
            lower, stability = follow_instabilities(self, atoms, multiplicity, mean_field, part_spins=False)
            mean_field = lower if lower.e_tot < mean_field.e_tot else mean_field  # "unstable" ones may be lower too
        energy = float(mean_field.e_tot) * Hartree
        free = sum(self.element_energy(symbol) for symbol in atoms.get_chemical_symbols())
        if self.charge == 0 and energy > free + 3.0 * len(atoms):
            raise LabelFailed(
                f"{self.name} on {atoms.get_chemical_formula()}: {(energy - free) / len(atoms):.1f} eV/atom above "
                "the free atoms, so the SCF solution is not the ground state"
            )
        return energy, mean_field, stability

    def state(
        self,
        atoms: Atoms,
        multiplicity: int,
        *,
        check_stability: bool = True,
        start: SCFMethod | None = None,
        check_start: bool = True,
    ) -> ElectronicState:
        """Energy, ⟨S²⟩ and stability of the lowest SCF solution of `multiplicity`; see `electronic_state`.

        start : a level in a smaller basis whose solution (stable where `check_start`) is the guess.
        """
        return electronic_state(self, atoms, multiplicity, check_stability, start, check_start)

    def hessian(self, atoms: Atoms) -> np.ndarray:
        """Analytic second derivatives [n_atoms, 3, n_atoms, 3], eV/Å², of the SCF solution that labels have.

        Raises
        ------
        HessianUnavailable : PySCF has none for this functional.
        LabelFailed : the SCF did not converge.
        """
        _, mean_field, _ = self.but(conv_tol=min(self.conv_tol, 1e-9)).solution(atoms)
        try:
            derivative = mean_field.Hessian()
            derivative.verbose = 0
            blocks = gpus.to_numpy(derivative.kernel())  # [n, n, 3, 3], Hartree/Bohr²
        except (NotImplementedError, AttributeError) as error:
            raise HessianUnavailable(f"{self.name}: {error}") from error
        return blocks.transpose(0, 2, 1, 3) * Hartree / Bohr**2

    def element_energy(self, symbol: str) -> float:
        """Energy, eV, of the free atom in its ground state (Hund's multiplicity)."""
        return _atom_energy(
            SCFMethod(
                self.functional,
                self.basis,
                density_fit=self.density_fit,
                grid_level=self.grid_level,
                conv_tol=self.conv_tol,
                gpu=False,
            ),
            symbol,
        )


@cache
def _atom_energy(method: SCFMethod, symbol: str) -> float:
    if symbol not in _GROUND_STATE_MULTIPLICITY:
        raise InputError(
            f"the ground-state multiplicity of {symbol} is not tabulated here; "
            f"known: {', '.join(_GROUND_STATE_MULTIPLICITY)}"
        )
    return float(method.converge(Atoms(symbol), _GROUND_STATE_MULTIPLICITY[symbol]).e_tot) * Hartree
