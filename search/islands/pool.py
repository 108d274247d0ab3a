"""The one process pool: fresh processes, each on one thread, that never outlive the job that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.context import SpawnContext, SpawnProcess
from types import MappingProxyType
from typing import Protocol

from search.errors import InputError, JobFailed
from search.stopping import ENDING_SIGNALS

ONE_THREAD: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
)
"""Environment of a worker: jobs are shared out over processes, and threads that wait for one another only cost."""
WATCH_EVERY = 0.2
"""Seconds between two looks of a worker at its parent."""


class Flag(Protocol):
    """Shared with the workers: a `RawValue("b", 0)` of a multiprocessing context."""

    value: int


class Worker(SpawnProcess):
    """A process of a pool. It ignores SIGTERM (see `end_with_parent`), so what means to end it kills it.

    A pool that lost one process ends the others by `terminate` and holds its lock until they are gone.
    """

    def terminate(self) -> None:
        """End at once."""
        self.kill()


class WorkerContext(SpawnContext):
    """Starts `Worker` processes."""

    Process = Worker


class WorkerPool(ProcessPoolExecutor):
    """Processes that were all started at once; see `worker_pool`."""

    starting: tuple[Future[int], ...] = ()

    @property
    def never_started(self) -> bool:
        """Whether all processes died before any of them could take a task."""
        return bool(self.starting) and all(f.done() and (f.cancelled() or f.exception()) for f in self.starting)


def worker_pool(workers: int, variables: Mapping[str, str] = ONE_THREAD, over: Flag | None = None) -> WorkerPool:
    """`workers` processes, all started here and now.

    Parameters
    ----------
    variables : environment variables that the processes start with, besides those of this process.
    over : the workers end when its value is no longer 0, whatever they are doing.

    Raises
    ------
    ValueError : fewer than one.
    """
    leave_if_starting()
    if workers < 1:
        raise InputError(f"workers is {workers}; it must be at least 1")
    context = WorkerContext()
    resource_tracker.ensure_running()  # a process of multiprocessing's own, which sets the mask of signals itself
    pool = WorkerPool(workers, context, initializer=end_with_parent, initargs=(os.getpid(), over))
    # each submission starts one process, which reads its variables and takes over the blocked signals then
    with environment(variables), signals_blocked():
        try:
            pool.starting = tuple(pool.submit(os.getpid) for _ in range(workers))
        except BrokenExecutor:
            raise no_main_guard() from None
    return pool


@contextmanager
def processes(workers: int, variables: Mapping[str, str] = ONE_THREAD) -> Iterator[WorkerPool]:
    """`worker_pool` for a block; what is under way at its end is dropped.

    Raises
    ------
    JobFailed : no process could start.
    """
    pool = worker_pool(workers, variables)
    try:
        yield pool
    except Exception:
        if pool.never_started:  # whatever the block made of that
            raise no_main_guard() from None
        raise
    finally:
        end(pool)


def end(pool: ProcessPoolExecutor) -> None:
    """Stop at once: what is under way is dropped."""
    running = list((pool._processes or {}).values())
    for process in running:
        process.kill()  # workers leave the milder signals to their parent, those that a broken pool sends, too
    pool.shutdown(wait=False, cancel_futures=True)
    for process in running:
        process.join(timeout=10)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for a block: what starts inside reads them."""
    earlier = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in earlier.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Hold signals back for a block; processes started inside never see them.

    A terminal sends its signals to all processes of a job. Workers that are still importing would die of them.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent(parent: int, over: Flag | None = None) -> None:
    """In a worker: leave signals to the parent, which handles them for all, and end when it ends, even if killed."""
    for number in ENDING_SIGNALS:
        signal.signal(number, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent and not (over is not None and over.value):
            time.sleep(WATCH_EVERY)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def leave_if_starting() -> None:
    """End this process, without a word, if it is a worker that is only just importing the main script.

    A script without a main guard starts its search again in each worker, which then could not start. The process that
    started them says so in one line (`no_main_guard`).
    """
    # What multiprocessing itself looks at before it refuses to start a process (spawn._check_not_importing_main).
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(1)


def no_main_guard() -> JobFailed:
    """The error of a pool whose processes all died as they started."""
    return JobFailed(
        'no worker process could start. In a script, put the call under `if __name__ == "__main__":`, because each '
        "worker imports the script; otherwise see the error that the workers printed"
    )
