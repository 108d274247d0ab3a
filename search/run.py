"""A whole search in one call: seeds, trials, quenches, archive, until something says stop."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from ase import Atoms

from search.archive.archive import Archive
from search.archive.minimum import minima_as_atoms, sound
from search.convergence import Convergence, grown
from search.errors import InputError, InputTypeError, JobFailed
from search.geometry.composition import Composition
from search.geometry.scale import LengthScale
from search.relaxers.ase import ASERelaxer
from search.relaxers.base import Relaxed, Relaxer, relax_each
from search.result import Progress, SearchResult, Tally
from search.searchers.base import Searcher, settings_from
from search.searchers.basin_hopping import BasinHopping
from search.searchers.bee_colony import BeeColony
from search.starts import begin, fingerprint, in_order

METHODS: dict[str, type[Searcher]] = {method.name: method for method in (BasinHopping, BeeColony)}
TARGET_WITHIN = 1e-4
STORED_EVERY = 0.5
"""Seconds between transactions where nobody is told of each batch. A killed search repeats what it had not stored."""


def find_minima(
    formula_or_atoms: str | Atoms | Composition,
    relaxer: Relaxer | Any,
    method: str = "basin-hopping",
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
) -> SearchResult:
    """Search for the minima of a cluster and give them back, lowest first.

    Parameters
    ----------
    formula_or_atoms : what the cluster consists of; of Atoms only the composition is read.
    relaxer : a `Relaxer` (anything with `relax`), or an ASE calculator.
    method : "basin-hopping" or "bee-colony".
    quenches : relaxations in total, those of earlier calls on the same archive included.
    time_limit : seconds for this call; the batch under way is finished.
    seed : the same seed gives the same search on one machine.
    target_energy : stop when a minimum of this energy or below (within 1e-4) is found.
    archive : a folder or .db file, an `Archive`, or None for memory. A search that was stopped or killed
        goes on from its archive when called again with the same method, seed, settings and batch size.
    callback : called with a `Progress` after each batch.
    settings : `BasinHoppingSettings` or `BeeColonySettings`, or a mapping of their keys.
    until_found : stop when the lowest minimum was reached from this many independent starts (see
        `search.convergence`); 5 is a cautious choice.
    shape : says of Atoms whether they are planar, tubular, cage or compact; half of the walkers or sources
        then keep to one of these each (see `Searcher`). None: no such niches.
    batch_size : structures relaxed at once; by default as many as the method has walkers or sources.
    starts : structures of this composition that are relaxed before all others (they count as quenches) and gone on
        from: the lowest by one walker or source, the lowest of each shape by one that keeps to it.

    Raises
    ------
    ValueError, TypeError : something asked for makes no sense; found before anything is computed.
    BlockingIOError : another process searches in that folder.
    RuntimeError : the relaxer failed for every structure.
    """
    composition = Composition.parse(formula_or_atoms)
    if method not in METHODS:
        raise InputError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")
    check_limits(quenches, time_limit, target_energy, until_found)
    check_whole("batch_size", batch_size, least=1)
    check_whole("seed", seed, least=0)
    relaxer = as_relaxer(relaxer)
    kind = METHODS[method]
    settings = settings_from(kind.Settings, settings)
    scale = LengthScale.of(composition, relaxer)
    batch_size = batch_size or kind(scale, settings).batch_size
    starts = in_order(starts, composition)
    asked = {
        "method": method,
        "seed": seed,
        "batch_size": batch_size,
        "settings": asdict(settings),
        "relaxer": getattr(relaxer, "signature", type(relaxer).__name__),
        "niches": shape is not None,
        **({"starts": fingerprint(starts)} if starts else {}),
    }
    if isinstance(archive, Archive):
        store, own = archive, False
    else:
        store, own = Archive(archive, composition, bond_length=getattr(relaxer, "bond_length", None)), True
    try:
        if store.composition != composition:
            raise InputError(f"the archive is for {store.composition}, the search for {composition}")
        store.bind(json.dumps(asked, sort_keys=True))
        campaign = _Campaign(store, relaxer, kind, scale, settings, seed, shape, starts)
        stopped_by = campaign.run(batch_size, quenches, time_limit, target_energy, until_found, callback)
        return campaign.result(stopped_by, method, seed, target_energy)
    finally:
        if own:
            store.close()


def as_relaxer(relaxer: Any) -> Relaxer:
    """`relaxer` itself if it relaxes, an `ASERelaxer` of it if it is an ASE calculator; else a TypeError."""
    if isinstance(relaxer, type):
        raise InputTypeError(f"the relaxer is the class {relaxer.__name__}; give an instance, {relaxer.__name__}()")
    if callable(getattr(relaxer, "relax", None)):
        return relaxer
    if hasattr(relaxer, "get_potential_energy") and not isinstance(relaxer, Atoms):
        return ASERelaxer(relaxer)
    raise InputTypeError(
        f"the relaxer is a {type(relaxer).__name__}; give something with relax(), or an ASE calculator"
    )


class _Campaign:
    """One call of `find_minima`: a searcher, a relaxer, an archive and the counts."""

    def __init__(
        self,
        archive: Archive,
        relaxer: Relaxer,
        kind: type[Searcher],
        scale: LengthScale,
        settings: Any,
        seed: int,
        shape: Callable[[Atoms], str] | None,
        starts: Sequence[Atoms],
    ) -> None:
        self.archive, self.relaxer = archive, relaxer
        state = archive.state
        self.starts, self.shape = starts if state is None else (), shape
        if state is None:
            self.searcher, self.tally = kind(scale, settings, seed, shape), Tally()
        else:
            self.searcher, self.tally = kind.from_state(state["searcher"], scale, shape), Tally(**state["tally"])
        self.seconds = self.seconds_relaxing = 0.0
        self._stored = time.perf_counter()
        self._unstored: dict | None = None  # the state that what was entered since then leads to

    def run(
        self,
        batch_size: int,
        quenches: int | None,
        time_limit: float | None,
        target: float | None,
        until_found: int | None,
        callback: Callable[[Progress], object] | None,
    ) -> str:
        """Batches until something stops them; what that was."""
        start, before = time.perf_counter(), self.tally.n_quenches
        if target is not None and str(float(target)) not in self.tally.hits:
            reached = [m.first_quench for m in self.archive if m.energy <= target + TARGET_WITHIN]
            if reached:
                self.tally.hits[str(float(target))] = min(reached)
        try:
            while True:
                self.seconds = time.perf_counter() - start
                if target is not None and str(float(target)) in self.tally.hits:
                    return "target"
                if quenches is not None and self.tally.n_quenches >= quenches:
                    return "quenches"
                if until_found is not None and self.searcher.lowest.times >= until_found:
                    return "found"
                if time_limit is not None and self.seconds >= time_limit:
                    return "time"
                left = None if quenches is None else quenches - self.tally.n_quenches
                given = bool(self.starts)
                results = self._begin(left) if given else self._next(min(batch_size, left or batch_size))
                with interrupts_later():
                    if not given:
                        self._unstored = None
                        self.searcher.tell(results)
                    self._take(results, target)
                    if callback is not None or time.perf_counter() - self._stored > STORED_EVERY:
                        self._store()
                self.seconds = time.perf_counter() - start
                if callback is not None:
                    rate = (self.tally.n_quenches - before) / max(self.seconds, 1e-9)
                    callback(self._progress(rate))
        except KeyboardInterrupt:
            return "interrupted"
        finally:
            if self._unstored is not None:
                with interrupts_later():
                    self._store()
            self.seconds = time.perf_counter() - start

    def result(self, stopped_by: str, method: str, seed: int, target: float | None) -> SearchResult:
        counts = asdict(self.tally)
        hits, _ = counts.pop("hits"), counts.pop("growth")
        shares = self.searcher.moves.current
        return SearchResult(
            minima=minima_as_atoms(self.archive),
            formula=self.archive.composition.formula,
            method=method,
            seed=seed,
            stopped_by=stopped_by,
            first_hit=None if target is None else hits.get(str(float(target))),
            moves={
                name: {**asdict(count), "share": round(shares.get(name, 0.0), 4)}
                for name, count in self.searcher.moves.counts.items()
            },
            convergence=self._convergence(),
            seconds=self.seconds,
            seconds_relaxing=self.seconds_relaxing,
            **counts,
        )

    def _begin(self, left: int | None) -> list[Relaxed]:
        """The structures the search was given, relaxed; the searcher knows of them."""
        start = time.perf_counter()
        results = begin(self.searcher, self.relaxer, self.starts[:left], {}, self.shape)
        self.seconds_relaxing += time.perf_counter() - start
        self.starts = ()
        return results

    def _next(self, n: int) -> list[Relaxed]:
        """The searcher's next trials, relaxed."""
        structures = self.searcher.ask(n)
        start = time.perf_counter()
        results = relax_each(self.relaxer, structures)
        self.seconds_relaxing += time.perf_counter() - start
        return results

    def _take(self, results: list[Relaxed], target: float | None) -> None:
        """Enter and count."""
        tally = self.tally
        for relaxed in results:
            tally.count(relaxed)
            self.archive.enter(relaxed, tally.n_quenches)
            if sound(relaxed) and target is not None and relaxed.energy <= target + TARGET_WITHIN:
                tally.hits.setdefault(str(float(target)), tally.n_quenches)
        if tally.n_failed == tally.n_quenches >= 10:
            raise JobFailed(
                f"the relaxer failed for each of the first {tally.n_quenches} structures; "
                f"the last: {results[-1].reason}"
            )
        grown(tally.growth, tally.n_sound, len(self.archive))
        self._unstored = {"searcher": self.searcher.state(), "tally": asdict(tally)}

    def _store(self) -> None:
        """All since the last time, with the state to go on from, in one transaction."""
        state, self._unstored = self._unstored, None  # a disk that is full is told once
        self.archive.commit(state)
        self._stored = time.perf_counter()

    def _convergence(self) -> Convergence:
        tally, archive = self.tally, self.archive
        growth = [(quenches, minima) for quenches, minima in tally.growth]
        return Convergence(tally.n_sound, len(archive), archive.n_once, self.searcher.lowest.times, growth)

    def _progress(self, rate: float) -> Progress:
        best = self.archive.best
        return Progress(
            self.tally.n_quenches,
            self.tally.n_evaluations,
            None if best is None else best.energy,
            len(self.archive),
            rate,
            self.seconds,
            self._convergence(),
        )


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Ctrl-C waits until the block is through (in the main thread; elsewhere none arrives)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    waiting: list[tuple[int, FrameType | None]] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: waiting.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous if previous is not None else signal.SIG_DFL)
    if waiting:
        raise KeyboardInterrupt


def check_limits(
    quenches: int | None, time_limit: float | None, target_energy: float | None, until_found: int | None
) -> None:
    """Raise a ValueError where nothing says when to stop, or something that cannot be."""
    if quenches is None and time_limit is None and target_energy is None and until_found is None:
        raise InputError("nothing says when to stop: give quenches, time_limit (seconds), target_energy or until_found")
    check_whole("until_found", until_found, least=1)
    check_whole("quenches", quenches, least=1)
    if time_limit is not None and not (np.isfinite(time_limit) and time_limit > 0):
        raise InputError(f"time_limit is {time_limit!r}; it must be a number of seconds above 0")
    if target_energy is not None and not np.isfinite(target_energy):
        raise InputError(f"target_energy is {target_energy!r}; it must be a finite energy")


def check_whole(name: str, value: Any, least: int) -> None:
    """Raise a ValueError for what is neither None nor a whole number of at least `least`."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} is {value!r}; it must be a whole number of at least {least}")
