"""How PySCF's mean field of one structure is set up and converged: functional, basis, grid, charge, thresholds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from ase import Atoms

from iia_calc.labels.dft import gpu as gpus
from iia_calc.labels.dft.pyscf_import import import_pyscf
from iia_calc.labels.level import LabelFailed
from search.errors import InputError, MissingPackage

CONV_TOL, MAX_CYCLE = 1e-7, 60
"""Hartree, and SCF cycles, of a level whose name says nothing of them."""


@dataclass(frozen=True)
class SCFMethod:
    """A Kohn-Sham method and its thresholds: all that changes a number, and where it is computed.

    Attributes
    ----------
    functional, basis : as PySCF knows them. charge : e.
    multiplicity : 2S+1; None for the lowest that the electrons allow.
    density_fit : Coulomb and exchange by density fitting (0.35 mHa on SeB16).
    grid_level : PySCF's. Level 1 differs from level 3 by 0.1 mHa in energy and 15 meV/Å in forces
        on SeB8..SeB16 and takes half the time.
    conv_tol : Hartree, of the SCF's energy. max_cycle : of a plain SCF.
    follow : instabilities of a label's SCF solution are followed down.
    threads : of PySCF; None leaves them as they are. They change no number, nor does the GPU.
    gpu : None for gpu4pyscf where it is installed and a GPU is there, False for the CPU.

    Raises
    ------
    InputError : a GPU is asked for where there is none.
    """

    functional: str = "PBE0"
    basis: str = "3-21G"
    charge: int = 0
    multiplicity: int | None = None
    density_fit: bool = True
    grid_level: int = 1
    conv_tol: float = CONV_TOL
    max_cycle: int = MAX_CYCLE
    threads: int | None = None
    gpu: bool | None = None
    follow: bool = True

    def __post_init__(self) -> None:
        if self.gpu and not gpus.available():
            raise InputError("a GPU was asked for, but gpu4pyscf isn't installed or CUDA sees no device; take gpu=None")

    def but(self, **changes: Any) -> Self:
        """This method with other settings."""
        return replace(self, **changes)

    @property
    def name(self) -> str:
        """All settings that change a number; those of `CONV_TOL` and `MAX_CYCLE` are left out."""
        spin = "lowest multiplicity" if self.multiplicity is None else f"multiplicity {self.multiplicity}"
        fitted = ", density fitting" if self.density_fit else ""
        more = "" if self.conv_tol == CONV_TOL else f", conv_tol {self.conv_tol:g}"
        more += "" if self.max_cycle == MAX_CYCLE else f", max_cycle {self.max_cycle}"
        more += "" if self.follow else ", instabilities not followed"
        return f"{self.functional}/{self.basis}{fitted}, grid {self.grid_level}, charge {self.charge}, {spin}{more}"

    def converge(
        self, atoms: Atoms, multiplicity: int, guess: np.ndarray | None = None, unrestricted: bool = False
    ) -> Any:
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
        shifted.init_guess, shifted.max_cycle = "huckel", 2 * self.max_cycle
        shifted.level_shift, shifted.damp = 0.25, 0.3
        shifted.kernel()
        best = min((mean_field, shifted), key=lambda m: float(m.e_tot))
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

    def second_order(self, start: Any, atoms: Atoms, multiplicity: int, unrestricted: bool = False) -> Any:
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
        return mean_field.remove_soscf()

    def mean_field(self, atoms: Atoms, multiplicity: int, unrestricted: bool = False) -> Any:
        """PySCF's RKS or UKS object for `atoms`, ready to run; singlets are restricted unless `unrestricted`."""
        try:
            pyscf = import_pyscf()
        except ImportError as error:
            raise MissingPackage("DFT labels need PySCF: pip install '.[dft]' in the folder of SchNet-IIA") from error
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
