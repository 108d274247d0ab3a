"""SchNetPack's PaiNN and SO3net as the network of a `Potential`: the same data, fit, head and repulsion as ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from iia_calc.model.network import NetworkSettings
from iia_calc.model.network.activation import SMU
from iia_calc.model.network.schnet import AtomwiseHead
from iia_calc.model.potential import Potential


class Peer(nn.Module):
    """A representation of SchNetPack that is asked as ours are: Z, distances, layout, directions -> features [A, F]."""

    def __init__(self, representation: nn.Module, cutoff: float):
        super().__init__()
        self.representation, self.cutoff = representation, cutoff

    @property
    def embedding(self) -> nn.Module:
        return self.representation.embedding

    def forward(self, Z, distances, pairs, directions):
        near = distances < self.cutoff  # its own cost grows with the pairs it is shown
        i, j = pairs.atoms[pairs.first[near]], pairs.atoms[pairs.second[near]]
        r = (directions * distances[:, None])[near]  # [P, 3]
        inputs = {
            "_atomic_numbers": Z,
            "_Rij": torch.cat([r, -r]),
            "_idx_i": torch.cat([i, j]),
            "_idx_j": torch.cat([j, i]),
        }
        return self.representation(inputs)["scalar_representation"]


def painn(activation: Callable = nn.functional.silu, features: int = 128, blocks: int = 3) -> Peer:
    """PaiNN of SchNetPack's example: 20 Gaussians, cosine cutoff of 5 Å."""
    from schnetpack.nn import CosineCutoff, GaussianRBF
    from schnetpack.representation import PaiNN

    basis, cutoff = GaussianRBF(20, 5.0), CosineCutoff(5.0)
    return Peer(PaiNN(features, blocks, basis, cutoff, activation=activation), 5.0)


def so3net(features: int = 64, blocks: int = 3, degree: int = 2) -> Peer:
    from schnetpack.nn import CosineCutoff, GaussianRBF
    from schnetpack.representation import SO3net

    return Peer(SO3net(features, blocks, degree, GaussianRBF(20, 5.0), CosineCutoff(5.0)), 5.0)


PEERS: dict[str, Callable[[], Peer]] = {
    "SchNetPack's PaiNN": painn,
    "SchNetPack's PaiNN with SMU": lambda: painn(SMU()),
    "SchNetPack's SO3net": so3net,
}


def peer_potential(name: str, element_energies: Mapping[str, float]) -> Potential:
    """A `Potential` with the peer of this name as its network, to be fitted as ours are."""
    # settings that ask for directions; what else they say has no meaning for a peer
    potential = Potential(NetworkSettings(angular=1, n_interactions=1), element_energies)
    network = PEERS[name]()
    potential.network = network  # type: ignore[assignment]
    potential.head = AtomwiseHead(network.embedding.weight.shape[1])
    return potential
