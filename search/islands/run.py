"""A search on islands: several searchers of different seeds and settings, on any executor, with one archive.

Each island runs in epochs (`search.islands.task`), which go to processes here or to machines elsewhere; what is good
is passed on around the ring (`search.searchers.exchange`), and all is merged in one order (`search.islands.state`).
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from ase import Atoms

from search.archive.archive import Archive
from search.archive.encoding import plain, to_json
from search.archive.minimum import minima_as_atoms
from search.errors import InputError, InputTypeError, check_flags, check_functions, quote, whole, whole_or_none
from search.geometry.composition import Composition
from search.geometry.scale import LengthScale
from search.islands.kinds import Island, default_islands
from search.islands.pool import leave_if_starting
from search.islands.scheduler import Dispatch, IslandProgress
from search.islands.state import Archipelago
from search.islands.task import Epoch
from search.relaxers.ase import ASECalculator, as_relaxer
from search.relaxers.base import Relaxed, Relaxer
from search.result import SearchResult
from search.searchers.base import Searcher, settings_from
from search.searchers.methods import find_method
from search.searchers.starts import fingerprint, in_order
from search.stopping import Limits

EPOCH = 32
"""Quenches of an island between two exchanges, where the batches aren't larger."""


@dataclass(frozen=True)
class IslandsResult(SearchResult):
    """What a search on islands found.

    Attributes
    ----------
    islands : of each: method, settings, seed, epochs, quenches, guests (minima taken over), lowest_energy,
        seconds and seconds_relaxing (of work, all calls), given_up (why, or None).
    """

    islands: list[dict[str, Any]] = field(default_factory=list)


def find_minima_on_islands(
    formula_or_atoms: str | Atoms | Composition,
    make_relaxer: Callable[[], Relaxer | ASECalculator],
    islands: int | Sequence[Island] = 4,
    *,
    quenches: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    target_energy: float | None = None,
    until_found: int | None = None,
    archive: str | Path | None = None,
    callback: Callable[[IslandProgress], object] | None = None,
    shape: Callable[[Atoms], str] | None = None,
    batch_size: int | None = None,
    epoch: int | None = None,
    executor: Executor | None = None,
    workers: int | Callable[[], int] | None = None,
    in_step: bool = True,
    uncertain: Callable[[Sequence[Relaxed]], object] | None = None,
    like: Relaxer | ASECalculator | None = None,
    starts: Sequence[Atoms] = (),
) -> IslandsResult:
    """As `search.find_minima`, on several islands at once. What is not said here is said there.

    A search ended by `quenches` gives the same for the same seed, whatever the workers are and however often
    it was killed in between. One ended otherwise holds, besides, whatever other islands had finished.

    Parameters
    ----------
    make_relaxer : makes the relaxer (or an ASE calculator); pickled, and called on each worker once.
    islands : how many (of `default_islands`), or which.
    quenches : of all islands together. time_limit : seconds for this call; epochs under way are finished.
    epoch : quenches of an island between two exchanges. batch_size : structures an island relaxes at once.
    executor : where the epochs go, any of `concurrent.futures` or `dask.distributed.Client.get_executor()`.
        None: `workers` processes on this machine, replaced where they die.
    workers : how many epochs the executor can do at once, as far as known; of a cluster that grows, a function.
    in_step : False lets islands take whatever was passed on so far: on unequal workers nobody waits for the
        slow ones, but two runs will differ.
    uncertain : called with the quenches that ended as uncertain, before they are counted.
    like : a relaxer as the workers will make it; None makes one here. Only what it is called and its bond length
        are read, so that a machine without the workers' device can lead the search.
    starts : dealt out to the islands, which begin with them; at most as many as their first epochs have quenches.

    Raises
    ------
    ValueError, TypeError, BlockingIOError : as `find_minima`. WorkerMismatch : a worker has another model or version.
    ConnectionError : the executor was lost. RuntimeError : the relaxer failed for every structure, or every island
        was given up. In all of these what was stored stays, and the same call goes on.
    """
    leave_if_starting()
    check_functions(callback=callback, shape=shape, uncertain=uncertain)
    check_flags(in_step=in_step)
    plan = _Plan.of(
        Composition.parse(formula_or_atoms),
        make_relaxer,
        _islands(islands),
        Limits(quenches, time_limit, target_energy, until_found),
        like=like,
        pickled=executor is None,
        seed=whole("seed", seed, least=0),
        batch_size=whole_or_none("batch_size", batch_size, least=1),
        epoch=whole_or_none("epoch", epoch, least=1),
        shape=shape,
        starts=starts,
    )
    if not callable(workers) and (executor is None or workers is not None):
        workers = whole_or_none("workers", workers, least=1)
    with Archive(archive, plan.composition, bond_length=plan.bond_length) as store:
        store.bind(plan.identity)
        archipelago = Archipelago(store, len(plan.islands), plan.epoch, in_step, plan.limits.target_energy, uncertain)
        dispatch = Dispatch(archipelago, plan.tasks(archipelago), executor, workers, callback)
        stopped_by = dispatch.run(plan.limits)
        if stopped_by != "interrupted":
            archipelago.failures.check_end(archipelago.tally.n_quenches)
        return _result(archipelago, dispatch, plan, stopped_by)


@dataclass(frozen=True)
class _IslandPlan:
    """What distinguishes one island, all of it said."""

    kind: type[Searcher]
    settings: dict[str, Any]
    seed: int
    batch_size: int

    @property
    def as_plain(self) -> dict[str, Any]:
        """For the archive, which is tied to it, and for the result."""
        return {
            "method": self.kind.name,
            "settings": self.settings,
            "seed": self.seed,
            "batch_size": self.batch_size,
        }


@dataclass(frozen=True)
class _Plan:
    """All that is asked of a search on islands, checked. See `find_minima_on_islands`."""

    composition: Composition
    make_relaxer: Callable[[], Relaxer | ASECalculator]
    islands: list[_IslandPlan]
    limits: Limits
    seed: int
    epoch: int
    signature: str
    bond_length: float | None
    shape: Callable[[Atoms], str] | None
    starts: Sequence[Atoms]

    @classmethod
    def of(
        cls,
        composition: Composition,
        make_relaxer: Callable[[], Relaxer | ASECalculator],
        islands: Sequence[Island],
        limits: Limits,
        *,
        like: Relaxer | ASECalculator | None,
        pickled: bool,
        seed: int,
        batch_size: int | None,
        epoch: int | None,
        shape: Callable[[Atoms], str] | None,
        starts: Sequence[Atoms],
    ) -> _Plan:
        """With what follows from what is asked. pickled : whether `make_relaxer` goes to other processes."""
        if not islands:
            raise InputError("islands is empty; give at least one")
        if not callable(make_relaxer):
            raise InputTypeError(
                f"make_relaxer is a {type(make_relaxer).__name__}; give a function or class that makes one"
            )
        relaxer = as_relaxer(make_relaxer() if like is None else like)
        if pickled:
            _check_pickles(make_relaxer)
        scale = LengthScale.of(composition, relaxer)
        epoch = epoch or max(EPOCH, batch_size or 0)
        plans = [_plan(island, k, seed, batch_size, scale) for k, island in enumerate(islands)]
        given = in_order(starts, composition)
        if len(given) > epoch * len(plans):
            raise InputError(
                f"there are {len(given)} starting structures, more than {len(plans)} islands relax in their "
                f"first epochs ({epoch} each); give fewer, or longer epochs"
            )
        signature, bond = relaxer.signature, relaxer.bond_length
        return cls(composition, make_relaxer, plans, limits, seed, epoch, signature, bond, shape, given)

    @property
    def identity(self) -> str:
        """What must be the same for a search to go on from an archive."""
        asked = {
            "islands": [island.as_plain for island in self.islands],
            "seed": self.seed,
            "epoch": self.epoch,
            "relaxer": self.signature,
            "niches": self.shape is not None,
            **({"starts": fingerprint(self.starts)} if self.starts else {}),
        }
        return to_json(asked, sort_keys=True)

    def tasks(self, archipelago: Archipelago) -> Callable[[int, int], Epoch]:
        """Makes the next epoch of an island, by its number and how often that was tried."""
        search = uuid4().hex

        def task(k: int, attempt: int) -> Epoch:
            standing, island = archipelago.standings[k], self.islands[k]
            return Epoch(
                search=search,
                island=k,
                number=standing.finished + 1,
                attempt=attempt,
                formula=self.composition.formula,
                relaxer=self.make_relaxer,
                signature=self.signature,
                method=island.kind,
                settings=island.settings,
                seed=island.seed,
                batch_size=island.batch_size,
                quenches=archipelago.quenches_left(k, self.limits.quenches),
                state=standing.state,
                guests=archipelago.guests(k),
                shape=self.shape,
                bests=standing.bests.get(str(standing.finished), {}),
                starts=self.starts[k :: len(self.islands)],
            )

        return task


def _plan(island: Island, k: int, seed: int, batch_size: int | None, scale: LengthScale) -> _IslandPlan:
    """What distinguishes island k."""
    kind = find_method(island.method)
    settings = settings_from(kind.Settings, island.settings)
    own_seed = int(np.random.SeedSequence([seed, k]).generate_state(1, np.uint32)[0])
    batch_size = batch_size or kind(scale, settings).batch_size
    return _IslandPlan(kind, plain(asdict(settings)), own_seed, batch_size)


def _islands(islands: int | Sequence[Island]) -> list[Island]:
    """The islands that are asked for, by number or one by one."""
    if isinstance(islands, Sequence) and not isinstance(islands, str):
        if wrong := [island for island in islands if not isinstance(island, Island)]:
            raise InputTypeError(f"islands holds {quote(wrong[0])}; give Island(method, settings) for each")
        if not islands:
            raise InputError("islands is empty; give how many there are to be, or an Island for each")
        return list(islands)
    return default_islands(islands)


def _check_pickles(make_relaxer: Callable[[], Any]) -> None:
    try:
        pickle.dumps(make_relaxer)
    except Exception as error:
        raise InputTypeError(
            f"make_relaxer cannot be sent to another process ({error}); give a class, a function of a module, "
            "or functools.partial of one"
        ) from error


def _result(archipelago: Archipelago, dispatch: Dispatch, plan: _Plan, stopped_by: str) -> IslandsResult:
    counts = asdict(archipelago.tally)
    del counts["hits"], counts["growth"]
    n, standings = len(plan.islands), archipelago.standings
    return IslandsResult(
        minima=minima_as_atoms(archipelago.archive),
        formula=plan.composition.formula,
        method=f"{n} islands" if n > 1 else f"1 island, {plan.islands[0].kind.name}",
        seed=plan.seed,
        stopped_by=stopped_by,
        first_hit=archipelago.hit,
        moves=archipelago.moves(),
        convergence=archipelago.convergence(),
        seconds=dispatch.seconds,
        seconds_relaxing=dispatch.seconds_relaxing,
        islands=[
            {
                **island.as_plain,
                "epochs": standing.finished,
                "quenches": standing.quenches,
                "guests": standing.guests,
                "lowest_energy": standing.lowest[0] if np.isfinite(standing.lowest[0]) else None,
                "seconds": round(standing.seconds, 3),
                "seconds_relaxing": round(standing.seconds_relaxing, 3),
                "given_up": archipelago.given_up.get(k),
            }
            for k, (island, standing) in enumerate(zip(plan.islands, standings, strict=True))
        ],
        **counts,
    )
