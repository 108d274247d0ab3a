"""The network: nuclear charges and distances in, atom features and energies out. Plain torch."""

from iia_calc.model.network.activation import make_activation
from iia_calc.model.network.repulsion import Repulsion
from iia_calc.model.network.schnet import AtomwiseHead, SchNetIIA
from iia_calc.model.network.settings import NetworkSettings, RepulsionSettings
from iia_calc.model.network.vectors import VectorNetwork
from search.errors import check_kind

__all__ = [
    "AtomwiseHead",
    "NetworkSettings",
    "Repulsion",
    "RepulsionSettings",
    "SchNetIIA",
    "VectorNetwork",
    "make_head",
    "make_network",
]


def make_network(settings: NetworkSettings) -> SchNetIIA | VectorNetwork:
    """The network of these settings, with random weights."""
    check_kind("settings", settings, NetworkSettings)
    return VectorNetwork(settings) if settings.kind == "vectors" else SchNetIIA(settings)


def make_head(settings: NetworkSettings) -> AtomwiseHead:
    """The head that belongs to it: SiLU in the paper's, the network's own activation in the other."""
    activation = make_activation(settings.activation) if settings.kind == "vectors" else None
    return AtomwiseHead(settings.n_atom_basis, activation)
