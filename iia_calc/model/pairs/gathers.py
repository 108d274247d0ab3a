"""Gathers between atoms, pairs and slots, and their adjoints, which are gathers again.

Scatter-adds are slow on the CPU and not deterministic on a GPU. Each linear map here therefore states its adjoint
itself, and can be differentiated any number of times. Letters in the shape comments are those of clusters.py.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch


class Slots(Protocol):
    """What these maps need to know of a layout of pairs.

    first, second : [P] atoms of each pair. atoms : [n_atoms] padded place of each atom. n_slots : K.
    pair_of_slot : [A K]. empty_slots : slots without a pair. slot_forth, slot_back : [P] both slots of each pair.
    """

    first: torch.Tensor
    second: torch.Tensor
    atoms: torch.Tensor
    n_slots: int
    pair_of_slot: torch.Tensor
    empty_slots: torch.Tensor
    slot_forth: torch.Tensor
    slot_back: torch.Tensor

    def sign(self, dtype: torch.dtype) -> torch.Tensor:
        """[A K] -1 where a slot's atom is the first of its pair, 1 where it is the second, 0 if empty."""
        ...


class PairsToSlots(torch.autograd.Function):
    """Pairs [P, ...] -> slots [A K, ...]; empty slots get 0."""

    @staticmethod
    def forward(ctx: Any, h: torch.Tensor, pairs: Slots) -> Any:
        """Values of pairs [P, ...] at the slots [A K, ...]."""
        ctx.pairs = pairs
        if h.shape[0] == 0:
            return h.new_zeros(pairs.pair_of_slot.shape + h.shape[1:])
        out = h.index_select(0, pairs.pair_of_slot)
        return out.index_fill_(0, pairs.empty_slots, 0.0)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        """Gradients of slots, back at the pairs [P, ...]."""
        return SlotsToPairs.apply(g, ctx.pairs), None


class SlotsToPairs(torch.autograd.Function):
    """The adjoint of `PairsToSlots`: slots [A K, ...] -> pairs [P, ...], both directions of each pair added."""

    @staticmethod
    def forward(ctx: Any, g: torch.Tensor, pairs: Slots) -> Any:
        """Values of slots [A K, ...], added at the pairs [P, ...]."""
        ctx.pairs = pairs
        return g.index_select(0, pairs.slot_forth).add_(g.index_select(0, pairs.slot_back))

    @staticmethod
    def backward(ctx: Any, gg: torch.Tensor) -> Any:
        """Gradients of pairs, at the slots [A K, ...]."""
        return PairsToSlots.apply(gg, ctx.pairs), None


class PositionsToVectors(torch.autograd.Function):
    """Positions [n_atoms, 3] -> r_j - r_i of each pair [P, 3]."""

    @staticmethod
    def forward(ctx: Any, R: torch.Tensor, pairs: Slots) -> Any:
        """Vectors of the pairs [P, 3] of positions R [n_atoms, 3]."""
        ctx.pairs = pairs
        return R.index_select(0, pairs.second).sub_(R.index_select(0, pairs.first))

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        """Gradients of vectors [P, 3], at the atoms [n_atoms, 3]."""
        return VectorsToPositions.apply(g, ctx.pairs), None


class VectorsToPositions(torch.autograd.Function):
    """The adjoint of `PositionsToVectors`: pair gradients [P, 3] -> [n_atoms, 3]."""

    @staticmethod
    def forward(ctx: Any, g: torch.Tensor, pairs: Slots) -> Any:
        """Gradients of vectors [P, 3], at the atoms [n_atoms, 3]."""
        ctx.pairs = pairs
        slots = PairsToSlots.apply(g, pairs) * pairs.sign(g.dtype)[:, None]  # [A K, 3]
        return slots.view(-1, pairs.n_slots, 3).sum(1).index_select(0, pairs.atoms)

    @staticmethod
    def backward(ctx: Any, gg: torch.Tensor) -> Any:
        """Gradients of positions, at the vectors [P, 3]."""
        return PositionsToVectors.apply(gg, ctx.pairs), None
