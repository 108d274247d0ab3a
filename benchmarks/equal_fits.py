"""Networks fitted to the same labels, for comparisons of speed: weights decide how many steps a relaxation takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from peers import PEERS, PLAIN, peer_potential

from iia_calc.labels.npz import open_labels
from iia_calc.model import storage
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.training.fit import TrainingSettings, fit

PLAIN_SCHNET, PAINN, PAPER, DEFAULT = (
    "plain SchNet",
    "SchNetPack's PaiNN",
    "the paper's network",
    "the default's network",
)


@dataclass(frozen=True)
class EqualFits:
    """The same labels, epochs, batches and optimiser for each network; fits are kept in `folder`.

    labels : a file of labels of one level. count : of them, from its beginning.
    """

    labels: Path
    count: int
    epochs: int
    folder: Path

    def potential(self, name: str) -> Potential:
        """The network of this name, fitted; read where it was fitted before."""
        store = open_labels(self.labels)
        torch.manual_seed(0)
        if name in PEERS:
            potential = peer_potential(name, store.element_energies)
        else:
            shipped = NetworkSettings.from_dict(storage.read_card(storage.find()).network)
            settings = {PLAIN_SCHNET: PLAIN, PAPER: NetworkSettings(), DEFAULT: shipped}[name]
            potential = Potential(settings, store.element_energies)
        folder = self.folder / f"{name.replace(' ', '-')}-{self.count}-{self.epochs}"
        wanted = TrainingSettings(epochs=self.epochs, batch_size=10, optimiser="muon")
        fit(potential, list(store.read())[: self.count], folder, wanted, progress=False)
        return potential.freeze()

    def all(self) -> dict[str, Potential]:
        """Every network of the comparison."""
        return {name: self.potential(name) for name in (PLAIN_SCHNET, PAINN, PAPER, DEFAULT)}
