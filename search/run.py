"""A whole search in one call: seeds, trials, quenches, archive, until something says stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from search.archive.archive import Archive
from search.archive.encoding import plain, to_json
from search.archive.minimum import minima_as_atoms
from search.errors import InputError, check_functions, whole, whole_or_none
from search.geometry.composition import Composition
from search.geometry.scale import LengthScale
from search.relaxers.ase import ASECalculator, as_relaxer
from search.relaxers.base import Relaxed, Relaxer, relax_each
from search.result import FailureCount, Progress, SearchResult, Tally
from search.searchers.base import Searcher, settings_from
from search.searchers.methods import find_method
from search.searchers.starts import begin, fingerprint, in_order
from search.stopping import Interrupts, Limits

STORED_EVERY = 0.5
"""Seconds between transactions without a callback. A killed search repeats what it had not stored."""


def find_minima(
    formula_or_atoms: str | Atoms | Composition,
    relaxer: Relaxer | ASECalculator,
    method: str | type[Searcher] = "basin-hopping",
    *,
    quenches: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    target_energy: float | None = None,
    archive: str | Path | Archive | None = None,
    callback: Callable[[Progress], object] | None = None,
    settings: Mapping[str, Any] | Any = None,
    batch_size: int | None = None,
    until_found: int | None = None,
    shape: Callable[[Atoms], str] | None = None,
    starts: Sequence[Atoms] = (),
    uncertain: Callable[[Sequence[Relaxed]], object] | None = None,
) -> SearchResult:
    """Search for the minima of a cluster and give them back, lowest first.

    Parameters
    ----------
    formula_or_atoms : what the cluster consists of; of Atoms only the composition is read.
    relaxer : a `Relaxer`, or an ASE calculator.
    method : "basin-hopping", "bee-colony", or a `Searcher` class of one's own.
    quenches : relaxations in total, those of earlier calls on the same archive included.
    time_limit : seconds for this call; the batch under way is finished.
    seed : the same seed gives the same search on one machine.
    target_energy : stop when a minimum of this energy or below (within 1e-4) is found.
    archive : a folder or .db file, an `Archive`, or None for memory. A search that was stopped or killed
        goes on from its archive when called again with the same method, seed, settings and batch size.
    callback : called with a `Progress` after each batch.
    settings : `BasinHoppingSettings` or `BeeColonySettings`, or a mapping of their keys.
    batch_size : structures relaxed at once; by default as many as the method has walkers or sources.
    until_found : stop when the lowest minimum was reached from this many independent starts (see
        `search.convergence`). After 5 it was the lowest there is in nine searches of ten of SeB10.
    shape : says of Atoms whether they are planar, tubular, cage or compact; half of the walkers or sources
        then keep to one of these each (see `search.searchers.walks`). None: no such niches.
    starts : structures of this composition that are relaxed before all others (they count as quenches) and gone on
        from: the lowest by one walker or source, the lowest of each shape by one that keeps to it.
    uncertain : called with the quenches that ended as "uncertain", after each batch that has some.

    Raises
    ------
    ValueError, TypeError : something asked for makes no sense; found before anything is computed.
    BlockingIOError : another process searches in that folder.
    RuntimeError : the relaxer failed for all of the first ten structures, for fifty in a row, or for all of a
        shorter search. The archive is left as
        it was before these; the same call goes on from there.
    """
    check_functions(callback=callback, shape=shape, uncertain=uncertain)
    plan = _Plan.of(
        Composition.parse(formula_or_atoms),
        as_relaxer(relaxer),
        find_method(method),
        Limits(quenches, time_limit, target_energy, until_found),
        seed=whole("seed", seed, least=0),
        settings=settings,
        batch_size=whole_or_none("batch_size", batch_size, least=1),
        shape=shape,
        starts=starts,
    )
    if isinstance(archive, Archive):
        return _Campaign(archive, plan, callback, uncertain).run()
    with Archive(archive, plan.composition, bond_length=plan.relaxer.bond_length) as store:
        return _Campaign(store, plan, callback, uncertain).run()


@dataclass(frozen=True)
class _Plan:
    """All that is asked of one search, checked. See `find_minima`."""

    composition: Composition
    relaxer: Relaxer
    kind: type[Searcher]
    limits: Limits
    scale: LengthScale
    settings: Any
    seed: int
    batch_size: int
    shape: Callable[[Atoms], str] | None
    starts: Sequence[Atoms]

    @classmethod
    def of(
        cls,
        composition: Composition,
        relaxer: Relaxer,
        kind: type[Searcher],
        limits: Limits,
        *,
        seed: int,
        settings: Any,
        batch_size: int | None,
        shape: Callable[[Atoms], str] | None,
        starts: Sequence[Atoms],
    ) -> _Plan:
        """With what follows from what is asked."""
        scale = LengthScale.of(composition, relaxer)
        chosen = settings_from(kind.Settings, settings)
        size = batch_size or kind(scale, chosen).batch_size
        given = in_order(starts, composition)
        return cls(composition, relaxer, kind, limits, scale, chosen, seed, size, shape, given)

    @property
    def identity(self) -> str:
        """What must be the same for a search to go on from an archive."""
        asked = {
            "method": self.kind.name,
            "seed": self.seed,
            "batch_size": self.batch_size,
            "settings": plain(asdict(self.settings)),
            "relaxer": self.relaxer.signature,
            "niches": self.shape is not None,
            **({"starts": fingerprint(self.starts)} if self.starts else {}),
        }
        return to_json(asked, sort_keys=True)

    def searcher(self, state: Mapping[str, Any] | None) -> Searcher:
        """A new searcher, or one that goes on from a stored state."""
        if state is None:
            return self.kind(self.scale, self.settings, self.seed, self.shape)
        return self.kind.from_state(state, self.scale, self.shape)


class _Campaign:
    """One call of `find_minima`: a searcher, a relaxer, an archive and the counts."""

    def __init__(
        self,
        archive: Archive,
        plan: _Plan,
        callback: Callable[[Progress], object] | None,
        uncertain: Callable[[Sequence[Relaxed]], object] | None,
    ) -> None:
        if archive.composition != plan.composition:
            raise InputError(f"the archive is for {archive.composition}, the search for {plan.composition}")
        archive.bind(plan.identity)
        self.archive, self.plan = archive, plan
        self.callback, self.uncertain = callback, uncertain
        state = archive.state
        self.starts = plan.starts if state is None else ()
        self.searcher = plan.searcher(None if state is None else state["searcher"])
        self.tally = Tally() if state is None else Tally(**state["tally"])
        self.before, self.failures = self.tally.n_quenches, FailureCount()
        self.seconds = self.seconds_relaxing = 0.0
        self._start = self._stored = time.perf_counter()
        self._unstored: dict[str, Any] | None = None  # the state that what was entered since then leads to
        self._lost = False  # whether all of the last batch failed

    def run(self) -> SearchResult:
        """Batches until something stops them."""
        self.tally.look_up_target(self.plan.limits.target_energy, self.archive)
        with Interrupts() as interrupts:
            try:
                while not (stopped_by := self._limit_reached()):
                    self._batch(interrupts)
            except KeyboardInterrupt:
                stopped_by = "interrupted"
            finally:
                if self._unstored is not None:
                    with interrupts.hold():
                        self._store()
                self.seconds = time.perf_counter() - self._start
        if stopped_by != "interrupted":
            self.failures.check_end(self.tally.n_quenches)
        return self._result(stopped_by)

    def _limit_reached(self) -> str:
        self.seconds = time.perf_counter() - self._start
        limits, tally = self.plan.limits, self.tally
        hit = tally.hit(limits.target_energy)
        return limits.limit_reached(hit, self.searcher.lowest.times, tally.n_quenches, self.seconds)

    def _batch(self, interrupts: Interrupts) -> None:
        """One batch: ask, relax, learn, enter, store, report.

        Where all of it failed, the state before stays the stored one: a search whose device was lost repeats these
        quenches when it is called again, and ends as if nothing had happened.
        """
        starting = bool(self.starts)
        results = self._begin() if starting else self._next()
        with interrupts.hold():
            lost = all(relaxed.failed for relaxed in results)
            if lost and not self._lost and self._unstored is not None:
                self._store()
            self._lost, self._unstored = lost, None
            if not starting:
                self.searcher.tell(results)
            if self.uncertain is not None and (some := [r for r in results if r.reason == "uncertain"]):
                self.uncertain(some)
            self.tally.enter(results, self.archive, self.plan.limits.target_energy)
            state = {"searcher": self.searcher.state(), "tally": asdict(self.tally)}
            self._unstored = None if lost else state
            self.failures.check(results, self.tally.n_quenches)
            self._unstored = state
            due = self.callback is not None or time.perf_counter() - self._stored > STORED_EVERY
            if due and not lost:
                self._store()
        self.seconds = time.perf_counter() - self._start
        if self.callback is not None:
            self.callback(self._progress())

    def _begin(self) -> list[Relaxed]:
        """The structures the search was given, relaxed; the searcher knows of them."""
        start, quenches = time.perf_counter(), self.plan.limits.quenches
        left = None if quenches is None else quenches - self.tally.n_quenches
        results = begin(self.searcher, self.plan.relaxer, self.starts[:left], {}, self.plan.shape)
        self.seconds_relaxing += time.perf_counter() - start
        self.starts = ()
        return results

    def _next(self) -> list[Relaxed]:
        """The searcher's next trials, relaxed."""
        size, quenches = self.plan.batch_size, self.plan.limits.quenches
        structures = self.searcher.ask(size if quenches is None else min(size, quenches - self.tally.n_quenches))
        start = time.perf_counter()
        results = relax_each(self.plan.relaxer, structures)
        self.seconds_relaxing += time.perf_counter() - start
        return results

    def _store(self) -> None:
        """All since the last time, with the state to go on from, in one transaction."""
        state, self._unstored = self._unstored, None  # a full disk is reported once
        self.archive.commit(state)
        self._stored = time.perf_counter()

    def _progress(self) -> Progress:
        best = self.archive.best
        return Progress(
            self.tally.n_quenches,
            self.tally.n_evaluations,
            None if best is None else best.energy,
            len(self.archive),
            (self.tally.n_quenches - self.before) / max(self.seconds, 1e-9),
            self.seconds,
            self.tally.convergence(self.archive, self.searcher.lowest.times),
        )

    def _result(self, stopped_by: str) -> SearchResult:
        counts = asdict(self.tally)
        del counts["hits"], counts["growth"]
        moves = self.searcher.move_statistics()
        return SearchResult(
            minima=minima_as_atoms(self.archive),
            formula=self.plan.composition.formula,
            method=self.plan.kind.name,
            seed=self.plan.seed,
            stopped_by=stopped_by,
            first_hit=self.tally.hit(self.plan.limits.target_energy),
            moves={name: {**counts, "share": round(counts["share"], 4)} for name, counts in moves.items()},
            convergence=self.tally.convergence(self.archive, self.searcher.lowest.times),
            seconds=self.seconds,
            seconds_relaxing=self.seconds_relaxing,
            **counts,
        )
