"""A SchNet-IIA potential inside SchNetPack's NeuralNetworkPotential, and the task that fits it."""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from schnetpack import properties
from schnetpack.atomistic import Forces
from schnetpack.model import NeuralNetworkPotential
from schnetpack.task import AtomisticTask, ModelOutput
from torch import nn

from iia_calc.model.pairs.within_cutoff import KNOTS, NearPairs
from iia_calc.model.potential import Potential
from iia_calc.training.average import WeightAverage
from iia_calc.training.captured import CapturedGradients
from iia_calc.training.dataset import ENERGY, FORCES, LAYOUT, LEVEL, REAL
from iia_calc.training.levels import LevelPotential
from iia_calc.training.optimiser import MuonAdamW
from iia_calc.training.settings import TrainingSettings
from search.errors import JobFailed

MANY = 20
"""Steps without finite gradients, of a hundred, that end a fit."""


class PotentialEnergies(nn.Module):
    """A batch of `training.dataset` -> total and per-atom interaction energies, eV (element energies left out).

    fixed : nobody will ask for forces, so pairs beyond the cutoff are left out of the work, and filters are
        read off a table made for each batch.
    """

    model_outputs = [ENERGY]  # noqa: RUF012  (SchNetPack's contract)

    def __init__(self, potential: Potential, fixed: bool = False) -> None:
        super().__init__()
        self.potential, self.fixed = potential, fixed

    def forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Add energies per structure [n_structures] and per atom, eV, to SchNetPack's batch."""
        batch, Z, R = inputs[properties.idx_m], inputs[properties.Z], inputs[properties.R]
        n_atoms, pairs = inputs[properties.n_atoms], inputs[LAYOUT]
        if self.fixed:
            pairs = NearPairs(pairs.sizes, R, self.potential.cutoff, KNOTS)
        if isinstance(self.potential, LevelPotential):
            self.potential.at(inputs[LEVEL], pairs)
        atomic = self.potential.interaction_energies(pairs, Z, R)  # [n_atoms]
        if REAL in inputs:
            atomic = atomic * inputs[REAL]
        energy = torch.zeros(len(n_atoms), dtype=atomic.dtype, device=atomic.device).index_add(0, batch, atomic)
        inputs["energy"] = energy
        inputs[ENERGY] = energy / n_atoms
        return inputs


def _copy(batch: dict[str, Any]) -> dict[str, Any]:
    """The same batch for a model, which adds to it what it predicts and wants derivatives by the positions."""
    return batch | {properties.R: batch[properties.R].detach()}


def schnetpack_model(potential: Potential, forces: bool = True) -> NeuralNetworkPotential:
    """`potential` as a SchNetPack model; the weights are shared, not copied."""
    return NeuralNetworkPotential(
        representation=PotentialEnergies(potential, fixed=not forces),
        output_modules=[Forces(energy_key="energy", force_key=FORCES)] if forces else [],
    )


def outputs(energy_weight: float, force_weight: float, loss: str = "robust") -> list[ModelOutput]:
    """What is fitted, with its loss; forces only where they have a weight.

    The robust losses grow linearly beyond 10 meV/atom and 0.1 eV/Å, so that a few torn structures don't rule.
    """
    wanted = [(ENERGY, energy_weight, 0.01)] + ([(FORCES, force_weight, 0.1)] if force_weight else [])
    results = []
    for name, weight, beta in wanted:
        function = nn.SmoothL1Loss(beta=beta) if loss == "robust" else nn.MSELoss()
        results.append(ModelOutput(name, function, weight, {}))
    return results


class PotentialTask(AtomisticTask):  # type: ignore[misc]  # SchNetPack has no types
    """SchNetPack's task with AdamW or Muon, a schedule by step or by time, averaged weights and a guard against NaN.

    potential : what is fitted, in place.
    total_steps : of the whole fit.
    spent : seconds that calls before this one have used up, for a schedule by time.

    `best` is the potential that validations measure: the average of the weights where one is kept, else `potential`.
    """

    def __init__(
        self,
        potential: Potential,
        settings: TrainingSettings,
        total_steps: int,
        *,
        n_levels: int = 1,
        spent: float = 0.0,
    ) -> None:
        super().__init__(
            schnetpack_model(potential, forces=settings.with_forces),
            outputs(settings.energy_weight, settings.force_weight, settings.loss),
            optimizer_cls=torch.optim.AdamW,
            optimizer_args={"lr": settings.learning_rate, "weight_decay": settings.weight_decay},
        )
        self.automatic_optimization = False
        self.settings, self.total_steps, self.n_levels = settings, total_steps, n_levels
        self.potential = potential
        self.average = WeightAverage(potential, settings.average) if settings.average else None
        self.best: Potential = self.average.model if self.average else potential
        self.measured = schnetpack_model(self.best, forces=settings.with_forces)
        self.began = time.monotonic() - spent
        self.skipped = torch.zeros(())
        self.sums = torch.zeros(n_levels, 5)
        self._gradients: CapturedGradients | None = None

    # training

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Lightning's hook: one step of the optimiser, unless a gradient isn't finite."""
        if self._gradients is None:
            self._gradients = CapturedGradients(self.loss_of, self.potential.parameters())
            self.skipped = self.skipped.to(self.device)
        optimizer = self.optimizers()
        self._gradients(batch)
        if self._clip(self._gradients.flat):
            for group, peak in zip(optimizer.param_groups, self.peaks, strict=True):
                group["lr"] = peak * self.settings.rate_at(self.progress())
            optimizer.step()
            if self.average:
                self.average.update(self.potential)
        if self.progress() >= 1:
            self.trainer.should_stop = True

    def progress(self) -> float:
        """How much of the fit is done, 0 to 1: by steps, or by time where that is shorter."""
        done = float(self.global_step / max(1, self.total_steps))
        if self.settings.max_minutes:
            done = max(done, (time.monotonic() - self.began) / (60 * self.settings.max_minutes))
        return min(1.0, done)

    def loss_of(self, batch: dict[str, Any]) -> torch.Tensor:
        """The loss [] of a batch, which stays as it is."""
        return self._losses(self.model(_copy(batch)), batch)

    def _losses(self, predicted: dict[str, torch.Tensor], batch: dict[str, Any]) -> torch.Tensor:
        loss = torch.zeros((), device=batch[ENERGY].device)
        for output in self.outputs:
            part = output.calculate_loss(predicted, batch)
            if output.name == FORCES and REAL in batch:  # a mean over padding, too, whose forces are right
                part = part * (batch[REAL].numel() / batch[REAL].sum())
            loss = loss + part
        return loss

    def _clip(self, gradient: torch.Tensor) -> bool:
        """Scale the gradient to at most `gradient_clip`; False if the step is to be left out.

        Gradients that aren't finite are counted. On a GPU they become zero, since to look at them would stop it.
        """
        norm = gradient.norm()
        finite = torch.isfinite(norm)
        self.skipped += ~finite
        limit = self.settings.gradient_clip
        scale = torch.where(finite, limit / norm.clamp_min(limit), torch.zeros_like(norm))
        gradient.nan_to_num_(0.0, 0.0, 0.0).mul_(scale)
        return gradient.is_cuda or bool(finite)

    def on_train_epoch_end(self) -> None:
        """Lightning's hook: JobFailed where too many steps had no finite gradient."""
        skipped, steps = int(self.skipped), self.global_step + 1
        if skipped > 3 and skipped > steps * MANY / 100:
            raise JobFailed(
                f"{skipped} of {steps} steps had no finite gradient; take a lower learning rate than "
                f"{self.settings.learning_rate:g} or look for labels that are off"
            )

    # validation

    def on_validation_epoch_start(self) -> None:
        """Lightning's hook: sums of errors begin at zero."""
        self.sums = torch.zeros(self.n_levels, 5, dtype=torch.float64, device=self.device)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Lightning's hook: add a batch's errors to the sums of its levels."""
        torch.set_grad_enabled(self.grad_enabled)
        level = batch[LEVEL]
        of_structure = level[batch[properties.n_atoms].cumsum(0) - 1]  # [B]
        predicted = self.measured(_copy(batch))
        with torch.no_grad():
            loss = self._losses(predicted, batch)
            error = (predicted[ENERGY] - batch[ENERGY]).abs()  # [B]
            one = torch.ones_like(error)
            self.sums[:, :3].index_add_(0, of_structure, torch.stack([one, error, loss * one], 1).double())
            if FORCES in batch:
                wrong = (predicted[FORCES] - batch[FORCES]).abs().sum(1)  # [n_atoms]
                found = torch.stack([torch.full_like(wrong, 3.0), wrong], 1).double()
                self.sums[:, 3:].index_add_(0, level, found)

    def errors(self) -> list[dict[str, float]]:
        """Of each level: mean absolute errors of energies, eV/atom, and forces, eV/Å, and the loss."""
        rows = []
        for count, energy, loss, components, forces in self.sums.tolist():
            rows.append({
                "loss": loss / count if count else math.nan,
                "energy": energy / count if count else math.nan,
                "forces": forces / components if components else math.nan,
            })  # fmt: skip
        return rows

    # what Lightning asks for

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Lightning's hook: AdamW, or Muon for the weight matrices."""
        named = [(f"model.{name}", p) for name, p in self.potential.named_parameters()]
        if self.settings.optimiser == "muon":
            optimizer: torch.optim.Optimizer = MuonAdamW(named, **self.optimizer_kwargs)
        else:
            optimizer = self.optimizer_cls([p for _, p in named], **self.optimizer_kwargs)
        self.peaks = [group["lr"] for group in optimizer.param_groups]
        return optimizer

    def setup(self, stage: str | None = None) -> None:
        """Nothing: there are no transforms to set up."""

    def save_hyperparameters(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: SchNetPack's would pickle the whole model into every checkpoint."""
