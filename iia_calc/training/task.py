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

from iia_calc.model.pairs.within_cutoff import KNOTS, NearPairs
from iia_calc.model.potential import Potential
from iia_calc.training.dataset import ENERGY, FORCES
from iia_calc.training.optimiser import MuonAdamW


class PotentialEnergies(nn.Module):
    """SchNetPack inputs -> total and per-atom interaction energies, eV (element energies left out).

    fixed : nobody will ask for forces, so pairs beyond the cutoff are left out of the work, and filters are
        read off a table made for each batch.
    """

    model_outputs = [ENERGY]  # noqa: RUF012  (SchNetPack's contract)

    def __init__(self, potential: Potential, fixed: bool = False) -> None:
        super().__init__()
        self.potential, self.fixed = potential, fixed

    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        batch, Z, R = inputs[properties.idx_m], inputs[properties.Z], inputs[properties.R]
        n_atoms = inputs[properties.n_atoms]
        if self.fixed:
            pairs = NearPairs(tuple(n_atoms.tolist()), R, self.potential.cutoff, KNOTS)
            atomic = self.potential.interaction_energies(pairs, Z, R)
        else:
            atomic = self.potential.atomic_energies(Z, R, batch)
        energy = torch.zeros(len(n_atoms), dtype=atomic.dtype, device=atomic.device).index_add(0, batch, atomic)
        inputs["energy"] = energy
        inputs[ENERGY] = energy / n_atoms
        return inputs


def schnetpack_model(potential: Potential, forces: bool = True) -> NeuralNetworkPotential:
    """`potential` as a SchNetPack model; the weights are shared, not copied."""
    return NeuralNetworkPotential(
        representation=PotentialEnergies(potential, fixed=not forces),
        output_modules=[Forces(energy_key="energy", force_key=FORCES)] if forces else [],
    )


def outputs(energy_weight: float, force_weight: float, loss: str = "robust") -> list[ModelOutput]:
    """What is fitted, with its loss and mean absolute error; forces only where they have a weight.

    The robust losses grow linearly beyond 10 meV/atom and 0.1 eV/Å, so that a few torn structures don't rule.
    """
    wanted = [(ENERGY, energy_weight, 0.01)] + ([(FORCES, force_weight, 0.1)] if force_weight else [])
    results = []
    for name, weight, beta in wanted:
        metrics: dict[str, Any] = {"MAE": torchmetrics.MeanAbsoluteError()}
        function = nn.SmoothL1Loss(beta=beta) if loss == "robust" else nn.MSELoss()
        results.append(ModelOutput(name, function, weight, metrics))
    return results


class PotentialTask(AtomisticTask):
    """SchNetPack's task with AdamW or Muon, a one-cycle schedule by step or none, and checkpoints of plain tensors."""

    def __init__(
        self,
        potential: Potential,
        *,
        learning_rate: float,
        weight_decay: float,
        total_steps: int,
        energy_weight: float,
        force_weight: float,
        schedule: str = "one-cycle",
        loss: str = "robust",
        optimiser: str = "adamw",
    ) -> None:
        super().__init__(
            schnetpack_model(potential, forces=force_weight > 0),
            outputs(energy_weight, force_weight, loss),
            optimizer_cls=torch.optim.AdamW,
            optimizer_args={"lr": learning_rate, "weight_decay": weight_decay},
        )
        self.total_steps, self.schedule, self.optimiser = total_steps, schedule, optimiser

    def configure_optimizers(self):
        optimizer, peaks = self.optimizer_cls(params=self.parameters(), **self.optimizer_kwargs), [self.lr]
        if self.optimiser == "muon":
            optimizer = MuonAdamW(self.named_parameters(), **self.optimizer_kwargs)
            peaks = optimizer.peaks
        if self.schedule == "constant":
            return optimizer
        total = self.total_steps + 1
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            max_lr=peaks,
            total_steps=total,
            pct_start=max(0.1, min(1.0, 2 / total)),  # PyTorch divides by zero where the rise takes no step
            div_factor=10,
            final_div_factor=100,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def save_hyperparameters(self, *args, **kwargs) -> None:
        """Nothing: SchNetPack's would pickle the whole model into every checkpoint."""
