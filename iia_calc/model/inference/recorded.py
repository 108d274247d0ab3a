"""Clusters of few sizes again and again, on a CPU: the operations recorded once, then replayed without Python.

A small cluster takes some hundred operations, and Python about as long to call one as it takes: two fifths of the time
of one cluster of 21 atoms, and an eighth of that of twelve.
The replay (`tape`) does the same operations in the same order, so the numbers are the same to the last digit.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

from iia_calc.model.inference.tape import replay_of
from iia_calc.model.pairs.clusters import ClusterPairs

CALLS = 50
"""Of one layout before it is recorded, which takes as long as some hundred replays save."""
KEPT, COUNTED = 8, 100
"""Layouts whose replay is kept, and whose calls are counted: a batch that shrinks goes through many."""
Results = tuple[torch.Tensor, torch.Tensor]


class Recorded:
    """A function of a layout and tensors, which the layout and the tensors' shapes lead through the same operations."""

    def __init__(self, function: Callable[..., Results]) -> None:
        self._function = function
        self._calls: OrderedDict[tuple[int, ...], int] = OrderedDict()  # by the clusters' sizes
        self._replays: OrderedDict[tuple[int, ...], Callable[..., Results]] = OrderedDict()

    def __call__(self, pairs: ClusterPairs, *tensors: torch.Tensor) -> Results:
        """What the function gives."""
        replay = self._replays.get(pairs.sizes)
        if replay is not None:
            self._replays.move_to_end(pairs.sizes)
            return _run(replay, tensors)
        self._calls[pairs.sizes] = calls = self._calls.pop(pairs.sizes, 0) + 1
        if len(self._calls) > COUNTED:
            self._calls.popitem(last=False)
        if calls == CALLS and (made := self._record(pairs, tensors)) is not None:
            del self._calls[pairs.sizes]
            self._replays[pairs.sizes] = made
            if len(self._replays) > KEPT:
                self._replays.popitem(last=False)
        return self._function(pairs, *tensors)

    def _record(self, pairs: ClusterPairs, tensors: tuple[torch.Tensor, ...]) -> Callable[..., Results] | None:
        """The replay; None where it can't be made, for example by a PyTorch that no longer records."""
        try:
            with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
                warnings.simplefilter("ignore")  # that TorchScript is deprecated
                given = tuple(tensor.contiguous().clone() for tensor in tensors)
                replay = replay_of(lambda *some: self._function(pairs, *some), given)
                both = zip(_run(replay, given), self._function(pairs, *given), strict=True)
                return replay if all(torch.equal(a, b) for a, b in both) else None
        except Exception:
            return None

    def __getstate__(self) -> dict[str, Any]:
        """Without what was recorded, which can't be copied."""
        return {"_function": self._function, "_calls": OrderedDict(), "_replays": OrderedDict()}


def _run(replay: Callable[..., Results], tensors: tuple[torch.Tensor, ...]) -> Results:
    """As recorded: optimised it would take half a second at first, and differ by rounding."""
    whole = [tensor.clone() if tensor.storage_offset() else tensor.contiguous() for tensor in tensors]
    with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        return replay(*whole)
