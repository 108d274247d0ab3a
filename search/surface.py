"""Moves of single atoms: the worst bound go where they are bound best, or inside; dopants go to the rim."""

from __future__ import annotations

import numpy as np

from search.scale import LengthScale
from search.sites import cap_sites, dopant_sites, edge_sites, smooth_bonds

FLAT = 0.3
"""Bond lengths: r.m.s. distance of host atoms from their best plane below which a cluster counts as planar."""


def plane_of(positions: np.ndarray, scale: LengthScale) -> np.ndarray | None:
    """Normal [3] of the plane in which the host atoms lie, or nearly; None if they don't."""
    host = positions[~scale.is_dopant]
    host = host - host.mean(0)
    squares, axes = np.linalg.eigh(host.T @ host / len(host))
    return axes[:, 0] if squares[0] < (FLAT * scale.bond) ** 2 else None


def coordination(positions: np.ndarray, scale: LengthScale) -> np.ndarray:
    """Smooth number of bonds [n_atoms]: the sum of (bond length / distance)⁶ over the other atoms."""
    squares = ((positions[:, None] - positions[None, :]) ** 2).sum(-1)
    np.fill_diagonal(squares, np.inf)
    return (np.minimum(scale.bonds**2 / np.maximum(squares, 1e-12), 1.5) ** 3).sum(1)


def surface(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """One of the worst-bound atoms taken off and set down elsewhere on the surface, from outside."""
    bonds = coordination(positions, scale)
    worst = int(np.argsort(bonds)[min(int(rng.geometric(0.6)) - 1, len(bonds) - 1)])
    rest = np.delete(np.arange(len(positions)), worst)
    others, lengths = positions[rest], scale.bonds[worst, rest]
    directions = rng.normal(size=(int(rng.integers(1, 9)), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)  # [k, 3]
    centre = others.mean(0)
    along = (others - centre) @ directions.T  # [n - 1, k]
    across = ((others - centre) ** 2).sum(1)[:, None] - along**2
    reach = lengths[:, None] ** 2 - across
    touch = np.where(reach > 0, along + np.sqrt(np.clip(reach, 0.0, None)), -np.inf).max(0)  # [k]
    touch = np.where(np.isfinite(touch), touch, along.max(0))
    sites = centre + touch[:, None] * directions
    near = lengths[:, None] / np.linalg.norm(others[:, None] - sites[None], axis=-1)
    positions[worst] = sites[int((near**6).sum(0).argmax())]
    return positions


def refill(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """One to three of the worst-bound atoms, each set on one of the best vacant sites that are left."""
    n = len(positions)
    bonds = coordination(positions, scale) * (1.0 + 0.1 * rng.normal(size=n))
    moving = np.argsort(bonds)[: min(1 + int(rng.integers(3)), n - 3)]
    rest = np.delete(np.arange(n), moving)
    flat = plane_of(positions, scale) is not None
    for atom in moving:
        lengths = scale.bonds[atom, rest]
        among = scale.bonds[np.ix_(rest, rest)]
        sites = np.zeros((0, 3)) if flat else cap_sites(positions[rest], among, lengths)
        if not len(sites):
            sites = np.concatenate(list(edge_sites(positions[rest], among, lengths).values()))
        # Not back to where it was.
        sites = sites[((sites - positions[atom]) ** 2).sum(1) > (0.5 * scale.bond) ** 2]
        if len(sites):
            score = smooth_bonds(sites, positions[rest], lengths) * (1.0 + 0.15 * rng.normal(size=len(sites)))
            positions[atom] = sites[int(score.argmax())]
        rest = np.append(rest, atom)
    return positions


def interior(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """One of the worst-bound atoms put into the inner half of the cluster; its neighbours make room."""
    bonds = coordination(positions, scale)
    atom = int(np.argsort(bonds)[min(int(rng.geometric(0.6)) - 1, len(bonds) - 1)])
    rest = np.delete(positions, atom, axis=0)
    inner = rest[np.argsort(((rest - rest.mean(0)) ** 2).sum(1))[: max(3, len(rest) // 2)]]
    host = inner[rng.integers(len(inner))]
    near = np.argsort(((rest - host) ** 2).sum(1))[: int(rng.integers(2, 5))]
    positions[atom] = rest[near].mean(0)
    return positions


def relocate(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """A dopant taken off and set on a rim, cap or bridge site of what is left."""
    i = int(rng.choice(np.flatnonzero(scale.is_dopant)))
    rest = np.delete(np.arange(len(positions)), i)
    kinds = dopant_sites(positions[rest], scale.bonds[np.ix_(rest, rest)], scale.bonds[i, rest])
    kinds = {kind: sites for kind, sites in kinds.items() if len(sites)}
    if not kinds:
        return surface(positions, scale, rng, step)
    sites = kinds[sorted(kinds)[int(rng.integers(len(kinds)))]]
    positions[i] = sites[int(rng.integers(len(sites)))]
    return positions
