"""The search for isomers on islands: many processes or machines, the folder of a plain search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ase import Atoms

from iia_calc.common.device import checked_device, cores
from iia_calc.isomers.dask import executor_at
from iia_calc.isomers.files import write_uncertain
from iia_calc.isomers.method import WithMoves, islands_of, modules_of
from iia_calc.isomers.relaxer import RequestRelaxer, relaxer_maker
from iia_calc.isomers.request import SearchRequest
from iia_calc.isomers.search import IsomerSearch, describe_model, run_record, write_search
from search.geometry.shape import shape_of
from search.islands.run import find_minima_on_islands
from search.islands.scheduler import IslandProgress
from search.relaxers.ase import ASECalculator
from search.relaxers.base import Relaxed, Relaxer


def search_islands(
    request: SearchRequest,
    starts: Sequence[Atoms],
    described: dict[str, Any],
    callback: Callable[[IslandProgress], object] | None,
) -> IsomerSearch:
    """Search on the islands of `request`; run.json also has what became of each, under `islands`.

    Parameters
    ----------
    starts : structures to begin with.
    described : what run.json says of the labels.

    Raises
    ------
    As `search_isomers` and `search.islands.run.find_minima_on_islands`.
    """
    islands = islands_of(request.islands, request.method, request.moves)
    # here it only says what it is and compares what was found
    here = RequestRelaxer.of(request, device="cpu")
    if request.calculator is None:
        used = checked_device(request.device) if request.dask is None or request.device is not None else "each worker's"
        described = {**described, "device": used, "threads": request.threads}
    record = run_record(request, starts, {**here.described, **described})

    def after_epoch(progress: IslandProgress) -> None:
        record.note_running(progress)
        if callback is not None:
            callback(progress)

    def keep_uncertain(uncertain: Sequence[Relaxed]) -> None:
        write_uncertain(uncertain, request.folder / "uncertain.extxyz", describe_model(record.described))

    maker: Callable[[], Relaxer | ASECalculator] = relaxer_maker(request)
    if modules := modules_of(request.moves):
        maker = WithMoves(maker, modules)
    with executor_at(request.dask) as (executor, slots):
        result = find_minima_on_islands(
            request.composition,
            maker,
            islands,
            quenches=request.quenches,
            time_limit=request.time_limit,
            seed=request.seed,
            until_found=request.until_found,
            archive=request.folder / "archive.db",
            callback=after_epoch,
            shape=shape_of,
            batch_size=request.batch_size,
            executor=executor,
            workers=slots or request.workers or min(request.islands, cores()),
            in_step=not request.asynchronous,
            uncertain=keep_uncertain,
            like=here.relaxer,
            starts=starts,
        )
    return write_search(request, result, record, here.committee, {"islands": result.islands})
