"""SchNetPack's networks: in a `Potential`, with the data, fit, head and repulsion of ours, and in its own calculator.

`peer_potential` fits PaiNN and SO3net as ours are fitted; plain SchNet is one of ours (`PLAIN`), weight by weight.
`spk_calculator` is SchNetPack's calculator on the weights of such a potential.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy

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


PLAIN = NetworkSettings(attention=None, activation="ssp", n_embedding=100)  # SchNet as SchNetPack has it

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


class PairRepulsion(nn.Module):
    """The core repulsion of a `Potential`, added to the energy of a SchNetPack model."""

    model_outputs = ()

    def __init__(self, repulsion: nn.Module) -> None:
        super().__init__()
        self.repulsion = repulsion

    def forward(self, inputs: dict) -> dict:
        numbers, i, j = inputs["_atomic_numbers"], inputs["_idx_i"], inputs["_idx_j"]
        distances = torch.linalg.norm(inputs["_Rij"], dim=1)
        inputs["energy"] = inputs["energy"] + 0.5 * self.repulsion(numbers[i], numbers[j], distances).sum()
        return inputs


def spk_calculator(potential: Potential, repulsion: bool):
    """SchNetPack's calculator, with its fastest neighbour list, on the weights of a plain SchNet or of a peer.

    repulsion : with it the forces are those of `potential` wherever no pair is closer than atoms come.
    """
    import schnetpack as spk
    from schnetpack.interfaces import SpkCalculator
    from schnetpack.transform import MatScipyNeighborList

    network, settings = potential.network, potential.settings
    if isinstance(network, Peer):
        representation, width = deepcopy(network.representation), network.embedding.weight.shape[1]
    else:
        width, cutoff = settings.n_atom_basis, settings.cutoff
        basis, envelope = spk.nn.GaussianRBF(settings.n_rbf, cutoff), spk.nn.CosineCutoff(cutoff)
        representation = spk.representation.SchNet(width, settings.n_interactions, basis, envelope)
        representation.load_state_dict(network.state_dict(), strict=False)
    representation.requires_grad_(True)  # as SchNetPack loads its own models
    head = spk.atomistic.Atomwise(width, output_key="energy")
    for theirs, ours in zip(head.outnet, [m for m in potential.head.layers if hasattr(m, "weight")], strict=True):
        theirs.load_state_dict(ours.state_dict())
    model = spk.model.NeuralNetworkPotential(
        representation,
        input_modules=[spk.atomistic.PairwiseDistances()],
        output_modules=[head, *([PairRepulsion(potential.repulsion)] if repulsion else []), spk.atomistic.Forces()],
    )
    return SpkCalculator(model, MatScipyNeighborList(5.0), energy_unit="eV")
