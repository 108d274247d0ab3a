from __future__ import annotations

import json
import subprocess

import fitted
import pytest
from cli_process import ENVIRONMENT, IIA
from typer.testing import CliRunner

from iia_calc.cli import app


@pytest.fixture(scope="session")
def model() -> str:
    return fitted.model()


@pytest.fixture
def iia(tmp_path, monkeypatch):
    """Runs the command in a folder of its own: iia("info", code=0) -> result with stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object, code: int = 0):
        done = CliRunner().invoke(app, list(map(str, arguments)), prog_name="iia")
        assert done.exit_code == code, f"exit code {done.exit_code}\n{done.stdout}\n{done.stderr}\n{done.exception!r}"
        return done

    return run


@pytest.fixture(scope="session")
def searched(tmp_path_factory, model):
    """(folder, JSON) of one search of SeB4, shared by the tests that only read it."""
    folder = tmp_path_factory.mktemp("searched")
    command = [
        *IIA,
        "search",
        "SeB4",
        "--quenches",
        "32",
        "--model",
        model,
        "--out",
        str(folder / "SeB4"),
        "--no-known",
        "--json",
    ]
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / "SeB4", json.loads(done.stdout)
