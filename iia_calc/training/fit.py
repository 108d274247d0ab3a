"""Fit a potential to labels: resumable, with progress, a loss curve and the weights of the best epoch."""

from __future__ import annotations

import csv
import json
import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from iia_calc.labels.store import LabelledStructure
from iia_calc.model.potential import Potential
from search.errors import InputError, JobFailed

SCHEDULES = ("one-cycle", "constant")
LOSSES = ("robust", "squared")
OPTIMISERS = ("adamw", "muon")


@dataclass(frozen=True)
class TrainingSettings:
    """How a potential is fitted.

    epochs, batch_size : as usual; a batch holds clusters of like sizes.
    learning_rate : of AdamW; the peak of a one-cycle schedule.
    energy_weight, force_weight : of the losses per atom (eV) and per force component (eV/Å). Without a
        force weight forces are neither asked of the labels nor computed, which is three times as fast.
    gradient_clip : largest norm of the gradient.
    validation_share : share of the starts held out to choose the epoch.
    max_minutes : stop and keep the best so far, None for no limit.
    schedule : "one-cycle", or "constant" as the paper has it.
    optimiser : "adamw", or "muon" (`training.optimiser`), which moves weight matrices by orthogonalised momentum.
    loss : "robust" (linear beyond 10 meV/atom and 0.1 eV/Å), or "squared".
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

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1 or not 0 < self.learning_rate < 1:
            raise InputError("epochs and batch_size must be at least 1 and the learning rate between 0 and 1")
        if not 0 < self.validation_share < 1:
            raise InputError(f"validation_share must lie between 0 and 1, not {self.validation_share}")
        if min(self.energy_weight, self.force_weight) < 0 or not self.energy_weight + self.force_weight > 0:
            raise InputError("energy_weight and force_weight cannot be negative, nor both zero")
        if self.optimiser not in OPTIMISERS:
            raise InputError(f"optimiser is {self.optimiser!r}; choose {' or '.join(OPTIMISERS)}")
        if self.schedule not in SCHEDULES or self.loss not in LOSSES:
            raise InputError(
                f"schedule is {self.schedule!r} and loss {self.loss!r}; choose {' or '.join(SCHEDULES)}, "
                f"and {' or '.join(LOSSES)}"
            )

    @property
    def with_forces(self) -> bool:
        return self.force_weight > 0

    @classmethod
    def from_dict(cls, values: Mapping) -> TrainingSettings:
        if unknown := sorted(set(values) - set(cls.__dataclass_fields__)):
            raise InputError(
                f"unknown training settings {', '.join(unknown)}; known: {', '.join(cls.__dataclass_fields__)}"
            )
        return cls(**values)


def fit(
    potential: Potential,
    labelled: Sequence[LabelledStructure],
    folder: str | Path,
    settings: TrainingSettings = TrainingSettings(),
    *,
    progress: bool = True,
    validation: Sequence[int] | None = None,
    on_epoch: Callable[[dict[str, float]], bool | None] | None = None,
) -> dict[str, float]:
    """Fit `potential` in place; it ends with the weights of its best validation epoch, and the limits of its labels.

    validation : the labels (by their place) that choose the epoch; by default a share of the starts. They are
        not trained on either way.
    on_epoch : called with each new row of the curve; a true answer ends the fit there.

    The folder receives the data set, checkpoints, `curve.csv`, `curve.png` and `best.safetensors`.
    The same call on the same folder goes on after a stop.

    Returns
    -------
    The validation errors of the best epoch: energy, eV/atom, and forces, eV/Å (mean absolute; NaN without
    forces), with the epoch and the seconds until then, those of stopped calls included.

    Raises
    ------
    ValueError : the folder belongs to a fit with other settings or labels.
    """
    import pytorch_lightning as lightning
    from pytorch_lightning.callbacks import ModelCheckpoint, RichProgressBar
    from pytorch_lightning.loggers import CSVLogger

    from iia_calc.training.dataset import (
        LabelDataModule,
        data_hash,
        write_dataset,
    )
    from iia_calc.training.limits import lift_limits, measure_limits
    from iia_calc.training.task import PotentialTask

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sizes = np.array([len(item.atoms) for item in labelled])
    train, held = _split(labelled, settings, validation)
    identity = {
        "settings": asdict(settings),
        "network": potential.settings.as_dict(),
        "data": data_hash(labelled),
        **({} if validation is None else {"validation": held.tolist()}),
    }
    _claim(folder, identity)
    data_path = folder / "data.db"
    if not data_path.exists():
        partial = folder / "partial.db"
        write_dataset(labelled, potential.element_energies, partial, forces=settings.with_forces)
        partial.rename(data_path)

    torch.manual_seed(settings.seed)
    module = LabelDataModule(data_path, train, held, sizes, settings.batch_size, settings.seed)
    steps = settings.epochs * (len(train) // module.batch_size)
    potential.requires_grad_(True).train()
    lift_limits(potential)
    task = PotentialTask(
        potential,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        total_steps=steps,
        energy_weight=settings.energy_weight,
        force_weight=settings.force_weight,
        schedule=settings.schedule,
        loss=settings.loss,
        optimiser=settings.optimiser,
    )
    best = _KeepBest(folder, potential, on_epoch)
    last = folder / "last.ckpt"
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on workers and loggers
        trainer = lightning.Trainer(
            accelerator="gpu" if potential.device.type == "cuda" else "cpu",
            devices=[potential.device.index or 0] if potential.device.type == "cuda" else 1,
            max_epochs=settings.epochs,
            max_time={"seconds": int(60 * settings.max_minutes)} if settings.max_minutes else None,
            gradient_clip_val=settings.gradient_clip,
            logger=CSVLogger(folder, name="log", version=""),
            callbacks=[
                best.callback(),
                ModelCheckpoint(folder, filename="last", every_n_epochs=1, save_top_k=1, enable_version_counter=False),
                *([RichProgressBar(leave=True)] if progress else []),
            ],
            enable_progress_bar=progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            inference_mode=False,
        )
        try:
            trainer.fit(task, datamodule=module, ckpt_path=str(last) if last.exists() else None, weights_only=True)
        except SystemExit as stopped:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from stopped
    if not best.path.exists():
        raise JobFailed("the fit ended before its first validation; give it more time")
    potential.load_state_dict(load_file(best.path))
    measure_limits(potential, labelled)
    potential.freeze()
    draw_curve(best.curve, folder / "curve.png")
    chosen = min(read_curve(best.curve), key=lambda row: row["loss"])
    return {
        "energy": chosen["energy"],
        "forces": chosen["forces"],
        "epoch": chosen["epoch"],
        "seconds": chosen["seconds"],
    }


def _split(
    labelled: Sequence[LabelledStructure], settings: TrainingSettings, validation: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and validation labels."""
    if validation is None:
        from iia_calc.training.dataset import split_by_start

        rng = np.random.default_rng(settings.seed)
        return split_by_start([item.start for item in labelled], settings.validation_share, rng)
    held = np.unique(np.asarray(validation, dtype=np.int64))
    if not 0 < len(held) < len(labelled) or held[0] < 0 or held[-1] >= len(labelled):
        raise InputError(f"validation must name some of the {len(labelled)} labels, and not all")
    return np.setdiff1d(np.arange(len(labelled)), held), held


def _claim(folder: Path, identity: dict) -> None:
    path = folder / "fit.json"
    if path.exists():
        found = json.loads(path.read_text())
        # a fit begun before a setting existed had its default
        found["settings"] = asdict(TrainingSettings.from_dict(found["settings"]))
        if found != identity:
            raise InputError(f"{folder} holds a fit with other settings or labels; give another folder")
    else:
        path.write_text(json.dumps(identity, indent=1))


class _KeepBest:
    """Writes the curve after each validation and the weights whenever it is the best so far."""

    def __init__(
        self, folder: Path, potential: Potential, on_epoch: Callable[[dict[str, float]], bool | None] | None = None
    ) -> None:
        self.path, self.curve, self.potential = folder / "best.safetensors", folder / "curve.csv", potential
        self.on_epoch = on_epoch or (lambda row: None)

    def callback(self):
        import time

        from pytorch_lightning.callbacks import LambdaCallback

        from iia_calc.training.dataset import ENERGY, FORCES

        began = time.monotonic()
        earlier = read_curve(self.curve)
        spent = earlier[-1]["seconds"] if earlier else 0.0

        def after_validation(trainer, task) -> None:
            values = trainer.callback_metrics
            row = {
                "epoch": trainer.current_epoch,
                "loss": float(values["val_loss"]),
                "energy": float(values[f"val_{ENERGY}_MAE"]),
                "forces": float(values.get(f"val_{FORCES}_MAE", math.nan)),
                "seconds": spent + time.monotonic() - began,
            }
            rows = [r for r in read_curve(self.curve) if r["epoch"] < row["epoch"]]
            if not rows or row["loss"] < min(r["loss"] for r in rows):
                partial = self.path.with_suffix(".partial")
                save_file(
                    {k: v.detach().cpu().contiguous() for k, v in self.potential.state_dict().items()},
                    partial,
                )
                partial.rename(self.path)
            with self.curve.open("w", newline="") as out:
                writer = csv.DictWriter(out, row)
                writer.writeheader()
                writer.writerows([*rows, row])
            if self.on_epoch(row):
                trainer.should_stop = True

        return LambdaCallback(on_validation_epoch_end=after_validation)


def read_curve(path: Path) -> list[dict[str, float]]:
    """Rows of `curve.csv`: epoch, loss, energy (eV/atom), forces (eV/Å; NaN without), seconds since the start."""
    if not path.exists():
        return []
    with path.open() as lines:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def draw_curve(curve: Path, picture: Path) -> None:
    """Validation errors against epochs."""
    from matplotlib.figure import Figure

    rows = read_curve(curve)
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    left = figure.subplots()
    epochs = [row["epoch"] + 1 for row in rows]
    left.semilogy(epochs, [1e3 * row["energy"] for row in rows], "C0.-", label="energy")
    left.set(xlabel="epoch", ylabel="energy MAE, meV/atom")
    if not any(math.isnan(row["forces"]) for row in rows):
        right = left.twinx()
        right.semilogy(epochs, [row["forces"] for row in rows], "C1.-", label="forces")
        right.set_ylabel("force MAE, eV/Å")
    figure.legend(loc="outside upper right", ncols=2)
    figure.savefig(picture, dpi=150)
