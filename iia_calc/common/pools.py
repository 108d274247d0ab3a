"""Worker processes for labels: the one process pool, with an environment that suits long calculations."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

from search.islands.pool import ONE_THREAD, processes

FOR_LABELS = {
    **ONE_THREAD,
    # glibc gives large arrays back to the system at once and faults them in again; DFT allocates
    # them all the time, and keeping them saves a sixth of a label's time.
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**32),
    "MALLOC_TOP_PAD_": str(2**28),
}
"""Environment variables of a process that makes labels."""


@contextmanager
def process_pool(workers: int) -> Iterator[Executor]:
    """`workers` fresh processes for a block, each on one thread, as labels parallelise over structures.

    At the end whatever is still computed is given up: a hard SCF takes minutes, and nobody waits for its label.
    Signals are left to this process, and the workers end with it, even if it is killed.

    Raises
    ------
    InputError : fewer than one worker.
    """
    with processes(workers, FOR_LABELS) as pool:
        yield pool
