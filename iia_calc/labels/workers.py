"""Worker processes for label jobs, each on one thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from search.errors import InputError

_FOR_WORKERS = {
    "OMP_NUM_THREADS": "1",
    # glibc gives large arrays back to the system at once and faults them in again; DFT allocates
    # them all the time, and keeping them saves a sixth of a label's time.
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**28),
}


@contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """`workers` fresh processes; labels parallelise over structures, so each keeps to one thread.

    At the end whatever is still computed is given up: a hard SCF takes minutes, and nobody waits for its label.

    Raises
    ------
    ValueError : fewer than one worker.
    """
    if workers < 1:
        raise InputError(f"a label job needs at least one worker, not {workers}")
    context = get_context("spawn")
    over = context.RawValue("b", 0)  # no Event: to set one waits for its waiters, and a process that died never answers
    with worker_environment():
        executor = ProcessPoolExecutor(
            workers, mp_context=context, initializer=_end_with_parent, initargs=(os.getpid(), over)
        )
        try:
            yield executor
        finally:
            over.value = 1
            executor.shutdown(wait=True, cancel_futures=True)


@contextmanager
def worker_environment() -> Iterator[None]:
    """While inside, processes that start read what suits a worker."""
    earlier = {name: os.environ.get(name) for name in _FOR_WORKERS}
    os.environ.update(_FOR_WORKERS)
    try:
        yield
    finally:
        for name, value in earlier.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with_parent(parent: int, over: Any) -> None:
    """A worker whose job was killed, or is over, would else go on for minutes with a label that nobody takes."""

    def watch() -> None:
        while os.getppid() == parent and not over.value:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
