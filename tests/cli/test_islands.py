"""`iia search --islands`: the folder of a plain search, going on, and clear words where it cannot be."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import pytest
from cli_process import ENVIRONMENT, IIA

from iia_calc.isomers.relaxer import ModelRelaxer
from iia_calc.model import storage
from search.islands.task import WorkerMismatch


@pytest.mark.slow
def test_folder_and_going_on(model, tmp_path):
    def iia(quenches, workers):
        command = [*IIA, "search", "SeB3", "--islands", "2", "-j", str(workers), "-n", str(quenches), "--json"]
        done = subprocess.run(
            [*command, "--model", model, "--out", "out"],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    first, _ = iia(16, 1)
    assert (first["method"], first["counts"]["n_quenches"], first["stopped_by"]) == ("2 islands", 16, "quenches")
    folder = tmp_path / "out"
    assert {"archive.db", "isomers.extxyz", "isomers.png", "run.json"} <= {path.name for path in folder.iterdir()}
    longer, _ = iia(24, 2)
    assert longer["counts"]["n_quenches"] == 24
    run = json.loads((folder / "run.json").read_text())
    assert [call["n_quenches"] for call in run["calls"]] == [16, 24]
    assert [island["quenches"] for island in run["islands"]] == [12, 12]
    assert run["islands"][0]["seed"] != run["islands"][1]["seed"]
    assert run["islands"][0]["settings"] != run["islands"][1]["settings"]
    assert run["settings"]["islands"] == 2


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--islands", "0"], "islands is 0"),
        (["--islands", "2", "-j", "0"], "workers is 0"),
        (["-j", "2"], "more than 1 island"),
        (["--dask", "tcp://localhost:1"], "more than 1 island"),
        (["--islands", "2", "--dask", "tcp://localhost:1", "-j", "2"], "says how many it has"),
        (["--islands", "2", "--method", "annealing"], "basin-hopping, bee-colony"),
        (["--islands", "2", "--dask", "localhost"], "lacks a port"),
    ],
)
def test_errors_are_one_message(iia, model, arguments, says, tmp_path):
    done = iia("search", "SeB4", *arguments, "--model", model, code=2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "SeB4-search").exists()


def test_no_scheduler_there(iia, model, tmp_path):
    pytest.importorskip("distributed")
    start = time.monotonic()
    done = iia("search", "SeB4", "--islands", 2, "--dask", f"tcp://127.0.0.1:{free_port()}", "--model", model, code=2)
    assert "no Dask scheduler answers at tcp://127.0.0.1" in done.stderr
    assert time.monotonic() - start < 20
    assert not (tmp_path / "SeB4-search").exists()


def test_dask_is_not_installed(iia, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    done = iia("search", "SeB4", "--islands", 2, "--dask", "tcp://localhost:8786", "--model", model, code=2)
    assert "pip install '.[dask]'" in done.stderr


def test_a_worker_that_cannot_do_it_says_why(model):
    with pytest.raises(WorkerMismatch, match=r"runs 0\.0\.0"):
        ModelRelaxer("SeB4", model, "cpu", 0.005, version="0.0.0")()
    with pytest.raises(WorkerMismatch, match="there is no model"):
        ModelRelaxer("SeB4", "not-there", "cpu", 0.005, version=storage.code_version())()
    with pytest.raises(WorkerMismatch, match="not available here"):
        ModelRelaxer("SeB4", model, "abacus", 0.005)()
    made = ModelRelaxer("SeB4", model, "cpu", 0.005)()
    assert "fmax 0.005" in made.signature
