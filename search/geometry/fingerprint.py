"""Are two minima the same? Energy, sorted distances per element pair, then the best superposition.

Each comparison before the superposition is a bound that follows from it, so it can only reject what
the superposition would reject: a centred displacement field u with root mean square ρ and largest
length δ changes the principal radii by at most ρ, sorted distances by at most 2δ each and by at most
ρ √(2n/(n−1)) in root mean square. The superposition maps two atoms and the centroid onto every pair
that could be their image, so for true copies it does not depend on a lucky start.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement, pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from search.errors import InputError, positive

ENANTIOMERS = ("one", "two")


@dataclass(frozen=True)
class Sameness:
    """When two minima count as one.

    Attributes
    ----------
    energy_tolerance : largest difference in energy, eV (or the model's unit).
    rmsd_tolerance : largest root mean square deviation after superposition, in bond lengths.
    displacement_tolerance : largest deviation of any atom, in bond lengths.
    enantiomers : "one" (mirror images are the same) or "two".
    """

    energy_tolerance: float = 1e-3
    rmsd_tolerance: float = 0.06
    displacement_tolerance: float = 0.2
    enantiomers: str = "one"

    def __post_init__(self) -> None:
        for name in ("energy_tolerance", "rmsd_tolerance", "displacement_tolerance"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        if self.enantiomers not in ENANTIOMERS:
            raise InputError(f"enantiomers is {self.enantiomers!r}; choose one of {', '.join(ENANTIOMERS)}")


class Fingerprint:
    """What the comparisons need of one structure, each part computed when first asked for.

    positions : [n, 3], any length unit; kept centred. numbers : [n], the same order for all compared.
    """

    def __init__(self, positions: np.ndarray, numbers: np.ndarray) -> None:
        self.numbers = np.ascontiguousarray(numbers, dtype=int)
        x = np.asarray(positions, dtype=float)
        self.positions = x - x.sum(0) / len(x)  # [n, 3]
        # Principal radii [3], √ of the eigenvalues of the positions' covariance, and axes [3, 3], in columns.
        squares, self.axes = np.linalg.eigh(self.positions.T @ self.positions / len(self.numbers))
        self.radii = np.sqrt(np.maximum(squares, 0.0))

    @cached_property
    def distances(self) -> np.ndarray:
        """[n, n] distances."""
        result: np.ndarray = cdist(self.positions, self.positions)
        return result

    @cached_property
    def pair_distances(self) -> np.ndarray:
        """[n(n-1)/2] distances, sorted within each pair of elements, the pairs one after another."""
        flat = self.distances.ravel()
        return np.concatenate([np.sort(flat[pairs]) for pairs in _pairs(self.numbers.tobytes(), len(self.numbers))])

    @cached_property
    def atom_distances(self) -> np.ndarray:
        """[n, n] for each atom, its distances to the atoms of each element, sorted within the element."""
        if (self.numbers == self.numbers[0]).all():
            return np.sort(self.distances, axis=1)
        parts = [np.sort(self.distances[:, self.numbers == z], axis=1) for z in np.unique(self.numbers)]
        return np.concatenate(parts, axis=1)


@lru_cache(maxsize=16)
def _pairs(numbers: bytes, n: int) -> list[np.ndarray]:
    """For each pair of elements where its pairs of atoms are in a flat [n n] array; numbers as bytes."""
    kinds = np.frombuffer(numbers, dtype=int)
    blocks = [np.flatnonzero(kinds == z) for z in np.unique(kinds)]
    lists = []
    for p, q in combinations_with_replacement(blocks, 2):
        places = p[:, None] * n + q[None, :]
        lists.append(places[np.triu_indices(len(p), 1)] if p is q else places.ravel())
    return lists


def same(a: Fingerprint, b: Fingerprint, bond: float, sameness: Sameness) -> bool:
    """Whether `a` and `b` (of about equal energy: the caller's part) are copies of one minimum.

    bond : length that the tolerances are multiples of, in the unit of the positions.
    """
    n = len(a.numbers)
    rmsd, displacement = sameness.rmsd_tolerance * bond, sameness.displacement_tolerance * bond
    if np.linalg.norm(a.radii - b.radii) > rmsd:
        return False
    if n == 1:
        return True
    spread = a.pair_distances - b.pair_distances
    bound = rmsd * np.sqrt(2.0 * n / (n - 1))
    if np.abs(spread).max() > 2.0 * displacement or spread @ spread > bound * bound * len(spread):
        return False
    mirror = sameness.enantiomers == "one"
    return _superimposable(a, b, rmsd, displacement, mirror)


def kabsch(a: np.ndarray, b: np.ndarray, mirror: bool = True) -> np.ndarray:
    """Rotation [3, 3] (with inversion if `mirror`) that brings centred b [n, 3] closest to a: b @ it ≈ a."""
    u, _, vt = np.linalg.svd(b.T @ a)
    if not mirror and np.linalg.det(u @ vt) < 0:
        u[:, -1] *= -1.0
    return u @ vt


def align(a: np.ndarray, b: np.ndarray, numbers: np.ndarray, mirror: bool = True) -> np.ndarray:
    """`b` permuted within elements, rotated (and mirrored) onto `a`, so that mixing the two means something.

    Principal axes in all their signs give the starts; assignment and Kabsch alternate from the best
    three until the assignment stands still. a, b : [n, 3]; returned: [n, 3] with a's centroid.
    """
    centre = a.mean(0)
    a, b = a - centre, b - b.mean(0)
    forbidden = numbers[:, None] != numbers[None, :]
    starts = b @ _principal_rotations(_axes(a), _axes(b), mirror)  # [c, n, 3]
    squares = _squares(a, starts)  # [c, n, n]
    squares[:, forbidden] = np.inf
    best, best_score = b, np.inf
    for k in np.argsort(squares.min(2).mean(1), kind="stable")[:3]:
        turned, previous = starts[k], None
        for _ in range(10):
            order = _assign(a, turned, forbidden)
            if previous is not None and (order == previous).all():
                break
            previous = order
            turned = b[order] @ kabsch(a, b[order], mirror)
            # Rows now follow a's order; undo it for the next assignment, which permutes b.
            score = float(((a - turned) ** 2).sum())
            if score < best_score - 1e-12:
                best, best_score = turned, score
            turned = b @ kabsch(a, b[order], mirror)
    return best + centre


def _superimposable(a: Fingerprint, b: Fingerprint, rmsd: float, displacement: float, mirror: bool) -> bool:
    n = len(a.numbers)
    forbidden = a.numbers[:, None] != b.numbers
    # Most copies are found in their principal axes; what isn't is sought with more care.
    if _some_match(a, b, _principal_rotations(a.axes, b.axes, mirror), forbidden, rmsd, displacement, mirror, most=1):
        return True
    # Mean square difference of every two atoms' distance lists; its best assignment is another bound.
    mismatch = _squares(a.atom_distances, b.atom_distances[None])[0] / n  # [n, n]
    mismatch[forbidden] = 1e6
    rows, columns = linear_sum_assignment(mismatch)
    if mismatch[rows, columns].mean() > 2.0 * rmsd**2:
        return False
    alike = mismatch <= (displacement + rmsd) ** 2
    rotations = _image_rotations(a, b, alike, 2.0 * displacement, mirror)
    # True copies are mostly found among the first, so those go ahead in a short chunk.
    return any(
        _some_match(a, b, rotations[start:stop], forbidden, rmsd, displacement, mirror)
        for start, stop in pairwise([0, 4, *range(36, len(rotations) + 32, 32)])
    )


def _some_match(
    a: Fingerprint,
    b: Fingerprint,
    rotations: np.ndarray,
    forbidden: np.ndarray,
    rmsd: float,
    displacement: float,
    mirror: bool,
    most: int | None = None,
) -> bool:
    """Whether one of `rotations` [c, 3, 3] (the best `most` of them) begins a superposition within the tolerances."""
    n, turned = len(a.numbers), b.positions @ rotations  # [c, n, 3]
    squares = _squares(a.positions, turned)
    squares[:, forbidden] = np.inf
    nearest = squares.min(2)  # [c, n]
    for k in np.argsort(nearest.mean(1), kind="stable")[:most]:
        if nearest[k].max() > (2.0 * displacement) ** 2:
            continue
        order = squares[k].argmin(1)
        if np.bincount(order, minlength=n).max() > 1:
            order = _assign(a.positions, turned[k], forbidden)
        deviation = a.positions - b.positions[order] @ kabsch(a.positions, b.positions[order], mirror)
        lengths = (deviation**2).sum(1)
        if lengths.mean() <= rmsd**2 and lengths.max() <= displacement**2:
            return True
    return False


def _image_rotations(a: Fingerprint, b: Fingerprint, alike: np.ndarray, slack: float, mirror: bool) -> np.ndarray:
    """Rotations [c, 3, 3], b onto a: those that bring some pair of b's atoms onto a chosen pair of a's.

    The centroid stays. alike : [n, n] bool, atom of b may be the image of the atom of a. Where all
    atoms are in line, the principal axes do.
    """
    radius = _lengths(a.positions)
    count = alike.sum(1)
    first = _rarest(count, radius)
    axis = a.positions[first] / max(radius[first], 1e-12)
    height = _lengths(a.positions - (a.positions @ axis)[:, None] * axis)
    if height.max() < 0.5 * slack:
        return _principal_rotations(a.axes, b.axes, mirror)
    second = _rarest(count, height)
    i, j = alike[first].nonzero()[0], alike[second].nonzero()[0]
    length = _lengths(b.positions)
    miss = np.abs(b.distances.take(i, 0).take(j, 1) - a.distances[first, second])
    miss += np.abs(length[i] - radius[first])[:, None] + np.abs(length[j] - radius[second])
    miss[i[:, None] == j] = np.inf
    p, q = (miss <= 3.0 * slack).nonzero()
    best = miss[p, q].argsort(kind="stable")
    i, j = i.take(p.take(best)), j.take(q.take(best))
    frames = _frames(
        np.concatenate([a.positions[first, None], b.positions[i]]),
        np.concatenate([a.positions[second, None], b.positions[j]]),
    )
    target, frames = frames[0], frames[1:]  # [3, 3], [c, 3, 3], rows are axes
    proper = frames.transpose(0, 2, 1) @ target
    if not mirror:
        result: np.ndarray = proper
        return result
    improper = frames.transpose(0, 2, 1) @ (np.array([1.0, 1.0, -1.0])[:, None] * target)
    return np.stack([proper, improper], axis=1).reshape(-1, 3, 3)


def _rarest(count: np.ndarray, length: np.ndarray) -> int:
    """The atom with fewest possible images among those with at least half the greatest length."""
    longest = length.max()
    # Of equal counts the greatest length; less than 1 in all, so that it never outweighs a count.
    return int(np.where(length >= 0.5 * longest, count - length / (2.0 * longest + 1e-12), np.inf).argmin())


def _frames(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Orthonormal axes [c, 3, 3] as rows: along p [c, 3], then q's part across it, then their product."""
    x = p / np.maximum(_lengths(p), 1e-12)[:, None]
    y = q - np.vecdot(q, x)[:, None] * x
    y /= np.maximum(_lengths(y), 1e-12)[:, None]
    z = x[:, [1, 2, 0]] * y[:, [2, 0, 1]] - x[:, [2, 0, 1]] * y[:, [1, 2, 0]]
    frames = np.empty((len(x), 3, 3))
    frames[:, 0], frames[:, 1], frames[:, 2] = x, y, z
    return frames


_SIGNS = np.array([(p, q, r) for p in (1, -1) for q in (1, -1) for r in (1, -1)], dtype=float)


def _axes(x: np.ndarray) -> np.ndarray:
    """Principal axes [3, 3], in columns, of centred positions [n, 3]."""
    return np.linalg.eigh(x.T @ x)[1]


def _principal_rotations(axes_a: np.ndarray, axes_b: np.ndarray, mirror: bool) -> np.ndarray:
    """Rotations [8 or 4, 3, 3] that bring axes [3, 3] of b onto those of a in every sign."""
    rotations = (axes_b * _SIGNS[:, None, :]) @ axes_a.T
    result: np.ndarray = rotations if mirror else rotations[np.linalg.det(rotations) > 0]
    return result


def _assign(a: np.ndarray, b: np.ndarray, forbidden: np.ndarray) -> np.ndarray:
    """order [n] with b[order] closest to a, atoms matched within their element."""
    squares = _squares(a, b[None])[0]
    squares[forbidden] = 1e9
    result: np.ndarray = linear_sum_assignment(squares)[1]
    return result


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances [c, n, n] between a [n, 3] and each of b [c, n, 3]."""
    squares = -2.0 * a @ b.transpose(0, 2, 1)
    squares += np.vecdot(a, a)[:, None]
    squares += np.vecdot(b, b)[:, None, :]
    result: np.ndarray = np.maximum(squares, 0.0, out=squares)
    return result


def _lengths(x: np.ndarray) -> np.ndarray:
    """[k] of vectors [k, 3]."""
    result: np.ndarray = np.sqrt(np.vecdot(x, x))
    return result
