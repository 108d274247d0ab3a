"""How atoms meet: from positions to what the network sees of each slot, and back to forces.

In PyTorch's operations, or as two kernels on a GPU (`fused`).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch

from iia_calc.model.inference.network import Gradient
from iia_calc.model.network.repulsion import PairConstants, Repulsion
from iia_calc.model.pairs.clusters import ClusterPairs


class Met(NamedTuple):
    """Of each slot, [B, N, N]; `directions` [B, 3, N, N]. `inverse` is 1 / distance, 0 in an atom's own slot.

    repulsion eV and its slope eV/Å, both of the whole pair; distances that the network sees, Å, and their slope.
    """

    directions: torch.Tensor
    inverse: torch.Tensor
    repulsion: torch.Tensor
    slope: torch.Tensor
    seen: torch.Tensor
    seen_slope: torch.Tensor


class Meeting(Protocol):
    """What `PlainMeeting` and `FusedMeeting` are."""

    def __call__(self, pairs: ClusterPairs, constants: PairConstants, R: torch.Tensor) -> Met:
        """Of positions R [n_atoms, 3] Å."""

    def back(self, met: Met, gradient: Gradient) -> torch.Tensor:
        """dE/d(r_j - r_i) [B, 3, N, N] eV/Å of each slot, half the repulsion included; may overwrite both."""


class PlainMeeting:
    """In PyTorch's operations."""

    def __init__(self, repulsion: Repulsion) -> None:
        self.repulsion = repulsion

    def __call__(self, pairs: ClusterPairs, constants: PairConstants, R: torch.Tensor) -> Met:
        """See `Meeting`."""
        vectors, squared = pairs.all_vectors(R)  # [B, 3, N, N], [B, N, N]
        distances = squared.clamp_min_(1e-8).sqrt_()
        inverse = pairs.others(R.dtype).view_as(distances) / distances  # 0 in an atom's own slot
        return Met(vectors.mul_(inverse[:, None]), inverse, *self.repulsion.with_slopes(constants, distances))

    def back(self, met: Met, gradient: Gradient) -> torch.Tensor:
        """See `Meeting`."""
        # each pair has two slots: half the repulsion belongs to each
        pull = torch.addcmul(met.slope.mul_(0.5), gradient.distance, met.seen_slope)  # [B, N, N]
        if gradient.direction is None:
            return met.directions * pull[:, None]
        # of dE/d direction what is along the direction changes nothing
        along = (gradient.direction * met.directions).sum(1)
        by_vector = gradient.direction.mul_(met.inverse[:, None])
        return by_vector.addcmul_(met.directions, pull.addcmul_(along, met.inverse, value=-1)[:, None])


class FusedMeeting:
    """As kernels."""

    def __call__(self, pairs: ClusterPairs, constants: PairConstants, R: torch.Tensor) -> Met:
        """See `Meeting`."""
        from iia_calc.model.inference import fused

        return Met(*fused.meet(pairs.pad(R), pairs.far(R.dtype), pairs.others(R.dtype), constants))

    def back(self, met: Met, gradient: Gradient) -> torch.Tensor:
        """See `Meeting`."""
        from iia_calc.model.inference import fused

        direction = met.directions if gradient.direction is None else gradient.direction
        whole = gradient.direction is not None
        return fused.meet_back(
            direction, met.directions, met.inverse, met.slope, gradient.distance, met.seen_slope, whole
        )
