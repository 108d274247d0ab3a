"""Shapes the literature knows of boron clusters, as starting structures.

Double rings (B20: Kiran et al., PNAS 2005, 102, 961), sheets with hexagonal holes (B36: Piazza et al.,
Nat. Commun. 2014, 5, 3113), bowls such as B12 and wheels such as B8 and B9 (Zhai et al., Nat. Mater. 2003, 2, 827;
Angew. Chem. 2003, 42, 6004), double chains (B22: Piazza et al., J. Phys. Chem. A 2014, 118, 7), cages with holes
and pieces of them (borospherene B40: Zhai et al., Nat. Chem. 2014, 6, 727), bilayers (B48: Chen et al., Nanoscale
2021, 13, 3868), the icosahedron. Lengths are in bond lengths of the host; n is the number of sites.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms

from search.errors import InputError
from search.geometry.composition import Composition, bond_lengths
from search.geometry.seeds import attach_atom, push_apart

BOND = 0.97
"""Of the sum of covalent radii: the usual B–B distance in sheets, 1.63 Å."""
RATTLE = 0.05  # Å


class NothingToBeginWith(InputError):
    """A source of wells has no structure of a formula: too few atoms, or no known minimum."""


def literature_shape(composition: Composition, rng: np.random.Generator, kind: str | None = None) -> Atoms:
    """A cluster of one of these shapes, slightly rattled; dopants take a site, or are attached from outside.

    kind : one of `SHAPES`; None draws one that exists for so many atoms.

    Raises
    ------
    InputError : no such kind, or it has no cluster of so few atoms.
    """
    numbers = composition.numbers
    n_host = composition.counts[-1][1]
    kind = drawn_kind(composition, rng) if kind is None else kind
    if kind not in SHAPES:
        raise InputError(f"shape {kind!r} is not known; choose one of {', '.join(SHAPES)}")
    if n_host < SHAPES[kind][0]:
        raise InputError(f"{composition} has {n_host} {composition.host} atoms; {kind} needs {SHAPES[kind][0]} or more")
    n_built_in = int(rng.binomial(composition.n_atoms - n_host, 0.3))
    bond = BOND * float(bond_lengths(numbers[:1])[0, 0])
    sites = bond * SHAPES[kind][1](n_host + n_built_in, rng)  # [n_host + n_built_in, 3]
    host = rng.permutation(len(sites))[: len(sites) - n_built_in]
    built_in = np.setdiff1d(np.arange(len(sites)), host)
    positions = np.concatenate([sites[host], sites[built_in]])
    for k in range(len(positions), composition.n_atoms):
        positions = attach_atom(positions, numbers[: k + 1], rng, planar=rng.random() < 0.5)
    positions = positions + rng.normal(scale=RATTLE, size=positions.shape)
    return Atoms(numbers, push_apart(positions, numbers, shortest=0.8))


def drawn_kind(composition: Composition, rng: np.random.Generator) -> str:
    """One of `SHAPES` that has clusters of so many host atoms.

    Raises
    ------
    NothingToBeginWith : fewer than three host atoms.
    """
    n_host = composition.counts[-1][1]
    fitting = [name for name, (smallest, _) in SHAPES.items() if n_host >= smallest]
    if not fitting:
        raise NothingToBeginWith(f"{composition} has {n_host} {composition.host} atoms; shapes need three or more")
    return fitting[int(rng.integers(len(fitting)))]


def disc(n: int, rng: np.random.Generator) -> np.ndarray:
    """The n sites of the triangular lattice nearest to a site, a bond's middle or a triangle's; flat or a bowl."""
    centre = ((0.0, 0.0), (0.5, 0.0), (0.5, np.sqrt(1.0 / 12.0)))[int(rng.integers(3))]
    return _bowl(_nearest(_lattice(n) - centre, n), rng)


def holed_sheet(n: int, rng: np.random.Generator) -> np.ndarray:
    """The n sites nearest to a hexagonal hole, a second hole three bonds away where there is room; flat or a bowl."""
    lattice = _lattice(n)
    empty = np.linalg.norm(lattice, axis=1) < 0.1
    if n > 15 and rng.random() < 0.5:
        empty |= np.linalg.norm(lattice - (2.5, np.sqrt(0.75)), axis=1) < 0.1  # √7 bonds away
    return _bowl(_nearest(lattice[~empty], n), rng)


def wheel(n: int, rng: np.random.Generator) -> np.ndarray:
    """Rings around one another, the innermost of none to five atoms, flat or as a cone."""
    inner = int(rng.integers(0, min(5, (n - 3) // 2) + 1))
    sizes = [inner]
    while n - sum(sizes) > sizes[-1] + 8:  # six more make a ring a bond wider
        sizes.append(sizes[-1] + 6 if sizes[-1] > 1 else 6)
    sizes.append(n - sum(sizes))
    rings = [_ring(size, turn=rng.uniform(0.0, 1.0)) for size in sizes if size]
    depth = rng.uniform(0.0, 0.4)
    return np.concatenate([ring + np.array([0.0, 0.0, depth * k]) for k, ring in enumerate(rings)])


def double_ring(n: int, rng: np.random.Generator) -> np.ndarray:
    """Two staggered rings; what is left over caps an end or sits inside, a bond away from the wall."""
    rest = n % 2 + (2 if n >= 12 and rng.random() < 0.3 else 0)
    m = (n - rest) // 2
    upper = _ring(m, turn=np.pi / m)
    upper[:, 2] = 0.9
    ends = np.linspace(-0.7, 1.6, rest) if rest > 1 else np.full(rest, rng.choice([-0.5, 0.45, 1.4]))
    off_axis, angle = max(0.0, 0.5 / np.sin(np.pi / m) - 0.9), rng.uniform(0.0, 2.0 * np.pi, size=rest)
    left_over = np.column_stack([off_axis * np.cos(angle), off_axis * np.sin(angle), ends])
    return np.concatenate([_ring(m), upper, left_over])


def chains(n: int, rng: np.random.Generator) -> np.ndarray:
    """Two or three parallel chains, straight or bent."""
    rows = 2 if n < 9 else int(rng.integers(2, 4))
    k = np.arange(n)
    x, y = k // rows + 0.5 * (k % rows % 2), np.sqrt(0.75) * (k % rows)
    curvature = rng.choice([0.0, rng.uniform(0.0, 5.0)]) / max(x.max(), 1.0)  # radians a bond
    if curvature < 1e-3:
        return np.column_stack([x, y, np.zeros(n)])
    angle = curvature * (x - x.mean())
    return np.column_stack([np.sin(angle) / curvature, y, (1.0 - np.cos(angle)) / curvature])


def holed_cage(n: int, rng: np.random.Generator) -> np.ndarray:
    """Points spread over a sphere, two to six of them left out far from one another; or the cap of a larger one."""
    holes, piece = int(rng.integers(2, 7)), int(rng.integers(0, n // 2)) if rng.random() < 0.4 else 0
    sphere = _spiral(n + holes + piece) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    left_out = [0]
    while len(left_out) < holes:
        away = np.linalg.norm(sphere[:, None] - sphere[left_out], axis=-1).min(1)
        left_out.append(int(away.argmax()))
    shell = np.delete(sphere, left_out, axis=0)
    shell = shell[np.argsort(shell[:, 2], kind="stable")[:n]]
    return np.asarray(0.27 * np.sqrt(n + holes + piece) * shell * rng.uniform(0.9, 1.1, size=3))


def bilayer(n: int, rng: np.random.Generator) -> np.ndarray:
    """Two sheets on top of one another, their sites above each other or staggered."""
    lower = (n + int(rng.integers(0, 3))) // 2
    first, second = _nearest(_lattice(n), lower), _nearest(_lattice(n), n - lower)
    shift = rng.choice([0.0, 0.5]), rng.choice([0.0, np.sqrt(1.0 / 12.0)])
    height = rng.uniform(0.95, 1.1)
    return np.concatenate(
        [np.column_stack([first, np.zeros(lower)]), np.column_stack([second + shift, np.full(n - lower, height)])]
    )


def icosahedron(n: int, rng: np.random.Generator) -> np.ndarray:
    """The n corners of an icosahedron nearest to one of them; above twelve, others capped from outside."""
    golden = 0.5 * (1.0 + np.sqrt(5.0))
    signs = np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)], dtype=float) * (0.5, 0.5 * golden)
    corners = np.concatenate([np.roll(np.column_stack([np.zeros(4), signs]), k, axis=1) for k in range(3)])
    order = np.argsort(np.linalg.norm(corners - corners[0], axis=1), kind="stable")
    outer = [(1.0 + 0.9 * k) * corners[rng.permutation(12)] for k in range(1, 1 + n // 12)]
    return np.concatenate([corners[order], *outer])[:n]


def _lattice(n: int) -> np.ndarray:
    """Sites [k, 2] of the triangular lattice around the origin, enough to choose the nearest n."""
    size = int(np.sqrt(n)) + 3
    a, b = np.meshgrid(np.arange(-size, size + 1), np.arange(-size, size + 1))
    return np.column_stack([(a + 0.5 * b).ravel(), np.sqrt(0.75) * b.ravel()])


def _nearest(sites: np.ndarray, n: int) -> np.ndarray:
    """The n sites nearest to the origin; of equally near ones those first by angle."""
    order = np.lexsort([np.arctan2(sites[:, 1], sites[:, 0]), np.linalg.norm(sites, axis=1).round(3)])
    return sites[order[:n]]


def _bowl(flat: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    depth = rng.choice([0.0, rng.uniform(0.03, 0.15)])
    return np.column_stack([flat, depth * (flat**2).sum(1)])


def _ring(n: int, turn: float = 0.0) -> np.ndarray:
    """n sites a bond apart around the z axis."""
    if n == 1:
        return np.zeros((1, 3))
    angle = turn + 2.0 * np.pi * np.arange(n) / n
    ring = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(n)])
    return np.asarray(0.5 / np.sin(np.pi / n) * ring)


def _spiral(n: int) -> np.ndarray:
    """n unit vectors spread evenly."""
    k = np.arange(n) + 0.5
    polar, azimuth = np.arccos(1.0 - 2.0 * k / n), np.pi * (1.0 + 5.0**0.5) * k
    return np.column_stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)])


SHAPES: dict[str, tuple[int, Callable[[int, np.random.Generator], np.ndarray]]] = {
    "disc": (3, disc),
    "wheel": (4, wheel),
    "chains": (4, chains),
    "icosahedron": (6, icosahedron),
    "holed sheet": (7, holed_sheet),
    "double ring": (8, double_ring),
    "bilayer": (8, bilayer),
    "holed cage": (12, holed_cage),
}
"""Name: fewest host atoms, and the function that gives n sites [n, 3]."""
