"""The network for use: the same function as `SchNetIIA` and its head, with the gradient written out.

Weights that no longer change allow what training cannot: matrices that meet the same features are one
product, scales of the activation disappear into its neighbours' weights, filters come with their
derivative by the distance (in float32 from a table, see table.py), and nothing is recorded for a
backward pass. Tests hold it to `SchNetIIA` at rounding.

Letters as in `iia_calc.pairs` and `schnet.py`; T blocks, D = F / H.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from iia_calc.network.schnet import AtomwiseHead, SchNetIIA
from iia_calc.network.table import FilterTable

_aten = torch.ops.aten


class _Bend:
    """An activation as out_scale · (bend(in_scale · x) - shift): the scales go into weights beside it."""

    def __init__(self, name: str, alpha: float = 0.01, mu: float = 2.5):
        self.is_smu = name == "smu"
        if self.is_smu:  # (1 - α)/k · (gelu(k x) + α/(1 - α) k x), k = √2 μ (1 - α)
            self.in_scale = math.sqrt(2) * mu * (1 - alpha)
            self.out_scale = (1 - alpha) / self.in_scale
            self.linear, self.shift = alpha / (1 - alpha), 0.0
        else:
            self.in_scale = self.out_scale = 1.0
            self.shift = math.log(2.0)

    def __call__(self, z):
        if self.is_smu:
            return functional.gelu(z).add_(z, alpha=self.linear)
        return functional.softplus(z)

    def slope(self, g, z):
        """g · bend'(z)"""
        if self.is_smu:
            return _aten.gelu_backward(g, z).add_(g, alpha=self.linear)
        return _aten.softplus_backward(g, z, 1.0, 20.0)


class _Block:
    """One interaction's weights, merged."""

    def __init__(self, block, bend, leaky, form):
        first, second = block.f2out
        self.f0, self.b0 = first.weight * bend.in_scale, first.bias * bend.in_scale
        self.f1 = second.weight * bend.out_scale
        self.b1 = second.bias - bend.shift * second.weight.sum(1)
        parts = [block.in2f.weight]
        self.n_filters = len(parts[0])
        if form is not None:
            attention = block.attention
            heads, width, _ = attention.ends.shape
            W = attention.W.weight  # [F, F]
            ends = torch.einsum("hdf,hde->ehf", W.view(heads, width, -1), attention.ends)  # [2, H, F]
            parts += [W * bend.in_scale, ends.reshape(2 * heads, -1) * leaky.in_scale]
        self.enter = torch.cat(parts)  # [Ff + F + 2 H, F]
        self.enter_t = self.enter.T.contiguous()
        self.f0_t, self.f1_t = self.f0.T.contiguous(), self.f1.T.contiguous()


class FrozenNetwork:
    """Energies of atoms and their derivatives by the distances, of a network whose weights stay.

    Clusters (`ClusterPairs`) only. Networks it covers: see `covers`. `closest` is the shortest distance
    that it will be asked for, Å.
    """

    def __init__(self, network: SchNetIIA, head: AtomwiseHead, closest: float = 0.0):
        settings = network.settings
        self.form, self.heads, self.cutoff = settings.attention, settings.n_heads, settings.cutoff
        self.bend = _Bend(settings.activation)
        self.leaky = _Bend("smu", alpha=0.2)
        if self.form == "hard":
            self.leaky.in_scale = 1.0
        with torch.no_grad():
            bend, blocks = self.bend, network.interactions
            self.embedding = network.embedding.weight.detach()
            self.filters = self._filter_weights(network)
            self.blocks = [_Block(block, bend, self.leaky, self.form) for block in blocks]
            self.h0, self.c0, self.h1, self.c1 = (parameter.detach() for parameter in head.layers.parameters())
            self.table: FilterTable | None = None
            if self.embedding.dtype == torch.float32:
                weights = {name: value.double() for name, value in self.filters.items()}

                def exact(d):
                    fc, fc_slope = self._cutoff(d)
                    return self._exact_filters(d, fc, fc_slope, weights)

                self.table = FilterTable(
                    exact,
                    closest,
                    self.cutoff,
                    self.embedding.dtype,
                    self.embedding.device,
                )

    def _filter_weights(self, network):
        first, second = zip(*(block.filter_network for block in network.interactions), strict=True)
        scale, shift = self.bend.in_scale, self.bend.shift
        return {
            "offsets": network.radial_basis.offsets,
            "widths": network.radial_basis.widths,
            "w1": (torch.cat([layer.weight for layer in first]) * scale).T.contiguous(),  # [n_rbf, T Ff]
            "b1": torch.cat([layer.bias for layer in first]) * scale,
            "w2": torch.stack([layer.weight.T for layer in second]) * self.bend.out_scale,  # [T, Ff, Ff]
            "b2": torch.stack([layer.bias - shift * layer.weight.sum(1) for layer in second])[:, None],
        }

    @staticmethod
    def covers(settings) -> bool:
        """All but experimental and random networks."""
        return (
            settings.attention in ("smooth", "hard", None)
            and settings.activation in ("smu", "ssp")
            and not settings.distance_logits
            and not settings.angular
        )

    @torch.no_grad()
    def __call__(self, Z, distances, pairs):
        """Z [A], distances [P] Å -> energies [A] eV, dE/d distances [P] eV/Å (E summed over real atoms)."""
        fc, fc_slope = self._cutoff(distances)  # [P] each
        filters, slopes = self._readers(distances, fc, fc_slope, pairs)
        log_fc, log_slope = (None, None) if self.form is None else self._log_cutoff(fc, fc_slope, pairs)
        x, kept = self.embedding.index_select(0, Z), []
        for number, block in enumerate(self.blocks):
            x, keep = self._forward(block, x, filters(number), log_fc, pairs)
            kept.append(keep)
        z = torch.addmm(self.c0, x, self.h0.T)  # [A, F / 2]
        energies = torch.addmv(self.c1, functional.silu(z), self.h1[0])  # [A]
        g = _aten.silu_backward(pairs.real(x.dtype)[:, None] * self.h1, z) @ self.h0  # [A, F]
        by_filter = torch.zeros_like(pairs.others(x.dtype))  # [A, K] dE/dr of each slot through the filters
        by_log = torch.zeros_like(by_filter)  # [A, K] dE/d ln fc
        for number in reversed(range(len(self.blocks))):
            g, through, weight = self._backward(self.blocks[number], g, slopes(number), kept.pop(), pairs)
            by_filter.add_(through)
            if weight is not None:
                by_log.add_(weight)
        if log_slope is not None:
            by_filter.addcmul_(by_log, log_slope)
        return energies, pairs.fold(by_filter)

    def _cutoff(self, d):
        inside = (d < self.cutoff).to(d.dtype)
        angle = d * (math.pi / self.cutoff)
        fc = (torch.cos(angle) + 1.0).mul_(inside).mul_(0.5)
        return fc, torch.sin(angle).mul_(inside).mul_(-0.5 * math.pi / self.cutoff)

    def _readers(self, d, fc, fc_slope, pairs):
        """Two functions of the block's number: its filters, and their slopes, in every slot [S, Ff]."""
        if self.table is not None:
            places = self.table.places(d, pairs)
            return lambda t: self.table.filters(t, places), lambda t: self.table.slopes(t, places)
        w, slope = self._exact_filters(d, fc, fc_slope, self.filters)
        return lambda t: pairs.expand(w[t]), lambda t: pairs.expand(slope[t])

    def _exact_filters(self, d, fc, fc_slope, weights):
        """Filters of all blocks and their derivatives by the distance, [T, P, Ff] each."""
        scaled = (d[:, None] - weights["offsets"]).div_(weights["widths"])  # [P, n_rbf]
        rbf = scaled.square().mul_(-0.5).exp_()
        rbf_slope = scaled.mul_(rbf).div_(-weights["widths"])
        z = torch.addmm(weights["b1"], rbf, weights["w1"])  # [P, T Ff]
        hidden = self.bend(z)
        hidden_slope = self.bend.slope(rbf_slope @ weights["w1"], z)
        shape = (len(self.blocks), weights["w2"].shape[1])
        w = torch.baddbmm(weights["b2"], hidden.unflatten(1, shape).transpose(0, 1), weights["w2"])  # [T, P, Ff]
        slope = torch.bmm(hidden_slope.unflatten(1, shape).transpose(0, 1), weights["w2"])
        slope.mul_(fc[:, None]).addcmul_(w, fc_slope[:, None])
        return w.mul_(fc[:, None]), slope

    def _log_cutoff(self, fc, fc_slope, pairs):
        """ln fc of each slot as `attention.log_weights` has it, and its derivative (None if constant)."""
        slots, own = pairs.expand(fc), 1.0 - pairs.others(fc.dtype)  # [A, K]
        inside = slots > 0
        if self.form == "hard":
            inside |= (own > 0) & ~inside.any(1, keepdim=True)
            return torch.zeros_like(slots).masked_fill_(~inside, -torch.inf), None
        log_slope = pairs.expand(fc_slope) / slots.where(inside, 1.0)
        return torch.log(slots + own), log_slope.mul_(inside)

    def _forward(self, block, x, w, log_fc, pairs):
        """x [A, F], w [A K, Ff] -> the next x, and what the way back needs."""
        entered = x @ block.enter_t  # [A, Ff + F + 2 H]
        y = entered[:, : block.n_filters]
        z = torch.addmm(block.b0, pairs.convolve(w, y), block.f0_t)  # [A, F]
        x = torch.addmm(block.b1, self.bend(z), block.f1_t).add_(x)
        if self.form is None:
            return x, (y, w, z)
        a, features = x.shape
        h = entered[:, block.n_filters : block.n_filters + features].view(a, self.heads, -1)
        h = h.transpose(0, 1).contiguous()  # [H, A, D]
        ends = entered[:, block.n_filters + features :].T.contiguous()  # [2 H, A]
        q = pairs.outer_sum(ends[: self.heads], ends[self.heads :])  # [H, A, K]
        if self.form == "smooth":
            logits = torch.add(log_fc, self.leaky(q), alpha=self.leaky.out_scale)
        else:
            logits = functional.leaky_relu(q, 0.2).add_(log_fc)
        weights = torch.softmax(logits, -1)  # [H, A, K]
        v = pairs.attend(weights * pairs.others(x.dtype), h)  # [H, A, D]
        v = v.transpose(0, 1).reshape(a, features)  # [A, F]
        x = x.add_(self.bend(v), alpha=self.bend.out_scale)
        if self.bend.shift:
            x = x.sub_(self.bend.shift)
        return x, (y, w, z, h, q, weights, v)

    def _backward(self, block, g, w_slope, keep, pairs):
        """g = dE/dx' [A, F] -> dE/dx, dE/dr of each slot, dE/d ln fc of each slot (or None)."""
        y, w, z = keep[:3]
        gc = self.bend.slope(g @ block.f1, z) @ block.f0  # [A, Ff]
        through = pairs.contract(gc, w_slope, y)  # [A, K]
        gy = pairs.convolve(w, gc)  # [A, Ff], as w is the same for ij and ji
        if self.form is None:
            return torch.addmm(g, gy, block.enter), through, None
        h, q, weights, v = keep[3:]
        a, features = g.shape
        gv = self.bend.slope(g, v).mul_(self.bend.out_scale)
        gv = gv.view(a, self.heads, -1).transpose(0, 1).contiguous()  # [H, A, D]
        others = pairs.others(g.dtype)
        gh = pairs.attend_back(weights * others, gv)  # [H, A, D]
        gl = _aten._softmax_backward_data(pairs.agreement(gv, h).mul_(others), weights, -1, weights.dtype)
        if self.form == "smooth":
            gq = self.leaky.slope(gl, q).mul_(self.leaky.out_scale)  # [H, A, K]
        else:
            gq = _aten.leaky_relu_backward(gl, q, 0.2, False)
        back = torch.cat(
            [gy, gh.transpose(0, 1).reshape(a, features), gq.sum(-1).T, pairs.sum_centres(gq).T], 1
        )  # [A, Ff + F + 2 H]
        return torch.addmm(g, back, block.enter), through, gl.sum(0)
