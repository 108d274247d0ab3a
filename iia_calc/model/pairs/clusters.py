"""Which atoms see each other, and the sums over neighbours, as gathers only.

Two layouts with one interface:

ClusterPairs    every pair of every cluster, padded to [B, N, N]: no list to build, nothing that
                depends on the positions, sums over neighbours are sums over an axis.
ListedPairs     (neighbour_list.py) pairs of a list: matscipy's within a cutoff, for one large or a periodic structure,
                or another program's.

A distance is the same for ij and ji, so everything that depends on distances alone lives on the
pairs i < j ([P, ...]) and is spread over the slots ([A, K, ...]) when atoms meet it (gathers.py).

Letters in the shape comments: B clusters, N atoms of the largest, A atoms with padding (B N),
n_atoms without, K slots per atom (N for clusters), P pairs i < j.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from iia_calc.model.pairs.gathers import PairsToSlots, PositionsToVectors, SlotsToPairs, VectorsToPositions
from search.errors import InputError


class Pairs:
    """What both layouts share; see the module's docstring for the letters.

    Attributes
    ----------
    first, second : [P] atoms (unpadded) of each pair.
    atoms : [n_atoms] padded place of each atom.
    structure : [n_atoms] the structure each atom belongs to; `n_structures` of them.
    within : [n_atoms] each atom's number in its structure.
    shifts : [P, 3] Å added to r_j - r_i (periodic images), or None.
    """

    def __init__(
        self,
        *,
        first: torch.Tensor,
        second: torch.Tensor,
        slot_forth: torch.Tensor,  # [P] the slot of i that holds j
        slot_back: torch.Tensor,  # [P] the slot of j that holds i
        own_slot: torch.Tensor,  # [A] the slot of each atom that holds no neighbour but itself
        atoms: torch.Tensor,
        within: torch.Tensor,
        n_padded: int,
        n_slots: int,
        structure: torch.Tensor,
        sizes: Sequence[int],
        shifts: torch.Tensor | None = None,
    ) -> None:
        self.first, self.second = first, second
        self.slot_forth, self.slot_back = slot_forth, slot_back
        self.atoms, self.within, self.n_padded, self.n_slots = atoms, within, n_padded, n_slots
        self.structure, self.sizes, self.n_structures = structure, tuple(sizes), len(sizes)
        self.shifts = shifts
        self.counts = torch.as_tensor(self.sizes, device=first.device)  # [n_structures] atoms of each
        number = torch.arange(len(first), device=first.device)
        self.pair_of_slot = first.new_zeros(n_padded * n_slots)  # [A K]
        self.pair_of_slot[slot_forth] = number
        self.pair_of_slot[slot_back] = number
        sign = torch.zeros(n_padded * n_slots, dtype=torch.float64, device=first.device)  # [A K]
        sign[slot_forth] = -1.0
        sign[slot_back] = 1.0
        self.empty_slots = (sign == 0).nonzero()[:, 0]
        others = torch.ones_like(sign)
        others[own_slot] = 0.0
        self._sign, self._others = sign, others.view(n_padded, n_slots)
        self._real = torch.zeros(n_padded, dtype=torch.float64, device=first.device)
        self._real[atoms] = 1.0
        self._typed: dict[torch.dtype, tuple[torch.Tensor, ...]] = {}

    def _constants(self, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
        if dtype not in self._typed:
            with torch.inference_mode(False):  # a training may be the next to use them
                self._typed[dtype] = self._sign.to(dtype), self._others.to(dtype), self._real.to(dtype)
        return self._typed[dtype]

    def real(self, dtype: torch.dtype) -> torch.Tensor:
        """[A] 1 for an atom, 0 for padding."""
        return self._constants(dtype)[2]

    def sign(self, dtype: torch.dtype) -> torch.Tensor:
        """[A K] -1 where a slot's atom is the first of its pair, 1 where it is the second, 0 if empty."""
        return self._constants(dtype)[0]

    def others(self, dtype: torch.dtype) -> torch.Tensor:
        """[A, K] 0 in each atom's own slot, 1 elsewhere."""
        return self._constants(dtype)[1]

    def pad(self, values: torch.Tensor) -> torch.Tensor:
        """[n_atoms, ...] -> [A, ...] with zeros in the padding (no gradient)."""
        if len(self.atoms) == self.n_padded:
            return values
        return values.new_zeros((self.n_padded, *values.shape[1:])).index_copy_(0, self.atoms, values)

    def unpad(self, values: torch.Tensor) -> torch.Tensor:
        """[A, ...] -> [n_atoms, ...], the way back."""
        return values if len(self.atoms) == self.n_padded else values.index_select(0, self.atoms)

    def centre(self, R: torch.Tensor) -> torch.Tensor:
        """Positions [n_atoms, 3] Å less the mean of each structure's, which changes no distance.

        The mean is a constant to gradients: energies don't depend on where a structure is.
        """
        sums = self.pad(R.detach()).view(self.n_structures, -1, 3).sum(1)  # [n_structures, 3]
        return R - (sums / self.counts[:, None]).index_select(0, self.structure)

    def vectors(self, R: torch.Tensor) -> torch.Tensor:
        """r_j - r_i [P, 3] Å from positions [n_atoms, 3] Å."""
        vectors: torch.Tensor = PositionsToVectors.apply(R, self)
        return vectors if self.shifts is None else vectors + self.shifts.to(R.dtype)

    def distances(self, R: torch.Tensor) -> torch.Tensor:
        """[P] Å, at least 1e-4 Å (coincident atoms have no direction to move in)."""
        return self.vectors(R).square().sum(-1).clamp_min(1e-8).sqrt()  # [P]

    def expand(self, h: torch.Tensor) -> torch.Tensor:
        """Pairs [P, ...] -> slots [A, K, ...], 0 in empty slots."""
        slots: torch.Tensor = PairsToSlots.apply(h, self)
        return slots.view(self.n_padded, self.n_slots, *h.shape[1:])

    def expand_directions(self, directions: torch.Tensor) -> torch.Tensor:
        """Of r_j - r_i of each pair [P, 3] -> from each slot's atom to its neighbour [A, K, 3]."""
        return self.expand(directions) * -self.sign(directions.dtype).view(self.n_padded, self.n_slots, 1)

    def of_distances(
        self, function: Callable[[torch.Tensor], tuple[torch.Tensor, ...]], distances: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """`function` of the distances [P] Å of all pairs: tensors [P, ...]."""
        return function(distances)

    def convolve_pairs(self, filters: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Σ_j filters_ij ∘ x_j of filters known per pair: [P, F], [A, F] -> [A, F]."""
        return self.convolve(self.expand(filters), x)

    def convolve_directions(
        self, filters: torch.Tensor, x: torch.Tensor, harmonics: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`convolve_pairs` and, after it, the same sums with each harmonic of the directions as a factor.

        [P, F], [A, F], [A, K, C] -> [A, F], [C, A, F].
        """
        channels = torch.cat([torch.ones_like(harmonics[..., :1]), harmonics], -1)  # [A, K, 1 + C]
        terms = self.terms(self.expand(filters), x)
        sums = torch.bmm(channels.transpose(1, 2), terms).transpose(0, 1)  # [1 + C, A, F]
        return sums[0], sums[1:]

    def terms(self, filters: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """filters_ij ∘ x_j: [A, K, F], [A, F] -> [A, K, F]."""
        raise NotImplementedError

    def convolve(self, filters: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Σ_j filters_ij ∘ x_j: [A, K, F], [A, F] -> [A, F]."""
        raise NotImplementedError

    def outer_sum(self, centre: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """centre_i + other_j per head: [H, A], [H, A] -> [H, A, K]."""
        raise NotImplementedError

    def attend(self, weights: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Σ_j w_ij h_j per head: [H, A, K], [H, A, D] -> [H, A, D]."""
        raise NotImplementedError

    def attend_directions(self, weights: torch.Tensor, harmonics: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Σ_j w_ij Y_ij h_j: [H, A, K], [A, K, C], [H, A, D] -> [C, A, H D]."""
        raise NotImplementedError

    def fold(self, g: torch.Tensor) -> torch.Tensor:
        """Slots [A, K] -> pairs [P]: both directions of each pair added, the adjoint of `expand`."""
        pairs: torch.Tensor = SlotsToPairs.apply(g.reshape(-1), self)
        return pairs

    def gather_forces(self, g: torch.Tensor) -> torch.Tensor:
        """Pair gradients dE/d(r_j - r_i) [P, 3] -> dE/dR [n_atoms, 3], the adjoint of `vectors`."""
        forces: torch.Tensor = VectorsToPositions.apply(g, self)
        return forces

    def sum_structures(self, values: torch.Tensor) -> torch.Tensor:
        """Sum over the atoms of each structure: [n_atoms] -> [n_structures]."""
        padded = torch.zeros(self.n_padded, dtype=values.dtype, device=values.device)
        return padded.index_copy(0, self.atoms, values).view(self.n_structures, -1).sum(1)


class ClusterPairs(Pairs):
    """All pairs of clusters of `sizes` atoms, which follow one another in the flat arrays."""

    def __init__(self, sizes: Sequence[int], device: torch.device | str | None = None) -> None:
        if not len(sizes) or min(sizes) < 1:
            raise InputError(f"every structure needs at least one atom; sizes are {list(sizes)}")
        count = torch.as_tensor(sizes, dtype=torch.int64, device=device)  # [B]
        device = count.device
        n_structures, largest = len(sizes), max(sizes)
        structure = torch.repeat_interleave(torch.arange(n_structures, device=device), count)  # [n_atoms]
        start = count.cumsum(0) - count  # [B] flat number of each structure's first atom
        within = torch.arange(len(structure), device=device) - start[structure]
        i, j = torch.triu_indices(largest, largest, 1, device=device)
        b, t = (j < count[:, None]).nonzero(as_tuple=True)  # [P]
        i, j = i[t], j[t]
        padded = b * largest
        super().__init__(
            first=start[b] + i,
            second=start[b] + j,
            slot_forth=(padded + i) * largest + j,
            slot_back=(padded + j) * largest + i,
            atoms=structure * largest + within,
            within=within,
            n_padded=n_structures * largest,
            n_slots=largest,
            own_slot=torch.arange(n_structures * largest, device=device) * largest
            + torch.arange(largest, device=device).repeat(n_structures),
            structure=structure,
            sizes=sizes,
        )
        self._beyond: dict[torch.dtype, torch.Tensor] = {}
        self._split: dict[int, list[ClusterPairs]] = {}

    def outer_sum(self, centre: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """centre_i + other_j per head: [H, A], [H, A] -> [H, A, K]."""
        b, n = self.n_structures, self.n_slots
        both = centre.view(-1, b, n, 1) + other.view(-1, b, 1, n)  # [H, B, N, N]
        return both.view(-1, b * n, n)

    def terms(self, filters: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """filters_ij ∘ x_j: [A, K, F], [A, F] -> [A, K, F]."""
        filters = filters.view(self.n_structures, self.n_slots, self.n_slots, -1)
        return (filters * x.view(self.n_structures, 1, self.n_slots, -1)).view(self.n_padded, self.n_slots, -1)

    def convolve(self, filters: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Σ_j filters_ij ∘ x_j: [A, K, F], [A, F] -> [A, F]."""
        return self.terms(filters, x).sum(1)

    def attend(self, weights: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Σ_j w_ij h_j per head: [H, A, K], [H, A, D] -> [H, A, D]."""
        weights = weights.view(-1, self.n_slots, self.n_slots)  # [H B, N, N]
        return torch.bmm(weights, h.view(len(weights), self.n_slots, -1)).view(h.shape)

    def attend_directions(self, weights: torch.Tensor, harmonics: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        """Σ_j w_ij Y_ij h_j: [H, A, K], [A, K, C], [H, A, D] -> [C, A, H D]."""
        heads, n_atoms, width = h.shape
        n, c = self.n_slots, harmonics.shape[-1]
        both = weights.view(heads, 1, n_atoms, n) * harmonics.permute(2, 0, 1)  # [H, C, A, K]
        both = both.view(heads, c, -1, n, n).transpose(1, 2).reshape(-1, c * n, n)  # [H B, C N, N]
        out = torch.bmm(both, h.view(len(both), n, width))  # [H B, C N, D]
        return out.view(heads, -1, c, n, width).permute(2, 1, 3, 0, 4).reshape(c, n_atoms, heads * width)

    # all slots at once, for use without autograd (inference/potential.py)

    def all_vectors(self, R: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """r_j - r_i [B, 3, N, N] Å of all slots, and its square [B, N, N], out of sight where none is."""
        r = self.pad(R).view(self.n_structures, -1, 3).transpose(1, 2)  # [B, 3, N]
        vectors = r[:, :, None] - r[..., None]
        return vectors, vectors.square().sum(1).add_(self.far(R.dtype))

    def far(self, dtype: torch.dtype) -> torch.Tensor:
        """[B, N, N] 0 for a neighbour, else far beyond any cutoff, Å²."""
        if dtype not in self._beyond:
            with torch.inference_mode(False):
                empty = (self._sign == 0).view(self.n_structures, self.n_slots, self.n_slots)
                self._beyond[dtype] = 1e6 * empty.to(dtype)
        return self._beyond[dtype]

    def parts(self, slots: int) -> list[ClusterPairs]:
        """Layouts of consecutive clusters, about `slots` slots in each, as many clusters but for the last."""
        count = max(1, round(slots / self.n_slots**2))
        starts = range(0, max(1, self.n_structures - count // 3), count)  # a few more in the last, not a part of a few
        if len(starts) == 1:
            return [self]
        if slots not in self._split:
            stops = [*starts[1:], self.n_structures]
            sizes = [self.sizes[start:stop] for start, stop in zip(starts, stops, strict=True)]
            made = {some: ClusterPairs(some, self.first.device) for some in set(sizes)}  # mostly the same
            self._split[slots] = [made[some] for some in sizes]
        return self._split[slots]
