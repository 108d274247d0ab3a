"""Starting structures: random compact, planar, tubular and cage-like clusters, dopants attached or built in.

Boron clusters are planar or quasi-planar patches of a triangular lattice with vacancies, double
rings or cages (see the shapes found for B_n and SeB_n in Molecules 2023, 28, 357), so besides the
shapeless random start each of these families is drawn, and the dopant is placed at the rim, on a
face, inside, or in place of a host atom.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from search.errors import InputError
from search.geometry.composition import Composition, bond_lengths
from search.geometry.sites import squared_distances

KINDS = ("compact", "planar", "tubular", "cage")
TRIED = 12
"""Places that are tried for each atom of a compact start."""


def random_cluster(composition: Composition, rng: np.random.Generator, kind: str | None = None) -> Atoms:
    """One random structure in one piece (or nearly) without overlaps, in the order of `composition.symbols`.

    kind : one of `KINDS`; by default drawn at random, compact half of the time.
    """
    return Atoms(composition.numbers, random_positions(composition, rng, kind))


def random_positions(composition: Composition, rng: np.random.Generator, kind: str | None = None) -> np.ndarray:
    """Positions [n_atoms, 3], Å, of a `random_cluster`."""
    if kind is None:
        kind = KINDS[int(rng.choice(len(KINDS), p=(0.4, 0.3, 0.15, 0.15)))]
    if kind not in KINDS:
        raise InputError(f"seed kind {kind!r} is not known; choose one of {', '.join(KINDS)}")
    n_host = composition.counts[-1][1]
    n_dopants = composition.n_atoms - n_host
    numbers = composition.numbers
    bond = float(bond_lengths(numbers[:1])[0, 0])
    # A dopant either replaces a site of a larger skeleton or is added to the host's own.
    n_replacing = int(rng.binomial(n_dopants, 0.35)) if kind != "compact" else 0
    skeleton = _SKELETONS[kind](n_host + n_replacing, bond, rng)
    skeleton = skeleton + rng.normal(scale=0.05 * bond, size=skeleton.shape)
    order = rng.permutation(len(skeleton))
    positions = np.concatenate([skeleton[order[n_replacing:]], skeleton[order[:n_replacing]]])
    dopants = rng.permutation(np.array(composition.dopants, dtype="U2"))
    replacing = [atomic_numbers[s] for s in dopants[:n_replacing]]
    placed = np.concatenate([numbers[:n_host], replacing]).astype(int)
    for symbol in dopants[n_replacing:]:
        placed = np.append(placed, atomic_numbers[symbol])
        positions = attach_atom(positions, placed, rng, planar=kind == "planar" and rng.random() < 0.6)
    result: np.ndarray = push_apart(positions, placed)[_host_first(placed, numbers)]
    return result


def seed_structures(
    composition: Composition, n: int, rng: np.random.Generator, kinds: Sequence[str] | None = None
) -> list[Atoms]:
    """`n` random structures, the kinds in turn (or drawn, by default)."""
    return [random_cluster(composition, rng, kinds[k % len(kinds)] if kinds else None) for k in range(n)]


def push_apart(positions: np.ndarray, numbers: np.ndarray, shortest: float = 0.85, steps: int = 200) -> np.ndarray:
    """Move overlapping atoms apart until no pair is closer than `shortest` times its bond length.

    positions : [n, 3] Å; returned anew. Coincident atoms are separated along a fixed direction, so
    the result depends on the input alone.
    """
    positions = positions.copy()
    limit = shortest * bond_lengths(numbers)
    np.fill_diagonal(limit, 0.0)
    for _ in range(steps):
        distance = np.sqrt(squared_distances(positions, positions))
        overlap = np.maximum(limit - distance, 0.0)
        if overlap.max() <= 1e-3:
            break
        if (distance + np.eye(len(distance)) < 1e-6).any():
            positions += np.random.default_rng(0).normal(scale=1e-3, size=positions.shape)
            continue
        push = 0.3 * overlap / np.maximum(distance, 1e-12)
        positions += push.sum(1)[:, None] * positions - push @ positions
    return positions


def _host_first(placed: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Indices that bring `placed` into the order of `wanted` (the same elements, grouped)."""
    result = np.empty(len(wanted), dtype=int)
    for z in np.unique(wanted):
        result[wanted == z] = np.flatnonzero(placed == z)
    return result


def _compact(n: int, bond: float, rng: np.random.Generator) -> np.ndarray:
    """Atoms added one by one, each bonded to one that stands; `tightness` decides how compact it gets."""
    positions, placed, attempt = np.zeros((n, 3)), 1, 0
    tightness, total = rng.uniform(0.0, 1.0), np.zeros(3)
    while placed < n:
        if attempt % n == 0:  # numbers for n attempts at once: NumPy takes as long for one
            steps = rng.normal(size=(n, TRIED, 3))
            steps *= (bond / np.sqrt(np.vecdot(steps, steps)))[:, :, None]
            anchors, (choice, ticket) = rng.random((n, TRIED)), rng.random((2, n)).tolist()
        k, attempt = attempt % n, attempt + 1
        trial = positions.take((placed * anchors[k]).astype(int), 0) + steps[k]
        free = (squared_distances(positions[:placed], trial).min(0) > (0.85 * bond) ** 2).nonzero()[0]
        if not len(free):
            continue
        if choice[k] < tightness:
            spread = trial.take(free, 0) - total / placed
            pick = int(np.vecdot(spread, spread).argmin())
        else:
            pick = int(ticket[k] * len(free))
        positions[placed] = trial[free[pick]]
        total += positions[placed]
        placed += 1
    return positions


def _planar(n: int, bond: float, rng: np.random.Generator) -> np.ndarray:
    """A connected patch of the triangular lattice with vacancies, sometimes buckled like a bowl."""
    steps = ((1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1))
    taken: dict[tuple[int, int], None] = {(0, 0): None}
    vacancies: set[tuple[int, int]] = set()
    rim: dict[tuple[int, int], int] = dict.fromkeys(steps, 1)  # neighbours taken of each
    roundness = rng.uniform(0.0, 3.0)
    vacancy_share = rng.uniform(0.0, 0.2)
    weight = [float(neighbours) ** roundness for neighbours in range(len(steps) + 1)]
    while len(taken) < n:
        sites = [site for site in rim if site not in vacancies]
        if not sites:
            vacancies.clear()
            continue
        upto = list(accumulate(weight[rim[site]] for site in sites))
        a, b = sites[min(bisect_right(upto, upto[-1] * rng.random()), len(sites) - 1)]
        if rng.random() < vacancy_share and len(taken) > 3:
            vacancies.add((a, b))
            continue
        taken[a, b] = None
        del rim[a, b]
        for da, db in steps:
            if (a + da, b + db) not in taken:
                rim[a + da, b + db] = rim.get((a + da, b + db), 0) + 1
    lattice = np.array(list(taken), dtype=float)
    x, y = lattice[:, 0] + 0.5 * lattice[:, 1], np.sqrt(0.75) * lattice[:, 1]
    flat = bond * np.column_stack([x, y, np.zeros(n)])
    flat -= flat.mean(0)
    if rng.random() < 0.5:
        flat[:, 2] = rng.uniform(0.0, 0.12) / bond * (flat[:, :2] ** 2).sum(1)
    return flat


def _tubular(n: int, bond: float, rng: np.random.Generator) -> np.ndarray:
    """Two or three staggered rings; the atoms left over cap an end or sit inside."""
    n_rings = 2 if n < 12 or rng.random() < 0.75 else 3
    per_ring = max(3, n // n_rings - int(rng.integers(0, 2)))
    radius = bond / (2.0 * np.sin(np.pi / per_ring))
    angles = 2.0 * np.pi * np.arange(per_ring) / per_ring
    rings = [
        np.column_stack(
            [
                radius * np.cos(angles + k * np.pi / per_ring),
                radius * np.sin(angles + k * np.pi / per_ring),
                np.full(per_ring, 0.87 * bond * k),
            ]
        )
        for k in range(n_rings)
    ]
    tube = np.concatenate(rings)[:n]
    tube -= tube.mean(0)
    end = np.abs(tube[:, 2]).max() + 0.6 * bond
    caps = [
        [*rng.normal(scale=0.35 * radius, size=2), end * rng.choice([-1.0, 0.0, 1.0])] for _ in range(n - len(tube))
    ]
    return np.vstack([tube, np.reshape(caps, (-1, 3))])


def _cage(n: int, bond: float, rng: np.random.Generator) -> np.ndarray:
    """Points spread evenly over an ellipsoid (golden spiral), now and then with one atom inside."""
    inside = int(n > 10 and rng.random() < 0.15)
    k = np.arange(n - inside) + 0.5
    polar, azimuth = np.arccos(1.0 - 2.0 * k / len(k)), np.pi * (1.0 + 5.0**0.5) * k
    shell = np.column_stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)])
    shell *= 0.29 * bond * np.sqrt(len(k)) * rng.uniform(0.85, 1.2, size=3)
    return np.vstack([shell, np.zeros((inside, 3))])


def attach_atom(positions: np.ndarray, numbers: np.ndarray, rng: np.random.Generator, planar: bool) -> np.ndarray:
    """Add the last of `numbers` [n + 1] to `positions` [n, 3], touching one to three atoms from outside."""
    lengths = bond_lengths(numbers)[-1, :-1]
    centre = positions.mean(0)
    for _ in range(50):
        anchor = positions[rng.integers(len(positions))]
        near = np.argsort(np.linalg.norm(positions - anchor, axis=1))[: rng.integers(1, 4)]
        outward = positions[near].mean(0) - centre + rng.normal(scale=0.8, size=3)
        if planar:
            outward[2] = 0.0
        outward /= max(np.linalg.norm(outward), 1e-9)
        site = positions[near].mean(0) + lengths[near].mean() * 0.85 * outward
        if (np.linalg.norm(positions - site, axis=1) > 0.8 * lengths).all():
            break
    return np.vstack([positions, site])


_SKELETONS = {"compact": _compact, "planar": _planar, "tubular": _tubular, "cage": _cage}
