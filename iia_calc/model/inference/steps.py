"""Steps of `FrozenVectors` that are several operations in PyTorch, and one kernel each on a GPU (`fused`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch


class Steps(Protocol):
    """What `PlainSteps` is, and the module `fused`."""

    def with_lengths(
        self, s: torch.Tensor, vectors: Sequence[torch.Tensor], softening: float
    ) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        """Of vectors x [A, C, W] each sqrt(Σ over C of x² + softening) [A, W]: beside s [A, F], and by themselves."""

    def dots(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Σ over C of a times b, [A, C, W] each: [A, W]."""

    def narrow(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """a times b, [S, M, K] and [S, K, few]: [S, M, few], of any strides."""

    def mix_back(
        self,
        parts: tuple[torch.Tensor, ...],
        found: torch.Tensor,
        g_found: torch.Tensor,
        gated: tuple[torch.Tensor, torch.Tensor] | None,
        product: torch.Tensor | None,
    ) -> torch.Tensor:
        """Gradient [A, C, W or 2 W] by both parts of what was mixed, side by side.

        parts : [A, C, W] each, one or two. found, g_found : lengths [A, W] of the first and their gradient.
        gated : gradient [A, C, W] by the vectors, and the gates [A, W] by which the second part was added to them.
        product : gradient [A, W] by the scalar product of both parts.
        """

    def directions_back(
        self, g: torch.Tensor, Y: torch.Tensor, weights: torch.Tensor, g_weights: torch.Tensor, g_channels: torch.Tensor
    ) -> None:
        """The way back of weights [H B, N, N] times harmonics Y [B, C, N, N], g [H B, C N, N] by the products.

        Writes g_weights [H B, N, N] and adds to g_channels [B, C, N, N].
        """


class PlainSteps:
    """In PyTorch's operations."""

    def with_lengths(
        self, s: torch.Tensor, vectors: Sequence[torch.Tensor], softening: float
    ) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
        """See `Steps`."""
        found = torch.cat([s, *(x.square().sum(1) for x in vectors)], 1)
        lengths = found[:, s.shape[1] :].add_(softening).sqrt_()
        return found, lengths.split([x.shape[2] for x in vectors], 1)

    def dots(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """See `Steps`."""
        return (a * b).sum(1)

    def narrow(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """See `Steps`."""
        # with the long side along the rows of the result a processor takes a third of the time
        return torch.bmm(b.transpose(1, 2), a.transpose(1, 2)).transpose(1, 2)

    def mix_back(
        self,
        parts: tuple[torch.Tensor, ...],
        found: torch.Tensor,
        g_found: torch.Tensor,
        gated: tuple[torch.Tensor, torch.Tensor] | None,
        product: torch.Tensor | None,
    ) -> torch.Tensor:
        """See `Steps`."""
        a, c, width = parts[0].shape
        result = found.new_empty(a, c, width * len(parts))
        g_parts = result.split(width, 2)
        torch.mul(parts[0], g_found.div_(found)[:, None], out=g_parts[0])
        if gated is not None:
            torch.mul(gated[0], gated[1][:, None], out=g_parts[1])
        if product is not None:
            g_parts[0].addcmul_(parts[1], product[:, None])
            if gated is None:
                torch.mul(parts[0], product[:, None], out=g_parts[1])
            else:
                g_parts[1].addcmul_(parts[0], product[:, None])
        return result

    def directions_back(
        self, g: torch.Tensor, Y: torch.Tensor, weights: torch.Tensor, g_weights: torch.Tensor, g_channels: torch.Tensor
    ) -> None:
        """See `Steps`."""
        b, _, n, _ = Y.shape
        both = g.view(-1, *Y.shape)  # [H, B, C, N, N]
        torch.sum(both * Y, 2, out=g_weights.view(-1, b, n, n))
        g_channels.add_(both.mul_(weights.view(-1, b, 1, n, n)).sum(0))


def steps_for(fuse: bool) -> Steps:
    """Those in PyTorch's operations, or where `fuse` the module whose functions call one kernel each."""
    if not fuse:
        return PlainSteps()
    from iia_calc.model.inference import fused  # needs Triton

    return fused
