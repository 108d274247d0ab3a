"""Features scaled to about one, and the same and the activation as single kernels on a GPU."""

from __future__ import annotations

from importlib.util import find_spec

import torch

from iia_calc.model.inference.weights import Bend, number


def scale_of(x: torch.Tensor) -> torch.Tensor:
    """1 / sqrt(1 + mean x²) [A, 1] of features [A, F] or [A, C, F], whose lengths over C count."""
    length = torch.linalg.vector_norm(x.view(len(x), -1), dim=1, keepdim=True)  # [A, 1]
    return torch.addcmul(number(1.0, x.dtype, x.device), length, length, value=1 / x.shape[-1]).rsqrt_()


class Saturated:
    """x / sqrt(1 + mean x²) of features [A, F] or [A, C, F], and the way back."""

    def __init__(self, x: torch.Tensor):
        self.share, self.scale = 1 / x.shape[-1], scale_of(x)
        self.value = (x.view(len(x), -1) * self.scale).view(x.shape)

    def back(self, g: torch.Tensor, plus: torch.Tensor | None = None) -> torch.Tensor:
        """Gradient by the features from the gradient by the saturated ones; `plus` is added to it."""
        shape, value = self.value.shape, self.value.view(len(g), -1)
        g = g.reshape(value.shape)
        along = (g * value).sum(1, keepdim=True).mul_(self.scale)  # [A, 1]
        found = g * self.scale if plus is None else torch.addcmul(plus.view(value.shape), g, self.scale)
        return found.addcmul_(value, along, value=-self.share).view(shape)


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


class Handed:
    """Saturated vectors v [A, C, F] times x [A, F], written to `out` [B, N, C, H, D]."""

    def __init__(self, v: torch.Tensor, x: torch.Tensor, out: torch.Tensor) -> None:
        b, n, _, heads, width = out.shape
        self.v, self.scale = v, scale_of(v)
        self.x = x * self.scale
        torch.mul(v.view(out.shape), self.x.view(b, n, 1, heads, width), out=out)

    def back(self, g: torch.Tensor, plus: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """From the gradient g [A, C, F] by what is handed on those by x and by v; `plus` is added to the second."""
        product = (g * self.v).sum(1)  # [A, F]
        along = (product * self.x).sum(1, keepdim=True).mul_(self.scale).mul_(self.scale)  # [A, 1]
        by_v = torch.addcmul(plus, g, self.x[:, None]).addcmul_(self.v, along[:, None], value=-1 / self.v.shape[-1])
        return product.mul_(self.scale), by_v


class FusedHanded(Handed):
    """The same, by the kernels of `FusedSaturated`."""

    def __init__(self, v: torch.Tensor, x: torch.Tensor, out: torch.Tensor) -> None:
        self.saturated, self.x = FusedSaturated(v), x
        out.copy_((self.saturated.value * x[:, None]).view(out.shape))

    def back(self, g: torch.Tensor, plus: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Handed.back`; g is overwritten."""
        from iia_calc.model.inference import fused

        by_x = fused.dots(g, self.saturated.value)
        return by_x, self.saturated.back(g.mul_(self.x[:, None]), plus)


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
