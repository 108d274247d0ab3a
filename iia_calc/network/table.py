"""Filters of a finished network, read from a table instead of computed.

A filter depends on one number, the distance. Cubic Hermite pieces through exact values and slopes on a
fine grid reproduce it to float32's own rounding, and a piece is a weighted sum of four rows: what
`embedding_bag` does in one pass. The slope is that of the pieces themselves, so forces stay the exact
gradient of the energy that is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch.nn import functional

COARSEST, FINEST = 0.01, 0.00125  # Å
TOLERANCE = 5e-6  # largest error of a slope, relative to the largest slope


class Places(NamedTuple):
    """Where each slot reads: rows [4 S], first entries [S], weights [4 S] of the value and of the slope."""

    rows: torch.Tensor
    starts: torch.Tensor
    value: torch.Tensor
    slope: torch.Tensor


class FilterTable:
    """Filters of T blocks between `start` and `cutoff` Å; zero beyond.

    Parameters
    ----------
    exact : distances [P] -> filters [T, P, F] and their slopes [T, P, F], in float64.
    dtype, device : of the table.
    """

    def __init__(self, exact: Callable, start: float, cutoff: float, dtype: torch.dtype, device: torch.device):
        self.start, self.cutoff, spacing = start, cutoff, COARSEST
        self.rows = torch.empty(0)
        while True:
            self._fill(exact, spacing, device)
            if self.error <= TOLERANCE or spacing <= FINEST:
                break
            spacing /= 2
        self.rows = self.rows.to(dtype)

    def _fill(self, exact, spacing, device):
        n = int((self.cutoff - self.start) / spacing) + 1
        self.spacing = (self.cutoff - self.start) / n
        self.n_pieces = n
        grid = torch.linspace(self.start, self.cutoff, 4 * n + 1, dtype=torch.float64, device=device)
        value, slope = exact(grid)  # [T, 4 n + 1, F]
        knots = torch.stack([value[:, ::4], slope[:, ::4] * self.spacing], 2)  # [T, n + 1, 2, F]
        knots[:, -1] = 0.0  # at the cutoff
        # a quarter into each piece, about where its slope is worst: in the middle it would be too good
        p, m = knots[:, :, 0], knots[:, :, 1]
        quarter = 1.125 * (p[:, 1:] - p[:, :-1]) + 0.1875 * m[:, :-1] - 0.3125 * m[:, 1:]
        worst = (quarter / self.spacing - slope[:, 1::4]).abs().max()
        self.error = float(worst / slope.abs().max().clamp_min(1e-12))
        # value, rise to the next knot, slope: the rise in its own digits, so that slopes keep theirs
        rises = torch.diff(knots[:, :, 0], dim=1, append=knots[:, -1:, 0])
        self.rows = torch.stack([knots[:, :, 0], rises, knots[:, :, 1]], 2).flatten(1, 2)  # [T, 3 (n + 1), F]

    def places(self, distances: torch.Tensor, pairs) -> Places:
        """Rows and weights for every slot of a layout, from the distances [P] of its pairs."""
        u = (distances - self.start) * (1.0 / self.spacing)  # [P]
        piece = u.nan_to_num(0.0).clamp(0, self.n_pieces - 1).floor()
        t = u - piece
        t2 = t * t
        t3 = t2 * t
        bump, hill = 3 * t2 - 2 * t3, 6 * (t - t2)
        weights = torch.stack(
            [torch.ones_like(t), bump, t3 - 2 * t2 + t, t3 - t2, 0 * t, hill, 3 * t2 - 4 * t + 1, 3 * t2 - 2 * t],
            1,
        )  # [P, 8] of value, rise, slope here and slope at the next knot
        weights[:, 4:] *= 1.0 / self.spacing
        weights.masked_fill_((distances >= self.cutoff)[:, None], 0.0)
        weights = pairs.expand(weights).view(-1, 8)  # [S, 8]
        first = 3 * piece.long().index_select(0, pairs.pair_of_slot)  # [S]
        rows = first[:, None] + torch.tensor([0, 1, 2, 5], device=first.device)
        starts = torch.arange(0, rows.numel(), 4, device=first.device)
        return Places(rows.view(-1), starts, weights[:, :4].contiguous().view(-1), weights[:, 4:].contiguous().view(-1))

    def filters(self, block: int, places: Places) -> torch.Tensor:
        """[S, F]"""
        return self._read(block, places, places.value)

    def slopes(self, block: int, places: Places) -> torch.Tensor:
        """Derivatives by the distance [S, F], per Å."""
        return self._read(block, places, places.slope)

    def _read(self, block, places, weights):
        return functional.embedding_bag(
            places.rows, self.rows[block], places.starts, mode="sum", per_sample_weights=weights
        )
