"""What the terminal says: charges, limits of the model, narrow and plain terminals, settings in files, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import yaml
from ase import Atoms
from ase.io import read, write
from cli_process import ENVIRONMENT, IIA

from iia_calc.cli.streams import PLAIN
from iia_calc.cli.views.console import Live
from search import Archive

P = [(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0), (0.8, -1.2, 0.3)]
COMMANDS = (
    "search",
    "properties",
    "paper",
    "relax",
    "md",
    "join",
    "train",
    "improve",
    "evaluate",
    "info",
    "audit",
    "convert",
    "reproduce",
    "bench lj",
    "bench formula",
)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["search", "Se8"], "100% of Se8 are Se, and of no label more than 33%"),
        (["search", "B80"], "the labels end at 20 atoms"),
        (["search", "B12-"], "is charged, and the potential knows neutral clusters only: add --dft K"),
        (["search", "B12-", "--dft", "1", "--charge", "1"], "says charge -1, --charge +1"),
        (["search", "B12", "--basis", "3-21G"], "--basis: of the DFT confirmation; add --dft K"),
        (["search", "B12", "--dft-relax", "3", "--dft-basis", "none"], "--dft-basis, --dft-relax: of the DFT"),
        (["search", "B12", "--dft", "1", "--dft-relax", "some"], "write full, or how many gradients"),
        (["md", "B12-"], "B12- is charged, and the potential knows neutral clusters only; give B12"),
        (["md", "SeB8 2-"], "SeB8 2- is charged"),
        (["improve", "B4-", "B5", "--rounds", "1", "--from"], "B4-, B5 are of several charges"),
        (["improve", "B4-", "--charge", "1", "--rounds", "1", "--from"], "has charge -1, but charge +1 was asked for"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(iia, model, arguments, says, tmp_path):
    done = iia(*arguments, *(["--model"] if arguments[0] != "improve" else []), model, code=2)
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_beyond_its_labels_the_potential_says_so_and_an_empty_result_is_an_error(iia, tmp_path):
    done = iia("search", "SeB28", "-n", 1, "--seed", 2, "--no-known", "--model", "seb-10", "--out", "o", code=1)
    assert "warning: the labels end at 25 atoms (SeB24)" in done.stderr
    assert "no minimum was found" in done.stderr
    assert "whole shapes can be misplaced" in json.loads((tmp_path / "o/run.json").read_text())["warnings"][0]


def test_the_table_names_model_and_level_and_marks_what_is_known(searched, iia, model):
    folder, result = searched
    text = iia("search", "SeB4", "--quenches", 32, "--no-known", "--model", model, "--out", folder).stdout
    level = result["level_of_theory"]
    assert f"SeB₄ by {result['model']['name']}, which was fitted to {level}" in text
    assert "known:" in text
    assert "±: expected error of the relative energy, two thirds within" in text
    assert result["isomers"][0]["known"]["relative_energy"] == 0.0
    for frame, isomer in zip(read(folder / "isomers.extxyz", ":"), result["isomers"], strict=True):
        assert frame.info["level_of_theory"] == level
        assert frame.info["energy_std"] == pytest.approx(isomer["energy_std"])  # the calibrated error, eV
        assert frame.info["relative_energy_error"] == pytest.approx(isomer["relative_energy_error"], abs=1e-8)
    assert "random start" in text


def test_settings_come_from_a_file_and_go_to_one(searched, iia, model, tmp_path):
    folder, result = searched
    written = yaml.safe_load((folder / "config.yml").read_text())
    assert (written["formula"], written["quenches"], written["known"]) == ("SeB4", 32, False)
    again = json.loads(iia("search", "--config", folder / "config.yml", "--json").stdout)
    assert [isomer["energy"] for isomer in again["isomers"]] == [isomer["energy"] for isomer in result["isomers"]]
    (tmp_path / "wrong.yml").write_text("formula: SeB4\nquench: 3\n")
    done = iia("search", "--config", "wrong.yml", code=2)
    assert "there is no option 'quench'" in done.stderr
    assert "quenches" in done.stderr
    assert "there is no file none.yml" in iia("search", "SeB4", "--config", "none.yml", code=2).stderr
    (tmp_path / "bad.yml").write_text("a: [1\n")
    assert "is not YAML" in iia("search", "SeB4", "--config", "bad.yml", code=2).stderr


def test_python_and_the_command_share_a_folder(searched, model):
    from iia_calc import search_isomers

    folder, result = searched
    found = search_isomers("SeB4", quenches=32, known=False, model=model, out=folder)
    assert [isomer.energy for isomer in found.isomers] == [isomer["energy"] for isomer in result["isomers"]]
    assert found.run["calls"][-1]["n_quenches"] == 32


def test_the_top_of_the_package_is_what_it_says():
    import iia_calc

    top = ("load", "IIACalculator", "PotentialRelaxer", "Potential", "Committee", "search_isomers", "confirm_isomers")
    assert sorted(iia_calc.__all__) == sorted([*top, "__version__"])
    assert all(getattr(iia_calc, name) for name in iia_calc.__all__)
    with pytest.raises(AttributeError):
        iia_calc.storage_of_nothing  # noqa: B018


@pytest.mark.parametrize("command", COMMANDS)
def test_help_at_80_columns_has_whole_names_and_defaults(iia, command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = iia(*command.split(), "--help").stdout
    assert "…" not in text
    assert "--config <str>" in text
    examples = text.split("Examples:")[1].split("Options:")[0].split("Arguments:")[0]
    lines = [line for line in examples.strip("\n").splitlines() if line.strip()]
    for before, line in zip(["", *lines], lines, strict=False):
        assert len(line) <= 80
        assert line.startswith("    --" if before.endswith("\\") else ("    iia ", "    # "))


def test_search_help_shows_long_names_and_defaults(iia, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    text = " ".join(iia("search", "--help").stdout.split())
    for words in ("--dft-workers", "--until-found", "[default: 0.005]", "[default: 2m]", "--known / --no-known"):
        assert words in text


def test_a_plain_stream_still_gets_the_table(searched, model):
    folder, _ = searched
    command = [*IIA, "search", "SeB4", "--quenches", "32", "--no-known", "--model", model, "--out", str(folder)]
    plain = {**ENVIRONMENT, "PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    done = subprocess.run(command, env=plain, capture_output=True, timeout=300, check=True)
    text = done.stdout.decode("ascii")
    assert "SeB4 by" in text
    assert "relative" in text
    assert "isomers.extxyz, isomers.png" in text  # in one line, however narrow the terminal is
    assert all(ord(character) > 127 for character in PLAIN)


def test_relax_loses_nothing_that_was_computed(iia, model, tmp_path):
    frames = [
        Atoms("B4", P, info={"energy": -3.0, "reason": "mine"}),
        Atoms("C2", P[:2]),
        Atoms("B4", P, info={"charge": -1}),
    ]
    write(tmp_path / "e.traj", frames)
    done = iia("relax", "e.traj", "--model", model, code=1)
    assert "2 of 3 structures set aside" in done.stderr
    assert "1 of 3 structures converged" in done.stderr
    (frame,) = read(tmp_path / "e-relaxed.extxyz", ":")
    assert frame.get_potential_energy() < -2000.0
    assert (frame.info["reason"], frame.info["input_reason"]) == ("converged", "mine")
    assert "PBE0/def2-TZVP" in frame.info["level_of_theory"]
    assert "has charge -1" in done.stderr
    write(tmp_path / "anion.traj", frames[2])
    assert "has charge -1" in iia("relax", "anion.traj", "--model", model, code=2).stderr


def test_the_clock_says_how_much_is_left():
    live = Live("SeB16", 120.0, limit=120.0)
    assert live.clock(35.0, 35.0) == "0:35, 1:25 left"
    assert Live("LJ", 10).clock(20.0, 5) == "0:20, 0:20 left"
    assert Live("labels", None).clock(20.0, 5) == "0:20"


def test_at_80_columns_the_line_keeps_bar_and_clock():
    from rich.console import Console

    live = Live("SeB16", 120.0, limit=120.0)
    live.update(35.0, "best −75769.123 eV from 3 starts · 320 quenches · 57 minima, 12% unseen · 4.1 quenches/s", 35.0)
    console = Console(width=80, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(live.progress.get_renderable())
    (line,) = captured.get().strip("\n").splitlines()
    assert len(line) <= 80
    for words in ("SeB16", "━", "0:35, 1:25 left", "best −75769.123 eV"):
        assert words in line


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_search_that_is_told_to_end_writes_its_isomers(model, tmp_path, number):
    command = [*IIA, "search", "SeB4", "--time", "5m", "--model", model, "--out", str(tmp_path / "out"), "--json"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if (tmp_path / "out/run.json").exists() and len(Archive.read(tmp_path / "out")):
            break
        time.sleep(0.1)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert json.loads(out)["stopped_by"] == "interrupted"
    assert len(read(tmp_path / "out/isomers.extxyz", ":")) == len(json.loads(out)["isomers"]) > 0
