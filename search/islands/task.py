"""One island's next few quenches as a task for any executor: plain data in, plain data out.

An epoch knows nothing of archives and of other islands but what is handed to it, and owns its random
numbers by the state it begins with, so done again, here or elsewhere, it gives the same.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from ase import Atoms

from search.archive.encoding import pack, unpack
from search.errors import JobFailed
from search.geometry.composition import Composition
from search.geometry.scale import LengthScale
from search.relaxers.ase import ASECalculator, as_relaxer
from search.relaxers.base import Relaxed, Relaxer, relax_each
from search.result import FAILED_AT_FIRST
from search.searchers.base import Searcher, settings_from
from search.searchers.exchange import Bests, note_bests, welcome
from search.searchers.starts import begin

_COLUMNS = tuple(field.name for field in fields(Relaxed) if field.name != "atoms")


class _Own(threading.local):
    """The relaxer of each thread of a worker, and the search that it was made for."""

    search: str | None = None
    relaxer: Relaxer | None = None


_own = _Own()


class WorkerMismatch(JobFailed):
    """A worker would compute something else than was asked for: another model, another version, no device."""


@dataclass(frozen=True)
class Epoch:
    """What a worker must know.

    Attributes
    ----------
    search : of the whole search; a worker makes its relaxer once for each.
    island, number : whose epoch, and which, counted from 1.
    attempt : how often it was tried before. Nothing depends on it, but an executor that remembers the
        outcome of equal calls must not take it for the same.
    formula : what is searched.
    relaxer : makes the relaxer (or an ASE calculator); called on the worker. signature : what that must call itself.
    method, settings, seed, batch_size, quenches : of this island, and how many quenches it is to do.
    state : of its searcher after the epoch before; None for the first.
    bests : what it found or was given so far. guests : those of the island before it in the ring.
    shape : see `find_minima`. starts : with which the first epoch begins.
    """

    search: str
    island: int
    number: int
    attempt: int
    formula: str
    relaxer: Callable[[], Relaxer | ASECalculator]
    signature: str
    method: type[Searcher]
    settings: dict[str, Any]
    seed: int
    batch_size: int
    quenches: int
    state: dict[str, Any] | None = None
    bests: Bests = field(default_factory=dict)
    guests: Bests = field(default_factory=dict)
    shape: Callable[[Atoms], str] | None = None
    starts: Sequence[Atoms] = ()


def run_epoch(epoch: Epoch) -> dict[str, Any]:
    """Quench `epoch.quenches` structures.

    Returned, all of it plain: island, number, results (see `unpack_results`), state, bests, guests (how many
    were taken), counts of the moves, lowest (energy, times), seconds, seconds_relaxing, seconds_cpu (of this
    thread), worker (where).

    Raises
    ------
    WorkerMismatch : the relaxer made here is not the one asked for.
    """
    start, cpu = time.perf_counter(), time.thread_time()
    relaxer = _relaxer(epoch)
    kind = epoch.method
    scale = LengthScale.of(Composition.parse(epoch.formula), relaxer)
    if epoch.state is None:
        searcher = kind(scale, settings_from(kind.Settings, epoch.settings), epoch.seed, epoch.shape)
    else:
        searcher = kind.from_state(epoch.state, scale, epoch.shape)
    bests: Bests = {name: {**best} for name, best in epoch.bests.items()}
    taken = welcome(searcher, bests, epoch.guests)
    results: list[Relaxed] = []
    relaxing = 0.0
    if epoch.state is None and epoch.starts:
        begun = time.perf_counter()
        results = begin(searcher, relaxer, epoch.starts[: epoch.quenches], bests, epoch.shape)
        relaxing = time.perf_counter() - begun
    while (left := epoch.quenches - len(results)) > 0:
        structures = searcher.ask(min(left, epoch.batch_size))
        begun = time.perf_counter()
        done = relax_each(relaxer, structures)
        relaxing += time.perf_counter() - begun
        searcher.tell(done)
        note_bests(bests, done, epoch.shape)
        results += done
    _check_failures(results)
    return {
        "island": epoch.island,
        "number": epoch.number,
        "results": pack_results(results),
        "state": searcher.state(),
        "bests": bests,
        "guests": taken,
        "seconds": time.perf_counter() - start,
        "seconds_relaxing": relaxing,
        "seconds_cpu": time.thread_time() - cpu,
        "lowest": [searcher.lowest.energy, searcher.lowest.times],
        "worker": f"{socket.gethostname()}:{os.getpid()}",
        "moves": searcher.move_statistics(),
    }


def _check_failures(results: Sequence[Relaxed]) -> None:
    """Give the epoch back if nothing of it worked: another worker, or a relaxer made anew, may do better."""
    if len(results) >= FAILED_AT_FIRST and all(relaxed.failed for relaxed in results):
        _own.search = None
        raise JobFailed(
            f"on {socket.gethostname()} the relaxer failed for each of {len(results)} structures; "
            f"the last: {results[-1].reason}"
        )


def pack_results(results: Sequence[Relaxed]) -> dict[str, Any]:
    """Quenches as plain data: positions [n_quenches, n_atoms, 3] as text, a list for each other attribute."""
    positions = np.array([relaxed.atoms.positions for relaxed in results])
    columns = {name: [_plain(getattr(relaxed, name)) for relaxed in results] for name in _COLUMNS}
    return {"positions": pack(positions), **columns}


def unpack_results(plain: Mapping[str, Any], numbers: np.ndarray) -> list[Relaxed]:
    """The quenches that were packed; numbers [n_atoms] : of their atoms."""
    positions = unpack(plain["positions"], -1, len(numbers), 3)
    names = [name for name in _COLUMNS if name in plain]  # an older version stored fewer
    rows = zip(*(plain[name] for name in names), strict=True)
    return [
        Relaxed(Atoms(numbers=numbers, positions=place), **dict(zip(names, row, strict=True)))
        for place, row in zip(positions, rows, strict=True)
    ]


def _relaxer(epoch: Epoch) -> Relaxer:
    """The relaxer of this search, made once in each thread of a worker (they are not made for sharing)."""
    if _own.relaxer is None or _own.search != epoch.search:
        made = as_relaxer(epoch.relaxer())
        if (found := made.signature) != epoch.signature:
            raise WorkerMismatch(
                f"the worker on {socket.gethostname()} would relax with {found}, the search is for {epoch.signature}; "
                "give all workers the same version of the package and the same model"
            )
        _own.relaxer, _own.search = made, epoch.search
    return _own.relaxer


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
