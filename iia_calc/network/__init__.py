"""The network: nuclear charges and distances in, atom features and energies out. Plain torch."""

from iia_calc.network.repulsion import Repulsion
from iia_calc.network.schnet import AtomwiseHead, SchNetIIA
from iia_calc.network.settings import NetworkSettings, RepulsionSettings

__all__ = ["AtomwiseHead", "NetworkSettings", "Repulsion", "RepulsionSettings", "SchNetIIA"]
