"""Moves of the whole cluster: all atoms rattled, one half turned, elements exchanged, two clusters joined or mixed."""

from __future__ import annotations

import numpy as np

from search.geometry.fingerprint import align
from search.geometry.scale import LengthScale
from search.moves.surface import plane_of, worst_bound

ALONE = 0.36
"""Bond lengths by which coordinates are rattled where there is nothing to mix with."""


def rattle(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """Every coordinate moved by up to `step` bond lengths."""
    return positions + step * scale.bond * rng.uniform(-1.0, 1.0, size=positions.shape)


def twist(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """One side of a random plane turned about the plane's normal by up to `step` half turns."""
    normal = rng.normal(size=3)
    normal /= np.linalg.norm(normal)
    centred = positions - positions.mean(0)
    along, quarter = centred @ normal, len(centred) // 4
    side = along > np.sort(along)[rng.integers(max(quarter - 1, 0), len(centred) - max(quarter, 1))]
    angle = np.pi * step * rng.uniform(-1.0, 1.0)
    x = centred[side]
    turned = np.cos(angle) * x + np.sin(angle) * np.cross(normal, x)
    turned += (1.0 - np.cos(angle)) * np.outer(x @ normal, normal)
    centred[side] = turned
    return centred


def swap(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """One of the worst-bound dopants changes places with an atom of another element (Se and B)."""
    numbers = scale.numbers
    i = worst_bound(positions, scale, rng, np.flatnonzero(scale.is_dopant))
    j = int(rng.choice(np.flatnonzero(numbers != numbers[i])))
    positions[[i, j]] = positions[[j, i]]
    return positions


def splice(positions: np.ndarray, mate: np.ndarray, scale: LengthScale, rng: np.random.Generator) -> np.ndarray:
    """One side of a plane from `positions`, the other from `mate`, turned (Deaven & Ho, PRL 1995, 75, 288).

    Two flat clusters are laid into one plane, which the cut stands on.
    """
    x, y = _in_own_axes(positions, scale), _in_own_axes(mate, scale)
    cut = rng.normal(size=3)
    if plane_of(x, scale) is not None and plane_of(y, scale) is not None:
        cut[2] = 0.0
        angle = rng.uniform(0.0, 2.0 * np.pi)
        turn = np.array([[np.cos(angle), -np.sin(angle), 0.0], [np.sin(angle), np.cos(angle), 0.0], [0.0, 0.0, 1.0]])
        y = y @ turn * np.array([1.0, 1.0, rng.choice([-1.0, 1.0])])
    else:
        y = y @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    height = x @ cut
    level = np.quantile(height, rng.uniform(0.25, 0.75))
    for z in np.unique(scale.numbers):
        members = np.flatnonzero(scale.numbers == z)
        below = members[height[members] < level]
        x[below] = y[members[np.argsort(y[members] @ cut)[: len(below)]]]
    return x


def mix(positions: np.ndarray, mate: np.ndarray, scale: LengthScale, rng: np.random.Generator) -> np.ndarray:
    """x + φ (x − y): y the mate brought onto x, φ uniform in [−1, 1], one for each atom (Karaboga's trial).

    Where there is no second minimum to mix with, the structure is rattled instead.
    """
    if np.array_equal(positions, mate):
        return rattle(positions, scale, rng, ALONE)
    phi = rng.uniform(-1.0, 1.0, size=(len(positions), 1))
    result: np.ndarray = positions + phi * (positions - align(positions, mate, scale.numbers))
    return result


def _in_own_axes(positions: np.ndarray, scale: LengthScale) -> np.ndarray:
    """Centred, the direction of the host's least extent along z."""
    x = positions - positions[~scale.is_dopant].mean(0)
    host = x[~scale.is_dopant]
    result: np.ndarray = x @ np.linalg.eigh(host.T @ host)[1][:, ::-1]
    return result
