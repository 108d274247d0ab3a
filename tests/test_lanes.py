"""Work side by side, its end by Ctrl-C or by itself, and steps that outlive it."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from iia_calc.common.device import cores
from iia_calc.confirm.journal import StoredSteps
from iia_calc.confirm.workers import WorkerLost, lanes


def test_results_in_order_from_processes_of_their_own():
    with lanes(2) as pool:
        results = pool.map([lambda k=k: pool.call(pow, k, 2) for k in range(5)])
        assert results == [0, 1, 4, 9, 16]
        pids = set(pool.map([lambda: pool.call(os.getpid) for _ in range(4)]))
    assert os.getpid() not in pids
    with lanes(1) as pool:
        assert pool.map([lambda: pool.call(os.getpid)]) == [os.getpid()]


def test_ctrl_c_ends_long_work_at_once():
    began = time.monotonic()
    with lanes(2) as pool:
        pool.map([lambda: pool.call(abs, 1), lambda: pool.call(abs, 1)])  # processes are up
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        assert pool.map([lambda: pool.call(time.sleep, 60), lambda: pool.call(time.sleep, 60)]) == [None, None]
        assert pool.stopped
        assert pool.map([lambda: pool.call(abs, 1), lambda: "stored"]) == [None, "stored"]
    assert time.monotonic() - began < 30


def test_a_lost_worker_is_said_and_replaced():
    with lanes(2) as pool:
        with pytest.raises(WorkerLost, match="memory"):
            pool.map([lambda: pool.call(os._exit, 1)])
        assert pool.map([lambda: pool.call(abs, -1)]) == [1]


def test_workers_are_counted():
    with pytest.raises(ValueError, match="at least one worker"), lanes(0):
        pass
    assert cores() >= 1


def test_steps_outlive_a_torn_line(tmp_path):
    path = tmp_path / "steps.jsonl"
    steps = StoredSteps(path)
    steps.add({"kind": "state", "multiplicity": 3}, {"energy": -1.5})
    steps.add({"kind": "state", "multiplicity": 1}, None)
    with path.open("a") as out:
        out.write('{"step": {"kind": "st')  # killed
    again = StoredSteps(path)
    assert again.get({"multiplicity": 3, "kind": "state"}) == {"energy": -1.5}
    assert again.get({"kind": "st"}) is None
    again.add({"kind": "last"}, 7)
    last = StoredSteps(path)
    assert last.get({"kind": "last"}) == 7
    assert len(last) == 3


def test_another_file_is_refused(tmp_path):
    (tmp_path / "steps.jsonl").write_text("my notes\nmore\n")
    with pytest.raises(ValueError, match="line 1"):
        StoredSteps(tmp_path / "steps.jsonl")
