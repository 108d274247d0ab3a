"""`VectorNetwork` and its head for use: the same function with the gradient written out.

As in `inference.network`: clusters only, all slots at once, [B, N, N]; functions of the distance come with their
derivative, in float32 from a table; nothing is recorded for a backward pass. Tests hold it to autograd at rounding.

Letters as there and in `network.vectors`; q filters of a head. g... is dE/d of what follows the g.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from iia_calc.model.inference.network import Entry, Gradient, Reader
from iia_calc.model.inference.table import DistanceTable
from iia_calc.model.inference.vector_weights import Block, RadialFilters
from iia_calc.model.inference.weights import Bend
from iia_calc.model.network.harmonics import SlotHarmonics
from iia_calc.model.network.schnet import AtomwiseHead
from iia_calc.model.network.settings import NetworkSettings
from iia_calc.model.network.vectors import SHORTEST, VectorNetwork
from iia_calc.model.pairs.clusters import ClusterPairs


class Saturated:
    """x / sqrt(1 + mean x²) of features [A, F] or [C, A, F], and the way back."""

    def __init__(self, x: torch.Tensor):
        squares = x.square() if x.ndim == 2 else x.square().sum(0)  # [A, F]
        self.scale = torch.rsqrt(squares.mean(1, keepdim=True).add_(1.0))  # [A, 1]
        self.value = x * self.scale

    def back(self, g: torch.Tensor) -> torch.Tensor:
        along = g * self.value
        along = (along if along.ndim == 2 else along.sum(0)).mean(1, keepdim=True)  # [A, 1]
        return torch.addcmul(g, self.value, along, value=-1.0).mul_(self.scale)


@dataclass
class _Gathered:
    """What the way back through a sum over neighbours needs."""

    weights: torch.Tensor  # [q, H B, N, N]
    values: torch.Tensor  # [A, n_values F]
    by_head: list[torch.Tensor]  # [H B, N, D] of each degree from 0
    both: list[torch.Tensor]  # [H B, C N, N] weights times harmonics of each degree from 1
    s: Any = None  # Saturated; None in the first block, as what follows
    bent: tuple[torch.Tensor, ...] = ()
    V: Any = None  # list[Saturated]
    given: Any = None  # [H B, N, C D]


class _Updated(NamedTuple):
    """What the way back through the mixing of an atom's features needs."""

    s: Saturated
    V: list[Saturated]
    ab: list[tuple[torch.Tensor, torch.Tensor]]  # [C, A, F] each
    lengths: list[torch.Tensor]
    product: torch.Tensor  # [A, F]
    bent: tuple[torch.Tensor, ...]
    out: torch.Tensor  # [A, (1 + 2 L) F]


class FrozenVectors:
    """Energies of atoms and their derivatives by distances and directions, of a network whose weights stay.

    Clusters (`ClusterPairs`) only. `closest` is the shortest distance that it will be asked for, Å.
    """

    def __init__(self, network: VectorNetwork, head: AtomwiseHead, closest: float = 0.0):
        settings = network.settings
        self.heads, self.degree = settings.n_heads, settings.angular
        self.bend = Bend(settings.activation)
        with torch.no_grad():
            self.embedding = network.embedding.weight.detach()
            self.blocks = [Block(block, self.bend) for block in network.blocks()]
            h0, c0, h1, self.c1 = (parameter.detach() for parameter in head.layers.parameters())
            self.h0, self.c0 = h0 * self.bend.in_scale, c0 * self.bend.in_scale
            self.h0_t, self.h1 = self.h0.T.contiguous(), h1 * self.bend.out_scale
            self.filters, self.table = RadialFilters(network, self.bend, self.embedding.dtype), None
            if self.embedding.dtype == torch.float32:
                exact = RadialFilters(network, self.bend, torch.float64)
                self.table = DistanceTable(
                    exact, exact.groups, closest, settings.cutoff, self.embedding.dtype, self.embedding.device
                )

    @staticmethod
    def covers(settings: NetworkSettings) -> bool:
        """All whose activation was not trained."""
        return settings.kind == "vectors" and settings.activation == "smu"

    @torch.no_grad()
    def entry(self, Z: torch.Tensor) -> Entry:
        """Of nuclear charges [A], 0 in padding."""
        x, block = self.embedding.index_select(0, Z), self.blocks[0]
        hidden, _ = self.bend(torch.addmm(block.bias0, Saturated(x).value, block.values0))
        return Entry(x, torch.addmm(block.bias1, hidden, block.values1))

    @torch.no_grad()
    def __call__(
        self, entry: Entry, distances: torch.Tensor, directions: torch.Tensor, pairs: ClusterPairs
    ) -> tuple[torch.Tensor, Gradient]:
        """As `FrozenNetwork`: distances [B, N, N] Å, directions [B, 3, N, N] -> energies [A] eV, their gradient."""
        weights, slope = self._readers(distances, pairs)
        others = pairs.others(self.embedding.dtype).view_as(distances)
        harmonics = SlotHarmonics(directions, others, self.degree)
        channels = harmonics.values.split([2 * k + 1 for k in range(self.degree + 1)], 1)[1:]  # [B, C, N, N] each
        s, V = entry.x, list[torch.Tensor]()
        gathered, updated = list[_Gathered](), list[_Updated]()
        for t, block in enumerate(self.blocks):
            s, V, kept = self._gather(block, s, V, weights(t), channels, entry.entered if t == 0 else None)
            gathered.append(kept)
            s, V, mixed = self._update(block, s, V, last=t + 1 == len(self.blocks))
            updated.append(mixed)
        final = Saturated(s)
        bent, kept_head = self.bend(torch.addmm(self.c0, final.value, self.h0_t))  # [A, F / 2]
        energies = torch.addmv(self.c1, bent, self.h1[0])  # [A]
        g = self.bend.slope(pairs.real(s.dtype).unsqueeze(1) * self.h1, kept_head) @ self.h0  # [A, F]
        gs, gV = final.back(g), [torch.zeros_like(v) for v in V]
        by_distance = torch.zeros_like(distances)
        by_channel = [torch.zeros_like(channel) for channel in channels]
        for t in reversed(range(len(self.blocks))):
            gs, gV = self._update_back(self.blocks[t], gs, gV, updated.pop())
            gs, gV, g_weights = self._gather_back(self.blocks[t], gs, gV, gathered.pop(), channels, by_channel)
            by_distance += (g_weights.view(-1, *distances.shape) * slope(t)).sum(0)
        by_channel = [torch.zeros_like(others).unsqueeze(1), *by_channel]
        return energies, Gradient(by_distance, harmonics.gradient(torch.cat(by_channel, 1)))

    def _readers(self, d: torch.Tensor, pairs: ClusterPairs) -> tuple[Reader, Reader]:
        """Two functions of a block's number: its filters [q, H B, N, N] and their slopes [q H, B, N, N]."""
        b, n, _ = d.shape
        if self.table is not None:
            table, places = self.table, self.table.places(d.view(-1))
            values: Reader = lambda t: table.values(t, places)  # noqa: E731
            slopes: Reader = lambda t: table.slopes(t, places)  # noqa: E731
        else:
            both = self.filters(d.view(-1).index_select(0, pairs.slot_forth))
            parts = [[pairs.expand(x) for x in part.split(self.filters.groups, 1)] for part in both]
            values, slopes = parts[0].__getitem__, parts[1].__getitem__

        def weights(t: int) -> torch.Tensor:
            columns = values(t).reshape(b * n * n, -1).T.contiguous()  # [q H, B N N]
            return columns.view(-1, self.heads * b, n, n)

        return weights, lambda t: slopes(t).reshape(b * n * n, -1).T.view(-1, b, n, n)

    def _gather(
        self,
        block: Block,
        s: torch.Tensor,
        V: Sequence[torch.Tensor],
        weights: torch.Tensor,
        channels: Sequence[torch.Tensor],
        values: torch.Tensor | None,
    ) -> tuple[torch.Tensor, list[torch.Tensor], _Gathered]:
        """s [A, F], V [C, A, F] of each degree; `values` where they are known -> the next s and V, what was kept."""
        b, heads = len(channels[0]), self.heads
        seen: Any = None
        bent: tuple[torch.Tensor, ...] = ()
        if values is None:
            seen = Saturated(s)
            hidden, bent = self.bend(torch.addmm(block.bias0, seen.value, block.values0))
            values = torch.addmm(block.bias1, hidden, block.values1)  # [A, n_values F]
        parts = values.split(block.value_widths, 1)
        by_head = [apart(part[None], b, heads) for part in parts[: 1 + self.degree]]
        kept = _Gathered(weights, values, by_head, [], seen, bent)
        s = s + joined(torch.bmm(weights[0], by_head[0]), b, heads)
        sums = []
        for k, Y in enumerate(channels):
            kept.both.append(times(weights[k + 1], Y))
            sums.append(joined_channels(torch.bmm(kept.both[k], by_head[k + 1]), b, heads, Y.shape[1]))
        if block.first:
            return s, sums, kept
        kept.V = [Saturated(v) for v in V]
        kept.given = [apart(v.value * x, b, heads) for v, x in zip(kept.V, parts[1 + self.degree :], strict=True)]
        for k, given in enumerate(kept.given):
            got = torch.bmm(weights[1 + self.degree + k], given)  # [H B, N, C D]
            sums[k] = together(got, b, heads, len(V[k])).add_(sums[k]).add_(V[k])
        return s, sums, kept

    def _update(
        self, block: Block, s: torch.Tensor, V: list[torch.Tensor], last: bool
    ) -> tuple[torch.Tensor, list[torch.Tensor], _Updated]:
        """The mixing of each atom's features; of the last block only s is used."""
        seen, seen_V = Saturated(s), [Saturated(v) for v in V]
        ab, lengths = [], []
        for v, mix in zip(seen_V, block.mix, strict=True):
            a, b = torch.matmul(v.value, mix).chunk(2, -1)  # [C, A, F] each
            ab.append((a, b))
            lengths.append(a.square().sum(0).add_(SHORTEST).sqrt_())
        hidden, bent = self.bend(torch.addmm(block.context_bias0, torch.cat([seen.value, *lengths], 1), block.context0))
        out = torch.addmm(block.context_bias1, hidden, block.context1)
        ds, *gates, share = out.split(block.context_widths, 1)
        product = (ab[0][0] * ab[0][1]).sum(0)  # [A, F]
        s = (s + ds).addcmul_(share, product)
        if not last:
            V = [torch.addcmul(v, gate, b) for v, gate, (_, b) in zip(V, gates, ab, strict=True)]
        return s, V, _Updated(seen, seen_V, ab, lengths, product, bent, out)

    def _update_back(
        self, block: Block, gs: torch.Tensor, gV: list[torch.Tensor], kept: _Updated
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        _, *gates, share = kept.out.split(block.context_widths, 1)
        g_gates = [(g * b).sum(0) for g, (_, b) in zip(gV, kept.ab, strict=True)]
        g_hidden = torch.mm(torch.cat([gs, *g_gates, gs * kept.product], 1), block.context1_t)
        g_context = torch.mm(self.bend.slope(g_hidden, kept.bent), block.context0_t)
        g_seen, *g_lengths = g_context.split(block.widths, 1)
        g_product, results = gs * share, []  # [A, F]
        for k, (a, b) in enumerate(kept.ab):
            g_a, g_b = a * (g_lengths[k] / kept.lengths[k]), gV[k] * gates[k]
            if k == 0:
                g_a, g_b = g_a.addcmul_(b, g_product), g_b.addcmul_(a, g_product)
            back = kept.V[k].back(torch.matmul(torch.cat([g_a, g_b], -1), block.mix_t[k]))
            results.append(back.add_(gV[k]))
        return kept.s.back(g_seen).add_(gs), results

    def _gather_back(
        self,
        block: Block,
        gs: torch.Tensor,
        gV: list[torch.Tensor],
        kept: _Gathered,
        channels: Sequence[torch.Tensor],
        by_channel: list[torch.Tensor],
    ) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
        """Gradients by what the block was given, and by its filters [q, H B, N, N]; adds to `by_channel`."""
        b, heads = len(channels[0]), self.heads
        weights = kept.weights
        g_weights = torch.empty_like(weights)
        g_values = []
        first = block.first
        g = apart(gs[None], b, heads)  # [H B, N, D]
        torch.bmm(g, kept.by_head[0].transpose(1, 2), out=g_weights[0])
        if not first:
            g_values.append(joined(torch.bmm(weights[0].transpose(1, 2), g), b, heads))
        for k, Y in enumerate(channels):
            g = apart_channels(gV[k], b, heads)  # [H B, C N, D]
            g_both = torch.bmm(g, kept.by_head[k + 1].transpose(1, 2)).view(heads, *Y.shape)  # [H, B, C, N, N]
            torch.sum(g_both * Y, 2, out=g_weights[k + 1].view(heads, b, *Y.shape[2:]))
            by_channel[k] += (g_both * weights[k + 1].view(heads, b, 1, *Y.shape[2:])).sum(0)
            if not first:
                g_values.append(joined(torch.bmm(kept.both[k].transpose(1, 2), g), b, heads))
        if first:
            return gs, gV, g_weights
        handed = kept.values.split(block.value_widths, 1)[1 + self.degree :]
        results = []
        for k, v in enumerate(kept.V):
            place = 1 + self.degree + k
            g = apart(gV[k], b, heads)  # [H B, N, C D]
            torch.bmm(g, kept.given[k].transpose(1, 2), out=g_weights[place])
            g_given = together(torch.bmm(weights[place].transpose(1, 2), g), b, heads, len(gV[k]))
            g_values.append((g_given * v.value).sum(0))
            results.append(v.back(g_given * handed[k]).add_(gV[k]))
        g_hidden = torch.mm(torch.cat(g_values, 1), block.values1_t)
        g_seen = torch.mm(self.bend.slope(g_hidden, kept.bent), block.values0_t)
        return kept.s.back(g_seen).add_(gs), results, g_weights


def apart(x: torch.Tensor, b: int, heads: int) -> torch.Tensor:
    """[C, A, F] -> [H B, N, C D]."""
    c, a, _ = x.shape
    return x.view(c, b, a // b, heads, -1).permute(3, 1, 2, 0, 4).reshape(heads * b, a // b, -1)


def together(x: torch.Tensor, b: int, heads: int, c: int) -> torch.Tensor:
    """[H B, N, C D] -> [C, A, F]."""
    n = x.shape[1]
    return x.view(heads, b, n, c, -1).permute(3, 1, 2, 0, 4).reshape(c, b * n, -1)


def joined(x: torch.Tensor, b: int, heads: int) -> torch.Tensor:
    """[H B, N, D] -> [A, F]."""
    return together(x, b, heads, 1)[0]


def apart_channels(x: torch.Tensor, b: int, heads: int) -> torch.Tensor:
    """[C, A, F] -> [H B, C N, D]."""
    c, a, _ = x.shape
    return x.view(c, b, a // b, heads, -1).permute(3, 1, 0, 2, 4).reshape(heads * b, c * (a // b), -1)


def joined_channels(x: torch.Tensor, b: int, heads: int, c: int) -> torch.Tensor:
    """[H B, C N, D] -> [C, A, F]."""
    n = x.shape[1] // c
    return x.view(heads, b, c, n, -1).permute(2, 1, 3, 0, 4).reshape(c, b * n, -1)


def times(weights: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    """Of weights [H B, N, N] and harmonics [B, C, N, N]: [H B, C N, N]."""
    b, c, n, _ = Y.shape
    return (weights.view(-1, b, 1, n, n) * Y).view(-1, c * n, n)
