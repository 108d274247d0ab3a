"""How a distance enters the network: Gaussian basis and cosine cutoff."""

from __future__ import annotations

import math

import torch
from torch import nn

from search.errors import InputError


class GaussianBasis(nn.Module):
    """`n_rbf` Gaussians with centres from 0 to `cutoff` Å, each as wide as their spacing."""

    offsets: torch.Tensor
    widths: torch.Tensor

    def __init__(self, n_rbf: int, cutoff: float):
        super().__init__()
        if n_rbf < 2:
            raise InputError(f"a radial basis needs at least 2 functions, not {n_rbf}")
        offsets = torch.linspace(0.0, cutoff, n_rbf)
        self.register_buffer("offsets", offsets)
        self.register_buffer("widths", torch.full_like(offsets, float(offsets[1] - offsets[0])))

    def forward(self, distances: torch.Tensor) -> torch.Tensor:
        """Distances [P] Å -> values of the Gaussians [P, n_rbf]."""
        scaled = (distances[..., None] - self.offsets) / self.widths  # [n_pairs, n_rbf]
        return torch.exp(-0.5 * scaled.square())  # [n_pairs, n_rbf]


class CosineCutoff(nn.Module):
    """(1 + cos(π r / r_c)) / 2 inside `cutoff` Å and exactly 0 from there on."""

    def __init__(self, cutoff: float):
        super().__init__()
        self.cutoff = float(cutoff)

    def forward(self, distances: torch.Tensor) -> torch.Tensor:
        """Distances [P] Å -> weights [P], 1 at zero and 0 from the cutoff on."""
        inside = (distances < self.cutoff).to(distances.dtype)
        return 0.5 * (torch.cos(distances * (math.pi / self.cutoff)) + 1.0) * inside  # [n_pairs]


class ExponentialGaussians(nn.Module):
    """`n_rbf` Gaussians of y = exp(-(r - 1 Å) / 2 Å), evenly spaced: narrow at bond lengths, wide beyond.

    What is narrow far out ripples there, where a force is small and should turn once.
    """

    offsets: torch.Tensor

    def __init__(self, n_rbf: int, cutoff: float):
        super().__init__()
        if n_rbf < 2:
            raise InputError(f"a radial basis needs at least 2 functions, not {n_rbf}")
        self.register_buffer("offsets", torch.linspace(math.exp(-(cutoff - 1.0) / 2.0), 1.0, n_rbf))
        self.width = (1.0 - math.exp(-(cutoff - 1.0) / 2.0)) / (n_rbf - 1)

    def forward(self, distances: torch.Tensor) -> torch.Tensor:
        """Distances [n_pairs], Å, to basis functions [n_pairs, n_rbf]."""
        y = torch.exp((1.0 - distances) / 2.0)  # [n_pairs]
        return torch.exp(-0.5 * ((y[..., None] - self.offsets) / self.width).square())  # [n_pairs, n_rbf]


def polynomial_cutoff(distances: torch.Tensor, cutoff: float) -> torch.Tensor:
    """(1 - (r / r_c)²)³ inside `cutoff` Å and 0 beyond: its first two derivatives end at 0, too. [n_pairs]"""
    return (1 - (distances / cutoff).square()).clamp_min(0.0) ** 3
