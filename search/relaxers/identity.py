"""What tells one ASE calculator from another: its class, parameters and weights, never its address in memory."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import Any, Protocol, runtime_checkable

import numpy as np

NOT_SETTINGS = ("atoms", "parameters")
"""Arguments of a calculator's constructor that aren't settings (the structure it saw last), or are looked at apart."""


@runtime_checkable
class Signed(Protocol):
    """A calculator that says itself what tells it from others; taken as it is, instead of looking into it."""

    @property
    def signature(self) -> str:
        """Made of weights and parameters; the same in every process."""
        ...


@runtime_checkable
class HasWeights(Protocol):
    """A PyTorch module, or what looks like one."""

    def state_dict(self) -> Mapping[str, Any]:
        """Tensors by name, as torch gives them."""


def calculator_signature(calculator: object) -> str:
    """Class and content of an ASE calculator.

    The content is its `signature` where it has one (see `Signed`). Otherwise it is `parameters`, where ASE keeps
    settings; the arguments of its constructor that it keeps under their own names; and the weights of neural networks
    among its attributes, as a hash. Results and caches, which change with use, are left out.
    """
    kind = type(calculator)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if isinstance(calculator, Signed):
        return f"{name} {calculator.signature}"
    own = vars(calculator)
    arguments = inspect.signature(kind.__init__).parameters
    content = {key: describe(own[key]) for key in arguments if key in own and key not in NOT_SETTINGS}
    content |= {key: describe(value) for key, value in dict(own.get("parameters") or {}).items()}
    weights = [key for key in own if key not in content and any(True for _ in _networks(own[key]))]
    content |= {key: describe(own[key]) for key in weights}
    return f"{name}({', '.join(f'{key}={content[key]}' for key in sorted(content))})"


def describe(value: Any) -> str:
    """`value` as text that depends on its content alone: arrays and weights as hashes, other objects by their parts."""
    if value is None or isinstance(value, str | bytes | bool | int | float | complex | np.generic):
        return repr(value.item() if isinstance(value, np.generic) else value)
    if isinstance(value, PurePath):
        return repr(str(value))
    if isinstance(value, np.ndarray):
        return f"array{list(value.shape)}:{_hash(value.dtype.str.encode(), np.ascontiguousarray(value).tobytes())}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(sorted(f"{describe(key)}: {describe(item)}" for key, item in value.items())) + "}"
    if isinstance(value, Set):
        return "{" + ", ".join(sorted(map(describe, value))) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(describe, value)) + "]"
    if isinstance(value, HasWeights):
        return f"weights:{_hash(*(part for item in value.state_dict().items() for part in _bytes(*item)))}"
    if isinstance(value, type) or inspect.isroutine(value):
        return f"{value.__module__}.{value.__qualname__}"
    if is_dataclass(value):
        parts = {item.name: describe(getattr(value, item.name)) for item in fields(value)}
    else:
        parts = {key: describe(item) for key, item in getattr(value, "__dict__", {}).items() if key[0] != "_"}
    return f"{type(value).__qualname__}({', '.join(f'{key}={text}' for key, text in sorted(parts.items()))})"


def _networks(value: Any) -> Iterator[HasWeights]:
    """The neural networks in an attribute, or in a list of them."""
    if isinstance(value, type):
        return
    if isinstance(value, HasWeights):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _networks(item)


def _bytes(name: str, weight: Any) -> tuple[bytes, bytes]:
    """A weight's name and its numbers; a tensor may be on any device and of a type that NumPy lacks."""
    values = np.asarray(weight if isinstance(weight, np.ndarray) else weight.detach().double().cpu())
    return f"{name} {values.shape}".encode(), np.ascontiguousarray(values).tobytes()


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:16]
