"""Is a structure relaxed? Its forces say; without them, its bonds do.

Relaxed clusters have bonds a little shorter than the sum of covalent radii, and each atom has one of
nearly that length: of the 230 structures near minima among this project's PBE0/3-21G labels (largest
force below 1 eV/Å) all have a bond shorter than 1.001 times the sum, and none an atom lonelier than
1.147. Structures that were made by a rule give themselves away together: their shortest distances
crowd at the least one allowed, where those of relaxed ones spread over 0.2 Å. Clusters held by
dispersion (argon) have longer bonds and are taken for unrelaxed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from iia_calc.data.geometry import Geometry
from iia_calc.data.sets import StructureSet
from search.geometry.pieces import COLLAPSED

FORCE = 0.1
"""eV/Å, largest force on any atom of a relaxed structure; Gaussian's loosest criterion is 0.13, its usual one 0.02."""
LONGEST_BOND, LONELY = 1.005, 1.15
"""In bond lengths: where the shortest bond is longer, or the loneliest atom farther away, it isn't relaxed."""
CROWD, CROWD_WIDTH, FEWEST = 0.25, 0.02, 30
"""Share of structures whose shortest distance lies within so many Å of the set's least; for sets of so many."""


@dataclass(frozen=True)
class Relaxedness:
    """Which structures of a set aren't relaxed.

    unrelaxed : [n] bool. floor : Å, the least distance a rule allowed; None where none shows.
    by_forces : whether forces decided.
    """

    unrelaxed: np.ndarray
    floor: float | None
    by_forces: bool


def relaxedness(item: StructureSet, geometry: Geometry) -> Relaxedness:
    """Which structures of a set aren't relaxed; forces decide where the set has them."""
    forces = item.forces_in("eV")
    if forces is not None and np.isfinite(forces).all():
        largest = np.sqrt((forces**2).sum(2)).max(1)
        return Relaxedness(~(largest <= FORCE), None, True)
    shortest = geometry.shortest
    odd = (geometry.closest > LONGEST_BOND) | (geometry.closest < COLLAPSED) | (geometry.loneliest > LONELY)
    if len(item) < FEWEST or item.n_atoms < 3:
        return Relaxedness(odd, None, False)
    crowded = shortest < shortest.min() + CROWD_WIDTH
    if crowded.mean() < CROWD or np.ptp(geometry.loneliest) < CROWD_WIDTH:  # the latter: all nearly one structure
        return Relaxedness(odd, None, False)
    return Relaxedness(odd | crowded, float(shortest.min()), False)
