"""GFN-xTB labels through tblite: a thousand a minute, to learn the shape of the surface before DFT corrects it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from ase import Atoms
from ase.units import Bohr, Hartree, kB

from iia_calc.common.electrons import multiplicity_of
from iia_calc.labels.level import Label, LabelFailed
from search.errors import InputError, MissingPackage, within

HOTTEST = 20_000.0
"""K, of electrons."""


@dataclass(frozen=True)
class XTBLevel:
    """GFN1- or GFN2-xTB (Grimme et al., J. Chem. Theory Comput. 2017, 13, 1989; 2019, 15, 1652).

    electronic_temperature : K. Random boron clusters have many near-degenerate frontier orbitals;
        at the usual 300 K a fifth of the SCCs of GFN2 fail, at 1500 K next to none.
    """

    method: str = "GFN1-xTB"
    electronic_temperature: float = 1500.0
    charge: int = 0
    multiplicity: int | None = None
    max_iterations: int = 150

    def __post_init__(self) -> None:
        if self.method not in ("GFN1-xTB", "GFN2-xTB"):
            raise InputError(f"xTB method {self.method!r} is not known; choose GFN1-xTB or GFN2-xTB")
        within("the electronic temperature", self.electronic_temperature, 0, HOTTEST, "K")

    @property
    def name(self) -> str:
        """Method, electronic temperature, charge and multiplicity in words."""
        spin = "lowest multiplicity" if self.multiplicity is None else f"multiplicity {self.multiplicity}"
        return f"{self.method}, Te {self.electronic_temperature:.12g} K, charge {self.charge}, {spin}"

    def label(self, atoms: Atoms) -> Label:
        """Energy and forces; raises LabelFailed where the SCC does not converge."""
        return self._single_point(atoms, multiplicity_of(atoms, self.charge, self.multiplicity), self.charge)

    def element_energy(self, symbol: str) -> float:
        """Energy of the free atom, eV."""
        return _atom_energy(self.method, self.electronic_temperature, symbol)

    def _single_point(self, atoms: Atoms, multiplicity: int, charge: int) -> Label:
        try:
            from tblite.interface import Calculator
        except ImportError as error:
            raise MissingPackage("xTB labels need tblite: pip install '.[xtb]' in the folder of SchNet-IIA") from error
        try:
            calculator = Calculator(self.method, atoms.numbers, atoms.positions / Bohr, float(charge), multiplicity - 1)
            calculator.set("verbosity", 0)
            calculator.set("max-iter", self.max_iterations)
            calculator.set("temperature", self.electronic_temperature * kB / Hartree)
            result = calculator.singlepoint()
        except RuntimeError as error:
            raise LabelFailed(f"{self.method} on {atoms.get_chemical_formula()}: {error}") from error
        energy = float(result.get("energy")) * Hartree
        forces = -np.asarray(result.get("gradient")) * Hartree / Bohr
        if not (np.isfinite(energy) and np.isfinite(forces).all()):
            raise LabelFailed(f"{self.method} on {atoms.get_chemical_formula()}: energy or forces are not finite")
        return Label(energy, forces)


@cache
def _atom_energy(method: str, temperature: float, symbol: str) -> float:
    """GFN-xTB has no spin polarisation in its standard form, so the lowest multiplicity is the atom's."""
    atom = Atoms(symbol)
    return XTBLevel(method, temperature)._single_point(atom, multiplicity_of(atom, 0, None), 0).energy
