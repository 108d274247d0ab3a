"""Functions of the distance of a finished network, read from a table instead of computed.

Filters and distance logits depend on one number, the distance. Cubic Hermite pieces through exact values
and slopes on a fine grid reproduce them to float32's own rounding, and a piece is a weighted sum of four
rows: what `embedding_bag` does in one pass. The slope is that of the pieces themselves, so forces stay the
exact gradient of the energy that is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

COARSEST, FINEST = 0.01, 0.00125  # Å
TOLERANCE = 5e-6  # largest error of a slope, relative to the largest slope
# weights of a piece's rows (value here, rise, slope here, slope at the next knot) by powers 0 to 3 of the
# place in the piece; then those of its derivative
PIECE = (
    (1, 0, 0, 0, 0, 0, 1, 0),
    (0, 0, 1, 0, 0, 6, -4, -2),
    (0, 3, -2, -1, 0, -6, 3, 3),
    (0, -2, 1, 1, 0, 0, 0, 0),
)


class Places(NamedTuple):
    """Where each slot reads: rows [4 S], first entries [S], weights [4 S] of the value and of the slope."""

    rows: torch.Tensor
    starts: torch.Tensor
    value: torch.Tensor
    slope: torch.Tensor


class DistanceTable:
    """Functions of a distance between `start` and `cutoff` Å, constant beyond.

    Parameters
    ----------
    exact : distances [P] -> values [P, C] and their slopes [P, C], in float64.
    groups : columns that are read together, their sum is C.
    dtype, device : of the table.
    """

    def __init__(
        self,
        exact: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
        groups: Sequence[int],
        start: float,
        cutoff: float,
        dtype: torch.dtype,
        device: torch.device,
    ):
        self.start, self.cutoff, self.spacing = start, cutoff, 2 * COARSEST
        self.error = torch.inf
        while self.error > TOLERANCE and self.spacing > FINEST:
            rows = self._fill(exact, groups, self.spacing / 2, device)
        self.rows = [group.to(dtype).contiguous() for group in rows]
        self.piece = torch.tensor(PIECE, dtype=dtype, device=device)
        self.piece[:, 4:] /= self.spacing
        self.piece = self.piece[..., None]  # [4, 8, 1]
        self.reach = torch.tensor([0, 1, 2, 5], device=device)
        self.zero = torch.zeros((), dtype=dtype, device=device)
        self._known_starts: dict[int, torch.Tensor] = {}  # kept, for a captured graph reads them where they were

    def _fill(
        self,
        exact: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
        groups: Sequence[int],
        spacing: float,
        device: torch.device,
    ) -> Sequence[torch.Tensor]:
        n = int((self.cutoff - self.start) / spacing) + 1
        self.spacing = (self.cutoff - self.start) / n
        self.n_pieces = n
        grid = torch.linspace(self.start, self.cutoff, 4 * n + 1, dtype=torch.float64, device=device)
        value, slope = exact(grid)  # [4 n + 1, C]
        p, m = value[::4], slope[::4] * self.spacing  # [n + 1, C]
        # a quarter into each piece, about where its slope is worst: in the middle it would be too good
        quarter = 1.125 * (p[1:] - p[:-1]) + 0.1875 * m[:-1] - 0.3125 * m[1:]
        worst = (quarter / self.spacing - slope[1::4]).abs().amax(0).split(list(groups))
        largest = slope.abs().amax(0).split(list(groups))
        self.error = max(float(w.max() / s.max().clamp_min(1e-12)) for w, s in zip(worst, largest, strict=True))
        # value, rise to the next knot, slope: the rise in its own digits, so that slopes keep theirs
        rises = torch.diff(p, dim=0, append=p[-1:])
        rows: Sequence[torch.Tensor] = (
            torch.stack([p, rises, m], 1).flatten(0, 1).split(list(groups), 1)
        )  # [3 (n + 1), columns] each
        return rows

    def places(self, distances: torch.Tensor) -> Places:
        """Rows and weights for the distances [S] Å of all slots."""
        first, weights = self._pieces(distances)
        value, slope = weights.split(4)  # [4, S] each
        rows = first[:, None] + self.reach  # [S, 4]
        return Places(rows.view(-1), self._starts(len(first), rows.device), value.T.reshape(-1), slope.T.reshape(-1))

    def both(self, group: int, distances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Values and derivatives by the distance, per Å, [S, columns] each, at distances [S] Å, read at once."""
        first, weights = self._pieces(distances)
        rows = first[:, None] + self.reach.expand(2, 1, 4)  # [2, S, 4]
        ordered = weights.view(2, 4, -1).transpose(1, 2).reshape(-1)  # [8 S]
        starts = self._starts(2 * len(first), rows.device)
        value, slope = self._read(group, Places(rows.view(-1), starts, ordered, ordered), ordered).chunk(2)
        return value, slope

    def _pieces(self, distances: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """First row [S] of each distance's piece, and weights [8, S] of its rows: of the value, then of the slope."""
        u = torch.sub(distances, self.start).mul_(1.0 / self.spacing).clamp_(0, self.n_pieces)  # [S]
        piece = torch.fmax(u, self.zero).clamp_(max=self.n_pieces - 1).floor_()  # NaN reads row 0
        t = u.sub_(piece)
        p0, p1, p2, p3 = self.piece  # [8, 1] each
        weights = torch.addcmul(p0, torch.addcmul(p1, torch.addcmul(p2, p3, t), t), t)
        return piece.mul_(3).long(), weights

    def _starts(self, count: int, device: torch.device) -> torch.Tensor:
        """[count] where the four rows of each begin."""
        if count not in self._known_starts:
            self._known_starts[count] = torch.arange(0, 4 * count, 4, device=device)
        return self._known_starts[count]

    def values(self, group: int, places: Places) -> torch.Tensor:
        """[S, columns]"""
        return self._read(group, places, places.value)

    def slopes(self, group: int, places: Places) -> torch.Tensor:
        """Derivatives by the distance [S, columns], per Å."""
        return self._read(group, places, places.slope)

    def at(self, distances: torch.Tensor) -> tuple[torch.Tensor, Callable[[torch.Tensor], torch.Tensor]]:
        """By the kernels of `fused`: values [C, S] of the one group at distances [S] Å, and their way back.

        The way back makes of gradients by the values [C, S] that by each distance [S].
        """
        from iia_calc.model.inference import fused

        (rows,), d = self.rows, distances.contiguous().view(-1)
        grid = self.start, self.spacing, self.n_pieces
        return fused.table(rows, d, *grid), lambda g: fused.table_back(rows, d, g, *grid)

    def _read(self, group: int, places: Places, weights: torch.Tensor) -> torch.Tensor:
        # functional.embedding_bag less its checks, which cost as much as a small cluster's sums; mode 0 is sum
        return torch.embedding_bag(
            self.rows[group],
            places.rows,
            places.starts,
            False,
            0,
            False,
            weights,  # scale_grad, mode, sparse
        )[0]
