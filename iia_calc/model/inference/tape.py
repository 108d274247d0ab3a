"""Tensor operations of a function as they were done once, to be done again without Python between them.

Half of what PyTorch does for a small cluster computes nothing: it looks at the same tensor in another shape. With all
shapes known, a tensor is at once the right part of the memory that some operation filled (`torch.as_strided`), and the
steps between are left out. What remains is handed to TorchScript's interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

Results = tuple[torch.Tensor, torch.Tensor]
Geometry = tuple[tuple[int, ...], tuple[int, ...], int]
"""Shape, strides and offset."""


class Place(NamedTuple):
    """A tensor: memory by number, and what part of it."""

    memory: int
    geometry: Geometry


class Step(NamedTuple):
    """An operation; tensors among its arguments are places. fills : memory of each result, None where it isn't new."""

    operation: Callable[..., Any]
    arguments: list[Any]
    options: dict[str, Any]
    fills: list[int | None]


class Tape(TorchDispatchMode):
    """Takes down the operations that are done while it is entered.

    given : tensors that differ from one time to the next; all others are constants.
    """

    def __init__(self, given: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.steps: list[Step] = []
        self.geometries: list[Geometry] = []  # of each memory, as it was made
        self.constants: dict[int, torch.Tensor] = {}
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # all that was made: freed memory would be given out under a second number
        for tensor in given:
            self._number(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Does the operation, and takes it down unless it is but another look at a tensor."""
        args = self._without_numbers(func, args)
        places, options = _each(self.place, args), _each(self.place, kwargs or {})
        result = func(*args, **(kwargs or {}))
        self._kept.append(result)
        results = result if isinstance(result, tuple | list) else (result,)
        fills = [None if self._storage(made) in self._numbers else self._number(made) for made in results]
        if any(fill is not None for fill in fills) or func._schema.is_mutable:
            self.steps.append(Step(func, places, options, fills))
        return result

    def _without_numbers(self, func: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Numbers that stand for tensors as such, made once: else PyTorch makes one each time, which takes as long as
        the operation.
        """
        dtype = next((value.dtype for value in args if isinstance(value, torch.Tensor)), torch.float32)
        return tuple(
            torch.tensor(value, dtype=dtype) if isinstance(value, int | float) and str(kind.type) == "Tensor" else value
            for value, kind in zip(args, func._schema.arguments, strict=False)
        )

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Without it PyTorch wraps the class for its compiler and imports a second's worth of that at first use."""
        return False

    def place(self, value: Any) -> Any:
        """A tensor's place; anything else as it is."""
        if not isinstance(value, torch.Tensor):
            return value
        number = self._numbers.get(self._storage(value))
        if number is None:
            number = self._number(value)
            self.constants[number] = value
        return Place(number, _geometry(value))

    def _number(self, tensor: torch.Tensor) -> int:
        self._kept.append(tensor)
        self.geometries.append(_geometry(tensor))
        number = self._numbers[self._storage(tensor)] = len(self.geometries) - 1
        return number

    @staticmethod
    def _storage(tensor: torch.Tensor) -> int:
        return tensor.untyped_storage().data_ptr() or id(tensor)


class Playback(torch.nn.Module):
    """Does what is on a tape, with other tensors given; `results` are places."""

    def __init__(self, tape: Tape, results: Sequence[Place]) -> None:
        super().__init__()
        self._tape, self._results = tape, results

    def forward(self, *given: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The results."""
        memory = {**dict(enumerate(given)), **self._tape.constants}
        seen: dict[Place, torch.Tensor] = {}

        def tensor(value: Any) -> Any:
            if not isinstance(value, Place):
                return value
            if value.geometry == self._tape.geometries[value.memory]:
                return memory[value.memory]
            if value not in seen:
                seen[value] = torch.as_strided(memory[value.memory], *value.geometry)
            return seen[value]

        for operation, arguments, options, fills in self._tape.steps:
            result = operation(*_each(tensor, arguments), **_each(tensor, options))
            for number, made in zip(fills, result if isinstance(result, tuple) else (result,), strict=True):
                if number is not None:
                    memory[number] = made
        return tuple(tensor(place) for place in self._results)


def replay_of(function: Callable[..., Results], given: Sequence[torch.Tensor]) -> Callable[..., Results]:
    """`function` as TorchScript, for tensors of the shapes of those given."""
    with Tape(given) as tape:
        results = function(*given)
    playback = Playback(tape, [tape.place(result) for result in results]).eval()
    replay: Callable[..., Results] = torch.jit.freeze(torch.jit.trace(playback, tuple(given), check_trace=False))
    return replay


def _each(change: Callable[[Any], Any], value: Any) -> Any:
    """`value` with `change` done to all that is in its tuples, lists and dictionaries; a place is one thing."""
    if isinstance(value, dict):
        return {name: _each(change, part) for name, part in value.items()}
    if isinstance(value, tuple | list) and not isinstance(value, Place):
        return [_each(change, part) for part in value]
    return change(value)


def _geometry(tensor: torch.Tensor) -> Geometry:
    return tuple(tensor.shape), tensor.stride(), int(tensor.storage_offset())
