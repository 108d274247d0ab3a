"""Where one more atom could sit on a cluster: over faces, over bonds, beside the rim.

Throughout: positions [m, 3] of the cluster, bonds [m, m] its bond lengths, lengths [m] from the new
atom to each; a site is free if it is nearer than 0.85 bond lengths to nothing.
"""

from __future__ import annotations

import numpy as np

BOUND, FREE = 1.3, 0.85


def dopant_sites(positions: np.ndarray, bonds: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Free sites on a skeleton: kind -> [n_sites, 3].

    "rim": bound to one atom, away from its neighbours; "bridge": over a bond, on its open side;
    "cap": over either face of a triangle.
    """
    return {**edge_sites(positions, bonds, lengths), "cap": cap_sites(positions, bonds, lengths)}


def edge_sites(positions: np.ndarray, bonds: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Free rim and bridge sites; those of a plane lie in it."""
    gaps = np.sqrt(_squares(positions, positions))
    bound = _bound(positions, bonds)
    degree = np.maximum(bound.sum(1), 1)
    # From the middle of an atom's neighbours to the atom; from the centroid where that is nothing.
    outward = positions - (bound @ positions) / degree[:, None]
    flat = np.linalg.norm(outward, axis=1) < 0.15 * lengths
    outward[flat] = positions[flat] - positions.mean(0)
    told = (outward**2).sum(1) > (0.05 * lengths) ** 2  # the atom in the centre has no outside
    rim = (positions + lengths[:, None] * _unit(outward))[told]

    p, q = np.nonzero(np.triu(bound))
    middle, half = 0.5 * (positions[p] + positions[q]), 0.5 * gaps[p, q]
    along = _unit(positions[q] - positions[p])
    open_side = outward[p] + outward[q]
    open_side -= (open_side * along).sum(1, keepdims=True) * along
    height = np.sqrt(np.maximum((0.5 * (lengths[p] + lengths[q])) ** 2 - half**2, 0.01 * half**2))
    told = (open_side**2).sum(1) > (0.05 * half) ** 2
    bridge = (middle + height[:, None] * _unit(open_side))[told]
    return {"rim": free(rim, positions, lengths), "bridge": free(bridge, positions, lengths)}


def cap_sites(
    positions: np.ndarray, bonds: np.ndarray, lengths: np.ndarray, around: np.ndarray | None = None
) -> np.ndarray:
    """Free sites [k, 3] over the faces of triangles; only those with an atom of `around` (indices), if given."""
    bound = _bound(positions, bonds)
    first = np.arange(len(positions)) if around is None else around
    row, j = np.nonzero(bound[first])
    pair, k = np.nonzero(bound[first][row] & bound[j])
    i, j = first[row[pair]], j[pair]
    # Each triangle once: the other two in order, and neither an earlier one of `first`.
    rank = np.full(len(positions), len(positions))
    rank[first] = np.arange(len(first))
    once = (j < k) & (rank[j] >= rank[i]) & (rank[k] >= rank[i])
    i, j, k = i[once], j[once], k[once]
    a, b, c = positions[i], positions[j], positions[k]
    middle = (a + b + c) / 3.0
    normal = _unit(_cross(b - a, c - a))
    base = ((a - middle) ** 2).sum(1)
    reach = (lengths[i] + lengths[j] + lengths[k]) / 3.0
    height = np.sqrt(np.maximum(reach**2 - base, (0.3 * reach) ** 2))[:, None]
    return free(np.concatenate([middle + height * normal, middle - height * normal]), positions, lengths)


def free(sites: np.ndarray, positions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Those of sites [k, 3] that overlap nothing."""
    clear = _squares(sites, positions) > (FREE * lengths) ** 2
    return sites[clear.all(1)]


def smooth_bonds(points: np.ndarray, positions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """[k] bonds that an atom at points [k, 3] has: the sum of (length / distance)⁶, at most 1.5³ each."""
    return (np.minimum(lengths**2 / np.maximum(_squares(points, positions), 1e-12), 1.5) ** 3).sum(1)


def _bound(positions: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    bound = _squares(positions, positions) < (BOUND * bonds) ** 2
    np.fill_diagonal(bound, False)
    return bound


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances [k, m] of a [k, 3] and b [m, 3]."""
    squares = -2.0 * a @ b.T
    squares += np.einsum("ij,ij->i", a, a)[:, None]
    squares += np.einsum("ij,ij->i", b, b)
    return np.maximum(squares, 0.0, out=squares)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products [k, 3]; np.cross is slow on short arrays."""
    return a[:, [1, 2, 0]] * b[:, [2, 0, 1]] - a[:, [2, 0, 1]] * b[:, [1, 2, 0]]


def _unit(x: np.ndarray) -> np.ndarray:
    """Vectors [n, 3] of length one; a fixed direction for those of no length."""
    length = np.sqrt(np.einsum("ij,ij->i", x, x))[:, None]
    return np.where(length > 1e-9, x / np.maximum(length, 1e-9), np.array([0.0, 0.0, 1.0]))
