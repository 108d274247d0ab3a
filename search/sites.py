"""Where one more atom could sit on a cluster: over faces, over bonds, beside the rim.

Throughout: positions [m, 3] of the cluster, bonds [m, m] its bond lengths, lengths [m] from the new
atom to each; a site is free if it is nearer than 0.85 bond lengths to nothing.
"""

from __future__ import annotations

import numpy as np

BOUND, DIAGONAL, FREE, COPY = 1.3, 1.5, 0.85, 0.2
"""Bond lengths: between bound atoms at most, across a square at most, to a vacant site at least, and between
two sites that are one."""


def dopant_sites(positions: np.ndarray, bonds: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Free sites on a skeleton: kind -> [n_sites, 3].

    "rim": bound to one atom, away from its neighbours; "bridge": over a bond, on its open side;
    "cap": over either face of a triangle.
    """
    return {**edge_sites(positions, bonds, lengths), "cap": cap_sites(positions, bonds, lengths)}


def edge_sites(positions: np.ndarray, bonds: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Free rim and bridge sites; those of a plane lie in it."""
    gaps = np.sqrt(squared_distances(positions, positions))
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
    """Free sites [k, 3] over the faces of triangles and squares; only those with an atom of `around`, if given.

    around : indices. A site has its bond length to three atoms, or lies as near to them as it can.
    """
    n, first = len(positions), len(positions) if around is None else len(around)
    if around is not None:  # those first, so that each triangle is met once, by its foremost atom
        others = np.ones(n, dtype=bool)
        others[around] = False
        order = np.concatenate([around, np.flatnonzero(others)])
        positions, bonds, lengths = positions[order], bonds[order[:, None], order], lengths[order]
    relative = squared_distances(positions, positions) / bonds**2
    relative[np.tri(n, dtype=bool)] = np.inf
    near, wide = relative < BOUND**2, relative < DIAGONAL**2
    # Half a square is a triangle too, with the diagonal for its longest side.
    i, j = np.nonzero(wide[:first])
    pair, k = np.nonzero(wide[i] & wide[j])
    i, j = i[pair], j[pair]
    bound = near[i, j].astype(int) + near[j, k] + near[i, k] >= 2
    sites = _over(positions, lengths, i[bound], j[bound], k[bound])
    return _distinct(free(sites, positions, lengths), lengths)


def _over(positions: np.ndarray, lengths: np.ndarray, i: np.ndarray, j: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Points [2 t, 3] on either side of triangles i, j, k [t], `lengths` away from their corners."""
    # One row per coordinate: NumPy's cost per operation counts here, not the arithmetic.
    columns = positions.T
    a = columns[:, i]
    ab, ac = columns[:, j] - a, columns[:, k] - a
    bb, cc, bc = (ab * ab).sum(0), (ac * ac).sum(0), (ab * ac).sum(0)
    normal = ab[[1, 2, 0]] * ac[[2, 0, 1]] - ab[[2, 0, 1]] * ac[[1, 2, 0]]
    area = np.maximum(bb * cc - bc * bc, 1e-12)  # of the parallelogram, squared
    square = lengths[i] ** 2
    p, q = 0.5 * (square - lengths[j] ** 2 + bb), 0.5 * (square - lengths[k] ** 2 + cc)
    u, v = (p * cc - q * bc) / area, (q * bb - p * bc) / area  # the foot is a + u ab + v ac
    height = np.sqrt(np.maximum(square - p * u - q * v, 0.09 * square) / area) * normal
    foot = a + u * ab + v * ac
    return np.concatenate([foot + height, foot - height], axis=1).T


def _distinct(sites: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The first of those sites [k, 3] that are one, but for a strained face."""
    if len(sites) < 2:
        return sites
    one = squared_distances(sites, sites) < (COPY * lengths[0]) ** 2
    return sites[one.argmax(1) == np.arange(len(sites))]


def free(sites: np.ndarray, positions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Those of sites [k, 3] that overlap nothing."""
    near = 2.0 * sites @ positions.T  # less: that of the distances' squares which doesn't depend on the site
    near += (FREE * lengths) ** 2 - np.einsum("ij,ij->i", positions, positions)
    return sites[near.max(1) < np.einsum("ij,ij->i", sites, sites)] if len(sites) else sites


def smooth_bonds(squares: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """[k] bonds that an atom has from whose places these squared distances [k, m] are to atoms of bond lengths [m].

    The sum of (length / distance)⁶, at most 1.5³ each.
    """
    ratio = np.minimum(lengths**2 / np.maximum(squares, 1e-12), 1.5)
    return np.einsum("ij,ij,ij->i", ratio, ratio, ratio)


def _bound(positions: np.ndarray, bonds: np.ndarray) -> np.ndarray:
    bound = squared_distances(positions, positions) < (BOUND * bonds) ** 2
    np.fill_diagonal(bound, False)
    return bound


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances [k, m] of a [k, 3] and b [m, 3]."""
    squares = -2.0 * a @ b.T
    squares += np.einsum("ij,ij->i", a, a)[:, None]
    squares += np.einsum("ij,ij->i", b, b)
    return np.maximum(squares, 0.0, out=squares)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products [k, 3]; np.cross is slow on short arrays."""
    return a[:, [1, 2, 0]] * b[:, [2, 0, 1]] - a[:, [2, 0, 1]] * b[:, [1, 2, 0]]


def _unit(x: np.ndarray) -> np.ndarray:
    """Vectors [n, 3] of length one; a fixed direction for those of no length."""
    length = np.sqrt(np.einsum("ij,ij->i", x, x))[:, None]
    return np.where(length > 1e-9, x / np.maximum(length, 1e-9), np.array([0.0, 0.0, 1.0]))
