"""What thousands of geometries of one composition look like, computed for all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from search.geometry.composition import Composition, bond_lengths
from search.geometry.pieces import BONDED
from search.geometry.shape import is_planar

CHUNK = 1000
"""Structures whose distances are held at once."""
FLAT = 0.01
"""Å: root mean square distance from the best plane below which a structure is exactly planar."""


@dataclass(frozen=True)
class Geometry:
    """Measures of the geometries of a set: arrays [n], one entry a structure.

    Attributes
    ----------
    shortest : shortest distance of any two atoms, Å.
    closest, loneliest : least and greatest distance of an atom to its nearest neighbour, in bond lengths.
    fragments : pieces that hang together by distances below `BONDED` bond lengths.
    planar : quasi-planar host skeleton as in `search.geometry.shape` (all atoms where the host has three or fewer).
    flat : all atoms in one plane to 0.01 Å.
    """

    shortest: np.ndarray
    closest: np.ndarray
    loneliest: np.ndarray
    fragments: np.ndarray
    planar: np.ndarray
    flat: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray, positions: np.ndarray) -> Geometry:
        """Measure geometries of one composition: numbers [n_atoms], positions [n, n_atoms, 3] Å."""
        bonds = bond_lengths(numbers)
        parts = []
        host = numbers == _host(numbers)
        if host.sum() <= 3:  # any three atoms lie in a plane
            host[:] = True
        for x in chunks(positions):
            distances = pair_distances(x)
            relative = distances / bonds
            nearest = relative.min(2)  # [c, n_atoms]
            height = np.linalg.svd(x - x.mean(1, keepdims=True), compute_uv=False)[:, 2] if len(numbers) > 2 else 0.0
            skeletons = x[:, host]
            skeletons = (skeletons - skeletons.mean(1, keepdims=True)) / bonds[host][:, host].max()
            parts.append(
                (
                    distances.min((1, 2)),
                    nearest.min(1),
                    nearest.max(1),
                    count_pieces(relative < BONDED),
                    np.array([is_planar(skeleton) for skeleton in skeletons]),
                    np.broadcast_to(height / np.sqrt(len(numbers)) < FLAT, len(x)),
                )
            )
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def chunks(positions: np.ndarray) -> Iterator[np.ndarray]:
    """[n, n_atoms, 3] in parts of at most `CHUNK`."""
    return (positions[k : k + CHUNK] for k in range(0, len(positions), CHUNK))


def pair_distances(positions: np.ndarray) -> np.ndarray:
    """[n, n_atoms, n_atoms] distances, infinite from an atom to itself."""
    x = positions - positions.mean(1, keepdims=True)
    distances = np.sqrt(((x[:, :, None] - x[:, None]) ** 2).sum(-1))
    atoms = np.arange(x.shape[1])
    distances[:, atoms, atoms] = np.inf
    return distances


def count_pieces(bonded: np.ndarray) -> np.ndarray:
    """Connected pieces [n] of graphs bonded [n, n_atoms, n_atoms].

    Every atom takes the least number among its neighbours until nothing changes; each piece keeps one number.
    """
    n, n_atoms, _ = bonded.shape
    label = np.broadcast_to(np.arange(n_atoms), (n, n_atoms)).copy()
    linked = bonded | np.eye(n_atoms, dtype=bool)
    while True:
        least = np.where(linked, label[:, None, :], n_atoms).min(2)
        if (least == label).all():
            return np.asarray((label == np.arange(n_atoms)).sum(1))
        label = least


def _host(numbers: np.ndarray) -> int:
    from ase import Atoms
    from ase.data import atomic_numbers

    return atomic_numbers[Composition.parse(Atoms(numbers)).host]
