"""Our networks as a `representation` of SchNetPack's models, next to its SchNet, PaiNN and SO3net.

They take the same inputs, so that SchNetPack's configs, data, output modules, training and calculator serve them.
"""

from __future__ import annotations

from typing import Any

import torch
from schnetpack import properties
from torch import nn

from iia_calc.model.network import NetworkSettings, make_network
from iia_calc.model.pairs.neighbour_list import ListedPairs, one_direction


class IIARepresentation(nn.Module):
    """SchNet-IIA, or its network of vectors, from SchNetPack's dictionary of inputs to features of every atom.

    The network alone: without the core repulsion and the element energies of a `Potential`.

    Parameters
    ----------
    settings : what `NetworkSettings` has, by keyword; an unknown one is an error that lists them.

    Attributes
    ----------
    n_atom_basis : features per atom, which output modules take as `n_in`.
    cutoff : Å, that of the neighbour list.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.settings = NetworkSettings.from_dict(settings)
        self.n_atom_basis, self.cutoff = self.settings.n_atom_basis, self.settings.cutoff
        self.network = make_network(self.settings)

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Adds "scalar_representation" [n_atoms, n_atom_basis] to inputs whose pairs stand in both directions.

        Energies are differentiable by the vectors of the neighbour list, and so by positions and strain; of the two
        directions of a pair one is used.
        """
        Z, vectors = inputs[properties.Z], inputs[properties.Rij]  # [n_atoms], [2 P, 3]
        i, j = inputs[properties.idx_i].cpu().numpy(), inputs[properties.idx_j].cpu().numpy()  # [2 P]
        once = one_direction(i, j, vectors.detach().cpu().numpy())  # [2 P]
        pairs = ListedPairs(i[once], j[once], len(Z), device=Z.device)
        vectors = vectors[torch.as_tensor(once, device=Z.device)]  # [P, 3]
        distances = vectors.square().sum(-1).clamp_min(1e-8).sqrt()  # [P]
        directions = vectors / distances[:, None] if self.settings.angular else None  # [P, 3]
        inputs["scalar_representation"] = self.network(Z, distances, pairs, directions)
        return inputs
