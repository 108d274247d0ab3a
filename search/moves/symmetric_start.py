"""Symmetric starts: several are grown from one core, and the best bound of them is the one that is relaxed."""

from __future__ import annotations

import numpy as np

from search.geometry.scale import LengthScale
from search.geometry.sites import squared_distances
from search.moves.symmetrise import GROWN, Frames

CANDIDATES = 8
"""Structures that are grown for one start. Growing one takes a small part of the time of a relaxation."""
STIFFNESS = 4.0
"""Of the Morse function that bonds are judged by: soft, for what is judged has not been relaxed."""


def symmetric_start(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator) -> np.ndarray:
    """Positions [n_atoms, 3] of a start grown by orbits of a point group from the core of `positions` [n_atoms, 3].

    All candidates share that core, so that a planar one gives a planar start.
    """
    frames = Frames(positions, scale)
    candidates = [frames.grow(rng, GROWN) for _ in range(CANDIDATES)]
    return scale.push_apart(max(candidates, key=lambda grown: cohesion(grown, scale)))


def cohesion(positions: np.ndarray, scale: LengthScale) -> float:
    """Bonds of a structure that has not been relaxed; overlaps count against them.

    A Morse function of each distance, 1 at the pair's bond length, summed over all pairs.
    """
    ratio = np.sqrt(squared_distances(positions, positions)) / scale.bonds
    np.fill_diagonal(ratio, np.inf)
    decay = np.exp(STIFFNESS * (1.0 - ratio))
    return 0.5 * float((decay * (2.0 - decay)).sum())
