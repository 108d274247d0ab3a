"""A level of theory of a third party, as a user would write it: a Morse pair potential."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.morse import MorsePotential

from iia_calc.labels.level import Label


@dataclass(frozen=True)
class Morse:
    charge: int = 0
    multiplicity: int | None = None

    @property
    def name(self) -> str:
        return f"Morse, charge {self.charge}"

    def label(self, atoms: Atoms) -> Label:
        if np.linalg.norm(atoms.positions[0]) > 50:
            raise ZeroDivisionError("far away")
        structure = Atoms(atoms.numbers, atoms.positions, calculator=MorsePotential(r0=1.6, rho0=3.0))
        return Label(structure.get_potential_energy(), structure.get_forces())

    def element_energy(self, symbol: str) -> float:
        return 0.0


def no_level() -> None:
    """Takes neither charge nor multiplicity."""
