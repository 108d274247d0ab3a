"""Gradients of a training step as CUDA graphs: one launch instead of thousands, for each shape of batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from iia_calc.training.dataset import LAYOUT

WARM_UP = 3
"""Steps before a capture, in which libraries set themselves up and caches are filled."""

Loss = Callable[[dict[str, Any]], torch.Tensor]


class CapturedGradients:
    """The gradients of `loss` by `parameters`, by a graph for each layout; without one where capture fails.

    After a call each parameter's `grad` is a view of one flat buffer, overwritten by the next call.
    """

    def __init__(self, loss: Loss, parameters: Iterable[nn.Parameter]) -> None:
        self.loss, self.parameters = loss, [p for p in parameters if p.requires_grad]
        self.flat = torch.zeros(sum(p.numel() for p in self.parameters), device=self.parameters[0].device)
        parts = torch.split(self.flat, [p.numel() for p in self.parameters])
        self.views = [part.view_as(p) for part, p in zip(parts, self.parameters, strict=True)]
        self.capturing = self.flat.is_cuda
        self._pool = torch.cuda.graph_pool_handle() if self.capturing else None
        self._graphs: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, dict[str, Any], torch.Tensor]] = {}

    def __call__(self, batch: dict[str, Any]) -> torch.Tensor:
        """The loss [] of this batch; gradients lie in `flat` and in each parameter's `grad`."""
        loss = self._replay(batch) if self.capturing else self._compute(batch)
        for parameter, view in zip(self.parameters, self.views, strict=True):
            parameter.grad = view
        return loss

    def _compute(self, batch: dict[str, Any]) -> torch.Tensor:
        loss = self.loss(batch)
        found = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        used = [(view, gradient) for view, gradient in zip(self.views, found, strict=True) if gradient is not None]
        if len(used) < len(self.views):
            self.flat.zero_()
        torch._foreach_copy_([view for view, _ in used], [gradient for _, gradient in used])
        return loss.detach()

    def _replay(self, batch: dict[str, Any]) -> torch.Tensor:
        shape = batch[LAYOUT].sizes
        if shape not in self._graphs:
            try:
                self._graphs[shape] = self._capture(batch)
            except RuntimeError as error:
                warnings.warn(f"the training step can't be captured, so it goes on without: {error}", stacklevel=2)
                self.capturing = False
                return self._compute(batch)
        graph, held, loss = self._graphs[shape]
        names = [name for name, value in batch.items() if isinstance(value, torch.Tensor)]
        torch._foreach_copy_([held[name] for name in names], [batch[name] for name in names])
        graph.replay()
        return loss

    def _capture(self, batch: dict[str, Any]) -> tuple[torch.cuda.CUDAGraph, dict[str, Any], torch.Tensor]:
        held = {name: v.clone() if isinstance(v, torch.Tensor) else v for name, v in batch.items()}
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._compute(held)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            loss = self._compute(held)
        return graph, held, loss
