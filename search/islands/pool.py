"""Worker processes: fresh ones, each on one thread, that never outlive the search."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from search.errors import InputError

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """`workers` processes, all started here and now.

    Raises
    ------
    ValueError : fewer than one.
    """
    if workers < 1:
        raise InputError(f"workers is {workers}; it must be at least 1")
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_begin, initargs=(os.getpid(),))
    with _one_thread():
        for _ in range(workers):  # each submission starts one process, and it reads its variables then
            pool.submit(os.getpid)
    return pool


@contextmanager
def processes(workers: int) -> Iterator[ProcessPoolExecutor]:
    """`worker_pool` for a block; what is under way at its end is dropped."""
    pool = worker_pool(workers)
    try:
        yield pool
    finally:
        end(pool)


def end(pool: ProcessPoolExecutor) -> None:
    """Stop at once: what is under way is dropped."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(timeout=10)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Islands parallelise over processes; threads that wait for one another only cost."""
    earlier = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in earlier.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin(parent: int) -> None:
    """Ctrl-C is the search's to handle, and a worker ends with it even when it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
