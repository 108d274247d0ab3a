"""Worker processes for label jobs, each on one thread."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context


@contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """`workers` fresh processes; labels parallelise over structures, so each keeps to one thread.

    Raises
    ------
    ValueError : fewer than one worker.
    """
    if workers < 1:
        raise ValueError(f"a label job needs at least one worker, not {workers}")
    earlier = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # read by the children as they start
    executor = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_end_with_parent, initargs=(os.getpid(),)
    )
    try:
        yield executor
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        if earlier is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = earlier


def _end_with_parent(parent: int) -> None:
    """A worker whose job was killed would else go on for minutes with a label that nobody takes."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
