"""Moves of single atoms: the worst bound go where they are bound best, or inside; dopants go to the rim."""

from __future__ import annotations

import numpy as np

from search.geometry.scale import LengthScale
from search.geometry.sites import cap_sites, closeness, dopant_sites, edge_sites, smooth_bonds, squared_distances

FLAT = 0.3
"""Bond lengths: r.m.s. distance of host atoms from their best plane below which a cluster counts as planar."""
SCATTER, CLASH, EXCLUDED = 0.1, 0.8, 1e3
"""Of the bonds that vacant sites offer, relative; bond lengths, between two sites of which one only can be filled;
bonds that such two have with each other."""


def plane_of(positions: np.ndarray, scale: LengthScale) -> np.ndarray | None:
    """Normal [3] of the plane in which the host atoms lie, or nearly; None if they don't."""
    host = positions[: scale.n_host]
    host = host - host.sum(0) / len(host)
    spread, thin = host.T @ host / len(host), (FLAT * scale.bond) ** 2
    # Most clusters aren't flat, and this is sooner said than their axes: all eigenvalues are above `thin`
    # where what is left without it is positive definite.
    (a, b, c), (_, d, e), (_, _, f) = spread.tolist()
    a, d, f = a - thin, d - thin, f - thin
    if a > 0 and a * d > b * b and a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d) > 0:
        return None
    squares, axes = np.linalg.eigh(spread)
    return axes[:, 0] if squares[0] < thin else None


def coordination(positions: np.ndarray, scale: LengthScale) -> np.ndarray:
    """Smooth number of bonds [n_atoms]: the sum of (bond length / distance)⁶ over the other atoms."""
    squares = squared_distances(positions, positions)
    np.fill_diagonal(squares, np.inf)
    return smooth_bonds(scale.squared_bonds / np.maximum(squares, 1e-12))


def surface(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """One of the worst-bound atoms taken off and set down elsewhere on the surface, from outside."""
    worst = worst_bound(positions, scale, rng, np.arange(len(positions)))
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
    """Some of the worst-bound atoms of one element moved to where vacant sites offer them the most bonds.

    The sites are those of what is left without them. They are filled by bonds, then atoms go on to other
    vacant sites as long as that makes more bonds, their own included; the bonds are scattered a little, and
    one atom doesn't come back. A simple form of dynamic lattice searching (Shao, Cheng & Cai, J. Comput.
    Chem. 2004, 25, 1693).
    """
    n = len(positions)
    order = (coordination(positions, scale) * (1.0 + 0.1 * rng.normal(size=n))).argsort()
    order = order[scale.numbers[order] == scale.numbers[order[0]]]
    moving = order[: min(int(rng.geometric(0.3)), max(1, n // 3))]
    stays = np.ones(n, dtype=bool)
    stays[moving] = False
    rest = stays.nonzero()[0]
    first, others, own = positions[moving[0]], positions[rest], float(scale.bonds[moving[0], moving[0]])
    among, lengths = scale.bonds.take(rest, 0).take(rest, 1), scale.bonds[moving[0]].take(rest)
    flat = plane_of(positions, scale) is not None
    sites = np.zeros((0, 3)) if flat else cap_sites(others, among, lengths)
    if len(sites) <= len(moving):
        sites = np.concatenate([sites, *edge_sites(others, among, lengths).values()])
    sites = sites[squared_distances(sites, first[None])[:, 0] > (0.4 * own) ** 2]
    offered = smooth_bonds(closeness(sites, others, lengths))
    offered *= 1.0 + SCATTER * rng.normal(size=len(sites))
    filled = fill(sites, offered, own, len(moving))
    positions[moving[: len(filled)]] = sites[filled]
    return positions


def fill(sites: np.ndarray, offered: np.ndarray, own: float, n: int) -> list[int]:
    """Which n (or fewer, if no more fit) of sites [k, 3] make most bonds together, by greedy choice and exchange.

    offered : [k] bonds each site has without the others. own : bond length between two atoms set on them.
    """
    if n == 1 and len(offered):  # the best, and none is better for it
        best = int(offered.argmax())
        return [best] if offered[best] > 0 else []
    squares = squared_distances(sites, sites)
    mutual = np.minimum(own**2 / np.maximum(squares, 1e-12), 1.5)
    mutual *= mutual * mutual
    mutual[squares < (CLASH * own) ** 2] = -EXCLUDED
    np.fill_diagonal(mutual, -EXCLUDED)
    bonds, filled = offered.copy(), list[int]()  # bonds: with the sites that are filled
    while len(filled) < n and len(bonds) and bonds.max() > 0:
        filled.append(int(bonds.argmax()))
        bonds += mutual[filled[-1]]
    for _ in range(2 * len(filled)):
        # Of all moves of one atom to a vacant site the one that gains most.
        gains = bonds[None, :] - mutual[filled] - (bonds[filled] + EXCLUDED)[:, None]
        atom, site = divmod(int(gains.argmax()), len(sites))
        if gains[atom, site] < 1e-6:
            break
        bonds += mutual[site] - mutual[filled[atom]]
        filled[atom] = site
    return filled


def interior(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """One of the worst-bound atoms put into the inner half of the cluster; its neighbours make room."""
    atom = worst_bound(positions, scale, rng, np.arange(len(positions)))
    rest = np.delete(positions, atom, axis=0)
    inner = rest[np.argsort(((rest - rest.mean(0)) ** 2).sum(1))[: max(3, len(rest) // 2)]]
    host = inner[rng.integers(len(inner))]
    near = np.argsort(((rest - host) ** 2).sum(1))[: int(rng.integers(2, 5))]
    positions[atom] = rest[near].mean(0)
    return positions


def relocate(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """One of the worst-bound dopants set on a rim, cap or bridge site of what is left, where it has most bonds.

    The kind of site is drawn; among those of one kind the bonds decide, scattered widely.
    """
    i = worst_bound(positions, scale, rng, np.flatnonzero(scale.is_dopant))
    rest = np.delete(np.arange(len(positions)), i)
    lengths = scale.bonds[i, rest]
    kinds = dopant_sites(positions[rest], scale.bonds[np.ix_(rest, rest)], lengths)
    kinds = {kind: sites for kind, sites in kinds.items() if len(sites)}
    if not kinds:
        return surface(positions, scale, rng, step)
    sites = kinds[sorted(kinds)[int(rng.integers(len(kinds)))]]
    offered = smooth_bonds(closeness(sites, positions[rest], lengths))
    offered *= 1.0 + 0.5 * rng.normal(size=len(sites))
    positions[i] = sites[int(offered.argmax())]
    return positions


def worst_bound(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, among: np.ndarray) -> int:
    """Of the atoms `among` mostly that with fewest bonds, less often the next, and so on."""
    order = among[np.argsort(coordination(positions, scale)[among], kind="stable")]
    return int(order[min(int(rng.geometric(0.6)) - 1, len(order) - 1)])
