"""DFT labels through PySCF: charge, spin, functional and basis explicit; what did not converge is never a label."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree

from iia_calc.labels.level import Label, LabelFailed, multiplicity_of

_GROUND_STATE_MULTIPLICITY = {  # of free atoms (Hund), for the element reference energies
    "H": 2, "He": 1, "Li": 2, "Be": 1, "B": 2, "C": 3, "N": 4, "O": 3, "F": 2, "Ne": 1, "Na": 2, "Mg": 1,
    "Al": 2, "Si": 3, "P": 4, "S": 3, "Cl": 2, "Ar": 1, "Ga": 2, "Ge": 3, "As": 4, "Se": 3, "Br": 2, "Kr": 1,
}  # fmt: skip


@dataclass(frozen=True)
class DFTLevel:
    """Kohn-Sham DFT; by default the level of the SchNet-IIA paper, PBE0/3-21G, no dispersion.

    Even electron counts are restricted singlets unless `multiplicity` says otherwise, odd ones
    unrestricted doublets.

    grid_level : PySCF's. Level 1 differs from level 3 by 0.1 mHa in energy and 15 meV/Å in forces
        on SeB8..SeB16 and takes half the time.
    density_fit : Coulomb and exchange by density fitting (0.35 mHa on SeB16).
    """

    functional: str = "PBE0"
    basis: str = "3-21G"
    charge: int = 0
    multiplicity: int | None = None
    density_fit: bool = True
    grid_level: int = 1
    conv_tol: float = 1e-7
    max_cycle: int = 60
    threads: int | None = None
    _last: dict = field(default_factory=dict, compare=False, repr=False)

    @property
    def name(self) -> str:
        spin = "lowest multiplicity" if self.multiplicity is None else f"multiplicity {self.multiplicity}"
        fitted = ", density fitting" if self.density_fit else ""
        return f"{self.functional}/{self.basis}{fitted}, grid {self.grid_level}, charge {self.charge}, {spin}"

    def label(self, atoms: Atoms) -> Label:
        """Energy and forces.

        A structure close to the one before it (a relaxation) starts from its density.

        Raises
        ------
        LabelFailed : no SCF attempt converged, or the energy is above what any bound or
            torn-apart cluster can have (the mark of a failed SCF solution).
        """
        multiplicity = multiplicity_of(atoms, self.charge, self.multiplicity)
        mean_field = self._converge(atoms, multiplicity, self._guess(atoms))
        energy = float(mean_field.e_tot) * Hartree
        free = sum(self.element_energy(symbol) for symbol in atoms.get_chemical_symbols())
        if self.charge == 0 and energy > free + 3.0 * len(atoms):
            raise LabelFailed(
                f"{self.name} on {atoms.get_chemical_formula()}: {(energy - free) / len(atoms):.1f} eV/atom above "
                "the free atoms, so the SCF solution is not the ground state"
            )
        gradient = mean_field.nuc_grad_method()
        gradient.verbose = 0
        forces = -np.asarray(gradient.kernel()) * Hartree / Bohr
        if not np.isfinite(forces).all():
            raise LabelFailed(f"{self.name} on {atoms.get_chemical_formula()}: forces are not finite")
        self._last.update(
            numbers=atoms.numbers.copy(), positions=atoms.positions.copy(), density=mean_field.make_rdm1()
        )
        return Label(energy, forces)

    def element_energy(self, symbol: str) -> float:
        """Energy, eV, of the free atom in its ground state (Hund's multiplicity)."""
        return _atom_energy(self.functional, self.basis, self.density_fit, self.grid_level, symbol)

    def _guess(self, atoms: Atoms):
        last = self._last
        if not last or not np.array_equal(last["numbers"], atoms.numbers):
            return None
        moved = np.sqrt(((last["positions"] - atoms.positions) ** 2).sum(1).mean())
        return last["density"] if moved < 0.25 else None

    def _converge(self, atoms: Atoms, multiplicity: int, guess):
        """The converged mean field: plain, then another guess with level shift, then second order."""
        mean_field = self.mean_field(atoms, multiplicity)
        mean_field.kernel(dm0=guess)
        if mean_field.converged:
            return mean_field
        shifted = self.mean_field(atoms, multiplicity)
        shifted.init_guess, shifted.level_shift, shifted.damp, shifted.max_cycle = (
            "huckel",
            0.25,
            0.3,
            2 * self.max_cycle,
        )
        shifted.kernel()
        best = min((m for m in (mean_field, shifted)), key=lambda m: m.e_tot)
        if shifted.converged and best is shifted:
            # The shift may have led past the minimum: confirm without it.
            mean_field.kernel(dm0=shifted.make_rdm1())
            if mean_field.converged:
                return mean_field
        second_order = self.mean_field(atoms, multiplicity).newton()
        second_order.verbose, second_order.max_cycle = 0, 30
        second_order.kernel(best.mo_coeff, best.mo_occ)
        if not second_order.converged:
            raise LabelFailed(f"{self.name} on {atoms.get_chemical_formula()}: SCF not converged")
        plain = self.mean_field(atoms, multiplicity)
        plain.kernel(dm0=second_order.make_rdm1())
        if not plain.converged:
            raise LabelFailed(f"{self.name} on {atoms.get_chemical_formula()}: SCF not converged")
        return plain

    def mean_field(self, atoms: Atoms, multiplicity: int):
        """PySCF's RKS or UKS object for `atoms`, ready to run."""
        try:
            from pyscf import dft, gto, lib
        except ImportError as error:
            raise ImportError("DFT labels need PySCF: pip install 'schnet-iia[dft]'") from error
        if self.threads:
            lib.num_threads(self.threads)
        molecule = gto.M(
            atom=list(zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)),
            basis=self.basis, charge=self.charge, spin=multiplicity - 1, unit="Angstrom", verbose=0,
        )  # fmt: skip
        mean_field = (dft.RKS if multiplicity == 1 else dft.UKS)(molecule, xc=self.functional)
        if self.density_fit:
            mean_field = mean_field.density_fit()
        mean_field.grids.level = self.grid_level
        mean_field.conv_tol, mean_field.max_cycle = self.conv_tol, self.max_cycle
        return mean_field


@cache
def _atom_energy(functional: str, basis: str, density_fit: bool, grid_level: int, symbol: str) -> float:
    if symbol not in _GROUND_STATE_MULTIPLICITY:
        raise ValueError(
            f"the ground-state multiplicity of {symbol} is not tabulated here; "
            f"known: {', '.join(_GROUND_STATE_MULTIPLICITY)}"
        )
    level = DFTLevel(functional, basis, density_fit=density_fit, grid_level=grid_level)
    return float(level._converge(Atoms(symbol), _GROUND_STATE_MULTIPLICITY[symbol], None).e_tot) * Hartree
