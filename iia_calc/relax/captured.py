"""A function on tensors that stay where they are, as a CUDA graph: one launch instead of hundreds."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch

WARM_UP = 2
"""Calls before a capture, in which libraries set themselves up and caches are filled."""
AGREE = 1e-3
"""Largest relative difference between what a graph and the plain function compute."""


class Recorder:
    """Makes graphs that share their working memory; they are replayed one after another, never at once.

    Parameters
    ----------
    device : where the tensors lie. On a CPU a function is called as it is.
    capture : False calls it as it is on a GPU as well.

    Attributes
    ----------
    why_not : why the last capture failed; None where none did.
    """

    def __init__(self, device: torch.device, capture: bool = True) -> None:
        self.capturing = capture and device.type == "cuda"
        self.why_not: str | None = None
        self._pool = torch.cuda.graph_pool_handle() if self.capturing else None

    def __call__(self, function: Callable[[], None], changed: Sequence[torch.Tensor]) -> Callable[[], None]:
        """`function` as a graph, checked against the function itself; the function where it can't be captured.

        changed : all tensors that the function writes to; they are left as they were.
        """
        if not self.capturing:
            return function
        before = [tensor.clone() for tensor in changed]
        try:
            graph = self._capture(function, changed)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            torch.cuda.synchronize()
            self._give_up(str(error))
            _copy(changed, before)
            return function
        _copy(changed, before)
        function()
        plain = [tensor.clone() for tensor in changed]
        _copy(changed, before)
        graph.replay()
        agree = all(_close(a, b) for a, b in zip(changed, plain, strict=True))
        _copy(changed, before)
        if not agree:
            self._give_up("the graph's results differ from the function's")
            return function
        return graph.replay

    def _capture(self, function: Callable[[], None], changed: Sequence[torch.Tensor]) -> torch.cuda.CUDAGraph:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                function()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            function()
        return graph

    def _give_up(self, why: str) -> None:
        self.capturing, self.why_not = False, why
        warnings.warn(f"relaxations can't be captured in a CUDA graph, so they go on without: {why}", stacklevel=3)


def _copy(to: Sequence[torch.Tensor], values: Sequence[torch.Tensor]) -> None:
    for tensor, value in zip(to, values, strict=True):
        tensor.copy_(value)


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    if not a.is_floating_point():
        return bool(((a == b).double().mean() > 0.99).item()) if a.numel() else True
    scale = float(b.nan_to_num(0.0, 0.0, 0.0).abs().max()) if b.numel() else 0.0
    return bool(torch.allclose(a, b, rtol=AGREE, atol=AGREE * scale, equal_nan=True))
