"""Features scaled to about one, and the same and the activation as single kernels on a GPU."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import lru_cache

import torch

from iia_calc.model.inference.steps import FusedSteps, PlainSteps
from iia_calc.model.inference.weights import Bend


class Saturated:
    """x / sqrt(1 + mean x²) of features [A, F] or [A, C, F], and the way back."""

    def __init__(self, x: torch.Tensor):
        self.share, self.shape = 1 / x.shape[-1], (-1, *[1] * (x.ndim - 1))
        length = torch.linalg.vector_norm(x.view(len(x), -1), dim=1)  # [A]
        self.scale = length.square_().mul_(self.share).add_(1.0).rsqrt_().view(self.shape)
        self.value = x * self.scale

    def back(self, g: torch.Tensor, plus: torch.Tensor | None = None) -> torch.Tensor:
        """Gradient by the features from the gradient by the saturated ones; `plus` is added to it."""
        along = (g * self.value).view(len(g), -1).sum(1).view(self.shape)
        found = torch.addcmul(g, self.value, along, value=-self.share).mul_(self.scale)
        return found if plus is None else found.add_(plus)


class FusedSaturated(Saturated):
    """The same, one kernel each way."""

    def __init__(self, x: torch.Tensor):
        from iia_calc.model.inference import fused

        self.share = 1 / x.shape[-1]
        self.value, self.scale = fused.saturate(x, self.share)

    def back(self, g: torch.Tensor, plus: torch.Tensor | None = None) -> torch.Tensor:
        """As `Saturated.back`."""
        from iia_calc.model.inference import fused

        return fused.saturate_back(g, self.value, self.scale, self.share, plus)


class FusedBend(Bend):
    """`Bend` of the activation "smu", one kernel each way."""

    def __call__(self, z: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """As `Bend`."""
        from iia_calc.model.inference import fused

        return fused.bend(z, self.tilt), (z,)

    def slope(self, g: torch.Tensor, kept: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """As `Bend.slope`."""
        from iia_calc.model.inference import fused

        return fused.bend_slope(g, kept[0], self.tilt)


@lru_cache
def kernels_serve(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernels of `fused` are to be used: on a GPU, in float32, where Triton can compile them all."""
    if device.type != "cuda" or dtype != torch.float32:
        return False
    try:
        wrong = max(float((a - b).abs().max()) for a, b in _both(device))
    except Exception as error:  # whatever Triton or its compiler may miss
        warnings.warn(f"Triton's kernels can't be used, so the GPU takes longer: {error}", stacklevel=2)
        return False
    if not wrong < 1e-4:
        warnings.warn(f"Triton's kernels are off by {wrong:.1g}, so the GPU goes on without", stacklevel=2)
    return wrong < 1e-4


def _both(device: torch.device) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Results of each kernel and of the plain code, on a few numbers."""
    x = torch.linspace(-2.0, 2.0, 4 * 5 * 24, device=device).view(4, 5, 24)
    one, other = FusedSaturated(x), Saturated(x)
    yield one.value, other.value
    yield one.back(x, x), other.back(x, x)
    (a, kept), (b, plain_kept) = FusedBend("smu")(x), Bend("smu")(x)
    yield a, b
    yield FusedBend("smu").slope(x, kept), Bend("smu").slope(x, plain_kept)
    quick, plain, parts = FusedSteps(), PlainSteps(), x.split(12, 2)
    yield quick.lengths(parts[0], 0.1), (found := plain.lengths(parts[0], 0.1))
    yield quick.dots(*parts), plain.dots(*parts)
    gated = parts[1].contiguous(), found
    yield (
        quick.mix_back(parts, found, found, gated, found),
        plain.mix_back(parts, found, found.clone(), gated, found),
    )
    Y, weights, g = x.view(2, 10, 4, 6)[..., :4].contiguous(), x.view(-1)[:64].view(4, 4, 4), x.view(-1)[:320]
    g, results = g.view(4, 20, 4), []
    for steps in (quick, plain):
        g_weights, g_channels = torch.empty_like(weights), torch.zeros_like(Y)
        steps.directions_back(g.clone(), Y[:, :5], weights, g_weights, g_channels[:, :5])
        results.append((g_weights, g_channels))
    yield from zip(*results, strict=True)
