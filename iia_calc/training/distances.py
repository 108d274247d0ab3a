"""How far structures are from the labels of a fit: measured once and stored with the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from iia_calc.labels.store import LabelledStructure
from iia_calc.model.label_distance import LabelDistance, mean_features
from iia_calc.model.potential import Potential

MOST = 10_000
"""Labels that are kept; of more every second, third, ... one."""


def label_distance(potential: Potential, labelled: Sequence[LabelledStructure]) -> LabelDistance:
    """The distance from these labels, as `potential` sees them."""
    labelled = labelled[:: -(-len(labelled) // MOST)]
    return LabelDistance.of_features(features_of(potential, labelled)).to(potential.device)


def distances_from(distance: LabelDistance, potential: Potential, labelled: Sequence[LabelledStructure]) -> np.ndarray:
    """Distance [n_structures] of each structure, in the order given."""
    with torch.no_grad():
        found: np.ndarray = distance(features_of(potential, labelled)).double().cpu().numpy()
    return found


def features_of(potential: Potential, labelled: Sequence[LabelledStructure], batch_size: int = 64) -> torch.Tensor:
    """Mean features [n_structures, F] of each structure, float64, in the order given."""
    order = sorted(range(len(labelled)), key=lambda k: len(labelled[k].atoms))
    means = torch.empty(len(labelled), potential.settings.n_atom_basis, dtype=torch.float64, device=potential.device)
    for begin in range(0, len(order), batch_size):
        rows = order[begin : begin + batch_size]
        atoms = [labelled[k].atoms for k in rows]
        Z = torch.from_numpy(np.concatenate([a.numbers for a in atoms])).to(potential.device)
        R = torch.from_numpy(np.concatenate([a.positions for a in atoms])).to(potential.device)
        pairs = potential.cluster_pairs(tuple(len(a) for a in atoms), potential.device)
        means[rows] = mean_features(potential.features(pairs, Z, pairs.centre(R)), pairs)
    return means
