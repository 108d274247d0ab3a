"""SMU, the activation of SchNet-IIA, and SchNet's own shifted softplus."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from search.errors import InputError


class _SMUSlope(torch.autograd.Function):
    """(x, g) -> g · SMU'(x), itself differentiable: force losses go through here."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, g: torch.Tensor, alpha: float, c: float) -> Any:
        ctx.save_for_backward(x, g)
        ctx.alpha, ctx.c = alpha, c
        k = math.sqrt(2) * c
        # SMU(x) = α x + (1 - α) gelu(k x) / k, so its slope is torch's fused gelu_backward
        return torch.ops.aten.gelu_backward(g, x * k).mul_(1 - alpha).add_(g, alpha=alpha)

    @staticmethod
    def backward(ctx: Any, gg: torch.Tensor) -> Any:
        x, g = ctx.saved_tensors
        alpha, c = ctx.alpha, ctx.c
        to_g = _SMUSlope.apply(x, gg, alpha, c) if ctx.needs_input_grad[1] else None
        to_x = None
        if ctx.needs_input_grad[0]:
            u = (x * c).square()
            curvature = (1 - alpha) * 2 * c / math.sqrt(math.pi) * (1 - u) * torch.exp(-u)
            to_x = gg * g * curvature
        return to_x, to_g, None, None


class _SMU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, alpha: float, c: float) -> Any:
        ctx.save_for_backward(x)
        ctx.alpha, ctx.c = alpha, c
        k = math.sqrt(2) * c
        return functional.gelu(x * k).mul_((1 - alpha) / k).add_(x, alpha=alpha)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return _SMUSlope.apply(x, g, ctx.alpha, ctx.c), None, None


class SMU(nn.Module):
    """Smooth maximum unit: ((1 + α) x + (1 - α) x erf(μ (1 - α) x)) / 2.

    A leaky ReLU of slope `alpha` without its kink; `mu` sets how sharp the bend is
    (Biswas et al., CVPR 2022; α and μ as in SchNet-IIA, J. Chem. Inf. Model. 2025, 65, 92-100).
    With `train_mu` the sharpness is a parameter.
    """

    def __init__(self, alpha: float = 0.01, mu: float = 2.5, train_mu: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.mu = nn.Parameter(torch.tensor(float(mu))) if train_mu else float(mu)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The activation of every element of `x`, in its shape."""
        if isinstance(self.mu, nn.Parameter):
            bend = torch.erf(self.mu * (1 - self.alpha) * x)
            return 0.5 * x * ((1 + self.alpha) + (1 - self.alpha) * bend)
        bent: torch.Tensor = _SMU.apply(x, self.alpha, self.mu * (1 - self.alpha))
        return bent


class ShiftedSoftplus(nn.Module):
    """ln(1 + e^x) - ln 2, SchNet's activation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The activation of every element of `x`, in its shape."""
        return functional.softplus(x) - math.log(2.0)


ACTIVATIONS = ("smu", "smu-trainable", "ssp")


def make_activation(name: str) -> nn.Module:
    """The activation called `name`, one of `ACTIVATIONS`; ValueError for anything else."""
    if name == "smu":
        return SMU()
    if name == "smu-trainable":
        return SMU(train_mu=True)
    if name == "ssp":
        return ShiftedSoftplus()
    raise InputError(f"unknown activation {name!r}; choose one of {', '.join(ACTIVATIONS)}")
