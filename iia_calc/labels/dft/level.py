"""DFT labels through PySCF: charge, spin, functional and basis explicit; what did not converge is never a label."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree

from iia_calc.labels.dft import gpu as gpus
from iia_calc.labels.dft.pyscf_import import import_pyscf
from iia_calc.labels.level import HessianUnavailable, Label, LabelFailed, multiplicity_of
from search.errors import InputError, MissingPackage

if TYPE_CHECKING:
    from iia_calc.labels.dft.electronic import ElectronicState

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
class DFTLevel:
    """Kohn-Sham DFT; by default the level of the SchNet-IIA paper, PBE0/3-21G, no dispersion.

    Even electron counts are restricted singlets unless `multiplicity` says otherwise, odd ones
    unrestricted doublets. Solutions are tested for instabilities, which are followed down, though
    restricted ones stay restricted: without it nearby structures get different states.

    grid_level : PySCF's. Level 1 differs from level 3 by 0.1 mHa in energy and 15 meV/Å in forces
        on SeB8..SeB16 and takes half the time.
    density_fit : Coulomb and exchange by density fitting (0.35 mHa on SeB16).
    gpu : None for gpu4pyscf where it is installed and a GPU is there, False for the CPU.
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
    gpu: bool | None = None
    _last: dict = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.gpu and not gpus.available():
            raise InputError("a GPU was asked for, but gpu4pyscf isn't installed or CUDA sees no device; take gpu=None")

    def but(self, **changes: Any) -> DFTLevel:
        """This level with other settings, and without the density kept for the next structure."""
        return replace(self, _last={}, **changes)

    @property
    def name(self) -> str:
        spin = "lowest multiplicity" if self.multiplicity is None else f"multiplicity {self.multiplicity}"
        fitted = ", density fitting" if self.density_fit else ""
        return f"{self.functional}/{self.basis}{fitted}, grid {self.grid_level}, charge {self.charge}, {spin}"

    def label(self, atoms: Atoms) -> Label:
        """Energy and forces.

        A structure close to the one before it (a relaxation) starts from its density, and then its solution
        isn't tested again ("carried").

        Raises
        ------
        LabelFailed : no SCF attempt converged, or the energy is above what any bound or
            torn-apart cluster can have (the mark of a failed SCF solution).
        """
        energy, mean_field, stability = self._ground_state(atoms, self._guess(atoms))
        forces = self._forces(atoms, mean_field)
        self._last.update(
            numbers=atoms.numbers.copy(),
            positions=atoms.positions.copy(),
            density=gpus.to_numpy(mean_field.make_rdm1()),
        )
        return Label(energy, forces, stability)

    def label_again(self, atoms: Atoms, known: Label) -> Label:
        """The label of `atoms`, whose `known` one is kept where its energy is the same, or lower.

        Forces are computed only where a lower solution is found.

        Raises
        ------
        LabelFailed : as `label`.
        """
        from iia_calc.labels.dft.electronic import ALREADY_LOWER, FOLLOWED, STABLE

        energy, mean_field, stability = self._ground_state(atoms)
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
        return self._ground_state(atoms, self._guess(atoms))[0]

    def _ground_state(self, atoms: Atoms, guess: np.ndarray | None = None) -> tuple[float, Any, str]:
        """Energy, eV, the converged mean field, and its stability, which isn't tested where there is a guess."""
        from iia_calc.labels.dft.electronic import CARRIED, stabilised

        multiplicity = multiplicity_of(atoms, self.charge, self.multiplicity)
        mean_field, stability = self.converged(atoms, multiplicity, guess), CARRIED
        if guess is None:
            lower, stability = stabilised(self, atoms, multiplicity, mean_field, part_spins=False)
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
        start: DFTLevel | None = None,
        check_start: bool = True,
    ) -> ElectronicState:
        """Energy, ⟨S²⟩ and stability of the lowest SCF solution of `multiplicity`; see `labels.electronic`.

        start : a level in a smaller basis whose solution (stable where `check_start`) is the guess.
        """
        from iia_calc.labels.dft.electronic import electronic_state

        return electronic_state(self, atoms, multiplicity, check_stability, start, check_start)

    def hessian(self, atoms: Atoms) -> np.ndarray:
        """Analytic second derivatives [n_atoms, 3, n_atoms, 3], eV/Å².

        Raises
        ------
        HessianUnavailable : PySCF has none for this functional.
        LabelFailed : the SCF did not converge.
        """
        tight = self.but(conv_tol=min(self.conv_tol, 1e-9))
        multiplicity = multiplicity_of(atoms, self.charge, self.multiplicity)
        mean_field = tight.converged(atoms, multiplicity, self._guess(atoms))
        try:
            derivative = mean_field.Hessian()
            derivative.verbose = 0
            blocks = gpus.to_numpy(derivative.kernel())  # [n, n, 3, 3], Hartree/Bohr²
        except (NotImplementedError, AttributeError) as error:
            raise HessianUnavailable(f"{self.name}: {error}") from error
        return blocks.transpose(0, 2, 1, 3) * Hartree / Bohr**2

    def element_energy(self, symbol: str) -> float:
        """Energy, eV, of the free atom in its ground state (Hund's multiplicity)."""
        return _atom_energy(self.functional, self.basis, self.density_fit, self.grid_level, symbol)

    def _guess(self, atoms: Atoms):
        last = self._last
        if not last or not np.array_equal(last["numbers"], atoms.numbers):
            return None
        moved = np.sqrt(((last["positions"] - atoms.positions) ** 2).sum(1).mean())
        return last["density"] if moved < 0.25 else None

    def converged(self, atoms: Atoms, multiplicity: int, guess=None, unrestricted: bool = False):
        """The converged mean field: plain, then another guess with level shift, then second order.

        guess : density to start from, [n, n], or [2, n, n] where unrestricted.

        Raises
        ------
        LabelFailed : none of them converged.
        """
        mean_field = self.mean_field(atoms, multiplicity, unrestricted)
        mean_field.kernel(dm0=guess)
        if mean_field.converged:
            return mean_field
        shifted = self.mean_field(atoms, multiplicity, unrestricted)
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
        second_order = self.second_order(gpus.to_cpu(best), atoms, multiplicity, unrestricted)
        plain = self.mean_field(atoms, multiplicity, unrestricted)
        plain.kernel(dm0=second_order.make_rdm1())
        if not plain.converged:
            raise LabelFailed(f"{self.name} on {atoms.get_chemical_formula()}: SCF not converged")
        return plain

    def second_order(self, start, atoms: Atoms, multiplicity: int, unrestricted: bool = False):
        """The mean field converged by Newton steps from the orbitals of `start`, on the CPU.

        Raises
        ------
        LabelFailed : it did not converge.
        """
        mean_field = self.but(gpu=False).mean_field(atoms, multiplicity, unrestricted).newton()
        mean_field.verbose, mean_field.max_cycle = 0, 30
        mean_field.kernel(start.mo_coeff, start.mo_occ)
        if not mean_field.converged:
            raise LabelFailed(f"{self.name} on {atoms.get_chemical_formula()}: SCF not converged")
        return mean_field

    def mean_field(self, atoms: Atoms, multiplicity: int, unrestricted: bool = False):
        """PySCF's RKS or UKS object for `atoms`, ready to run; singlets are restricted unless `unrestricted`."""
        try:
            pyscf = import_pyscf()
        except ImportError as error:
            raise MissingPackage("DFT labels need PySCF: pip install 'schnet-iia[dft]'") from error
        if self.threads:
            pyscf.lib.num_threads(self.threads)
        molecule = pyscf.gto.M(
            atom=list(zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)),
            basis=self.basis,
            charge=self.charge,
            spin=multiplicity - 1,
            unit="Angstrom",
            verbose=0,
        )
        restricted = multiplicity == 1 and not unrestricted
        mean_field = (pyscf.dft.RKS if restricted else pyscf.dft.UKS)(molecule, xc=self.functional)
        if self.density_fit:
            mean_field = mean_field.density_fit()
        mean_field.grids.level = self.grid_level
        mean_field.conv_tol, mean_field.max_cycle = self.conv_tol, self.max_cycle
        return gpus.to_gpu(mean_field) if self.gpu is not False and gpus.available() else mean_field


@cache
def _atom_energy(functional: str, basis: str, density_fit: bool, grid_level: int, symbol: str) -> float:
    if symbol not in _GROUND_STATE_MULTIPLICITY:
        raise InputError(
            f"the ground-state multiplicity of {symbol} is not tabulated here; "
            f"known: {', '.join(_GROUND_STATE_MULTIPLICITY)}"
        )
    level = DFTLevel(functional, basis, density_fit=density_fit, grid_level=grid_level, gpu=False)
    return float(level.converged(Atoms(symbol), _GROUND_STATE_MULTIPLICITY[symbol]).e_tot) * Hartree
