"""A SchNet-IIA potential inside SchNetPack's NeuralNetworkPotential, and the task that fits it."""

from __future__ import annotations

from typing import Any

import torch
import torchmetrics
from schnetpack import properties
from schnetpack.atomistic import Forces
from schnetpack.model import NeuralNetworkPotential
from schnetpack.task import AtomisticTask, ModelOutput
from torch import nn

from iia_calc.potential import Potential
from iia_calc.training.dataset import ENERGY, FORCES


class PotentialEnergies(nn.Module):
    """SchNetPack inputs -> total and per-atom interaction energies, eV (element energies left out)."""

    model_outputs = [ENERGY]  # noqa: RUF012  (SchNetPack's contract)

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        batch = inputs[properties.idx_m]
        n_atoms = inputs[properties.n_atoms]
        atomic = self.potential.atomic_energies(inputs[properties.Z], inputs[properties.R], batch)
        energy = torch.zeros(len(n_atoms), dtype=atomic.dtype, device=atomic.device).index_add(0, batch, atomic)
        inputs["energy"] = energy
        inputs[ENERGY] = energy / n_atoms
        return inputs


def schnetpack_model(potential: Potential) -> NeuralNetworkPotential:
    """`potential` as a SchNetPack model; the weights are shared, not copied."""
    return NeuralNetworkPotential(
        representation=PotentialEnergies(potential),
        output_modules=[Forces(energy_key="energy", force_key=FORCES)],
    )


def robust_outputs(energy_weight: float, force_weight: float) -> list[ModelOutput]:
    """Losses that grow linearly beyond 10 meV/atom and 0.1 eV/Å, so that a few torn structures don't rule."""
    metrics: dict[str, Any] = {"MAE": torchmetrics.MeanAbsoluteError()}
    return [
        ModelOutput(ENERGY, nn.SmoothL1Loss(beta=0.01), energy_weight, metrics),
        ModelOutput(FORCES, nn.SmoothL1Loss(beta=0.1), force_weight, {k: v.clone() for k, v in metrics.items()}),
    ]


class PotentialTask(AtomisticTask):
    """SchNetPack's task with AdamW, a one-cycle schedule by step, and checkpoints of plain tensors."""

    def __init__(
        self, potential: Potential, *, learning_rate: float, weight_decay: float, total_steps: int,
        energy_weight: float, force_weight: float,
    ) -> None:  # fmt: skip
        super().__init__(
            schnetpack_model(potential), robust_outputs(energy_weight, force_weight),
            optimizer_cls=torch.optim.AdamW, optimizer_args={"lr": learning_rate, "weight_decay": weight_decay},
        )  # fmt: skip
        self.total_steps = total_steps

    def configure_optimizers(self):
        optimizer = self.optimizer_cls(params=self.parameters(), **self.optimizer_kwargs)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=self.lr,
            total_steps=self.total_steps + 1,
            pct_start=0.1,
            div_factor=10,
            final_div_factor=100,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def save_hyperparameters(self, *args, **kwargs) -> None:
        """Nothing: SchNetPack's would pickle the whole model into every checkpoint."""
