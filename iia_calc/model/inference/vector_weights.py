"""Weights of a finished `VectorNetwork`, with the activation's scales merged into the layers beside it."""

from __future__ import annotations

import torch

from iia_calc.model.inference.weights import Bend
from iia_calc.model.network.vectors import VectorBlock, VectorNetwork


class Block:
    """One block's matrices [in, out].

    last : only scalars are asked of it, so what would change its vectors is left out.
    """

    def __init__(self, block: VectorBlock, bend: Bend, last: bool):
        self.first, self.last, self.value_widths = block.first, last, block.value_widths
        self.widths = block.context_widths[:-1]  # of each degree
        self.values0, self.bias0 = _before(block.values[0], bend)
        self.values1, self.bias1 = _after(block.values[1], bend)
        self.context0, self.context_bias0 = _before(block.context[0], bend)
        self.context1, self.context_bias1 = _after(block.context[1], bend)
        self.mix = [mix.get_parameter("weight").detach().T.contiguous() for mix in block.mix]  # [F, 2 F] of each degree
        if last:
            ds, *_, share = self.context1.split(block.context_widths, 1)
            self.context1 = torch.cat([ds, share], 1)
            ds, *_, share = self.context_bias1.split(block.context_widths)
            self.context_bias1 = torch.cat([ds, share])
            self.mix[1:] = [mix.chunk(2, 1)[0].contiguous() for mix in self.mix[1:]]  # their lengths alone
        self.gate_widths = [] if last else self.widths[1:]


def _before(layer: torch.nn.Module, bend: Bend) -> tuple[torch.Tensor, torch.Tensor]:
    weight, bias = layer.get_parameter("weight").detach(), layer.get_parameter("bias").detach()
    return (weight.T * bend.in_scale).contiguous(), bias * bend.in_scale


def _after(layer: torch.nn.Module, bend: Bend) -> tuple[torch.Tensor, torch.Tensor]:
    weight, bias = layer.get_parameter("weight").detach(), layer.get_parameter("bias").detach()
    return (weight.T * bend.out_scale).contiguous(), bias.clone()


class RadialFilters:
    """The filters of all blocks and their derivatives by the distance."""

    def __init__(self, network: VectorNetwork, bend: Bend, dtype: torch.dtype):
        basis = network.radial_basis
        self.bend, self.cutoff = bend, network.settings.cutoff
        self.offsets, self.width = basis.offsets.to(dtype), basis.width
        self.layers = [
            [*_before(block.filter_network[0], bend), *_after(block.filter_network[1], bend)]
            for block in network.blocks()
        ]
        self.layers = [[tensor.to(dtype) for tensor in layers] for layers in self.layers]

    @property
    def groups(self) -> list[int]:
        """Columns of each block."""
        return [layers[2].shape[1] for layers in self.layers]

    def __call__(self, d: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values and their derivatives by the distances [P] Å: [P, columns of all blocks] each."""
        y = torch.exp((1.0 - d) / 2.0)[:, None]  # [P, 1]
        scaled = (y - self.offsets) / self.width  # [P, n_rbf]
        rbf = torch.exp(-0.5 * scaled.square())
        rbf_slope = scaled * rbf * y / (2 * self.width)
        left = (1 - (d / self.cutoff).square()).clamp_min(0.0)[:, None]  # [P, 1]
        fc, fc_slope = left**3, left.square() * d[:, None] * (-6 / self.cutoff**2)
        values, slopes = [], []
        for w0, b0, w1, b1 in self.layers:
            hidden, kept = self.bend(torch.addmm(b0, rbf, w0))  # [P, width of a pair]
            w = torch.addmm(b1, hidden, w1)
            slope = self.bend.slope(rbf_slope @ w0, kept) @ w1
            values.append(w * fc)
            slopes.append(slope * fc + w * fc_slope)
        return torch.cat(values, 1), torch.cat(slopes, 1)
