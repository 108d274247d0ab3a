"""All pairs of clusters less those beyond the cutoff, for fits that use positions but never move them.

A pair beyond the cutoff adds exactly nothing, but its filters cost as much as any other's. In a flat or
torn cluster of twenty atoms that is most pairs. Worth the extra layout only where one evaluation is as long
as a training step; a relaxation, whose atoms move, is better off with `ClusterPairs`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from iia_calc.model.pairs.clusters import ClusterPairs, Pairs

KNOTS = 256
"""Enough for a fit: energies are within 0.1 meV/atom of the exact ones."""


class _Convolve(torch.autograd.Function):
    """Filters [P, F], x [A, F] -> Σ_j filters_ij ∘ x_j [A, F], each pair met once; differentiable once.

    A fifth of the time of a sum over padded slots, which moves P F numbers three times as often.
    """

    @staticmethod
    def forward(ctx: Any, filters: torch.Tensor, x: torch.Tensor, i: torch.Tensor, j: torch.Tensor) -> Any:
        ctx.save_for_backward(filters, x, i, j)
        return _sum_pairs(filters, x, i, j)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        filters, x, i, j = ctx.saved_tensors
        g_i, g_j = g.index_select(0, i), g.index_select(0, j)
        to_filters = g_i.mul_(x.index_select(0, j)).addcmul_(g_j, x.index_select(0, i))
        return to_filters, _sum_pairs(filters, g, i, j), None, None


def _sum_pairs(filters: torch.Tensor, x: torch.Tensor, i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
    from_j, from_i = x.index_select(0, j).mul_(filters), x.index_select(0, i).mul_(filters)  # [P, F]
    return torch.zeros_like(x).index_add_(0, i, from_j).index_add_(0, j, from_i)


class NearPairs(ClusterPairs):
    """The layout of clusters of `sizes` atoms at fixed positions `R` [n_atoms, 3] Å, with pairs within `cutoff` Å.

    What is computed on it equals what `ClusterPairs` gives, at these positions only.

    knots : with a number, functions of the distance are computed at so many distances and read off in between,
        wherever there are more pairs than that, as a batch of twenty clusters has six times. None is exact.
    """

    def __init__(self, sizes: Sequence[int], R: torch.Tensor, cutoff: float, knots: int | None = None) -> None:
        super().__init__(sizes, R.device)
        self.cutoff, self.knots = cutoff, knots
        apart = R.detach().index_select(0, self.second) - R.detach().index_select(0, self.first)  # [P, 3]
        near = apart.square().sum(-1) < cutoff**2  # [P]
        n_structures, largest = self.n_structures, self.n_slots
        atom = torch.arange(self.n_padded, device=R.device)
        Pairs.__init__(
            self,
            first=self.first[near],
            second=self.second[near],
            slot_forth=self.slot_forth[near],
            slot_back=self.slot_back[near],
            own_slot=atom * largest + torch.arange(largest, device=R.device).repeat(n_structures),
            atoms=self.atoms,
            within=self.within,
            n_padded=self.n_padded,
            n_slots=largest,
            structure=self.structure,
            sizes=sizes,
        )
        self._i, self._j = self.atoms[self.first], self.atoms[self.second]  # [P] padded places

    def convolve_pairs(self, filters: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """As `Pairs.convolve_pairs`, for first derivatives only."""
        sums: torch.Tensor = _Convolve.apply(filters, x, self._i, self._j)
        return sums

    def of_distances(
        self, function: Callable[[torch.Tensor], tuple[torch.Tensor, ...]], distances: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """As `Pairs.of_distances`, between `knots` linearly."""
        if self.knots is None or len(distances) <= self.knots:
            return function(distances)
        begin = distances.min()
        places = (distances - begin) * ((self.knots - 1) / (self.cutoff - begin))  # [P]
        here = places.long().clamp_(0, self.knots - 2)
        share = (places - here)[:, None]
        fractions = torch.linspace(0.0, 1.0, self.knots, dtype=distances.dtype, device=distances.device)
        tables = function(begin + (self.cutoff - begin) * fractions)  # [knots, ...] each
        return tuple(torch.lerp(t.index_select(0, here), t.index_select(0, here + 1), share) for t in tables)
