"""How far structures are from those that a potential was fitted to, as its own network sees them.

The members of a committee have learnt from the same labels and err alike where these are missing, so their spread
alone misses it. A structure far from every label says so whatever the members agree on.
"""

from __future__ import annotations

import torch
from torch import nn

from iia_calc.model.pairs.clusters import Pairs

AXES = 64
"""Principal axes that are kept."""
SMALLEST = 1e-6
"""Variance that an axis needs to be one."""


class LabelDistance(nn.Module):
    """Distance to the nearest label, in standard deviations of the labels along their principal axes.

    A structure's point is the mean of its atoms' features after the network's last block. Points are stored in half
    precision.

    Parameters
    ----------
    centre : [F], mean of the labels' features. axes : [F, K], principal axes, each over its standard deviation.
    points : [M, K], the labels.
    """

    centre: torch.Tensor
    axes: torch.Tensor
    points: torch.Tensor

    def __init__(self, centre: torch.Tensor, axes: torch.Tensor, points: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("centre", centre.float())
        self.register_buffer("axes", axes.float())
        self.register_buffer("points", points.half())

    @classmethod
    def of_features(cls, means: torch.Tensor, n_axes: int = AXES) -> LabelDistance:
        """From the mean features [M, F] of labels, float64."""
        centre = means.mean(0)
        covariance = (means - centre).T @ (means - centre) / max(1, len(means) - 1)
        variance, axes = torch.linalg.eigh(covariance)  # ascending
        kept = variance.argsort(descending=True)[:n_axes]
        kept = kept[variance[kept] > SMALLEST]
        axes = axes[:, kept] / variance[kept].sqrt()
        return cls(centre, axes, (means - centre) @ axes)

    def forward(self, means: torch.Tensor) -> torch.Tensor:
        """Distance [n_structures] of mean features [n_structures, F] to the nearest label; no unit."""
        found = (means.float() - self.centre.float()) @ self.axes.float()  # [n_structures, K]
        exact = "donot_use_mm_for_euclid_dist"  # the other way loses the digits of near points
        return torch.cdist(found, self.points.float(), compute_mode=exact).amin(1)


def mean_features(features: torch.Tensor, pairs: Pairs) -> torch.Tensor:
    """Means over each structure's atoms: [n_atoms, F] -> [n_structures, F], float64."""
    padded = torch.zeros(pairs.n_padded, features.shape[1], dtype=torch.float64, device=features.device)
    sums = padded.index_copy(0, pairs.atoms, features.double()).view(pairs.n_structures, -1, features.shape[1]).sum(1)
    means: torch.Tensor = sums / pairs.counts[:, None]
    return means
