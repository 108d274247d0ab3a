"""The move that makes a cluster symmetric: its core's own approximate symmetry, carried outwards.

An approximate centre and axes are found in the structure for a point group drawn at random: of some
frames through atoms, bonds, faces and holes the one is taken in which the operations map the core
best onto itself (a continuous symmetry measure). The atoms, from the centre outwards, are replaced by
whole orbits; what is missing comes as orbits on vacant surface sites, and atoms left over break the
symmetry as little as they can. After Oakley, Johnston & Wales, Phys. Chem. Chem. Phys. 2013, 15, 3965,
but their way through the orbits is another one.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from search.geometry.scale import LengthScale
from search.geometry.sites import cap_sites, closeness, cross, edge_sites, smooth_bonds, squared_distances
from search.moves.point_groups import Orbits, group, powers
from search.moves.surface import plane_of

FRAMES, AXES, CORE, OPERATIONS = 24, 32, 8, 3
"""Frames that are compared, features next to a centre that their axes lead through, atoms and operations that they are
judged by."""
GROUPS = (
    "C1v",
    "C2",
    "C3",
    "C2v",
    "C3v",
    "C4v",
    "C5v",
    "C6v",
    "D2h",
    "D2d",
    "D3h",
    "D3d",
    "D4h",
    "D4d",
    "D5h",
    "D5d",
    "D6h",
    "D6d",
    "T",
    "Td",
    "Th",
    "O",
    "Oh",
    "Ih",
)
"""Of compact clusters; drawn with equal chance, so high symmetries are no rarity."""
FLAT_FOLDS = (2, 2, 3, 3, 4, 5, 5, 6, 7, 8, 9, 10)
FLAT_GROUPS = ("C1v", "C{}", "C{}v", "C{}v")
NOISE = 0.03
"""Bond lengths, rattled at the end: a quench that keeps an exact symmetry can end on a saddle."""
KEEP, GROWN, SCATTER, CUT = (0.1, 1.0), (0.02, 0.25), 0.1, 0.65
"""Share of the atoms, from the centre outwards, that give orbits, in a move and in a seed; scatter of the bonds of
vacant sites before they are ranked; least bonds, relative to the best site's, of those filled before sites are
sought anew."""
ROUNDS = 30
"""In which sites are sought and filled, at most."""
MERGED, CLEAR, TOUCHING = 0.55, 0.75, 1.4
"""Bond lengths: images closer than the first become one atom, atoms closer than the second overlap, and
those farther apart than the third don't hold together."""


def symmetrise(
    positions: np.ndarray,
    scale: LengthScale,
    rng: np.random.Generator,
    step: float,
    keep: tuple[float, float] = KEEP,
) -> np.ndarray:
    """A structure of a point group drawn at random, or nearly so, with the core of `positions`.

    keep : least and largest share of the atoms, from the centre outwards, that the core may have.
    """
    return Frames(positions, scale).begin(rng, keep).finish()


def draw_group(rng: np.random.Generator, flat: bool) -> str:
    """Name of a point group; one that keeps a plane where the cluster is `flat`."""
    if not flat:
        return GROUPS[int(rng.integers(len(GROUPS)))]
    fold = FLAT_FOLDS[int(rng.integers(len(FLAT_FOLDS)))]
    return FLAT_GROUPS[int(rng.integers(len(FLAT_GROUPS)))].format(fold)


class Frames:
    """Where the centre and the axes of a structure may be; what is grown of one structure shares them."""

    def __init__(self, positions: np.ndarray, scale: LengthScale) -> None:
        """positions : [n, 3]"""
        self.scale = scale
        self.x = x = positions - positions.sum(0) / len(positions)
        self.normal = normal = plane_of(x, scale)
        pairs = ((squared_distances(x, x) < (1.6 * scale.bond) ** 2) & scale.upper).ravel().nonzero()[0]
        i = pairs // len(x)
        # Atoms, middles of bonds and of octahedral holes.
        self.features = features = 0.5 * (x.take(i, 0) + x.take(pairs - i * len(x), 0))  # [k, 3]
        reach = np.vecdot(x, x).min() ** 0.5 + 0.6 * scale.bond
        inner = (np.vecdot(features, features) < reach * reach).nonzero()[0]
        centres = np.concatenate([np.zeros((1, 3)), features.take(inner, 0)])  # [c, 3]
        # Axes of a core lead through what is next to its centre; what is farther out seldom lies on one.
        apart = squared_distances(centres, features)
        self.around = apart.argpartition(min(AXES, len(features)) - 1, axis=1)[:, :AXES]  # [c, a]
        self.unprojected = centres
        self.centres = centres if normal is None else centres - (centres @ normal)[:, None] * normal
        self.inside = squared_distances(self.centres, x).argpartition(min(CORE, len(x)) - 1, axis=1)[:, :CORE]  # [c, m]

    def begin(self, rng: np.random.Generator, keep: tuple[float, float]) -> Growth:
        """A structure of a point group drawn at random, with its core; keep : see `symmetrise`."""
        ops = group(draw_group(rng, self.normal is not None))
        x = self._in_best(ops, rng)
        return Growth(x, self.scale, self.normal is not None, rng, ops, keep)

    def _in_best(self, ops: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """x [n, 3] moved and turned so that the operations [order, 3, 3] about the origin suit its core best."""
        # Every number drawn at once: NumPy takes as long for one as for all.
        drawn = rng.random(3 * FRAMES + OPERATIONS + 6)
        chosen = 1 + _below(len(self.centres) - 1, drawn[:FRAMES])  # [f]
        chosen[:4] = 0  # the centroid
        before, around = self.unprojected.take(chosen, 0), self.around.take(chosen, 0)
        frame = np.arange(FRAMES)
        z, across = (
            self.features.take(around[frame, _below(around.shape[1], some)], 0) - before
            for some in drawn[FRAMES : 3 * FRAMES].reshape(2, FRAMES)
        )
        if self.normal is not None:
            z = np.broadcast_to(self.normal, z.shape)
        else:
            z[2:8] = self.axes.take(_below(3, drawn[-6:]), 0)
        frames = _frames(z, across)  # [f, 3, 3]
        centres = self.centres.take(chosen, 0)
        core = (self.x.take(self.inside.take(chosen, 0), 0) - centres[:, None]) @ frames.transpose(0, 2, 1)  # [f, m, 3]
        tried = ops.take(1 + _below(len(ops) - 1, drawn[3 * FRAMES : -6]), 0)  # [o, 3, 3]
        images = (core @ tried.reshape(-1, 3).T).reshape(FRAMES, -1, 3)  # [f, m o, 3]
        lengths = np.vecdot(core, core)  # of the images too
        gaps = (lengths[:, :, None] - (2.0 * core) @ images.transpose(0, 2, 1)).min(1)  # [f, m o]
        best = int((gaps.sum(1) + OPERATIONS * lengths.sum(1)).argmin())
        result: np.ndarray = (self.x - centres[best]) @ frames[best].T
        return result

    @cached_property
    def axes(self) -> np.ndarray:
        """Principal axes of x [3, 3], as rows."""
        result: np.ndarray = np.linalg.eigh(self.x.T @ self.x)[1].T
        return result


def _below(n: int, drawn: np.ndarray) -> np.ndarray:
    """Whole numbers of 0 to n - 1 from numbers drawn evenly between 0 and 1."""
    return (n * drawn).astype(int)


def _frames(z: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Orthonormal axes [f, 3, 3] as rows x, y, z: along z [f, 3], x towards `across`."""
    length = np.sqrt(np.vecdot(z, z))
    z = z / np.maximum(length, 1e-9)[:, None]
    z[length < 1e-9] = (0.0, 0.0, 1.0)
    across = across + 1e-6 * np.array([0.3, 0.5, 0.7])
    x = across - np.vecdot(across, z)[:, None] * z
    x /= np.maximum(np.sqrt(np.vecdot(x, x)), 1e-12)[:, None]
    frames = np.empty((len(z), 3, 3))
    frames[:, 0], frames[:, 1], frames[:, 2] = x, cross(z, x), z
    return frames


class Growth:
    """Puts a cluster together from orbits, keeping to its composition.

    Attributes
    ----------
    n : atoms placed, `positions` [n_atoms, 3] and `kinds` [n_atoms] hold them first. kinds : first atom of the element.
    """

    def __init__(
        self,
        x: np.ndarray,
        scale: LengthScale,
        flat: bool,
        rng: np.random.Generator,
        ops: np.ndarray,
        share: tuple[float, float],
    ) -> None:
        """x : [n, 3] about the centre, in the frame of the group. share : see `symmetrise`."""
        self.scale, self.flat, self.rng, self.ops = scale, flat, rng, ops
        order = np.vecdot(x, x).argsort()
        self.seeds, self.seed_kinds = x[order], scale.first_of_kind[order]
        self.left = dict(scale.kinds)
        self.n, self.rounds = 0, ROUNDS
        self.positions, self.kinds = np.empty((len(x), 3)), np.empty(len(x), dtype=int)
        self.first_of: list[int] = []  # an atom of each orbit
        self.broken = False  # whether orbits of a larger group were placed before
        keep = int(np.ceil(len(x) * rng.uniform(*share)))
        while not self._take(keep, self.ops):
            self.ops = self._subgroup(self.ops)

    def grow_to(self, n: int) -> None:
        """Go on until n atoms at least are placed, or as many as find a place."""
        while self.n < n and self.rounds:
            self.rounds -= 1
            before = self.n
            if self._grow(self.ops):
                continue
            if len(self.ops) > 1:
                self.ops, self.broken = self._subgroup(self.ops), True
            elif self.n == before:
                self.rounds = 0

    def finish(self) -> np.ndarray:
        """Positions [n_atoms, 3] in the order of the composition."""
        self.grow_to(len(self.seeds))
        result = np.empty_like(self.positions)
        for kind, missing in self.left.items():
            mine = self.positions[: self.n][self.kinds[: self.n] == kind]
            if missing:  # nowhere to go: as they were
                mine = np.concatenate([mine, self.seeds[self.seed_kinds == kind][-missing:]])
            result[self.scale.first_of_kind == kind] = mine
        noise: np.ndarray = NOISE * self.scale.bond * self.rng.normal(size=result.shape)
        result += noise
        return result

    def _subgroup(self, ops: np.ndarray) -> np.ndarray:
        """Powers of one operation, or the identity alone."""
        cyclic = powers(ops[self.rng.integers(len(ops))].tobytes())
        return cyclic if len(cyclic) < len(ops) else cyclic[:1]

    def _take(self, n: int, ops: np.ndarray) -> int:
        """Place the orbits of the n innermost atoms in this order where they fit; how many atoms that were."""
        kinds = self.seed_kinds[:n]
        orbits = Orbits(self.seeds[:n], ops, MERGED * self.scale.bond)
        closest = self.scale.squared_bonds[kinds, kinds] / orbits.squares.min(1)
        return self._place(orbits, kinds, np.arange(n), closest)

    def _place(self, orbits: Orbits, kinds: np.ndarray, order: np.ndarray, closest: np.ndarray) -> int:
        """Place orbits in this order where they fit; how many atoms that were.

        order : [o] which of the orbits. kinds, closest : [o] of these: first atom of the element, and the greatest
        (bond length / distance)² to what is placed, or within the orbit.
        """
        before, total, among = self.n, len(self.seeds), self.scale.squared_bonds.take(kinds, 0).take(kinds, 1)
        mutual = among / np.maximum(orbits.apart(order), 1e-12)  # [o, o]
        sizes = orbits.sizes.take(order).tolist()
        placed: list[int] = []
        for place, (kind, size) in enumerate(zip(kinds.tolist(), sizes, strict=True)):
            near = closest[place]
            if near > CLEAR**-2 or size > self.left[kind] or (self.n and near < TOUCHING**-2):
                continue
            placed.append(place)
            self.first_of.append(self.n)
            self.kinds[self.n : self.n + size] = kind
            self.n += size
            self.left[kind] -= size
            if self.n == total:
                break
            np.maximum(closest, mutual[place], out=closest)
        if placed:
            self.positions[before : self.n] = orbits.atoms(order.take(placed))
        return self.n - before

    def _grow(self, ops: np.ndarray) -> bool:
        """Orbits on the best vacant sites; whether more of the sites may take one, by its size."""
        bonds, more = self.scale.bonds, False
        for kind in sorted(self.left, reverse=bool(self.rng.random() < 0.5)):
            if not self.left[kind]:
                continue
            placed, kinds = self.positions[: self.n], self.kinds[: self.n]
            among, lengths = bonds.take(kinds, 0).take(kinds, 1), bonds[kind].take(kinds)
            # By symmetry one atom of each orbit will do.
            around = np.array(self.first_of) if len(ops) > 1 and not self.broken else None
            sites = None if self.flat else cap_sites(placed, among, lengths, around)
            if sites is None or not len(sites):
                sites = np.concatenate(list(edge_sites(placed, among, lengths).values()))
            if not len(sites):
                continue
            if self.flat:
                sites[:, 2] *= 0.5  # or a slight tilt of the rim grows into a bowl
            orbits = Orbits(sites, ops, MERGED * self.scale.bond)
            close = closeness(orbits.points, placed, lengths)
            bound, closest = smooth_bonds(close), close.max(0)
            if len(ops) > 1:
                own = bonds[kind, kind] ** 2 / orbits.squares.T  # [order, m]
                bound += smooth_bonds(own) * orbits.sizes / len(ops)
                np.maximum(closest, own.max(0), out=closest)
            # A site drawn onto an axis can overlap atoms; near as it is to them, it would outbid all that are free.
            bound[(closest > CLEAR**-2) | (orbits.sizes > self.left[kind])] = 0.0
            bound *= 1.0 + SCATTER * self.rng.normal(size=len(bound))
            best = (bound > CUT * bound.max()).nonzero()[0]
            if len(best):
                best = best.take((-bound.take(best)).argsort())
                sizes = orbits.sizes[bound > 0]
                self._place(orbits, np.full(len(best), kind), best, closest.take(best))
                more = more or bool((sizes <= self.left[kind]).any())
        return more
