"""Fit a potential to labels: resumable, with progress, a loss curve and the weights of the best epoch."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes

from iia_calc.common.device import cpu_threads
from iia_calc.common.files import read_json, replacing, write_json
from iia_calc.labels.store import LabelledStructure, place_in_order
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.training.curve import draw_curve, read_curve, write_curve
from iia_calc.training.levels import LevelPotential
from iia_calc.training.settings import LOSSES, OPTIMISERS, SCHEDULES, TrainingSettings
from search.errors import InputError, JobFailed

if TYPE_CHECKING:
    from iia_calc.training.task import PotentialTask

__all__ = ["LOSSES", "OPTIMISERS", "SCHEDULES", "TrainingSettings", "draw_curve", "fit", "read_curve"]


def fit(
    potential: Potential,
    labelled: Sequence[LabelledStructure],
    folder: str | Path,
    settings: TrainingSettings = TrainingSettings(),
    *,
    progress: bool = True,
    validation: Sequence[int] | None = None,
    on_epoch: Callable[[dict[str, float]], bool | None] | None = None,
    levels: Sequence[int] | None = None,
    repeats: Sequence[float] | None = None,
) -> dict[str, float]:
    """Fit `potential` in place; it ends with the weights of its best validation epoch, and the limits of its labels.

    validation : the labels (by their place) that choose the epoch; by default a share of the starts. They are
        not trained on either way.
    on_epoch : called with each new row of the curve; a true answer ends the fit there.
    levels : of a `LevelPotential`, the number of each label's level.
    repeats : how often an epoch takes each label, on average; once by default.

    The folder receives checkpoints, `curve.csv`, `curve.png` and `best.safetensors`.
    The same call on the same folder goes on after a stop, on as many CPU threads as before. The order of the labels
    makes no difference.

    Returns
    -------
    The validation errors of the best epoch: energy, eV/atom, and forces, eV/Å (mean absolute; NaN without
    forces), with the epoch and the seconds until then, those of stopped calls included.

    Raises
    ------
    ValueError : the folder belongs to a fit with other settings or labels.
    JobFailed : many steps had no finite gradient.
    """
    import torch

    from iia_calc.training.dataset import LabelArrays, LabelDataModule, data_hash
    from iia_calc.training.limits import lift_limits, measure_limits
    from iia_calc.training.task import PotentialTask

    folder, best = Path(folder), _KeepBest(Path(folder), on_epoch)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = [0] * len(labelled) if levels is None else list(levels)
    order = sorted(range(len(labelled)), key=lambda k: (numbers[k], place_in_order(labelled[k])))
    labelled, numbers = [labelled[k] for k in order], [numbers[k] for k in order]
    train, held = _split(labelled, settings, None if validation is None else _places(validation, order))
    times = None if repeats is None else np.asarray(repeats, dtype=float)[order][train]
    energies: tuple[dict[str, float], ...] = (potential.element_energies,)
    if isinstance(potential, LevelPotential):
        energies = potential.level_energies
    identity = {
        "settings": asdict(settings),
        "network": potential.settings.as_dict(),
        "data": data_hash(labelled),
        **({} if validation is None else {"validation": np.unique(validation).tolist()}),
        **({} if levels is None else {"levels": list(levels)}),
        **({} if repeats is None else {"repeats": list(repeats)}),
    }
    threads = _claim(folder, identity)

    torch.manual_seed(settings.seed)
    arrays = LabelArrays(labelled, energies, numbers, potential.device, forces=settings.with_forces)
    module = LabelDataModule(arrays, train, held, settings.batch_size, settings.seed, times)
    potential.requires_grad_(True).train()
    lift_limits(potential)
    steps = settings.epochs * module.steps_per_epoch
    task = PotentialTask(potential, settings, steps, n_levels=len(energies), spent=best.seconds)
    with cpu_threads(threads):
        _run(task, module, folder, settings, best.callback(), progress)
        if not best.path.exists():
            raise JobFailed("the fit ended before its first validation; give it more time")
        potential.load_state_dict(load_file(best.path))
        measure_limits(potential, labelled, numbers)
    potential.freeze()
    draw_curve(best.curve, folder / "curve.png")
    chosen = min(read_curve(best.curve), key=_by_loss)
    return {key: chosen[key] for key in ("energy", "forces", "epoch", "seconds")}


def _run(
    task: PotentialTask, module: Any, folder: Path, settings: TrainingSettings, watch: Any, progress: bool
) -> None:
    """Lightning's training, from the last checkpoint of the folder where there is one."""
    import pytorch_lightning as lightning
    from pytorch_lightning.callbacks import ModelCheckpoint, RichProgressBar

    device, last = task.potential.device, folder / "last.ckpt"
    checkpoint = ModelCheckpoint(folder, filename="last", every_n_epochs=1, save_top_k=1, enable_version_counter=False)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning")  # its advice on workers and loggers
        trainer = lightning.Trainer(
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=[device.index or 0] if device.type == "cuda" else 1,
            max_epochs=settings.epochs,
            logger=False,
            callbacks=[watch, checkpoint, *([RichProgressBar(leave=True)] if progress else [])],
            enable_progress_bar=progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            inference_mode=False,
        )
        try:
            trainer.fit(task, datamodule=module, ckpt_path=str(last) if last.exists() else None, weights_only=True)
        except SystemExit as stopped:  # what Lightning makes of Ctrl-C
            raise KeyboardInterrupt from stopped


def _split(
    labelled: Sequence[LabelledStructure], settings: TrainingSettings, validation: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of training and validation labels."""
    if validation is None:
        from iia_calc.training.dataset import split_by_start

        rng = np.random.default_rng(settings.seed)
        return split_by_start([item.start for item in labelled], settings.validation_share, rng)
    held = np.asarray(validation, dtype=np.int64)
    return np.setdiff1d(np.arange(len(labelled)), held), held


def _places(validation: Sequence[int], order: Sequence[int]) -> list[int]:
    """Where the labels of these numbers are in the new order."""
    held = set(np.asarray(validation, dtype=np.int64).tolist())
    if not 0 < len(held) < len(order) or min(held) < 0 or max(held) >= len(order):
        raise InputError(f"validation must name some of the {len(order)} labels, and not all")
    return [place for place, k in enumerate(order) if k in held]


def _claim(folder: Path, identity: dict[str, Any]) -> int:
    """Take the folder for this fit, or find that it is this fit's; the CPU threads that it began on."""
    import torch

    path, threads = folder / "fit.json", torch.get_num_threads()
    if path.exists():
        found = read_json(path)
        threads = found.pop("threads", threads)  # they share out sums, and so decide how these are rounded
        # a fit begun before a setting existed had its default
        found["settings"] = asdict(TrainingSettings.from_dict(found["settings"]))
        found["network"] = NetworkSettings.from_dict(found["network"]).as_dict()
        if found != identity:
            raise InputError(f"{folder} holds a fit with other settings or labels; give another folder")
    else:
        write_json(path, {**identity, "threads": threads})
    return threads


def _by_loss(row: dict[str, float]) -> float:
    return math.inf if math.isnan(row["loss"]) else row["loss"]


class _KeepBest:
    """Writes the curve after each validation and the weights whenever it is the best so far."""

    def __init__(self, folder: Path, on_epoch: Callable[[dict[str, float]], bool | None] | None = None) -> None:
        self.path, self.curve = folder / "best.safetensors", folder / "curve.csv"
        self.on_epoch = on_epoch or (lambda row: None)
        earlier = read_curve(self.curve)
        self.spent = earlier[-1]["seconds"] if earlier else 0.0
        self.began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the fit began, those of stopped calls included."""
        return self.spent + time.monotonic() - self.began

    def callback(self) -> Any:
        from pytorch_lightning.callbacks import LambdaCallback

        return LambdaCallback(on_validation_epoch_end=self.after_validation)

    def after_validation(self, trainer: Any, task: Any) -> None:
        each: list[dict[str, float]] = task.errors()
        row: dict[str, float] = {"epoch": trainer.current_epoch}
        for name in ("loss", "energy", "forces"):
            known = [errors[name] for errors in each if errors["loss"] == errors["loss"]]
            row[name] = float(np.mean(known)) if known else math.nan
        row["seconds"] = self.seconds
        if len(each) > 1:
            row |= {f"{name}_{k}": errors[name] for k, errors in enumerate(each) for name in ("energy", "forces")}
        rows = [r for r in read_curve(self.curve) if r["epoch"] < row["epoch"]]
        if not rows or _by_loss(row) < min(map(_by_loss, rows)):
            weights = task.best.state_dict()
            with replacing(self.path) as part:  # save_file would say of a full disk what is no OSError
                part.write_bytes(to_bytes({key: value.detach().cpu().contiguous() for key, value in weights.items()}))
        write_curve(self.curve, [*rows, row])
        if self.on_epoch(row):
            trainer.should_stop = True
