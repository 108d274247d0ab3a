"""How a cluster is packed, in two numbers that tell funnels apart: fivefold bonds, and bonds per atom.

A bond is fivefold if the two atoms have five neighbours in common, which form a ring around it (555 in the common
neighbour analysis of Honeycutt & Andersen, J. Phys. Chem. 1987, 91, 4950). Fragments of a close-packed crystal have
none, decahedra those along their axis, icosahedra and polytetrahedral clusters many.
"""

from __future__ import annotations

import numpy as np

from search.geometry.scale import LengthScale
from search.geometry.sites import BOUND, squared_distances

STEPS = 3.0
"""Kinds of packing that lie between one number of fivefold bonds and twice as many."""


def packing_of(positions: np.ndarray, scale: LengthScale) -> str:
    """Kind of packing of positions [n_atoms, 3]: two whole numbers, that of fivefold bonds on a logarithmic scale."""
    bound = (squared_distances(positions, positions) < (BOUND * scale.bonds) ** 2).astype(float)  # [n, n]
    np.fill_diagonal(bound, 0.0)
    bonds_per_atom = bound.sum() / len(bound)
    return f"{round(STEPS * np.log2(1.0 + fivefold_bonds(bound)))} {round(bonds_per_atom)}"


def fivefold_bonds(bound: np.ndarray) -> int:
    """How many bonds lie in a ring of five common neighbours.

    bound : [n, n] 1.0 for each two atoms that are bound, 0.0 otherwise.
    """
    i, j = (np.triu(bound) * (bound @ bound) == 5.0).nonzero()
    common = bound.take(i, 0) * bound.take(j, 0)  # [bonds, n]
    degree = (common @ bound) * common  # bonds of each of the five to the others
    return int(((degree == 2.0).sum(1) == 5).sum())
