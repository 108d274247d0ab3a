"""Arrays as text in states, archives and what islands send: exact, and short to write."""

from __future__ import annotations

import base64

import numpy as np


def packed(array: np.ndarray) -> str:
    """Float64 values as text, exactly: an eighth of the time and half of the size of decimal digits."""
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f8").tobytes()).decode("ascii")


def unpacked(text: str, *shape: int) -> np.ndarray:
    """The array of this shape that was packed."""
    return np.frombuffer(base64.b64decode(text), dtype="<f8").astype(float).reshape(shape)


def to_plain(positions: np.ndarray | None) -> str | None:
    """Positions [n_atoms, 3] for a searcher's state."""
    return None if positions is None else packed(positions)


def from_plain(plain: str | list | None) -> np.ndarray | None:
    """The positions [n_atoms, 3] again; lists are what archives of earlier versions hold."""
    if plain is None or isinstance(plain, str):
        return None if plain is None else unpacked(plain, -1, 3)
    return np.array(plain, dtype=float).reshape(-1, 3)
