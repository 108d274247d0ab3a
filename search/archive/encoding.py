"""Arrays as text in states, archives and what islands send: exact, and short to write."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import numpy as np


def pack(array: np.ndarray) -> str:
    """Float64 values as text, exactly: an eighth of the time and half of the size of decimal digits."""
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode("ascii")


def unpack(text: str, *shape: int) -> np.ndarray:
    """The array of this shape that was packed."""
    values: np.ndarray = np.frombuffer(base64.b64decode(text), dtype="<f8").astype(float).reshape(shape)
    return values


def to_plain(positions: np.ndarray | None) -> str | None:
    """Positions [n_atoms, 3] for a searcher's state."""
    return None if positions is None else pack(positions)


def from_plain(text: str | Sequence[Sequence[float]] | None) -> np.ndarray | None:
    """The positions [n_atoms, 3] again; lists are what archives of earlier versions hold."""
    if text is None or isinstance(text, str):
        return None if text is None else unpack(text, -1, 3)
    return np.array(text, dtype=float).reshape(-1, 3)


def to_json(value: Any, *, sort_keys: bool = False) -> str:
    """JSON text of plain data; NumPy's numbers are written as Python's.

    Raises
    ------
    TypeError : something else is in it.
    """
    return json.dumps(value, sort_keys=sort_keys, default=_plain_number)


def plain(value: Any) -> Any:
    """`value` with Python's numbers for NumPy's, as it would come back from JSON."""
    return json.loads(to_json(value))


def _plain_number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is not plain data")
