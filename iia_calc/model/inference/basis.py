"""Many functions of the distance as sums of a few, of which a table then reads all that there is to read."""

from __future__ import annotations

from collections.abc import Callable

import torch

from iia_calc.model.inference.table import DistanceTable

LEFT_OUT = 5e-7
"""Largest error of a slope that the shared functions may leave, relative to the largest slope."""
Functions = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


class SharedBasis:
    """A table of r functions, and the weights [C, r] by which C functions of the distance are sums of them.

    Filters of a network are smooth and much alike: of the default's 208 some 40 are different. The r functions are
    the leading singular vectors of values and slopes.

    Parameters
    ----------
    exact : distances [P] Å -> values [P, C] and their slopes [P, C], in float64.
    start, cutoff : Å, where the table begins and ends.
    dtype, device : of the table and the weights.
    """

    def __init__(self, exact: Functions, start: float, cutoff: float, dtype: torch.dtype, device: torch.device) -> None:
        grid = torch.linspace(start, cutoff, 1001, dtype=torch.float64, device=device)
        value, slope = exact(grid)  # [1001, C]
        largest = slope.abs().max()
        *_, vectors = torch.linalg.svd(torch.cat([value / value.abs().max(), slope / largest]), full_matrices=False)
        rank = 4
        while rank < len(vectors):
            basis = vectors[:rank]  # [r, C]
            if float((slope - slope @ basis.T @ basis).abs().max() / largest) < LEFT_OUT:
                break
            rank += 4
        basis = vectors[:rank]

        def combine(distances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            values, slopes = exact(distances)
            return values @ basis.T, slopes @ basis.T

        self.table = DistanceTable(combine, [len(basis)], start, cutoff, dtype, device)
        self.weights = basis.T.to(dtype).contiguous()  # [C, r]

    def at(self, distances: torch.Tensor) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
        """Values [C, S] at distances [S] Å, and what makes of gradients by them [C, S] that by each distance [S]."""
        values, slopes = self.table.both(0, distances)  # [S, r]
        return torch.mm(self.weights, values.T), lambda g: torch.mm(g.T, self.weights).mul_(slopes).sum(1)
