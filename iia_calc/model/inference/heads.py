"""Features as each head's products want them, and as the layers of each atom want them.

Letters as in `vectors`: features [A, C, F] of atoms, F = H D, are [H B, N, C D] or [H B, C N, D] to products of heads.
What is only looked at from another side is not copied.
"""

from __future__ import annotations

import torch


def by_atom(x: torch.Tensor, b: int, heads: int, c: int) -> torch.Tensor:
    """[H B, N, C D] looked at as [B, N, C, H, D]."""
    return x.view(heads, b, x.shape[1], c, -1).permute(1, 2, 3, 0, 4)


def by_atom_from_channels(x: torch.Tensor, b: int, heads: int, c: int) -> torch.Tensor:
    """[H B, C N, D] looked at as [B, N, C, H, D]."""
    return x.view(heads, b, c, x.shape[1] // c, -1).permute(1, 3, 2, 0, 4)


def apart(x: torch.Tensor, b: int, heads: int) -> torch.Tensor:
    """[A, F] or [A, C, F] -> [H B, N, C D]."""
    a = len(x)
    c = x.numel() // a // x.shape[-1]
    return x.reshape(b, a // b, c, heads, -1).permute(3, 0, 1, 2, 4).reshape(heads * b, a // b, -1)


def channels_apart(x: torch.Tensor, b: int, heads: int) -> torch.Tensor:
    """[A, C, F] -> [H B, C N, D]."""
    a, c, _ = x.shape
    return x.view(b, a // b, c, heads, -1).permute(3, 0, 2, 1, 4).reshape(heads * b, c * (a // b), -1)


def times(weights: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
    """Of weights [H B, N, N] and harmonics [B, C, N, N]: [H B, C N, N]."""
    b, c, n, _ = Y.shape
    return (weights.view(-1, b, 1, n, n) * Y).view(-1, c * n, n)
