"""The search for isomers on islands: as `search_isomers`, on many processes or machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from iia_calc.common.device import checked_device
from iia_calc.common.files import write_json
from iia_calc.isomers.run_record import RunRecord, versions
from iia_calc.isomers.search import (
    DEFAULT_TIME,
    IsomerSearch,
    model_relaxer,
    search_folder,
    write_search,
    write_strayed,
)
from iia_calc.model.storage import code_version, find, models_folder
from search.geometry.composition import Composition
from search.geometry.shape import shape_of
from search.islands.run import default_islands, find_minima_on_islands
from search.islands.scheduler import IslandProgress
from search.islands.task import WorkerMismatch
from search.relaxers.base import Relaxed, Relaxer


@dataclass(frozen=True)
class ModelRelaxer:
    """Makes the relaxer of a model on a worker, wherever that is; see `model_relaxer`.

    Attributes
    ----------
    formula : whose elements the model must know.
    model : a shipped model's name, or a folder that every worker sees under the same path.
    device : None takes the GPU where a worker has one.
    threads : CPU threads of each worker.
    version : of this package; a worker with another one refuses.

    Raises
    ------
    WorkerMismatch : the worker has no such model or device, or another version.
    """

    formula: str
    model: str
    device: str | None
    fmax: float
    threads: int = 1
    version: str = ""

    def __call__(self) -> Relaxer:
        import torch

        if self.version and code_version() != self.version:
            raise WorkerMismatch(f"a worker has schnet-iia {code_version()}, the search runs {self.version}")
        torch.set_num_threads(self.threads)
        try:
            return model_relaxer(Composition.parse(self.formula), self.model, self.device, self.fmax)[0]
        except ValueError as error:
            raise WorkerMismatch(f"a worker cannot relax with this model: {error}") from error


def search_isomers_on_islands(
    formula: str,
    islands: int,
    *,
    out: str | Path | None = None,
    method: str | None = None,
    quenches: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    model: str | Path | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    fmax: float = 0.005,
    until_found: int | None = None,
    threads: int = 1,
    executor: Executor | None = None,
    workers: int | Callable[[], int] | None = None,
    in_step: bool = True,
    callback: Callable[[IslandProgress], object] | None = None,
    drawn: bool = True,
    starts: Sequence[Atoms] = (),
) -> IsomerSearch:
    """Search on `islands` islands; the folder and what isn't said here are those of `search_isomers`.

    run.json also has what distinguishes the islands and what became of each, under `islands`.

    Parameters
    ----------
    method : of all islands; None mixes three ways of basin hopping and a bee colony.
    device : None takes the GPU where a worker has one. threads : CPU threads of each worker.
    executor, workers, in_step : see `search.islands.run.find_minima_on_islands`.

    Raises
    ------
    As `search_isomers` and `find_minima_on_islands`.
    """
    composition = Composition.parse(formula)
    chosen = default_islands(islands, method)
    if quenches is None and time_limit is None and until_found is None:
        time_limit = DEFAULT_TIME
    path = find(model)
    used = "each worker's" if executor is not None and device is None else device
    if executor is None:
        used = checked_device(device)
    relaxer, described = model_relaxer(composition, path, "cpu", fmax)  # here it only says what it is
    folder = search_folder(composition, out)
    settings = {
        "formula": composition.formula,
        "method": method,
        "quenches": quenches,
        "time_limit": time_limit,
        "seed": seed,
        "batch_size": batch_size,
        "fmax": fmax,
        "until_found": until_found,
        "in_step": in_step,
        "starts": len(starts),
        "islands": [asdict(island) for island in chosen],
    }
    described = {
        **described,
        "device": used,
        "threads": threads,
        "settings": settings,
        "versions": versions(),
    }
    record = RunRecord(folder / "run.json", described)

    def after_epoch(progress: IslandProgress) -> None:
        record.running(progress)
        if callback is not None:
            callback(progress)

    def keep_uncertain(strayed: Sequence[Relaxed]) -> None:
        write_strayed(strayed, folder / "uncertain.extxyz")

    shipped = path.resolve().parent == models_folder().resolve()
    result = find_minima_on_islands(
        composition,
        ModelRelaxer(
            composition.formula, path.name if shipped else str(path.resolve()), device, fmax, threads, code_version()
        ),
        chosen,
        quenches=quenches,
        time_limit=time_limit,
        seed=seed,
        until_found=until_found,
        archive=folder / "archive.db",
        callback=after_epoch,
        shape=shape_of,
        batch_size=batch_size,
        executor=executor,
        workers=workers,
        in_step=in_step,
        uncertain=keep_uncertain,
        like=relaxer,
        starts=starts,
    )
    found = write_search(result, record, drawn=drawn)
    run: dict[str, Any] = {**found.run, "islands": result.islands}
    write_json(record.path, run)
    return IsomerSearch(found.isomers, result, folder, run)
