"""Jobs side by side: each lane is a thread that decides and stores, and a process of its own that computes.

What is computed goes through `call`, so only one place knows about processes, and Ctrl-C ends it.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from typing import Any

from iia_calc.common.pools import FOR_LABELS
from iia_calc.labels.level import LabelFailed
from search.errors import InputError
from search.islands.pool import end_with_parent, environment, leave_if_starting, no_main_guard
from search.stopping import ENDING_SIGNALS


class Interrupted(KeyboardInterrupt):
    """Raised in a lane when the whole calculation was interrupted."""


class WorkerLost(LabelFailed):
    """The process ended by itself; a repetition may go well, so it is not stored."""


class Lanes:
    """`workers` lanes; one computes in this process.

    stopped : True after Ctrl-C; from then on `call` raises Interrupted at once, so jobs still run
        and take what is stored.
    """

    def __init__(self, workers: int) -> None:
        self.workers, self.stopped = workers, False
        self._context = get_context("spawn")
        self._ended = self._context.RawValue("b", 0)
        self._lane = threading.local()
        self._executors: list[ProcessPoolExecutor] = []

    def call[T](self, function: Callable[..., T], *arguments: Any) -> T:
        """Call function(*arguments) in the lane's process and return its result."""
        if self.stopped:
            raise Interrupted
        try:
            if self.workers == 1:
                return function(*arguments)
            return self._executor().submit(function, *arguments).result()
        except KeyboardInterrupt:
            self.stopped = True
            raise
        except BrokenProcessPool as error:
            never_started = self._lane.started.exception() is not None
            self._lane.executor = None  # the next call starts another process
            if self.stopped:
                raise Interrupted from error
            if never_started:
                raise no_main_guard() from None
            raise WorkerLost("the worker process ended by itself, perhaps for want of memory") from error

    def map[T](self, jobs: Sequence[Callable[[], T]]) -> list[T | None]:
        """Results in order; None of those that were interrupted. Other errors are raised."""
        if self.workers == 1 or self.stopped:
            return [self._or_none(job) for job in jobs]
        with ThreadPoolExecutor(self.workers, initializer=_leave_signals_to_the_main_thread) as threads:
            futures = [threads.submit(self._or_none, job) for job in jobs]
            while True:
                try:
                    wait(futures)
                    return [future.result() for future in futures]
                except KeyboardInterrupt:
                    self._end()

    def close(self) -> None:
        """Wait for what runs, drop what waits, and end the processes."""
        for executor in self._executors:
            executor.shutdown(wait=True, cancel_futures=True)

    def _executor(self) -> ProcessPoolExecutor:
        """Of this thread; its process starts with the first call."""
        executor: ProcessPoolExecutor | None = getattr(self._lane, "executor", None)
        if executor is None:
            executor = ProcessPoolExecutor(
                1, mp_context=self._context, initializer=end_with_parent, initargs=(os.getpid(), self._ended)
            )
            self._lane.executor, self._lane.started = executor, executor.submit(os.getpid)
            self._executors.append(executor)
        return executor

    def _or_none[T](self, job: Callable[[], T]) -> T | None:
        try:
            return job()
        except KeyboardInterrupt:
            self.stopped = True
            return None

    def _end(self) -> None:
        self.stopped = True
        self._ended.value = 1


@contextmanager
def lanes(workers: int) -> Iterator[Lanes]:
    """Lanes whose processes end with the block.

    Raises
    ------
    ValueError : fewer than one worker.
    """
    if workers < 1:
        raise InputError(f"there must be at least one worker, not {workers}")
    if workers > 1:
        leave_if_starting()
    found = Lanes(workers)
    try:
        if workers == 1:
            yield found
        else:
            with environment(FOR_LABELS):
                yield found
    except BaseException:
        found._end()
        raise
    finally:
        found.close()


def _leave_signals_to_the_main_thread() -> None:
    """Processes started from such a thread inherit this: a terminal sends its signals to the whole group."""
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # it unblocks SIGINT where it starts
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
