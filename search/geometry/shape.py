"""What a cluster looks like: planar, tubular, cage or compact; and how its dopants are bound.

The shape is that of the host skeleton (boron in SeB16), so a dopant on top of a plane leaves it a
plane. Where the dopants are many (the host less than 0.6 of the atoms, as in Au6Cu7), it is the shape of
all atoms. All lengths are in b, the host's bond length by covalent radii (1.68 Å for boron). The first
criterion that holds decides:

planar    Quasi-planar included. Root mean square distance from the best plane at most 0.30 b
          (0.50 Å) and thickness, highest to lowest atom, at most 0.85 b (1.43 Å). Convex B12 and
          the bowl B36 (1.2 Å deep) are planar; the two rings of B20 (0.7 Å r.m.s.) aren't.
tubular   Along a principal axis at least two rings, each of five atoms or more that lie on one
          radius (within 15 %) around the axis and level within 0.35 b, leaving no gap of two
          atoms; neighbouring rings differ by one atom at most. Atoms left over, at most a fifth,
          may cap one end; a tube capped at both ends is no tube.
cage      Twelve atoms or more; hollow: no atom within 0.85 b of the centre (an icosahedron has
          0.95 b); and closed: no ray from the centre stays farther than 1.25 b from every atom that
          it passes (holes of seven atoms are closed, as in B40; larger ones are open). Its wall is
          a net, not a chain: 2.9 neighbours within 1.25 b per atom at least, on average.
compact   Three-dimensional, and none of the above.

The tube rings and bowl depths behind these numbers: Kiran et al., PNAS 2005, 102, 961 (B20);
Piazza et al., Nat. Commun. 2014, 5, 3113 (B36); Zhai et al., Nat. Chem. 2014, 6, 727 (B40).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from ase import Atoms
from ase.data import covalent_radii

from search.errors import InputError
from search.geometry.composition import Composition, bond_lengths
from search.geometry.pieces import DRAWN_BOND, NEIGHBOUR

SHAPES = ("planar", "tubular", "cage", "compact")

HOST_SHARE = 0.6
PLANE_RMS, PLANE_THICKNESS = 0.30, 0.85
RING_SPREAD, RING_LEVEL, RING_ATOMS, TUBE_LEFT_OVER = 0.15, 0.35, 5, 0.2
CAGE_ATOMS, CAGE_VOID, CAGE_HOLE, CAGE_NEIGHBOURS = 12, 0.85, 1.25, 2.9


@dataclass(frozen=True)
class DopantBonds:
    """Bonds of one dopant atom: its index, its symbol, the lengths to its neighbours in Å, ascending."""

    index: int
    symbol: str
    lengths: tuple[float, ...]

    def __str__(self) -> str:
        """As in "3× 1.98", or "2× 1.93–2.05" where the lengths differ by more than 0.02 Å."""
        if not self.lengths:
            return "none"
        low, high = self.lengths[0], self.lengths[-1]
        text = f"{low:.2f}–{high:.2f}" if high - low > 0.02 else f"{np.mean(self.lengths):.2f}"
        return f"{len(self.lengths)}× {text}"


def shape_of(atoms: Atoms) -> str:
    """The shape of the host skeleton, one of `SHAPES`; see the module's docstring for the criteria.

    Raises
    ------
    ValueError : no atoms, or positions that aren't finite.
    """
    if not len(atoms):
        raise InputError("there are no atoms, so there is no shape")
    if not np.isfinite(atoms.positions).all():
        raise InputError("the positions are not finite, so there is no shape")
    host = Composition.parse(atoms).host
    of_host = np.array([symbol == host for symbol in atoms.get_chemical_symbols()])
    bond = 2.0 * covalent_radii[atoms.numbers[of_host][0]]
    skeleton = atoms[of_host] if of_host.mean() >= HOST_SHARE else atoms
    x = (skeleton.positions - skeleton.positions.mean(0)) / bond  # [n, 3], in bond lengths
    if is_planar(x):
        return "planar"
    if is_tubular(x):
        return "tubular"
    return "cage" if is_cage(x) else "compact"


def dopant_bonds(atoms: Atoms) -> list[DopantBonds]:
    """Bonds of every atom that is not of the host element, in the order of the atoms."""
    host = Composition.parse(atoms).host
    distances, reach = atoms.get_all_distances(), DRAWN_BOND * bond_lengths(atoms.numbers)
    found = []
    for i, symbol in enumerate(atoms.get_chemical_symbols()):
        if symbol != host:
            bonded = (distances[i] < reach[i]) & (np.arange(len(atoms)) != i)
            found.append(DopantBonds(i, symbol, tuple(float(d) for d in np.sort(distances[i, bonded]))))
    return found


def principal_axes(x: np.ndarray) -> np.ndarray:
    """Rows [3, 3], right-handed: the directions in which x [n, 3] extends most, then less, then least."""
    axes = np.linalg.svd(x - x.mean(0), full_matrices=True)[2]
    result: np.ndarray = axes * np.sign(np.linalg.det(axes))
    return result


def is_planar(x: np.ndarray) -> bool:
    """Whether centred positions x [n, 3], in bond lengths, lie in a plane, or nearly so."""
    if len(x) <= 3:
        return True
    height = x @ principal_axes(x)[2]
    return bool(np.sqrt(np.mean(height**2)) <= PLANE_RMS and np.ptp(height) <= PLANE_THICKNESS)


def is_tubular(x: np.ndarray) -> bool:
    """Whether centred positions x [n, 3], in bond lengths, form stacked rings about an axis."""
    if len(x) < 2 * RING_ATOMS:
        return False
    return any(_is_tube_along(x, axis) for axis in _tube_axes(x))


def is_cage(x: np.ndarray) -> bool:
    """Whether centred positions x [n, 3], in bond lengths, enclose a void on all sides."""
    radius = np.linalg.norm(x, axis=1)
    if len(x) < CAGE_ATOMS or radius.min() < CAGE_VOID:
        return False
    neighbours = (np.linalg.norm(x[:, None] - x[None], axis=-1) < NEIGHBOUR).sum(1) - 1
    if neighbours.mean() < CAGE_NEIGHBOURS:
        return False
    along = _directions(800) @ x.T  # [directions, n]
    beside = np.sqrt(np.clip(radius**2 - along**2, 0.0, None))
    return bool(np.where(along > 0.0, beside, np.inf).min(1).max() <= CAGE_HOLE)


def _tube_axes(x: np.ndarray) -> list[np.ndarray]:
    """The principal axes, and again without each atom that might be a cap and tilt them."""
    axes = list(principal_axes(x))
    far = np.argsort(-np.linalg.norm(x, axis=1), kind="stable")[: max(1, int(TUBE_LEFT_OVER * len(x)))]
    for k in far:
        axes += list(principal_axes(np.delete(x, k, axis=0)))
    return axes


def _is_tube_along(x: np.ndarray, axis: np.ndarray) -> bool:
    height = x @ axis
    around = x - np.outer(height, axis)  # [n, 3]
    around = around - _middle(around)
    radius = np.linalg.norm(around, axis=1)
    on_wall = np.abs(radius / np.median(radius) - 1.0) <= RING_SPREAD
    rings = _levels(np.flatnonzero(on_wall), height)
    rings = [ring for ring in rings if len(ring) >= RING_ATOMS]
    members = np.concatenate(rings) if rings else np.array([], dtype=int)
    if len(rings) < 2 or len(x) - len(members) > TUBE_LEFT_OVER * len(x):
        return False
    sizes = [len(ring) for ring in rings]
    if max(abs(p - q) for p, q in pairwise(sizes)) > 1:
        return False
    if any(np.ptp(height[ring]) > RING_LEVEL or _has_gap(around[ring], axis) for ring in rings):
        return False
    left = np.setdiff1d(np.arange(len(x)), members)
    above, below = height[left] > height[rings[-1]].mean(), height[left] < height[rings[0]].mean()
    return not (above.any() and below.any())


def _levels(members: np.ndarray, height: np.ndarray) -> list[np.ndarray]:
    """Members in layers, lowest first: cut wherever the next atom is a third of a bond higher."""
    if not len(members):
        return []
    order = members[np.argsort(height[members], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(height[order]) > RING_LEVEL) + 1)


def _has_gap(ring: np.ndarray, axis: np.ndarray) -> bool:
    """Whether two neighbours on the ring [k, 3] are as far apart as if two atoms lacked between them."""
    first = ring[0] / np.linalg.norm(ring[0])
    angle = np.sort(np.arctan2(ring @ np.cross(axis, first), ring @ first))
    gaps = np.diff(np.append(angle, angle[0] + 2.0 * np.pi))
    return bool(gaps.max() >= 3.0 * 2.0 * np.pi / (len(ring) + 2))


def _middle(around: np.ndarray) -> np.ndarray:
    """Centre of the wall: mean of the outer atoms, so that a cap off the axis doesn't shift it much."""
    radius = np.linalg.norm(around, axis=1)
    result: np.ndarray = around[radius >= 0.6 * np.median(radius)].mean(0)
    return result


def _directions(n: int) -> np.ndarray:
    """n unit vectors [n, 3] spread evenly over the sphere (golden spiral)."""
    k = np.arange(n) + 0.5
    polar, azimuth = np.arccos(1.0 - 2.0 * k / n), np.pi * (1.0 + 5.0**0.5) * k
    return np.column_stack([np.cos(azimuth) * np.sin(polar), np.sin(azimuth) * np.sin(polar), np.cos(polar)])
