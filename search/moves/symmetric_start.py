"""Symmetric starts: many are grown from one core in a race, and the best bound of them is the one that is relaxed."""

from __future__ import annotations

from math import ceil

import numpy as np

from search.geometry.scale import LengthScale
from search.geometry.sites import squared_distances
from search.moves.symmetrise import GROWN, Frames, Growth

CANDIDATES_PER_ATOM, FEWEST = 1 / 3, 8
"""Structures that are begun for one start: larger clusters have more ways to be wrong, and take longer to relax."""
RACE = ((0.3, 0.5), (0.7, 0.2))
"""When this share of the atoms is placed, this share of the candidates goes on: those that have most bonds by then."""
SIZE = 1.2
"""Power of the number of atoms by which bonds of unlike numbers of them are compared: few atoms have most
of theirs missing, so it is above 1."""
STIFFNESS = 4.0
"""Of the Morse function that bonds are judged by: soft, for what is judged has not been relaxed."""


def symmetric_start(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator) -> np.ndarray:
    """Positions [n_atoms, 3] of a start grown by orbits of a point group from the core of `positions` [n_atoms, 3].

    All candidates share that core, so that a planar one gives a planar start.
    """
    n, frames = len(positions), Frames(positions, scale)
    growths = [frames.begin(rng, GROWN) for _ in range(max(FEWEST, round(CANDIDATES_PER_ATOM * n)))]
    begun = len(growths)
    for placed, go_on in RACE:
        for growth in growths:
            growth.grow_to(ceil(placed * n))
        growths = sorted(growths, key=promise, reverse=True)[: ceil(go_on * begun)]
    grown = [growth.finish() for growth in growths]
    return scale.push_apart(max(grown, key=lambda positions: cohesion(positions, scale.bonds)))


def promise(growth: Growth) -> float:
    """Bonds of the atoms that are placed, so that clusters of unlike numbers of them can be compared."""
    kinds = growth.kinds[: growth.n]
    bonds = growth.scale.bonds.take(kinds, 0).take(kinds, 1)
    size: float = float(max(growth.n - 1, 1)) ** SIZE
    return cohesion(growth.positions[: growth.n], bonds) / size


def cohesion(positions: np.ndarray, bonds: np.ndarray) -> float:
    """Bonds of a structure that has not been relaxed; overlaps count against them.

    A Morse function of each distance, 1 at the pair's bond length, bonds [n, n], summed over all pairs.
    """
    ratio = np.sqrt(squared_distances(positions, positions)) / bonds
    np.fill_diagonal(ratio, np.inf)
    decay = np.exp(STIFFNESS * (1.0 - ratio))
    return 0.5 * float((decay * (2.0 - decay)).sum())
