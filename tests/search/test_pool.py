"""Processes of a pool end when they should, whatever has happened to the others."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import BrokenExecutor

import pytest

from search.islands.pool import end, worker_pool


def die_soon() -> None:
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_pool_whose_process_died_says_so_while_another_works():
    pool = worker_pool(2)
    for started in pool.starting:
        started.result()
    pool.submit(time.sleep, 1000)
    pool.submit(die_soon)
    raised = threading.Event()

    def submit_until_it_breaks() -> None:
        try:
            while True:
                pool.submit(os.getpid)
                time.sleep(0.01)
        except BrokenExecutor:
            raised.set()

    threading.Thread(target=submit_until_it_breaks, daemon=True).start()
    try:
        assert raised.wait(60)
    finally:
        processes = list((pool._processes or {}).values())
        for process in processes:
            process.kill()
        end(pool)
