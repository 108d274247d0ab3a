"""Sends epochs to an executor until something says stop; workers may die meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from search.errors import JobFailed
from search.islands.pool import WorkerPool, end, no_main_guard, worker_pool
from search.islands.state import Archipelago
from search.islands.task import Epoch, WorkerMismatch, run_epoch
from search.result import Progress
from search.stopping import Interrupts, Limits

ATTEMPTS = 3
"""How often an epoch is tried before its island is given up."""
HEARTBEAT = 1.0
"""Seconds between two looks at the clock and at the workers while no epoch ends."""


@dataclass(frozen=True)
class IslandProgress(Progress):
    """What a callback sees, at least every second; all that is counted is stored.

    Attributes
    ----------
    n_islands, n_workers : workers is None where the executor doesn't say.
    n_running : epochs under way. n_waiting : epochs stored, but not yet counted: others go before them.
    epochs : of the island that is furthest behind and of the one ahead.
    n_given_up : islands that are no longer tried. retries : epochs that were sent out again.
    """

    n_islands: int = 1
    n_workers: int | None = None
    n_running: int = 0
    n_waiting: int = 0
    epochs: tuple[int, int] = (0, 0)
    n_given_up: int = 0
    retries: int = 0


class Dispatch:
    """One call: who computes what. See `find_minima_on_islands` for the parameters."""

    def __init__(
        self,
        archipelago: Archipelago,
        task: Callable[[int, int], Epoch],
        executor: Executor | None,
        workers: int | Callable[[], int] | None,
        callback: Callable[[IslandProgress], object] | None,
    ) -> None:
        self.archipelago, self.task, self.callback = archipelago, task, callback
        self.executor, self.workers = executor, workers
        self.pool: WorkerPool | None = None  # of our own, where no executor is given
        self.pool_size = None if executor is not None else workers if isinstance(workers, int) else 1
        self.flights: dict[Future[dict[str, Any]], Epoch] = {}
        self.attempts: Counter[tuple[int, int]] = Counter()
        self.seconds = self.seconds_relaxing = 0.0
        self.before = archipelago.tally.n_quenches
        self._interrupts = Interrupts()

    @property
    def slots(self) -> int | None:
        """How many epochs can be done at once; None where nobody knows."""
        return self.pool_size or (self.workers() if callable(self.workers) else self.workers)

    def run(self, limits: Limits) -> str:
        """Epochs until something stops them; what that was."""
        start = time.perf_counter()
        with self._interrupts:
            try:
                why = self._until_a_limit(limits, start)
            except KeyboardInterrupt:
                why = "interrupted"
            finally:
                self._drop()
                self.seconds = time.perf_counter() - start
            self._keep([], limits.quenches, everything=True)
        self._report(self.seconds)
        return why

    def _until_a_limit(self, limits: Limits, start: float) -> str:
        """Epochs until a limit is reached; which one."""
        islands, quenches, time_limit = self.archipelago, limits.quenches, limits.time_limit
        while True:
            seconds = time.perf_counter() - start
            if why := limits.limit_reached(islands.hit, islands.lowest_found, islands.tally.n_quenches, seconds):
                break
            self._begin(quenches)
            if not self.flights:
                if islands.ready(quenches, set()):
                    continue
                return self._nobody_left()
            left = HEARTBEAT if time_limit is None else time_limit - (time.perf_counter() - start)
            self._report(time.perf_counter() - start)
            self._land(quenches, min(HEARTBEAT, max(left, 0.01)))
        if why == "time":
            self._finish_what_runs(quenches)
        return why

    def _begin(self, quenches: int | None) -> None:
        """Send out the epochs that can begin, no more than the own processes can do.

        A process that dies takes the pool with it, so who was guilty is found out one by one.
        """
        busy = {epoch.island for epoch in self.flights.values()}
        for k in self.archipelago.ready(quenches, busy):
            attempt = self.attempts[k, self.archipelago.standings[k].finished + 1]
            if self.pool_size is not None:
                suspects = attempt or any(epoch.attempt for epoch in self.flights.values())
                if len(self.flights) >= (1 if suspects else self.pool_size):
                    return
            epoch = self.task(k, attempt)
            try:
                self.flights[self._executor().submit(run_epoch, epoch)] = epoch
            except BrokenExecutor as error:
                self._note_failure(epoch, "its worker process died")
                self._replace_pool(error)
                return

    def _executor(self) -> Executor:
        if self.executor is not None:
            return self.executor
        if self.pool is None:
            self.pool = worker_pool(self.pool_size or 1)
        return self.pool

    def _land(self, quenches: int | None, timeout: float) -> None:
        """Take what has come within `timeout` seconds, and store it."""
        done, _ = wait(self.flights, timeout=timeout, return_when=FIRST_COMPLETED)
        results, broken = [], None
        for future in done:
            epoch = self.flights.pop(future)
            try:
                results.append(future.result())
            except BrokenExecutor as error:
                broken = error
                self._note_failure(epoch, "its worker process died")
            except CancelledError as error:
                raise ConnectionError(
                    "the executor dropped an epoch: its scheduler has ended or was left. "
                    "What was stored is kept; the same call goes on"
                ) from error
            except WorkerMismatch:
                raise
            except ImportError as error:
                raise WorkerMismatch(
                    f"a worker lacks something ({error}); install the same version of the package there"
                ) from error
            except Exception as error:  # of one worker or one structure: the other islands go on
                self._note_failure(epoch, f"{type(error).__name__}: {error}")
        if results:
            self.seconds_relaxing += sum(result["seconds_relaxing"] for result in results)
            self._keep(results, quenches)
        if broken is not None:
            self._replace_pool(broken)

    def _keep(self, results: list[dict[str, Any]], quenches: int | None, everything: bool = False) -> None:
        with self._interrupts.hold():
            self.archipelago.store(results)
            self.archipelago.merge(quenches, everything)

    def _note_failure(self, epoch: Epoch, why: str) -> None:
        self.attempts[epoch.island, epoch.number] += 1
        if self.attempts[epoch.island, epoch.number] >= ATTEMPTS:
            self.archipelago.given_up[epoch.island] = f"epoch {epoch.number} failed {ATTEMPTS} times; the last: {why}"

    def _replace_pool(self, error: BaseException) -> None:
        """New processes for those that died; someone else's executor is theirs to mend."""
        if self.pool_size is None:
            raise JobFailed(
                f"the executor is broken ({error}). What was stored is kept; the same call goes on"
            ) from error
        if self.pool is not None and self.pool.never_started:
            raise no_main_guard() from None
        for epoch in self.flights.values():
            self._note_failure(epoch, "its worker process died")
        self._drop()

    def _finish_what_runs(self, quenches: int | None) -> None:
        """Time is up: what runs may end, what queues behind it is dropped."""
        if (slots := self.slots) is not None:
            for future in list(self.flights)[max(slots, 1) :]:
                future.cancel()
                del self.flights[future]
        while self.flights:
            self._land(quenches, HEARTBEAT)

    def _nobody_left(self) -> str:
        given_up = self.archipelago.given_up
        if len(given_up) == len(self.archipelago.standings):
            raise JobFailed(f"every island was given up: {given_up[0]}")
        return "quenches"

    def _drop(self) -> None:
        for future in self.flights:
            future.cancel()
        self.flights.clear()
        if self.pool is not None:
            end(self.pool)
            self.pool = None

    def _report(self, seconds: float) -> None:
        self.seconds = seconds
        if self.callback is None:
            return
        islands = self.archipelago
        best, done = islands.archive.best, [standing.finished for standing in islands.standings]
        tally = islands.tally
        self.callback(
            IslandProgress(
                tally.n_quenches,
                tally.n_evaluations,
                None if best is None else best.energy,
                len(islands.archive),
                (tally.n_quenches - self.before) / max(seconds, 1e-9),
                seconds,
                islands.convergence(),
                n_islands=len(done),
                n_workers=self.slots,
                n_running=len(self.flights),
                n_waiting=len(islands.waiting),
                epochs=(min(done), max(done)),
                n_given_up=len(islands.given_up),
                retries=sum(self.attempts.values()),
            )
        )
