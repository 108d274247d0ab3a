"""How a potential is fitted, as plain data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search.errors import InputError, finite, positive, whole, within

SCHEDULES = ("one-cycle", "constant")
LOSSES = ("robust", "squared")
OPTIMISERS = ("adamw", "muon")
RISE = 0.1  # of a one-cycle schedule, until the peak
FIRST, LAST = 0.1, 0.001  # of the peak, where a one-cycle schedule begins and ends


@dataclass(frozen=True)
class TrainingSettings:
    """How a potential is fitted.

    epochs, batch_size : as usual; a batch holds clusters of like sizes.
    learning_rate : of AdamW; the peak of a one-cycle schedule.
    energy_weight, force_weight : of the losses per atom (eV) and per force component (eV/Å). Without a
        force weight forces are neither asked of the labels nor computed, which is three times as fast.
    gradient_clip : largest norm of the gradient.
    validation_share : share of the starts held out to choose the epoch.
    max_minutes : the fit ends by then, its schedule as low as after the last epoch; None for no limit.
    schedule : "one-cycle", or "constant" as the paper has it.
    optimiser : "adamw", or "muon" (`training.optimiser`), which moves weight matrices by orthogonalised momentum.
    loss : "robust" (linear beyond 10 meV/atom and 0.1 eV/Å), or "squared".
    average : weight of the past in the running average of the weights that is validated and kept, for example 0.999;
        0 for none.
    """

    epochs: int = 20
    batch_size: int = 20
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    energy_weight: float = 4.0
    force_weight: float = 1.0
    gradient_clip: float = 5.0
    validation_share: float = 0.05
    seed: int = 0
    max_minutes: float | None = None
    schedule: str = "one-cycle"
    loss: str = "robust"
    optimiser: str = "adamw"
    average: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("seed", 0)):
            whole(name, getattr(self, name), least)
        if not 0 < self.learning_rate < 1:
            raise InputError(f"the learning rate is {self.learning_rate}; it must lie between 0 and 1")
        within("weight_decay", self.weight_decay, 0, 1)
        positive("gradient_clip", self.gradient_clip)
        if self.max_minutes is not None:
            positive("max_minutes", self.max_minutes, "a number of minutes")
        if not 0 < self.validation_share < 1:
            raise InputError(f"validation_share must lie between 0 and 1, not {self.validation_share}")
        finite("energy_weight", self.energy_weight)
        finite("force_weight", self.force_weight)
        if min(self.energy_weight, self.force_weight) < 0 or not self.energy_weight + self.force_weight > 0:
            raise InputError("energy_weight and force_weight cannot be negative, nor both zero")
        if self.optimiser not in OPTIMISERS:
            raise InputError(f"optimiser is {self.optimiser!r}; choose {' or '.join(OPTIMISERS)}")
        if self.schedule not in SCHEDULES or self.loss not in LOSSES:
            raise InputError(
                f"schedule is {self.schedule!r} and loss {self.loss!r}; choose {' or '.join(SCHEDULES)}, "
                f"and {' or '.join(LOSSES)}"
            )
        if not 0 <= self.average < 1:
            raise InputError(f"average must lie between 0 (none) and 1, not {self.average}")

    @property
    def with_forces(self) -> bool:
        """Whether forces are in the loss."""
        return self.force_weight > 0

    def rate_at(self, progress: float) -> float:
        """Learning rate as a share of its peak, when this share of the fit is done."""
        if self.schedule == "constant":
            return 1.0
        if progress < RISE:
            return _between(FIRST, 1.0, progress / RISE)
        return _between(1.0, LAST, (progress - RISE) / (1 - RISE))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingSettings:
        """Read settings by name; InputError lists any that aren't known."""
        if unknown := sorted(set(values) - set(cls.__dataclass_fields__)):
            raise InputError(
                f"unknown training settings {', '.join(unknown)}; known: {', '.join(cls.__dataclass_fields__)}"
            )
        return cls(**values)


def _between(begin: float, end: float, share: float) -> float:
    """Half a cosine from `begin` to `end`."""
    return end + (begin - end) * 0.5 * (1 + math.cos(math.pi * share))
