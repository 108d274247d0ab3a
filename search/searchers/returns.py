"""The lowest minimum of each kind of packing, for stalled walks to return to.

Walks from random starts mostly end in the widest funnel. Half of the restarts therefore go on from the lowest minimum
of some packing (`search.geometry.packing`): of the one with the fewest returns since it got lower, so that a narrow
funnel that was met once gets as many trials as the widest. The idea is that of MAP-Elites (Mouret & Clune,
arXiv:1504.04909, 2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import numpy as np

from search.archive.encoding import pack, unpack

SHARE = 0.5
"""Of the restarts, those that return."""
LOWER_PART, FEWEST = 0.5, 3
"""Of the packings, ordered by their lowest energy, those that walks return to; how many must be known before."""


@dataclass
class Lowest:
    """Lowest minimum of one packing: energy, eV or the model's unit; positions packed; returns since it was found."""

    energy: float
    positions: str
    returns: int = 0


@dataclass
class LowestOfPackings:
    """The lowest minimum by packing."""

    found: dict[str, Lowest] = field(default_factory=dict)

    def record(self, packing: str, energy: float, positions: np.ndarray, lower_by: float) -> None:
        """A minimum: its positions [n_atoms, 3] are kept if its energy is lower by more than `lower_by`."""
        known = self.found.get(packing)
        if known is None or energy < known.energy - lower_by:
            self.found[packing] = Lowest(energy, pack(positions))

    def choose(self, rng: np.random.Generator) -> tuple[np.ndarray, float] | None:
        """Positions [n_atoms, 3] and energy to return to; None (in `1 - SHARE` of the cases) to start at random."""
        if rng.random() >= SHARE or len(self.found) < FEWEST:
            return None
        lower = sorted(self.found.values(), key=lambda lowest: lowest.energy)[: ceil(LOWER_PART * len(self.found))]
        fewest = min(lowest.returns for lowest in lower)
        among = [lowest for lowest in lower if lowest.returns == fewest]
        chosen = among[int(rng.integers(len(among)))]
        chosen.returns += 1
        return unpack(chosen.positions, -1, 3), chosen.energy

    def state(self) -> dict[str, Any]:
        """Plain data that `restore` goes on from."""
        return {packing: dict(vars(lowest)) for packing, lowest in self.found.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.found = {packing: Lowest(**lowest) for packing, lowest in state.items()}
