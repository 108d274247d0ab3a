"""Where one more atom could sit on a cluster: over faces, over bonds, beside the rim.

Throughout: positions [m, 3] of the cluster, bonds [m, m] its bond lengths, lengths [m] from the new
atom to each; a site is free if it is nearer than 0.85 bond lengths to nothing.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

BOUND, DIAGONAL, FREE, COPY = 1.3, 1.5, 0.85, 0.2
"""Bond lengths: between bound atoms at most, across a square at most, to a vacant site at least, and between
two sites that are one."""


def dopant_sites(positions: np.ndarray, bonds: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Free sites on a skeleton: kind -> [n_sites, 3].

    "rim": bound to one atom, away from its neighbours; "bridge": over a bond, on its open side;
    "cap": over either face of a triangle.
    """
    return {**edge_sites(positions, bonds, lengths), "cap": distinct(cap_sites(positions, bonds, lengths), lengths)}


def edge_sites(positions: np.ndarray, bonds: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Free rim and bridge sites; those of a plane lie in it."""
    squares = squared_distances(positions, positions)
    bound = squares < (BOUND * bonds) ** 2
    np.fill_diagonal(bound, False)
    degree = np.maximum(bound.sum(1), 1)
    # From the middle of an atom's neighbours to the atom; from the centroid where that is nothing.
    outward = positions - (bound @ positions) / degree[:, None]
    lengths_squared = lengths * lengths
    flat = np.vecdot(outward, outward) < 0.15**2 * lengths_squared
    outward[flat] = positions[flat] - positions.sum(0) / len(positions)
    told = np.vecdot(outward, outward) > 0.05**2 * lengths_squared  # the atom in the centre has no outside
    rim = (positions + lengths[:, None] * _unit(outward))[told]

    p, q = (bound & (np.arange(len(positions))[:, None] < np.arange(len(positions)))).nonzero()
    start, stop, half_squared = positions.take(p, 0), positions.take(q, 0), 0.25 * squares[p, q]
    along = _unit(stop - start)
    open_side = outward.take(p, 0) + outward.take(q, 0)
    open_side -= np.vecdot(open_side, along)[:, None] * along
    reach = 0.5 * (lengths.take(p) + lengths.take(q))
    height = np.sqrt(np.maximum(reach * reach - half_squared, 0.01 * half_squared))
    told = np.vecdot(open_side, open_side) > 0.05**2 * half_squared
    bridge = (0.5 * (start + stop) + height[:, None] * _unit(open_side))[told]
    return {"rim": free(rim, positions, lengths), "bridge": free(bridge, positions, lengths)}


def cap_sites(
    positions: np.ndarray, bonds: np.ndarray, lengths: np.ndarray, around: np.ndarray | None = None
) -> np.ndarray:
    """Free sites [k, 3] over the faces of triangles and squares; only those with an atom of `around`, if given.

    around : indices. A site has its bond length to three atoms, or lies as near to them as it can. One over a
    square comes once for each of its halves.
    """
    n = len(positions)
    if n < 3:
        return np.zeros((0, 3))
    rank = np.arange(n)
    if around is not None:  # those first, so that each triangle is met once, by its foremost atom
        rank[around] -= n
    relative = squared_distances(positions, positions) / bonds**2
    # 2 for a bond, 1 for what may be a diagonal, and 0 for the rest and for what has been met. Half a square is a
    # triangle too, with the diagonal for its longest side: three sides that come to 5 are one or the other.
    sides = (relative < BOUND**2).view(np.int8) + (relative < DIAGONAL**2).view(np.int8)
    sides *= rank[:, None] < rank
    rows = sides if around is None else sides.take(around, 0)
    pairs = rows.ravel().nonzero()[0]  # on flat arrays NumPy's is twice as fast
    row = pairs // n
    j = pairs - n * row
    sums = rows.take(row, 0) + sides.take(j, 0)
    found = (sums >= (5 - rows.ravel().take(pairs))[:, None]).ravel().nonzero()[0]
    pair = found // n
    i, j, k = row.take(pair), j.take(pair), found - n * pair
    if around is not None:
        i = around.take(i)
    return free(_over(positions, lengths, np.array([i, j, k])), positions, lengths)


def _over(positions: np.ndarray, lengths: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Points [2 t, 3] on either side of triangles [3, t], `lengths` away from their corners."""
    # One row per coordinate: NumPy's cost per operation counts here, not the arithmetic. The first two come
    # twice, so that slices give what a cross product needs.
    corners = positions.T.take(_CYCLE, 0).take(triangles, 1)  # [5, 3, t]
    a = corners[:3, 0]
    sides = corners[:, 1:] - corners[:, :1]  # [5, 2, t]
    ab, ac = sides[:, 0], sides[:, 1]
    squares, product = (sides[:3] * sides[:3]).sum(0), (ab[:3] * ac[:3]).sum(0)  # [2, t], [t]
    normal = ab[1:4] * ac[2:] - ab[2:] * ac[1:4]
    wanted = (lengths * lengths).take(triangles)
    along = 0.5 * (wanted[0] - wanted[1:] + squares)  # of the point from a, times the side's length
    area = np.maximum(squares[0] * squares[1] - product * product, 1e-12)  # of the parallelogram, squared
    uv = (along * squares[::-1] - along[::-1] * product) / area  # the foot is a + u ab + v ac
    height = np.sqrt(np.maximum(wanted[0] - (along * uv).sum(0), 0.09 * wanted[0]) / area) * normal
    foot = a + uv[0] * ab[:3] + uv[1] * ac[:3]
    return np.concatenate([foot + height, foot - height], axis=1).T


_CYCLE = np.array([0, 1, 2, 0, 1])


def distinct(sites: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The first of those sites [k, 3] that are one, but for a strained face."""
    if len(sites) < 2:
        return sites
    one = squared_distances(sites, sites) < (COPY * lengths[0]) ** 2
    result: np.ndarray = sites[one.argmax(1) == np.arange(len(sites))]
    return result


def free(sites: np.ndarray, positions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Those of sites [k, 3] that overlap nothing."""
    if not len(sites):
        return sites
    # Of the squared distances what depends on both, and on the atom.
    own = 0.5 * (FREE * FREE * lengths * lengths - np.vecdot(positions, positions))
    near = positions @ sites.T
    near += own[:, None]
    return sites.compress(2.0 * near.max(0) < np.vecdot(sites, sites), 0)


def closeness(sites: np.ndarray, positions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """(length / distance)² [m, k] of positions [m, 3], whose bond lengths are [m], and sites [k, 3]."""
    result: np.ndarray = (lengths * lengths)[:, None] / np.maximum(squared_distances(positions, sites), 1e-12)
    return result


def smooth_bonds(closeness: np.ndarray) -> np.ndarray:
    """[k] bonds that atoms at k places have with m others, all of this closeness [m, k].

    The sum of (length / distance)⁶, at most 1.5³ each.
    """
    ratio = np.minimum(closeness, 1.5)
    result: np.ndarray = (ratio * ratio * ratio).sum(0)
    return result


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squared distances [k, m] of a [k, 3] and b [m, 3]."""
    result: np.ndarray = cdist(a, b, "sqeuclidean")  # a third of the time that NumPy's product and sums take
    return result


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products [k, 3]; np.cross is slow on short arrays."""
    a, b = a.take(_CYCLE, 1), b.take(_CYCLE, 1)
    result: np.ndarray = a[:, 1:4] * b[:, 2:] - a[:, 2:] * b[:, 1:4]
    return result


def _unit(x: np.ndarray) -> np.ndarray:
    """Vectors [n, 3] of length one; a fixed direction for those of no length."""
    length = np.sqrt(np.vecdot(x, x))[:, None]
    return np.where(length > 1e-9, x / np.maximum(length, 1e-9), np.array([0.0, 0.0, 1.0]))
