"""How long a bond is here: covalent radii, or the one length of a model system such as Lennard-Jones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from search.errors import InputError
from search.geometry.composition import Composition, bond_lengths
from search.geometry.seeds import push_apart, random_positions
from search.geometry.sites import squared_distances

if TYPE_CHECKING:
    from search.relaxers.base import Relaxer


@dataclass(frozen=True)
class LengthScale:
    """Bond lengths of a composition, and the operations that need them.

    Every structure a search makes has its atoms in the order of `composition.symbols`, so positions
    [n_atoms, 3] alone describe it.

    Attributes
    ----------
    composition : whose atoms.
    factor : what covalent bond lengths (Å) are multiplied by; 1 unless the potential has a length of its own.
    """

    composition: Composition
    factor: float = 1.0

    @classmethod
    def of(cls, composition: Composition, relaxer: Relaxer | None = None) -> LengthScale:
        """The scale of `relaxer`, by its `bond_length`; None: covalent radii.

        Raises
        ------
        ValueError : `bond_length` is not a positive number.
        """
        return cls.with_bond(composition, None if relaxer is None else relaxer.bond_length)

    @classmethod
    def with_bond(cls, composition: Composition, bond_length: float | None) -> LengthScale:
        """The scale on which two host atoms are `bond_length` apart; None: covalent radii."""
        if bond_length is None:
            return cls(composition)
        if not np.isfinite(bond_length) or bond_length <= 0:
            raise InputError(f"bond_length is {bond_length!r}; it must be a positive length")
        return cls(composition, float(bond_length) / cls(composition).bond)

    @cached_property
    def numbers(self) -> np.ndarray:
        """Atomic numbers [n_atoms]."""
        return self.composition.numbers

    @cached_property
    def bonds(self) -> np.ndarray:
        """Bond length of every pair [n_atoms, n_atoms]."""
        return self.factor * bond_lengths(self.numbers)

    @cached_property
    def squared_bonds(self) -> np.ndarray:
        """[n_atoms, n_atoms]"""
        return self.bonds**2

    @cached_property
    def upper(self) -> np.ndarray:
        """[n_atoms, n_atoms] bool: each pair once, and each atom with itself."""
        return np.triu(np.ones(self.bonds.shape, dtype=bool))

    @cached_property
    def shortest(self) -> np.ndarray:
        """Distance [n_atoms, n_atoms] below which two atoms overlap; 0 of an atom to itself."""
        shortest = 0.75 * self.bonds
        np.fill_diagonal(shortest, 0.0)
        return shortest

    @cached_property
    def bond(self) -> float:
        """Bond length between two host atoms."""
        return float(self.bonds[0, 0])

    @property
    def n_host(self) -> int:
        """Atoms of the host element; they come first."""
        return self.composition.counts[-1][1]

    @cached_property
    def is_dopant(self) -> np.ndarray:
        """[n_atoms] bool: not of the host element."""
        return np.arange(self.composition.n_atoms) >= self.n_host

    @cached_property
    def first_of_kind(self) -> np.ndarray:
        """[n_atoms] index of the first atom of each atom's element, which stands for its bonds."""
        return np.array([int(np.flatnonzero(self.numbers == z)[0]) for z in self.numbers])

    @cached_property
    def kinds(self) -> dict[int, int]:
        """First atom of an element -> how many there are."""
        return {int(k): int((self.first_of_kind == k).sum()) for k in np.unique(self.first_of_kind)}

    def seed(self, rng: np.random.Generator, kind: str | None = None) -> np.ndarray:
        """Positions [n_atoms, 3] of a random start (kinds: see `search.geometry.seeds`)."""
        return self.factor * random_positions(self.composition, rng, kind)

    def push_apart(self, positions: np.ndarray) -> np.ndarray:
        """Positions [n_atoms, 3] with no pair closer than three quarters of its bond length."""
        positions = positions - positions.sum(0) / len(positions)
        for _ in range(100):
            distances = np.sqrt(np.maximum(squared_distances(positions, positions), 1e-12))
            overlaps = np.maximum(self.shortest - distances, 0.0)
            largest = overlaps.max()
            if largest <= 0.01 * self.bond:
                break
            if largest > 0.999 * self.shortest.max():  # coincident: no direction to push in
                return self.factor * push_apart(positions / self.factor, self.composition.numbers, shortest=0.75)
            push = 0.5 * overlaps / distances
            positions = positions + push.sum(1)[:, None] * positions - push @ positions
        return positions

    def atoms(self, positions: np.ndarray) -> Atoms:
        """Atoms at these positions [n_atoms, 3], Å or the model's unit, in the composition's order."""
        return Atoms(numbers=self.numbers, positions=positions)  # half the time of passing symbols
