"""The pair layout of a list of pairs, and of one large or periodic structure by matscipy's cell list, as gathers only.

Letters in the shape comments: A atoms, K slots per atom, P pairs, H heads, D and C features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase.geometry import complete_cell
from matscipy.neighbours import neighbour_list

from iia_calc.model.pairs.clusters import Pairs
from search.errors import InputError


class _Neighbour(torch.autograd.Function):
    """Atoms [A, C] -> slots [A K, C]; an empty slot holds its own atom."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, pairs: ListedPairs) -> Any:
        ctx.pairs = pairs
        return x.index_select(0, pairs.atom_of_slot)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        return _FromNeighbour.apply(g, ctx.pairs), None


class _FromNeighbour(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, g: torch.Tensor, pairs: ListedPairs) -> Any:
        ctx.pairs = pairs
        return g.index_select(0, pairs.opposite_slot).view(-1, pairs.n_slots, g.shape[-1]).sum(1)

    @staticmethod
    def backward(ctx: Any, gg: torch.Tensor) -> Any:
        return _Neighbour.apply(gg, ctx.pairs), None


def enclosing_cell(
    positions: np.ndarray, cell: np.ndarray | None, pbc: Sequence[bool], margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """The vectors [3, 3] and origin [3], Å, of a box that has all positions [n, 3] Å inside along open directions.

    Periodic vectors stay; the others become perpendicular to them and as long as the structure, plus twice `margin`.
    """
    periodic = np.asarray(pbc, bool)
    vectors = np.zeros((3, 3)) if cell is None else np.array(cell, dtype=np.float64)
    if periodic.all():
        return vectors, np.zeros(3)
    vectors[~periodic] = complete_cell(np.where(periodic[:, None], vectors, 0.0))[~periodic]
    vectors[~periodic] /= np.linalg.norm(vectors[~periodic], axis=1, keepdims=True)
    heights = positions @ vectors[~periodic].T  # [n, n_open]
    origin = (heights.min(0) - margin) @ vectors[~periodic]
    vectors[~periodic] *= (np.ptp(heights, axis=0) + 2 * margin)[:, None]
    return vectors, origin


class ListedPairs(Pairs):
    """Pairs that are given, each once, by the numbers `i` and `j` [P] of their atoms; `n_atoms` in all.

    To a network it makes no difference whether these atoms are one structure or several.

    shifts : [P, 3] Å added to r_j - r_i, or None.
    """

    def __init__(
        self,
        i: np.ndarray,
        j: np.ndarray,
        n_atoms: int,
        shifts: np.ndarray | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        ends = np.concatenate([i, j])  # [2 P] the atom each direction belongs to
        order = np.argsort(ends, kind="stable")
        degree = np.bincount(ends, minlength=n_atoms)
        n_slots = 1 + int(degree.max(initial=0))  # slot 0 is the atom's own
        rank = np.empty(len(ends), dtype=np.int64)
        rank[order] = np.arange(len(ends)) - np.repeat(degree.cumsum() - degree, degree)
        slot = ends * n_slots + 1 + rank

        def tensor(array: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.int64, device=device)

        super().__init__(
            first=tensor(i),
            second=tensor(j),
            slot_forth=tensor(slot[: len(i)]),
            slot_back=tensor(slot[len(i) :]),
            atoms=torch.arange(n_atoms, device=device),
            within=torch.arange(n_atoms, device=device),
            n_padded=n_atoms,
            n_slots=n_slots,
            structure=torch.zeros(n_atoms, dtype=torch.int64, device=device),
            sizes=(n_atoms,),
            own_slot=torch.arange(n_atoms, device=device) * n_slots,
            shifts=None if shifts is None else torch.as_tensor(shifts, dtype=torch.float64, device=device),
        )
        own = torch.arange(n_atoms * n_slots, device=device)
        self.atom_of_slot = own // n_slots  # [A K]
        self.atom_of_slot[self.slot_forth] = self.second
        self.atom_of_slot[self.slot_back] = self.first
        self.opposite_slot = own.clone()  # [A K] the slot that holds the same pair from the other end
        self.opposite_slot[self.slot_forth] = self.slot_back
        self.opposite_slot[self.slot_back] = self.slot_forth

    def neighbour(self, x: torch.Tensor) -> torch.Tensor:
        """What each slot's neighbour has: [A, C] -> [A, K, C]."""
        slots: torch.Tensor = _Neighbour.apply(x, self)
        return slots.view(self.n_padded, self.n_slots, -1)

    def terms(self, filters: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See `Pairs.terms`."""
        return filters * self.neighbour(x)  # [A, K, F]

    def convolve(self, filters: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """See `Pairs.convolve`."""
        return self.terms(filters, x).sum(1)  # [A, F]

    def outer_sum(self, centre: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """See `Pairs.outer_sum`."""
        return centre[..., None] + self.neighbour(other.T).permute(2, 0, 1)  # [H, A, K]

    def attend(self, weights: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """See `Pairs.attend`."""
        n_heads, n_atoms, width = h.shape
        h_j = self.neighbour(h.transpose(0, 1).reshape(n_atoms, -1)).view(n_atoms, self.n_slots, n_heads, width)
        return torch.einsum("hak,akhd->had", weights, h_j)

    def attend_directions(self, weights: torch.Tensor, harmonics: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """See `Pairs.attend_directions`."""
        n_heads, n_atoms, width = h.shape
        h_j = self.neighbour(h.transpose(0, 1).reshape(n_atoms, -1)).view(n_atoms, self.n_slots, n_heads, width)
        return torch.einsum("hak,akc,akhd->cahd", weights, harmonics, h_j).reshape(-1, n_atoms, n_heads * width)


class NeighbourPairs(ListedPairs):
    """Pairs within `cutoff` Å of one structure, periodic or not, by matscipy's cell list.

    The list belongs to the positions it was made from: make a new one when atoms move.
    """

    def __init__(
        self,
        positions: np.ndarray,
        cutoff: float,
        cell: np.ndarray | None = None,
        pbc: Sequence[bool] = (False, False, False),
        device: torch.device | str | None = None,
    ) -> None:
        positions = np.ascontiguousarray(positions, dtype=np.float64)
        if not np.isfinite(positions).all():
            raise InputError("positions hold NaN or infinity; no neighbour list can be made of them")
        cell, origin = enclosing_cell(positions, cell, pbc, cutoff)
        i, j, S = neighbour_list(
            "ijS",
            positions=positions - origin,
            cell=cell,
            pbc=np.asarray(pbc, bool),
            cutoff=float(cutoff),
            numbers=np.ones(len(positions), dtype=np.int32),
        )
        half = one_direction(i, j, S)
        shifts = S[half] @ cell if np.any(pbc) else None
        super().__init__(i[half], j[half], len(positions), shifts, device)


def one_direction(i: np.ndarray, j: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """Which of the pairs [2 P], listed in both directions, to take so that each comes once.

    apart : [2 P, 3] what is opposite in the two directions; a pair of an atom with its own image goes by it.
    """
    lead = np.where(apart[:, 0] != 0, apart[:, 0], np.where(apart[:, 1] != 0, apart[:, 1], apart[:, 2]))
    once: np.ndarray = (i < j) | ((i == j) & (lead > 0))
    return once
