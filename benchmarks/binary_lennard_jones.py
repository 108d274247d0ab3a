"""Binary Lennard-Jones clusters as an ASE calculator: argon is the smaller kind of atom, krypton a tenth larger.

All pairs attract equally strongly, unlike ones at the mean of both lengths (Doye & Meyer, Phys. Rev. Lett. 2005, 95,
063401). Energies in units of the depth of the pair potential, which ASE takes for eV; lengths in Å.

python benchmarks/dopants.py Kr6Ar13 --calculator binary_lennard_jones:BinaryLennardJones
iia search Kr6Ar13 --calculator binary_lennard_jones:BinaryLennardJones  (in this folder)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.data import atomic_numbers, covalent_radii

DISTANCE = 2.0 * covalent_radii[atomic_numbers["Ar"]]
"""Å, where two argon atoms are bound most strongly: what a search begins with."""


class BinaryLennardJones(Calculator):
    """4 [(σ/r)¹² − (σ/r)⁶] of all pairs, no cutoff.

    ratio : length of the larger kind over that of the smaller one, above 0.
    """

    implemented_properties = ("energy", "forces")

    def __init__(self, ratio: float = 1.1) -> None:
        super().__init__()
        if not 0 < ratio < np.inf:
            raise ValueError(f"ratio is {ratio!r}; it must be positive")
        self.parameters["ratio"] = self.ratio = ratio

    def calculate(self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        if unknown := sorted(set(self.atoms.symbols) - {"Ar", "Kr"}):
            raise ValueError(f"argon and krypton only, not {', '.join(unknown)}")
        length = np.where(self.atoms.numbers == atomic_numbers["Kr"], self.ratio, 1.0) * DISTANCE
        squares = (0.5 * np.add.outer(length, length)) ** 2 / 2.0 ** (1.0 / 3.0)  # [n, n] of σ
        lines = self.atoms.positions[:, None] - self.atoms.positions  # [n, n, 3]
        apart = np.maximum((lines**2).sum(2), 1e-4)
        np.fill_diagonal(apart, np.inf)
        sixth = (squares / apart) ** 3
        self.results["energy"] = 2.0 * float((sixth**2 - sixth).sum())
        self.results["forces"] = (24.0 * ((2.0 * sixth**2 - sixth) / apart)[..., None] * lines).sum(1)
