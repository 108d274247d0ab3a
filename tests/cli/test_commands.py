from __future__ import annotations

import json
import resource
import shlex
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.io import read, write
from cli_process import ENVIRONMENT, IIA

from iia_calc.cli.duration import format_time, parse_simulated, parse_time
from iia_calc.model.storage import find, read_card


@pytest.fixture
def clusters(tmp_path):
    """A file of two frames of different size."""
    ring = np.array([(1.0, 0, 0), (-0.5, 0.87, 0), (-0.5, -0.87, 0)])
    write(tmp_path / "clusters.xyz", [Atoms("B3", ring), Atoms("B3Se", np.vstack([ring, (0.1, 0.0, 1.8)]))])
    return tmp_path / "clusters.xyz"


COMMANDS = ("search", "relax", "md", "label", "join", "train", "improve", "evaluate", "info")


def test_help_teaches(iia):
    everything = iia("--help").stdout
    for command in COMMANDS:
        assert command in everything
        text = iia(command, "--help").stdout.replace(f"Usage: iia {command}", "", 1)
        assert f"iia {command}" in text.split("Options:")[0]  # a worked example, above the options


def test_help_comes_at_once():
    best = float("inf")
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*IIA, "--help"], env=ENVIRONMENT, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert best < 0.7  # seconds of the CPU, so that the machine may do something else meanwhile


def test_help_imports_nothing_heavy():
    code = "import sys, iia_calc.cli; print([m for m in ('torch', 'ase', 'matplotlib', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_pipe_that_is_closed_early_says_nothing():
    command = f"{shlex.join(IIA)} label --help | head -40"
    done = subprocess.run(command, shell=True, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert "Usage: iia label" in done.stdout
    assert done.stderr == ""


def test_version(iia):
    assert iia("--version").stdout.startswith("schnet-iia ")


def test_relax(iia, model, clusters, tmp_path):
    done = iia("relax", clusters, "--model", model, "--fmax", 0.02)
    frames = read(tmp_path / "clusters-relaxed.extxyz", ":")
    assert [len(atoms) for atoms in frames] == [3, 4]
    assert all(atoms.info["converged"] for atoms in frames)
    assert all(atoms.info["fmax"] <= 0.02 for atoms in frames)
    assert done.stdout.count("converged") == 2
    plain = json.loads(iia("relax", tmp_path / "clusters-relaxed.extxyz", "--model", model, "--json").stdout)
    assert [entry["formula"] for entry in plain] == ["B3", "SeB3"]
    assert plain[1]["energy"] <= frames[1].get_potential_energy() + 1e-4


def test_relax_does_not_hide_what_is_not_converged(iia, model, clusters):
    done = iia("relax", clusters, "--model", model, "--fmax", 1e-3, "--max-steps", 2, code=1)
    assert "step limit" in done.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no file"),
        ("nonsense", "can't be read"),
        ("1\n\nC 0 0 0\n", "has C"),
        ("2\n\nB 0 0 0\nB nan 0 0\n", "not finite"),
    ],
)
def test_relax_says_what_is_wrong_with_a_file(iia, model, tmp_path, content, says):
    file = tmp_path / "bad.xyz"
    if content is not None:
        file.write_text(content)
    assert says in iia("relax", file, "--model", model, code=2).stderr


def test_relax_does_not_overwrite_its_input(iia, model, clusters):
    assert "input itself" in iia("relax", clusters, "--out", clusters, "--model", model, code=2).stderr


def test_md_conserves_energy(iia, model, clusters, tmp_path):
    start = tmp_path / "clusters-relaxed.extxyz"
    iia("relax", clusters, "--model", model)
    arguments = ("md", start, "-n", 100, "--timestep", 0.5, "-T", 200, "--every", 5, "--model", model)
    result = json.loads(iia(*arguments, "--json").stdout)
    assert (result["steps"], result["stopped_by"]) == (100, "steps")
    assert abs(result["drift"]) < 1e-2
    frames = read(tmp_path / result["trajectory"], ":")
    assert len(frames) == 21
    totals = [atoms.get_total_energy() for atoms in frames]
    assert np.ptp(totals) / 3 < 5e-3
    assert {atoms.info["level_of_theory"] for atoms in frames} == {read_card(find(model)).level_of_theory}
    assert "is there already" in iia(*arguments, code=2).stderr
    text = iia(*arguments, "--overwrite").stdout
    assert "eV/atom/ps" in text
    assert "mean temperature" in text


def test_md_of_a_formula_with_a_bath(iia, model, tmp_path):
    done = iia("md", "SeB3", "--time", "20fs", "--langevin", "--out", "t.extxyz", "--model", model, "--json")
    result = json.loads(done.stdout)
    assert result["steps"] == 20
    assert result["drift"] is None
    frames = read(tmp_path / "t.extxyz", ":")
    assert len(frames) == 3
    assert {atoms.info["level_of_theory"] for atoms in frames} == {read_card(find(model)).level_of_theory}
    assert "--steps or --time" in iia("md", "SeB3", "-n", 5, "--time", "5fs", "--model", model, code=2).stderr


def test_info(iia, model):
    text = iia("info", model).stdout
    for word in ("elements", "B, Se", "level of theory", "cutoff", "labels"):
        assert word in text
    assert json.loads(iia("info", model, "--json").stdout)["elements"] == ["B", "Se"]
    iia("info")
    assert "no model" in iia("info", "nothing", code=2).stderr


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("2m", 120), ("1h", 3600), ("1h30m", 5400), ("0.5h", 1800), ("45", 45)]
)
def test_times(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "3x", "-1s", "0", "1m1h", "1.2.3s", "inf", "nan", "2 days"])
def test_bad_times(text):
    with pytest.raises(ValueError, match="not a time"):
        parse_time(text)


def test_simulated_times():
    assert [parse_simulated(text) for text in ("500fs", "2ps", "0.1ns")] == [500.0, 2000.0, 1e5]
    with pytest.raises(ValueError, match="simulated"):
        parse_simulated("2m")
    assert [format_time(s) for s in (5, 65, 3725)] == ["0:05", "1:05", "1:02:05"]
