"""The move that makes a cluster symmetric: its core's own approximate symmetry, carried outwards.

An approximate centre and axes are found in the structure for a point group drawn at random: of some
frames through atoms, bonds, faces and holes the one is taken in which the operations map the core
best onto itself (a continuous symmetry measure). The atoms, from the centre outwards, are replaced by
whole orbits; what is missing comes as orbits on vacant surface sites, and atoms left over break the
symmetry as little as they can. After Oakley, Johnston & Wales, Phys. Chem. Chem. Phys. 2013, 15, 3965,
but their way through the orbits is another one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from search.scale import LengthScale
from search.sites import cap_sites, cross, edge_sites, smooth_bonds, squared_distances
from search.surface import plane_of
from search.symmetry import Orbits, group

FRAMES, CORE, OPERATIONS = 24, 8, 3
"""Frames that are compared, atoms and operations that they are judged by."""
GROUPS = (
    "C1v", "C2", "C3", "C2v", "C3v", "C4v", "C5v", "C6v", "D2h", "D2d", "D3h", "D3d", "D4h", "D4d",
    "D5h", "D5d", "D6h", "D6d", "T", "Td", "Th", "O", "Oh", "Ih",
)  # fmt: skip
"""Of compact clusters; drawn with equal chance, so high symmetries are no rarity."""
FLAT_FOLDS = (2, 2, 3, 3, 4, 5, 5, 6, 7, 8, 9, 10)
FLAT_GROUPS = ("C1v", "C{}", "C{}v", "C{}v")
NOISE = 0.03
"""Bond lengths, rattled at the end: a quench that keeps an exact symmetry can end on a saddle."""
KEEP, GROWN, SCATTER, CUT = (0.1, 1.0), (0.02, 0.25), 0.1, 0.8
"""Share of the atoms, from the centre outwards, that give orbits, in a move and in a seed; scatter of the bonds of
vacant sites before they are ranked; least bonds, relative to the best site's, of those filled before sites are
sought anew."""
MERGED, CLEAR, TOUCHING = 0.55, 0.75, 1.4
"""Bond lengths: images closer than the first become one atom, atoms closer than the second overlap, and
those farther apart than the third don't hold together."""


def symmetrise(
    positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float,
    keep: tuple[float, float] = KEEP,
) -> np.ndarray:  # fmt: skip
    """A structure of a point group drawn at random, or nearly so, with the core of `positions`.

    keep : least and largest share of the atoms, from the centre outwards, that the core may have.
    """
    x = positions - positions.mean(0)
    normal = plane_of(x, scale)
    ops = group(draw_group(rng, normal is not None))
    x = _in_best_frame(x, normal, ops, scale.bond, rng)
    x = _Builder(x, scale, normal is not None, rng).build(ops, keep)
    return x + NOISE * scale.bond * rng.normal(size=x.shape)


def draw_group(rng: np.random.Generator, flat: bool) -> str:
    """Name of a point group; one that keeps a plane where the cluster is `flat`."""
    if not flat:
        return GROUPS[int(rng.integers(len(GROUPS)))]
    fold = FLAT_FOLDS[int(rng.integers(len(FLAT_FOLDS)))]
    return FLAT_GROUPS[int(rng.integers(len(FLAT_GROUPS)))].format(fold)


def _in_best_frame(
    x: np.ndarray, normal: np.ndarray | None, ops: np.ndarray, bond: float, rng: np.random.Generator
) -> np.ndarray:
    """x [n, 3] moved and turned so that the operations [order, 3, 3] about the origin suit its core best."""
    n = len(x)
    squares = squared_distances(x, x)
    i, j = np.nonzero(np.triu(squares < (1.6 * bond) ** 2, 1))
    features = np.concatenate([x, 0.5 * (x[i] + x[j])])  # atoms, middles of bonds and of octahedral holes
    distance = np.linalg.norm(features, axis=1)
    inner = features[distance < distance[:n].min() + 0.6 * bond]
    centres = inner[rng.integers(len(inner), size=FRAMES)]  # [f, 3]
    centres[:4] = 0.0
    z = features[rng.integers(len(features), size=FRAMES)] - centres
    across = features[rng.integers(len(features), size=FRAMES)] - centres
    if normal is not None:
        z = np.broadcast_to(normal, z.shape)
        centres = centres - (centres @ normal)[:, None] * normal
    else:
        z[2:8] = np.linalg.eigh(x.T @ x)[1].T[rng.integers(3, size=6)]
    frames = _frames(z, across)  # [f, 3, 3]
    inside = np.argpartition(squared_distances(centres, x), min(CORE, n) - 1, axis=1)[:, :CORE]
    core = (x[inside] - centres[:, None]) @ frames.transpose(0, 2, 1)  # [f, m, 3]
    tried = ops[rng.integers(1, len(ops), size=OPERATIONS)]  # [o, 3, 3]
    images = (core[:, None] @ tried.transpose(0, 2, 1)).reshape(FRAMES, -1, 3)  # [f, o m, 3]
    lengths = np.einsum("fmi,fmi->fm", core, core)
    gaps = np.tile(lengths, OPERATIONS) + (lengths[:, None] - 2.0 * images @ core.transpose(0, 2, 1)).min(2)
    best = int(gaps.mean(1).argmin())
    return (x - centres[best]) @ frames[best].T


def _frames(z: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Orthonormal axes [f, 3, 3] as rows x, y, z: along z [f, 3], x towards `across`."""
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-9)
    z = np.where(np.abs(z).sum(1, keepdims=True) > 0.5, z, np.array([0.0, 0.0, 1.0]))
    across = across + 1e-6 * np.array([0.3, 0.5, 0.7])
    x = across - (across * z).sum(1, keepdims=True) * z
    x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return np.stack([x, cross(z, x), z], axis=1)


class _Builder:
    """Puts a cluster together from orbits, keeping to its composition."""

    def __init__(self, x: np.ndarray, scale: LengthScale, flat: bool, rng: np.random.Generator) -> None:
        """x : [n, 3] about the centre, in the frame of the group."""
        self.scale, self.flat, self.rng = scale, flat, rng
        order = np.argsort((x**2).sum(1))
        self.seeds, self.kinds = x[order], np.arange(len(x))[order]
        self.first = scale.first_of_kind
        self.left = dict(scale.kinds)
        self.placed: list[np.ndarray] = []
        self.placed_kinds: list[int] = []  # per atom
        self.first_of: list[int] = []  # an atom of each orbit
        self.broken = False  # whether orbits of a larger group were placed before

    def build(self, ops: np.ndarray, share: tuple[float, float]) -> np.ndarray:
        """Positions [n, 3] in the order of the composition."""
        n = len(self.seeds)
        keep = int(np.ceil(n * self.rng.uniform(*share)))
        seeds, kinds = self.seeds[:keep], self.first[self.kinds[:keep]]
        while not self._take(seeds, kinds, ops):
            ops = self._subgroup(ops)
        for _ in range(30):
            if not any(self.left.values()):
                break
            if self._grow(ops):
                continue
            if len(ops) == 1:
                break
            ops, self.broken = self._subgroup(ops), True
        positions = np.concatenate(self.placed) if self.placed else np.zeros((0, 3))
        kinds = np.array(self.placed_kinds, dtype=int)
        result = np.empty((n, 3))
        for kind, missing in self.left.items():
            mine = positions[kinds == kind]
            if missing:  # nowhere to go: as they were
                mine = np.concatenate([mine, self.seeds[self.first[self.kinds] == kind][-missing:]])
            result[self.first == kind] = mine
        return result

    def _subgroup(self, ops: np.ndarray) -> np.ndarray:
        """Powers of one operation, or the identity alone."""
        op = ops[self.rng.integers(len(ops))]
        powers = [np.eye(3)]
        while np.abs(power := powers[-1] @ op - np.eye(3)).max() > 1e-6:
            powers.append(power + np.eye(3))
        return np.array(powers) if len(powers) < len(ops) else np.eye(3)[None]

    def _take(self, points: np.ndarray, kinds: np.ndarray, ops: np.ndarray) -> int:
        """Place the orbits of points [m, 3] in this order where they fit; how many atoms that were."""
        orbits = Orbits(points, ops, MERGED * self.scale.bond)
        squares = squared_distances(orbits.points, self.positions) if self.placed else None
        return self._place(orbits, kinds, range(len(points)), squares)

    def _place(self, orbits: Orbits, kinds: np.ndarray, order: Iterable[int], squares: np.ndarray | None) -> int:
        """As `_take`, of the orbits in `order`; kinds [m] of all; squared distances [m, placed], if any are."""
        own = self.scale.bonds[kinds]  # [m, n]
        inner = own[np.arange(len(kinds)), kinds]
        free, touching = orbits.gaps > CLEAR * inner, orbits.gaps < TOUCHING * inner
        if squares is not None:
            relative = squares / own[:, self.placed_kinds] ** 2
            nearest = relative.min(1)
            free &= nearest > CLEAR**2
            touching |= nearest < TOUCHING**2
        taken = 0
        for k in order:
            kind = int(kinds[k])
            if not free[k] or orbits.sizes[k] > self.left[kind] or not (touching[k] or not self.placed):
                continue
            block = orbits.atoms(k)
            self.first_of.append(len(self.placed_kinds))
            self.placed.append(block)
            self.placed_kinds += [kind] * len(block)
            self.left[kind] -= len(block)
            taken += len(block)
            if not any(self.left.values()):
                break
            apart = squared_distances(orbits.points, block).min(1)
            free &= apart > (CLEAR * own[:, kind]) ** 2
            touching |= apart < (TOUCHING * own[:, kind]) ** 2
        return taken

    @property
    def positions(self) -> np.ndarray:
        """[placed so far, 3]"""
        return np.concatenate(self.placed)

    def _grow(self, ops: np.ndarray) -> int:
        """Orbits on the best vacant sites; how many atoms were placed."""
        bonds = self.scale.bonds
        grown = 0
        for kind in sorted(self.left, reverse=bool(self.rng.random() < 0.5)):
            if not self.left[kind]:
                continue
            placed, kinds = self.positions, np.array(self.placed_kinds)
            among, lengths = bonds[np.ix_(kinds, kinds)], bonds[kind, kinds]
            sites = np.zeros((0, 3))
            if not self.flat:  # by symmetry one atom of each orbit will do
                around = np.array(self.first_of) if len(ops) > 1 and not self.broken else None
                sites = cap_sites(placed, among, lengths, around)
            if not len(sites):
                sites = np.concatenate(list(edge_sites(placed, among, lengths).values()))
            if not len(sites):
                continue
            if self.flat:
                sites[:, 2] *= 0.5  # or a slight tilt of the rim grows into a bowl
            orbits = Orbits(sites, ops, MERGED * self.scale.bond)
            squares = squared_distances(orbits.points, placed)
            bound = smooth_bonds(squares, lengths)
            if len(ops) > 1:
                own = np.minimum(bonds[kind, kind] ** 2 / orbits.squares, 1.5) ** 3
                bound += own.sum(1) * orbits.sizes / len(ops)
            # A site drawn onto an axis can overlap atoms; near as it is to them, it would outbid all that are free.
            overlaps = (orbits.gaps < CLEAR * bonds[kind, kind]) | (squares < (CLEAR * lengths) ** 2).any(1)
            bound[overlaps | (orbits.sizes > self.left[kind])] = -1.0
            bound *= 1.0 + SCATTER * self.rng.normal(size=len(bound))
            best = np.argsort(-bound)
            best = best[: int((bound > max(0.0, CUT * bound[best[0]])).sum())]
            grown += self._place(orbits, np.full(len(sites), kind), best, squares)
        return grown
