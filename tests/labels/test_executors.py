"""Worker processes: one thread each, and none outlives its job."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from iia_calc.common.pools import process_pool


def threads() -> str | None:
    return os.environ.get("OMP_NUM_THREADS")


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_results_come_back_and_threads_are_one(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with process_pool(2) as executor:
        assert [executor.submit(threads).result() for _ in range(3)] == ["1"] * 3
    assert os.environ["OMP_NUM_THREADS"] == "7"
    with pytest.raises(ValueError, match="must be at least 1"), process_pool(0):
        pass


def test_nobody_waits_for_what_is_still_computed():
    with process_pool(2) as executor:
        process = executor.submit(os.getpid).result()
        running = [executor.submit(time.sleep, 300) for _ in range(4)]
        while not running[0].running():
            time.sleep(0.01)
        began = time.monotonic()
    assert time.monotonic() - began < 30
    for _ in range(100):
        if not lives(process):
            return
        time.sleep(0.1)
    pytest.fail("a worker outlives its job")


def test_a_job_ends_though_a_worker_was_killed():
    with process_pool(2) as executor:
        for future in [executor.submit(time.sleep, 0.3) for _ in range(4)]:
            future.result()
        os.kill(executor.submit(os.getpid).result(), signal.SIGKILL)
        with pytest.raises(BrokenProcessPool):
            executor.submit(time.sleep, 300).result(timeout=30)
        began = time.monotonic()
    assert time.monotonic() - began < 30


LABELS = """
from pathlib import Path
from iia_calc.labels.request import LabelRequest
from iia_calc.labels.run import run_labels
run_labels(LabelRequest(("B3",), Path("b3.db"), n_labels=2, workers=2))
"""
LANES = """
from iia_calc.confirm.workers import lanes
with lanes(2) as pool:
    pool.map([lambda: pool.call(abs, -1)] * 2)
"""


@pytest.mark.parametrize("script", [LABELS, LANES])
def test_a_script_without_a_main_guard_is_told_so(tmp_path, script):
    (tmp_path / "run.py").write_text(script)
    done = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "search.errors.JobFailed: no worker process could start. In a script"
    )
    assert done.stderr.count("Traceback") == 1
