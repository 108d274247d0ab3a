"""Weights of a finished network, merged: fewer and larger products, no scales, no constants on the way.

Matrices that meet the same features are one product. Scales of the activation disappear into the weights
beside it. What a block adds to every atom alike disappears into the biases of the next.

Letters as in `schnet.py`; T blocks, L the degree of the harmonics.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional

from iia_calc.model.network.attention import UNLIMITED

_aten = torch.ops.aten

FAR_OUT = 80.0
"""z² from where on exp(-z²) adds nothing to the slope. Less would be denormal, which takes ten times as long."""


@lru_cache
def number(value: float, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """A number as a tensor: for short vectors one of Python's costs more than the operation."""
    with torch.inference_mode(False):
        return torch.full((), value, dtype=dtype, device=device)


class Bend:
    """An activation as out_scale · (bend(in_scale · x) - shift): the scales go into weights beside it."""

    def __init__(self, name: str, alpha: float = 0.01, mu: float = 2.5):
        self.is_smu = name == "smu"
        if self.is_smu:  # ((1 + α) x + (1 - α) x erf(μ (1 - α) x)) / 2
            self.in_scale = mu * (1 - alpha)
            self.out_scale, self.shift = 0.5 / mu, 0.0
            self.tilt = (1 + alpha) / (1 - alpha)
        else:
            self.in_scale = self.out_scale = 1.0
            self.shift = math.log(2.0)

    def __call__(self, z: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """bend(z), and what `slope` wants to know (and may overwrite)."""
        if self.is_smu:
            erf = torch.erf(z).add_(self.tilt)
            return z * erf, (z, erf)
        return functional.softplus(z), (z,)

    def slope(self, g: torch.Tensor, kept: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """g · bend'(z); a third of the time of torch's gelu_backward."""
        if self.is_smu:
            z, erf = kept
            bell = torch.addcmul(number(0.0, z.dtype, z.device), z, z, value=-1).clamp_(min=-FAR_OUT).exp_()
            return erf.addcmul_(z, bell, value=2 / math.sqrt(math.pi)).mul_(g)
        slope: torch.Tensor = _aten.softplus_backward(g, kept[0], 1.0, 20.0)
        return slope


class Block:
    """One interaction's weights. `constant` [F] is what the blocks before have left out of every atom.

    enter : [E, F] x -> features to be convolved, features to be attended to, ends of the logits.
    leave : [F, F or 2 F] the last layers of convolution and angles, side by side.
    """

    def __init__(self, block: Any, bend: Bend, leaky: Bend, form: str | None, constant: torch.Tensor) -> None:
        first, second = block.f2out
        attention = block.attention if form is not None else None
        by_attention = None if attention is None else attention.angles
        angles = block.angles if by_attention is None else by_attention
        self.f0, self.b0 = first.weight * bend.in_scale, first.bias * bend.in_scale
        lasts = [second] if angles is None else [second, angles.out[1]]
        self.leave = torch.cat([last.weight for last in lasts], 1) * bend.out_scale
        parts = [block.in2f.weight]
        self.n_filters = len(parts[0])
        self.constant = constant + sum(last.bias - bend.shift * bend.out_scale * last.weight.sum(1) for last in lasts)
        if attention is not None:
            heads, width, _ = attention.ends.shape
            W = attention.W.weight  # [F, F]
            ends = torch.einsum("hdf,hde->ehf", W.view(heads, width, -1), attention.ends)  # [2, H, F]
            parts += [W * bend.in_scale, ends.reshape(2 * heads, -1) * leaky.in_scale]
            self.constant = self.constant - bend.shift * bend.out_scale
        self.enter = torch.cat(parts)
        self.enter_bias = self.enter @ constant
        self.degree, self.channels = 0, list[int]()
        self.f0_t, self.leave_t, self.enter_t = self.f0.T, self.leave.T, self.enter.T
        if angles is not None:
            self.degree, self.channels = angles.degree, [2 * degree + 3 for degree in range(angles.degree)]
            # [L, F, F]; what the attention sums carries the scale of W
            mix = angles.mix if by_attention is None else angles.mix / bend.in_scale**2
            self.mix, self.mix_t = mix.unbind(), mix.transpose(1, 2).unbind()
            self.a0, self.c0 = angles.out[0].weight * bend.in_scale, angles.out[0].bias * bend.in_scale
            self.a0_t = self.a0.T
            self.limits = angles.limits if bool((angles.limits < UNLIMITED).any()) else None  # [L F]


class Filters:
    """What depends on distances alone, for all blocks: filters, and what distances add to the logits."""

    def __init__(self, network: Any, bend: Bend, dtype: torch.dtype) -> None:
        blocks = network.interactions
        first, second = zip(*(block.filter_network for block in blocks), strict=True)
        scale, shift = bend.in_scale, bend.shift
        self.bend, self.cutoff = bend, network.settings.cutoff
        self.offsets, self.widths = network.radial_basis.offsets.to(dtype), network.radial_basis.widths.to(dtype)
        self.w1 = torch.cat([layer.weight.to(dtype) for layer in first]).mul_(scale).T.contiguous()  # [n_rbf, T Ff]
        self.b1 = torch.cat([layer.bias.to(dtype) for layer in first]).mul_(scale)
        self.w2 = torch.stack([layer.weight.to(dtype).T for layer in second]) * bend.out_scale  # [T, Ff, Ff]
        self.b2 = torch.stack(
            [(layer.bias - shift * layer.weight.sum(1) * bend.out_scale).to(dtype) for layer in second]
        )[:, None]
        self.logits = None
        if network.settings.distance_logits:
            weights = [block.attention.by_distance.weight.to(dtype) for block in blocks]
            self.logits = torch.cat(weights).T.contiguous()  # [n_rbf, T H]

    @property
    def groups(self) -> list[int]:
        """Columns of `__call__`'s results that belong together: one group per block, one of logits."""
        groups = [self.w2.shape[1]] * len(self.w2)
        return groups if self.logits is None else [*groups, self.logits.shape[1]]

    def __call__(self, d: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values and their derivatives by the distances [P] Å: [P, T Ff (+ T H)] each."""
        inside = (d < self.cutoff).to(d.dtype)
        angle = d * (math.pi / self.cutoff)
        fc = (torch.cos(angle) + 1.0).mul_(inside).mul_(0.5)[:, None]  # [P, 1]
        fc_slope = torch.sin(angle).mul_(inside).mul_(-0.5 * math.pi / self.cutoff)[:, None]
        scaled = (d[:, None] - self.offsets).div_(self.widths)  # [P, n_rbf]
        rbf = scaled.square().mul_(-0.5).exp_()
        rbf_slope = scaled.mul_(rbf).div_(-self.widths)
        hidden, kept = self.bend(torch.addmm(self.b1, rbf, self.w1))  # [P, T Ff]
        hidden_slope = self.bend.slope(rbf_slope @ self.w1, kept)
        shape = self.w2.shape[:2]
        w = torch.baddbmm(self.b2, hidden.unflatten(1, shape).transpose(0, 1), self.w2)  # [T, P, Ff]
        slope = torch.bmm(hidden_slope.unflatten(1, shape).transpose(0, 1), self.w2)
        slope.mul_(fc).addcmul_(w, fc_slope)
        values, slopes = [w.mul_(fc).transpose(0, 1).flatten(1)], [slope.transpose(0, 1).flatten(1)]
        if self.logits is not None:
            values.append(rbf @ self.logits)
            slopes.append(rbf_slope @ self.logits)
        return torch.cat(values, 1), torch.cat(slopes, 1)
