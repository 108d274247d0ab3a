"""`VectorNetwork` and its head for use: the same function with the gradient written out.

As in `inference.network`: clusters only, all slots at once, [B, N, N]; functions of the distance come with their
derivative, in float32 from a table; nothing is recorded for a backward pass. Tests hold it to autograd at rounding.

Letters as there and in `network.vectors`; q filters of a head. g... is dE/d of what follows the g.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch

from iia_calc.model.inference.basis import SharedBasis
from iia_calc.model.inference.first_block import FirstSums, handed_out
from iia_calc.model.inference.heads import apart, by_atom, by_atom_from_channels, channels_apart, times
from iia_calc.model.inference.network import Entry, Gradient
from iia_calc.model.inference.saturated import FusedBend, FusedHanded, FusedSaturated, Handed, Saturated
from iia_calc.model.inference.steps import steps_for
from iia_calc.model.inference.table import DistanceTable
from iia_calc.model.inference.vector_weights import Block, RadialFilters
from iia_calc.model.inference.weights import Bend
from iia_calc.model.network.harmonics import SlotHarmonics, forms
from iia_calc.model.network.schnet import AtomwiseHead
from iia_calc.model.network.settings import NetworkSettings
from iia_calc.model.network.vectors import Parts, VectorNetwork
from iia_calc.model.pairs.clusters import ClusterPairs

MOST_ELEMENTS = 4
"""That the first block takes one by one."""


@dataclass
class _Gathered:
    """What the way back through a sum over neighbours needs."""

    weights: torch.Tensor  # [q, H B, N, N]
    by_head: list[torch.Tensor]  # [H B, N, D] of each degree from 0
    both: list[torch.Tensor]  # [H B, C N, N] weights times harmonics of each degree from 1
    s: Saturated | None = None
    bent: tuple[torch.Tensor, ...] = ()
    handed: list[Handed] = field(default_factory=list)
    given: list[torch.Tensor] = field(default_factory=list)  # [H B, N, C D] what is handed on


class _Updated(NamedTuple):
    """What the way back through the mixing of an atom's features needs."""

    s: Saturated
    V: list[Saturated]
    ab: list[tuple[torch.Tensor, ...]]  # [A, C, width] each
    lengths: Parts
    product: torch.Tensor  # [A, F]
    bent: tuple[torch.Tensor, ...]
    gates: list[torch.Tensor]
    share: torch.Tensor


class FrozenVectors:
    """Energies of atoms and their derivatives by distances and directions, of a network whose weights stay.

    Clusters (`ClusterPairs`) only. `numbers` are nuclear charges of the elements that it knows, `closest` is the
    shortest distance that it will be asked for, Å. `fuse` takes single kernels for many steps (`fused`), in float32
    only.
    """

    cached_slots = 5400  # twelve clusters of 21 atoms: less to call, and still mostly in the caches

    def __init__(
        self,
        network: VectorNetwork,
        head: AtomwiseHead,
        numbers: Sequence[int],
        closest: float = 0.0,
        fuse: bool = False,
    ) -> None:
        settings, self.fuse = network.settings, fuse
        self.saturated = FusedSaturated if self.fuse else Saturated
        self.handed = FusedHanded if self.fuse else Handed
        self.steps = steps_for(self.fuse)
        self.heads, self.degree, self.softening = settings.n_heads, settings.angular, settings.softening
        self.bend = (FusedBend if self.fuse else Bend)(settings.activation)
        with torch.no_grad():
            self.embedding = network.embedding.weight.detach()
            self.numbers = torch.as_tensor(numbers, device=self.embedding.device)
            self.by_element = not fuse and len(numbers) <= MOST_ELEMENTS  # the first block
            self.forms = forms(self.degree, self.embedding.dtype, self.embedding.device)
            blocks = network.blocks()
            self.blocks = [Block(block, self.bend, block is blocks[-1]) for block in blocks]
            h0, c0, h1, self.c1 = (parameter.detach() for parameter in head.layers.parameters())
            self.h0, self.c0 = h0 * self.bend.in_scale, c0 * self.bend.in_scale
            self.h1 = h1 * self.bend.out_scale
            plain = Bend(settings.activation)
            self.filters = RadialFilters(network, plain, self.embedding.dtype)
            self.table: DistanceTable | SharedBasis | None = None
            if self.embedding.dtype == torch.float32:
                exact = RadialFilters(network, plain, torch.float64)
                reach = closest, settings.cutoff, self.embedding.dtype, self.embedding.device
                self.table = DistanceTable(exact, [sum(exact.groups)], *reach) if fuse else SharedBasis(exact, *reach)

    @staticmethod
    def covers(settings: NetworkSettings) -> bool:
        """All whose activation was not trained."""
        return settings.kind == "vectors" and settings.activation == "smu"

    @torch.no_grad()
    def entry(self, Z: torch.Tensor) -> Entry:
        """Of nuclear charges [A], 0 in padding."""
        x, block = self.embedding.index_select(0, Z), self.blocks[0]
        of = self.embedding.index_select(0, self.numbers) if self.by_element else x
        hidden, _ = self.bend(torch.addmm(block.bias0, self.saturated(of).value, block.values0))
        values = torch.addmm(block.bias1, hidden, block.values1)  # [E or A, n_values F]
        if not self.by_element:
            return Entry(x, values, x.new_empty(0))
        members = (self.numbers[:, None] == Z).to(x.dtype)  # [E, A]
        given = handed_out(values, self.heads, block.value_widths)
        parts = given.split(block.value_widths, 1)[1:]
        return Entry(x, torch.cat([given, *(X @ mix for X, mix in zip(parts, block.mix, strict=True))], 1), members)

    @torch.no_grad()
    def __call__(
        self, entry: Entry, distances: torch.Tensor, directions: torch.Tensor, pairs: ClusterPairs
    ) -> tuple[torch.Tensor, Gradient]:
        """As `FrozenNetwork`: distances [B, N, N] Å, directions [B, 3, N, N] -> energies [A] eV, their gradient."""
        weights, by_distance_of = self._filters(distances, pairs)
        others = pairs.others(self.embedding.dtype).view_as(distances)
        harmonics = SlotHarmonics(directions, others, self.degree, self.forms)
        channels = harmonics.values.split([2 * k + 1 for k in range(self.degree + 1)], 1)[1:]  # [B, C, N, N] each
        s = entry.x
        V: list[torch.Tensor] = []
        first: FirstSums | None = None
        gathered: list[_Gathered] = []
        updated: list[_Updated] = []
        for t, block in enumerate(self.blocks):
            if t == 0 and self.by_element:
                members = entry.members.view(-1, *distances.shape[:2]).transpose(0, 1)  # [B, E, N]
                columns = [mix.shape[1] for mix in block.mix]
                first = FirstSums(harmonics.values, weights[0], entry.entered, members, block.value_widths, columns)
                given, *V = first.sums()
                s = s + given[:, 0]
                s, V, mixed = self._update(block, s, V, first)
                updated.append(mixed)
                continue
            s, V, kept = self._gather(block, s, V, weights[t], channels, entry.entered if t == 0 else None)
            gathered.append(kept)
            s, V, mixed = self._update(block, s, V)
            updated.append(mixed)
        final = self.saturated(s)
        bent, kept_head = self.bend(torch.addmm(self.c0, final.value, self.h0.T))  # [A, F / 2]
        energies = torch.addmv(self.c1, bent, self.h1[0])  # [A]
        g = self.bend.slope(pairs.real(s.dtype).unsqueeze(1) * self.h1, kept_head) @ self.h0  # [A, F]
        gs = final.back(g)
        gV: list[torch.Tensor] = []
        g_all = s.new_empty(sum(self.filters.groups), distances.numel())  # [T q H, B N N]
        g_filters = g_all.split(self.filters.groups)
        g_harmonics = torch.zeros_like(harmonics.values)
        g_channels = g_harmonics.split([2 * k + 1 for k in range(self.degree + 1)], 1)[1:]
        for t in reversed(range(len(self.blocks))):
            block, g_weights = self.blocks[t], g_filters[t].view(weights[t].shape)
            gs, gV = self._update_back(block, gs, gV, updated.pop(), first if t == 0 else None)
            if t == 0 and first is not None:
                first.back(gs, gV, g_weights, g_channels)
                break
            gs, gV = self._gather_back(block, gs, gV, gathered.pop(), channels, g_weights, g_channels)
        return energies, Gradient(by_distance_of(g_all).view(distances.shape), harmonics.gradient(g_harmonics))

    def _filters(self, d: torch.Tensor, pairs: ClusterPairs) -> tuple[Parts, Callable[[torch.Tensor], torch.Tensor]]:
        """Filters of each block [q, H B, N, N], and what makes of their gradients [T q H, B N N] that by d [B N N]."""
        b, n, _ = d.shape
        back: Callable[[torch.Tensor], torch.Tensor]
        if self.table is not None:
            values, back = self.table.at(d.view(-1))
        else:
            both = self.filters(d.view(-1).index_select(0, pairs.slot_forth))
            read, slopes = (pairs.expand(part).flatten(0, 1) for part in both)
            values, back = read.T.contiguous(), partial(_contract, slopes.T)
        parts = values.split(self.filters.groups)
        return tuple(part.view(-1, self.heads * b, n, n) for part in parts), back

    def _gather(
        self,
        block: Block,
        s: torch.Tensor,
        V: Parts,
        weights: torch.Tensor,
        channels: Parts,
        values: torch.Tensor | None,
    ) -> tuple[torch.Tensor, list[torch.Tensor], _Gathered]:
        """s [A, F], V [A, C, F] of each degree; `values` where they are known -> the next s and V, what was kept."""
        b, heads = len(channels[0]), self.heads
        seen: Saturated | None = None
        bent: tuple[torch.Tensor, ...] = ()
        if values is None:
            seen = self.saturated(s)
            hidden, bent = self.bend(torch.addmm(block.bias0, seen.value, block.values0))
            values = torch.addmm(block.bias1, hidden, block.values1)  # [A, n_values F]
        parts = values.split(block.value_widths, 1)
        by_head = [apart(part, b, heads) for part in parts[: 1 + self.degree]]
        kept = _Gathered(weights, by_head, [], seen, bent)
        s = s + by_atom(self.steps.narrow(weights[0], by_head[0]), b, heads, 1).reshape(s.shape)
        sums = []
        for k, Y in enumerate(channels):
            kept.both.append(times(weights[k + 1], Y))
            found = self.steps.narrow(kept.both[k], by_head[k + 1])  # [H B, C N, D]
            each = by_atom_from_channels(found, b, heads, Y.shape[1])  # [B, N, C, H, D]
            total = s.new_empty(len(s), Y.shape[1], parts[k + 1].shape[1])
            if block.first:
                total.view(each.shape).copy_(each)
            else:
                torch.add(V[k].view(each.shape), each, out=total.view(each.shape))
            sums.append(total)
        if block.first:
            return s, sums, kept
        for k, (v, x) in enumerate(zip(V, parts[1 + self.degree :], strict=True)):
            given = v.new_empty(heads * b, len(v) // b, v[0].numel() // heads)  # [H B, N, C D]
            kept.handed.append(self.handed(v, x, by_atom(given, b, heads, v.shape[1])))
            kept.given.append(given)
            got = by_atom(torch.bmm(weights[1 + self.degree + k], given), b, heads, v.shape[1])
            sums[k].view(got.shape).add_(got)
        return s, sums, kept

    def _update(
        self, block: Block, s: torch.Tensor, V: list[torch.Tensor], first: FirstSums | None = None
    ) -> tuple[torch.Tensor, list[torch.Tensor], _Updated]:
        """The mixing of each atom's features; of the last block only s is used."""
        seen = self.saturated(s)
        seen_V = [self.saturated(v) for v in V] if first is None else []
        if first is None:
            mixed = [torch.matmul(v.value, mix) for v, mix in zip(seen_V, block.mix, strict=True)]
        else:
            mixed = first.mix(V)
        # [A, C, width] each; of the last block's tensors there is no b
        ab = [part.split(width, 2) for part, width in zip(mixed, block.widths[1:], strict=True)]
        context, lengths = self.steps.with_lengths(seen.value, [part[0] for part in ab], self.softening)
        hidden, bent = self.bend(torch.addmm(block.context_bias0, context, block.context0))
        out = torch.addmm(block.context_bias1, hidden, block.context1)
        ds, *gates, share = out.split([block.widths[0], *block.gate_widths, block.widths[0]], 1)
        product = self.steps.dots(ab[0][0], ab[0][1])  # [A, F]
        s = (s + ds).addcmul_(share, product)
        V = [
            torch.addcmul(v, gate[:, None], part[1]) for v, gate, part in zip(V, gates, ab, strict=False)
        ]  # none of the last
        return s, V, _Updated(seen, seen_V, ab, lengths, product, bent, gates, share)

    def _update_back(
        self, block: Block, gs: torch.Tensor, gV: list[torch.Tensor], kept: _Updated, first: FirstSums | None = None
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Gradients by what the mixing was given; of the last block's vectors none come back (`gV` empty).

        first : of the first block's sums, then gradients are by what these are made of.
        """
        g_gates = [self.steps.dots(g, part[1]) for g, part in zip(gV, kept.ab, strict=False)]
        g_hidden = torch.mm(torch.cat([gs, *g_gates, gs * kept.product], 1), block.context1.T)
        g_context = torch.mm(self.bend.slope(g_hidden, kept.bent), block.context0.T)
        g_seen, *g_lengths = g_context.split(block.widths, 1)
        g_product, results = gs * kept.share, []  # [A, F]
        for k, part in enumerate(kept.ab):
            gated = None if block.last else (gV[k], kept.gates[k])
            g_mixed = self.steps.mix_back(part, kept.lengths[k], g_lengths[k], gated, g_product if k == 0 else None)
            plus = None if block.last else gV[k]
            if first is None:
                results.append(kept.V[k].back(torch.matmul(g_mixed, block.mix[k].T), plus))
            else:
                results.append(first.back_from_mixed(k, g_mixed, plus))
        return kept.s.back(g_seen, gs), results

    def _gather_back(
        self,
        block: Block,
        gs: torch.Tensor,
        gV: list[torch.Tensor],
        kept: _Gathered,
        channels: Parts,
        g_weights: torch.Tensor,
        g_channels: Parts,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Gradients by what the block was given; its filters' go to `g_weights`, the harmonics' are added."""
        b, heads = len(channels[0]), self.heads
        weights, g_values = kept.weights, []
        g = apart(gs, b, heads)  # [H B, N, D]
        torch.bmm(g, kept.by_head[0].transpose(1, 2), out=g_weights[0])
        if not block.first:
            g_values.append(by_atom(self.steps.narrow(weights[0].transpose(1, 2), g), b, heads, 1).reshape(gs.shape))
        for k, Y in enumerate(channels):
            g = channels_apart(gV[k], b, heads)  # [H B, C N, D]
            g_both = torch.bmm(g, kept.by_head[k + 1].transpose(1, 2))  # [H B, C N, N]
            self.steps.directions_back(g_both, Y, weights[k + 1], g_weights[k + 1], g_channels[k])
            if not block.first:
                found = by_atom(self.steps.narrow(kept.both[k].transpose(1, 2), g), b, heads, 1)
                g_values.append(found.reshape(len(gs), -1))
        if kept.s is None:  # the first block: what it hands out depends on the elements alone
            return gs, gV
        results = []
        for k, handed in enumerate(kept.handed):
            place = 1 + self.degree + k
            g = apart(gV[k], b, heads)  # [H B, N, C D]
            torch.bmm(g, kept.given[k].transpose(1, 2), out=g_weights[place])
            found = by_atom(torch.bmm(weights[place].transpose(1, 2), g), b, heads, gV[k].shape[1])
            g_x, g_v = handed.back(found.reshape(gV[k].shape), gV[k])
            g_values.append(g_x)
            results.append(g_v)
        g_hidden = torch.mm(torch.cat(g_values, 1), block.values1.T)
        g_seen = torch.mm(self.bend.slope(g_hidden, kept.bent), block.values0.T)
        return kept.s.back(g_seen, gs), results


def _contract(slopes: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    """Σ over columns of slopes [C, S] times g [C, S], which is overwritten."""
    return g.mul_(slopes).sum(0)
