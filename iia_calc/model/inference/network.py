"""The network for use: the same function as `SchNetIIA` and its head, with the gradient written out.

Weights that no longer change allow what training cannot: they are merged (merged.py), functions of the
distance come with their derivative (in float32 from a table, see table.py), and nothing is recorded for a
backward pass. All slots of a cluster are computed, [B, N, N], so that nothing is gathered or scattered.
Tests hold it to `SchNetIIA` at rounding.

Letters as in `iia_calc.model.pairs.clusters` and `schnet.py`; T blocks, D = F / H, S = B N N slots, C harmonics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn import functional

from iia_calc.model.inference.angles import convolve, convolve_back, invariants, invariants_back
from iia_calc.model.inference.table import DistanceTable
from iia_calc.model.inference.weights import Bend, Block, Filters
from iia_calc.model.network.harmonics import SlotHarmonics
from iia_calc.model.network.schnet import AtomwiseHead, SchNetIIA
from iia_calc.model.network.settings import NetworkSettings
from iia_calc.model.pairs.clusters import ClusterPairs

_aten = torch.ops.aten


class Entry(NamedTuple):
    """What the elements alone decide: features of the atoms [A, F], and what the first block makes of them."""

    x: torch.Tensor
    entered: torch.Tensor
    members: torch.Tensor  # [E, A] 1 where an atom is of an element; empty where `entered` is of atoms


class Gradient(NamedTuple):
    """dE/d distance seen [B, N, N] and dE/d direction [B, 3, N, N] (or None) of each slot."""

    distance: torch.Tensor
    direction: torch.Tensor | None


class _Kept(NamedTuple):
    """What the way back through a block needs: tensors, or None for parts that a network lacks."""

    y: torch.Tensor  # [B, N, Ff] features convolved
    bent: tuple[torch.Tensor, ...]
    h: Any = None  # [H B, N, D] features attended to
    leaky: tuple[torch.Tensor, ...] = ()
    weights: Any = None  # [H, B, N, N]
    both: Any = None  # [H B, (1 + C) N, N] weights times harmonics
    V: Any = None  # [C, A, F] (Ff where the convolution sees directions)
    mixed: Any = None  # the same, mixed
    bend: Any = None  # [A, L F] how far invariants are beyond their limits
    terms: Any = None  # [A, N, Ff] what the convolution sums, where it sees directions


Reader = Callable[[int], torch.Tensor]
"""From a group's number to its values, or slopes, in every slot [B, N, N, columns]."""


class FrozenNetwork:
    """Energies of atoms and their derivatives by distances and directions, of a network whose weights stay.

    Clusters (`ClusterPairs`) only. Networks it covers: see `covers`. `closest` is the shortest distance
    that it will be asked for, Å.
    """

    cached_slots = 3600  # eight clusters of 21 atoms

    def __init__(self, network: SchNetIIA, head: AtomwiseHead, closest: float = 0.0):
        settings = network.settings
        self.form, self.heads, self.cutoff = settings.attention, settings.n_heads, settings.cutoff
        self.degree, self.by_distance = settings.angular, settings.distance_logits
        self.convolves = settings.angular > 0 and settings.directions == "convolution"  # the directions, too
        self.bend = Bend(settings.activation)
        self.leaky = Bend("smu", alpha=0.2)
        if self.form == "hard":
            self.leaky.in_scale = self.leaky.out_scale = 1.0
        with torch.no_grad():
            self.embedding = network.embedding.weight.detach()
            constant, self.blocks = torch.zeros_like(self.embedding[0]), list[Block]()
            for block in network.interactions:
                self.blocks.append(Block(block, self.bend, self.leaky, self.form, constant))
                constant = self.blocks[-1].constant
            self.h0, c0, self.h1, self.c1 = (parameter.detach() for parameter in head.layers.parameters())
            self.h0_t, self.c0 = self.h0.T, c0 + self.h0 @ constant
            self.filters, self.table = Filters(network, self.bend, self.embedding.dtype), None
            if self.embedding.dtype == torch.float32:
                exact = Filters(network, self.bend, torch.float64)
                self.table = DistanceTable(
                    exact, exact.groups, closest, self.cutoff, self.embedding.dtype, self.embedding.device
                )

    @staticmethod
    def covers(settings: NetworkSettings) -> bool:
        """All but random networks and those whose activation was trained."""
        if settings.kind != "schnet" or settings.activation not in ("smu", "ssp"):
            return False
        return settings.attention in ("smooth", "hard", None)

    @torch.no_grad()
    def entry(self, Z: torch.Tensor) -> Entry:
        """Of nuclear charges [A], 0 in padding."""
        x = self.embedding.index_select(0, Z)
        return Entry(x, self._enter(self.blocks[0], x), x.new_empty(0))

    @torch.no_grad()
    def __call__(
        self, entry: Entry, distances: torch.Tensor, directions: torch.Tensor, pairs: ClusterPairs
    ) -> tuple[torch.Tensor, Gradient]:
        """distances [B, N, N] Å, at least the cutoff in slots without a neighbour; directions [B, 3, N, N].

        Returns energies [A] eV and the gradient of their sum over real atoms.
        """
        value, slope = self._readers(distances, pairs)
        base, base_slope = (None, None) if self.form is None else self._logits(distances, value, slope, pairs)
        others = pairs.others(self.embedding.dtype).view_as(distances)
        harmonics = SlotHarmonics(directions, others, self.degree) if self.degree else None
        channels = others.unsqueeze(1) if harmonics is None else harmonics.values  # [B, 1 + C, N, N]
        around = None  # [A, 1 + C, N] of each atom, where the convolution sees directions
        if self.convolves:
            around = channels.transpose(1, 2).reshape(len(entry.x), -1, distances.shape[2])
            by_around = torch.zeros_like(around)
            channels = others.unsqueeze(1)
        x, entered, kept = entry.x, entry.entered, list[_Kept]()
        for t, block in enumerate(self.blocks):
            if t:
                entered = self._enter(block, x)
            x, keep = self._forward(block, x, entered, value(t), None if base is None else base[t], channels, around)
            kept.append(keep)
        z = torch.addmm(self.c0, x, self.h0_t)  # [A, F / 2]
        energies = torch.addmv(self.c1, functional.silu(z), self.h1[0])  # [A]
        g = _aten.silu_backward(pairs.real(x.dtype).unsqueeze(1) * self.h1, z) @ self.h0  # [A, F]
        by_distance = torch.zeros_like(distances)
        by_logit: list[torch.Tensor] = []  # [H, B, N, N] of each block
        by_channel = torch.zeros_like(channels)
        for t in reversed(range(len(self.blocks))):
            g = self._backward(
                t,
                g,
                value,
                slope(t),
                kept.pop(),
                channels,
                around,
                by_distance,
                by_logit,
                by_around if self.convolves else by_channel,
            )
        if self.convolves:
            by_channel = by_around.view(*distances.shape[:2], -1, distances.shape[2]).transpose(1, 2)
        if base_slope is not None:
            by_logit.reverse()
            by_distance += (torch.stack(by_logit) * base_slope).sum((0, 1))
        return energies, Gradient(by_distance, None if harmonics is None else harmonics.gradient(by_channel))

    def _enter(self, block: Block, x: torch.Tensor) -> torch.Tensor:
        return torch.addmm(block.enter_bias, x, block.enter_t)  # [A, Ff + F + 2 H]

    def _readers(self, d: torch.Tensor, pairs: ClusterPairs) -> tuple[Reader, Reader]:
        """Two functions of a group's number: its values and their slopes, in every slot [B, N, N, columns]."""
        table, shape = self.table, (*d.shape, -1)
        if table is not None:
            places = table.places(d.view(-1))
            return lambda t: table.values(t, places).view(shape), lambda t: table.slopes(t, places).view(shape)
        groups = self.filters.groups
        both = (part.split(groups, 1) for part in self.filters(d.view(-1).index_select(0, pairs.slot_forth)))
        values, slopes = ([pairs.expand(part).view(shape) for part in parts] for parts in both)
        return values.__getitem__, slopes.__getitem__

    def _logits(
        self, d: torch.Tensor, value: Reader, slope: Reader, pairs: ClusterPairs
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What distances add to the logits of each block and head: [T, H, B, N, N], and its slope (or None)."""
        angle = d.clamp(max=self.cutoff).mul_(math.pi / self.cutoff)
        fc = torch.cos(angle).add_(1.0).mul_(0.5)  # 0 where there is no neighbour
        others = pairs.others(d.dtype).view_as(d)
        own = 1.0 - others
        if self.form == "smooth":
            log_fc = torch.log(fc.add_(own))
            # at the cutoff huge but finite; weights there are zero
            log_slope = torch.tan(angle.mul_(0.5)).mul_(-math.pi / self.cutoff).mul_(others)
        else:
            inside = fc > 0
            inside |= (own > 0) & ~inside.any(-1, keepdim=True)
            log_fc, log_slope = torch.zeros_like(d).masked_fill_(~inside, -torch.inf), None
        shape = (len(self.blocks), self.heads, *d.shape)
        if not self.by_distance:
            return log_fc.expand(shape), log_slope
        last = len(self.blocks)  # the group after the filters
        more = value(last).flatten(0, 2).T.reshape(shape)
        more_slope = slope(last).flatten(0, 2).T.reshape(shape)
        # an atom's own slot has no distance
        return torch.addcmul(log_fc, more, others), more_slope if log_slope is None else more_slope.add_(log_slope)

    def _forward(
        self,
        block: Block,
        x: torch.Tensor,
        entered: torch.Tensor,
        w: torch.Tensor,
        base: torch.Tensor | None,
        channels: torch.Tensor,
        around: torch.Tensor | None,
    ) -> tuple[torch.Tensor, _Kept]:
        """x [A, F], w [B, N, N, Ff] -> the next x, and what the way back needs."""
        b, n, _, n_filters = w.shape
        a, features = x.shape
        heads = self.heads
        mixed = bend = terms = None
        # before the bends: convolution, angles, attention
        buffer = x.new_empty(a, block.leave.shape[1] + (0 if base is None else features))
        parts = buffer.split(features, 1)
        y, *attending = entered.split([n_filters] if base is None else [n_filters, features, 2 * heads], 1)
        y = y.view(b, n, n_filters)
        m, V, terms = convolve(w, y, around)
        torch.addmm(block.b0, m, block.f0_t, out=parts[0])
        if terms is not None and V is not None:
            s, mixed, bend = invariants(block, V)
            torch.addmm(block.c0, s, block.a0_t, out=parts[1])
        if base is None:
            bent, slopes = self.bend(buffer)
            return torch.addmm(x, bent, block.leave_t), _Kept(y, slopes, V=V, mixed=mixed, bend=bend, terms=terms)
        h, ends = attending
        h = h.view(b, n, heads, -1).permute(2, 0, 1, 3).reshape(heads * b, n, -1)  # [H B, N, D]
        centre, other = ends.T.contiguous().view(2, heads, b, n).unbind()
        q = centre.unsqueeze(3) + other.unsqueeze(2)  # [H, B, N, N]
        if self.form == "smooth":
            q, leaky = self.leaky(q)
            q = torch.add(base, q, alpha=self.leaky.out_scale)
        else:
            q, leaky = functional.leaky_relu(q, 0.2).add_(base), (q,)
        weights = torch.softmax(q, -1)
        both = (weights.unsqueeze(2) * channels).view(heads * b, -1, n)  # [H B, (1 + C) N, N]
        attended = torch.bmm(both, h).view(heads, b, -1, n, features // heads).permute(2, 1, 3, 0, 4)
        if block.degree and terms is None:
            plain, V = attended.reshape(-1, a, features).split([1, channels.shape[1] - 1])
            s, mixed, bend = invariants(block, V)
            torch.addmm(block.c0, s, block.a0_t, out=parts[1])
            parts[-1].copy_(plain[0])
        else:
            parts[-1].view(b, n, heads, -1).copy_(attended[0])
        bent, slopes = self.bend(buffer)
        through, direct = bent.split([block.leave.shape[1], features], 1)
        x = torch.addmm(x, through, block.leave_t).add_(direct, alpha=self.bend.out_scale)
        return x, _Kept(y, slopes, h, leaky, weights, both, V, mixed, bend, terms)

    def _backward(
        self,
        t: int,
        g: torch.Tensor,
        value: Reader,
        w_slope: torch.Tensor,
        keep: _Kept,
        channels: torch.Tensor,
        around: torch.Tensor | None,
        by_distance: torch.Tensor,
        by_logit: list[torch.Tensor],
        by_channel: torch.Tensor,
    ) -> torch.Tensor:
        """g = dE/dx' [A, F] -> dE/dx; adds to the gradients by distances, logits and harmonics."""
        block, (a, features) = self.blocks[t], g.shape
        b, n, _, n_filters = w_slope.shape
        through = g @ block.leave
        if self.form is not None:
            through = torch.cat([through, g * self.bend.out_scale], 1)
        through = self.bend.slope(through, keep.bent).split(features, 1)
        gc, back = through[0] @ block.f0, []
        if keep.terms is not None and around is not None:
            g_sums = invariants_back(block, through[1] @ block.a0, gc, keep.V, keep.mixed, keep.bend)  # [1 + C, A, Ff]
            g_terms, g_around = convolve_back(g_sums, around, keep.terms)
            by_channel += g_around
            g_terms = g_terms.view_as(w_slope)
            by_distance += (w_slope * keep.y.unsqueeze(1)).mul_(g_terms).sum(3)
            if t:  # the embedding before the first block has no gradient
                back.append(g_terms.mul_(value(t)).sum(1).view(a, n_filters))
        else:
            gc = gc.view(b, n, n_filters)
            by_distance += (w_slope * keep.y.unsqueeze(1)).mul_(gc.unsqueeze(2)).sum(3)
            if t:
                back.append((value(t) * gc.unsqueeze(1)).sum(2).view(a, n_filters))  # as w is the same for ij and ji
        if self.form is not None:
            back += self._attention_back(t, through, keep, channels, by_logit, by_channel)
        return torch.addmm(g, torch.cat(back, 1), block.enter) if t else g

    def _attention_back(
        self,
        t: int,
        through: Sequence[torch.Tensor],
        keep: _Kept,
        channels: torch.Tensor,
        by_logit: list[torch.Tensor],
        by_channel: torch.Tensor,
    ) -> list[torch.Tensor]:
        block, gV, (a, features) = self.blocks[t], through[-1], through[-1].shape
        heads, b, n, _ = keep.weights.shape
        if block.degree and keep.terms is None:
            gV = invariants_back(block, through[1] @ block.a0, gV, keep.V, keep.mixed, keep.bend)
        gV = (
            gV.view(-1, b, n, heads, features // heads).permute(3, 1, 0, 2, 4).reshape(heads * b, -1, features // heads)
        )
        g_both = torch.bmm(gV, keep.h.transpose(1, 2)).view(heads, b, -1, n, n)  # [H, B, 1 + C, N, N]
        gw = (g_both * channels).sum(2)  # [H, B, N, N]
        if block.degree and keep.terms is None:
            by_channel += g_both.mul_(keep.weights.unsqueeze(2)).sum(0)
        gl = torch._softmax_backward_data(gw, keep.weights, -1, gw.dtype)
        by_logit.append(gl)
        if not t:
            return []
        if self.form == "smooth":
            gq = self.leaky.slope(gl, keep.leaky).mul_(self.leaky.out_scale)
        else:
            gq = _aten.leaky_relu_backward(gl, keep.leaky[0], 0.2, False)
        gh = torch.bmm(keep.both.transpose(1, 2), gV).view(heads, b, n, -1).permute(1, 2, 0, 3).reshape(a, features)
        return [gh, gq.sum(3).view(heads, a).T, gq.sum(2).view(heads, a).T]
