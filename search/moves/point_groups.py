"""Point groups as stacks of 3 × 3 matrices, and the orbits of points under them.

Settings: the main axis is z (a fivefold one for I and Ih, a fourfold one for O and Oh, a twofold one
for T, Td and Th); mirrors of Cnv hold x, twofold axes of Dn lie along x. C1v is what is usually called Cs,
with its mirror along z, so that it suits planar clusters whose normal is z.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np

from search.errors import InputError

FOLDS = tuple(range(2, 13))
CUBIC = ("T", "Td", "Th", "O", "Oh", "I", "Ih")


@cache
def group(name: str) -> np.ndarray:
    """Operations [order, 3, 3] of a point group, such as "C3v", "D5h", "S8", "Ci" or "Ih"; the identity is first.

    Raises
    ------
    ValueError : not a point group that is known here.
    """
    ops = _close(_generators(name))
    ops.flags.writeable = False
    return ops


def _generators(name: str) -> list[np.ndarray]:
    inversion, level, upright = -np.eye(3), np.diag([1.0, 1.0, -1.0]), np.diag([1.0, -1.0, 1.0])
    half, threefold = rotation([1, 0, 0], 2), rotation([1, 1, 1], 3)
    golden = 0.5 * (1.0 + 5.0**0.5)
    if name == "Ci":
        return [inversion]
    if name in CUBIC:
        if name[0] == "I":  # a twofold axis 31.7° off the fivefold one, in the plane of x
            ring = np.array([1.0 / np.hypot(1.0, golden), 0.0, golden / np.hypot(1.0, golden)])
            return [rotation([0, 0, 1], 5), rotation(ring, 2)] + [inversion] * (name == "Ih")
        first = rotation([0, 0, 1], 4 if name[0] == "O" else 2)
        more = {"Td": [level @ rotation([0, 0, 1], 4)], "Th": [inversion], "Oh": [inversion]}
        return [first, threefold, *more.get(name, [])]
    digits = "".join(c for c in name[1:] if c.isdigit())
    kind, fold, ending = name[:1], int(digits or 0), name[1 + len(digits) :]
    if fold < 1 or (kind, ending) not in _AXIAL:
        raise InputError(f"point group {name!r} is not known; write for example C3v, D5h, S8, Ci, Td, Oh or Ih")
    main, between = rotation([0, 0, 1], fold), rotation([0, 0, 1], 2 * fold)
    return {
        "C": [main],
        "Cv": [main, upright],
        "Ch": [main, level],
        "S": [level @ main],
        "D": [main, half],
        "Dh": [main, half, level],
        "Dd": [level @ between, half],
    }[kind + ending]


_AXIAL = {("C", ""), ("C", "v"), ("C", "h"), ("S", ""), ("D", ""), ("D", "h"), ("D", "d")}


def rotation(axis: np.ndarray | Sequence[float], fold: int) -> np.ndarray:
    """Turn by 1/fold of a circle about `axis` [3]: [3, 3], for column vectors."""
    x, y, z = np.asarray(axis, dtype=float) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = 2.0 * np.pi / fold
    result: np.ndarray = np.eye(3) + np.sin(angle) * cross + (1.0 - np.cos(angle)) * cross @ cross
    return result


def _close(generators: list[np.ndarray]) -> np.ndarray:
    """All products [order, 3, 3]."""
    ops = np.eye(3)[None]
    fresh = ops
    while len(fresh):
        products = np.concatenate([g @ fresh for g in generators])
        fresh = np.zeros((0, 3, 3))
        for op in products:
            known = np.concatenate([ops, fresh])
            if np.abs(known - op).max((1, 2)).min() > 1e-6:
                fresh = np.concatenate([fresh, op[None]])
        ops = np.concatenate([ops, fresh])
    return ops


@lru_cache(maxsize=1024)
def powers(op: bytes) -> np.ndarray:
    """All powers [fold, 3, 3] of an operation, its matrix as bytes; the identity is first."""
    matrix = np.frombuffer(op).reshape(3, 3)
    ops = [np.eye(3)]
    while np.abs((following := ops[-1] @ matrix) - ops[0]).max() > 1e-6:
        ops.append(following)
    result = np.array(ops)
    result.flags.writeable = False
    return result


class Orbits:
    """Points drawn onto the axes and planes that they nearly lie on, and what they become under a group.

    Attributes
    ----------
    points : [m, 3]. squares : [m, order] squared distances to their images, infinite where a point stays.
    sizes : [m] atoms per orbit.
    """

    def __init__(self, points: np.ndarray, ops: np.ndarray, near: float) -> None:
        """ops : the identity first. near : images closer than this to their point are one with it."""
        order = len(ops)
        flat = ops.reshape(order, 9)
        if order > 1:
            own = (_to_images(points, flat) < near**2).astype(float)  # [m, order]
            onto = (own @ flat).reshape(-1, 3, 3)  # on average the images are nearest to where they all would stay
            points = (onto @ points[:, :, None])[:, :, 0] / own.sum(1)[:, None]
        self.ops, self.points, self.squares = ops, points, _to_images(points, flat)
        fixed = self.squares < (1e-3 * near) ** 2
        self.squares[fixed] = np.inf
        self.sizes = order // fixed.sum(1)

    @property
    def gaps(self) -> np.ndarray:
        """[m] shortest distance within an orbit, infinite for a single atom."""
        result: np.ndarray = np.sqrt(self.squares.min(1))
        return result

    def apart(self, chosen: np.ndarray) -> np.ndarray:
        """Squared distances [c, c] of the chosen orbits from each other, each between their nearest atoms."""
        points = self.points.take(chosen, 0)
        norms = np.vecdot(points, points)
        # |p - g q|² = p p + q q - 2 p g q, and one atom of the first will do.
        result: np.ndarray = norms[:, None] + norms - 2.0 * (points @ (self.ops @ points.T)).max(0)
        return result

    def atoms(self, chosen: np.ndarray) -> np.ndarray:
        """The different images of the chosen points, one orbit after the other: [sum of their sizes, 3]."""
        order = len(self.ops)
        points, sizes = self.points.take(chosen, 0), self.sizes.take(chosen)
        images = (points @ self.ops.transpose(0, 2, 1)).transpose(1, 0, 2)  # [c, order, 3]
        if sizes.min() == order:
            every: np.ndarray = images.reshape(-1, 3)
            return every
        # Images that are one have one coordinate along any direction; different ones don't along this.
        along = images @ _ASKEW  # [c, order]
        rank = along.argsort(1, kind="stable") + order * np.arange(len(sizes))[:, None]
        along = along.take(rank)
        differs = np.ones(along.shape, dtype=bool)
        np.greater(along[:, 1:] - along[:, :-1], 1e-5, out=differs[:, 1:])
        if (differs.sum(1) == sizes).all():
            result: np.ndarray = images.reshape(-1, 3).take(rank[differs], 0)
            return result
        return np.concatenate([_differing(block) for block in images])


def _differing(images: np.ndarray) -> np.ndarray:
    """The different ones, where two happen to lie in one plane across that direction."""
    alike = np.abs(images[:, None] - images[None, :]).sum(2) < 1e-3
    result: np.ndarray = images[alike.argmax(1) == np.arange(len(images))]
    return result


_ASKEW = np.array([0.6121, 0.3037, 0.7301])


def _to_images(points: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """Squared distances [m, order] of points [m, 3] to their images under operations [order, 9].

    |p - g p|² = 2 (p p - p g p), so one product of matrices does without the images.
    """
    products = (points[:, :, None] * points[:, None, :]).reshape(-1, 9) @ flat.T
    result: np.ndarray = 2.0 * (products[:, :1] - products)
    return result
