"""Is a cluster in one piece, and are its atoms apart? The lengths, in sums of covalent radii, at which that changes.

Each length has one meaning and is used for that alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search.geometry.composition import bond_lengths
from search.geometry.sites import squared_distances

DRAWN_BOND = 1.2
"""Chemistry: two atoms nearer than this are drawn and listed as bonded (2.45 Å for Se–B)."""
NEIGHBOUR = 1.25
"""Coordination: an atom's neighbours, where they are counted to see how well it is bound or how closed a wall is."""
BONDED = 1.3
"""Soundness under a fitted potential: what is farther from all others has broken off (2.18 Å for B–B)."""
ONE_PIECE = 1.5
"""The same under any other calculator, whose bonds may be longer than covalent radii say."""
COLLAPSED = 0.72
"""No two atoms of a sound structure are so close (1.21 Å for B–B)."""


def is_fragmented(positions: np.ndarray, reach: np.ndarray) -> bool:
    """Whether positions [n, 3] fall into pieces when atoms closer than reach [n, n] (or one number) are one piece."""
    return count_pieces(squared_distances(positions, positions) < np.square(reach)) > 1


def count_pieces(bonded: np.ndarray) -> int:
    """Pieces that the bonds bonded [n, n] (bool, symmetric) hold together."""
    # SciPy's connected_components takes ten times as long on so few atoms, nearly all of it to check its input.
    left, pieces = np.ones(len(bonded), dtype=bool), 0
    while left.any():
        pieces += 1
        shell = left.argmax(keepdims=True)
        left[shell] = False
        while len(shell):
            shell = (bonded.take(shell, 0).any(0) & left).nonzero()[0]
            left[shell] = False
    return pieces


def soundness(numbers: np.ndarray, positions: np.ndarray) -> tuple[bool, bool]:
    """(collapsed, fragmented) of atomic numbers [n] at positions [n, 3], Å.

    Collapsed: two atoms are inside one another. Fragmented: not in one piece.
    """
    relative = np.linalg.norm(positions[:, None] - positions[None], axis=-1) / bond_lengths(numbers)  # [n, n]
    np.fill_diagonal(relative, np.inf)
    return bool((relative < COLLAPSED).any()), count_pieces(relative < BONDED) > 1


def soundness_of_each(numbers: Sequence[np.ndarray], positions: Sequence[np.ndarray]) -> list[tuple[bool, bool]]:
    """`soundness` of many clusters, those of one size at once: a tenth of the time where they are many."""
    found: dict[int, tuple[bool, bool]] = {}
    by_size: dict[int, list[int]] = {}
    for k, z in enumerate(numbers):
        by_size.setdefault(len(z), []).append(k)
    for n, some in by_size.items():
        radii = np.stack([bond_lengths(numbers[k]) for k in some])  # [B, n, n]
        places = np.stack([positions[k] for k in some])  # [B, n, 3]
        relative = np.linalg.norm(places[:, :, None] - places[:, None], axis=-1) / radii
        relative[:, range(n), range(n)] = np.inf
        joined = ((relative < BONDED) | np.eye(n, dtype=bool)).astype(np.float32)
        for _ in range(max(1, n - 1).bit_length()):  # atoms that are 1, 2, 4, ... bonds apart
            joined = np.minimum(joined @ joined, 1.0)
        collapsed, whole = (relative < COLLAPSED).any((1, 2)), (joined > 0).all((1, 2))
        found.update({k: (bool(collapsed[b]), not bool(whole[b])) for b, k in enumerate(some)})
    return [found[k] for k in range(len(numbers))]
