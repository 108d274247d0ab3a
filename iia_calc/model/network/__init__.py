"""The network: nuclear charges and distances in, atom features and energies out. Plain torch."""

from iia_calc.model.network.repulsion import Repulsion
from iia_calc.model.network.schnet import AtomwiseHead, SchNetIIA
from iia_calc.model.network.settings import NetworkSettings, RepulsionSettings

__all__ = ["AtomwiseHead", "NetworkSettings", "Repulsion", "RepulsionSettings", "SchNetIIA"]
