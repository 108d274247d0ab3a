"""Features scaled to about one, and the same and the activation as single kernels on a GPU."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec

import torch

from iia_calc.model.inference.weights import Bend


@lru_cache
def one(dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """1 as a tensor: for short vectors a number of Python's costs more than the operation."""
    with torch.inference_mode(False):
        return torch.ones((), dtype=dtype, device=device)


class Saturated:
    """x / sqrt(1 + mean x²) of features [A, F] or [A, C, F], and the way back."""

    def __init__(self, x: torch.Tensor):
        self.share, self.shape = 1 / x.shape[-1], (-1, *[1] * (x.ndim - 1))
        length = torch.linalg.vector_norm(x.view(len(x), -1), dim=1)  # [A]
        self.scale = torch.addcmul(one(x.dtype, x.device), length, length, value=self.share).rsqrt_().view(self.shape)
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


def kernels_serve(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether the kernels of `fused` may be tried: in float32 on a GPU, where there is Triton."""
    return device.type == "cuda" and dtype == torch.float32 and find_spec("triton") is not None
