from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from importlib.metadata import version

import numpy as np
import pytest
from ase.db import connect
from ase.io import read, write
from cli_process import ENVIRONMENT, IIA

from iia_calc.model import storage
from search import Archive
from search.geometry.shape import SHAPES


def test_json_is_all_that_standard_output_has(searched):
    _, result = searched
    isomers = result["isomers"]
    assert (result["formula"], result["stopped_by"], result["counts"]["n_quenches"]) == ("SeB4", "quenches", 32)
    assert [isomer["rank"] for isomer in isomers] == list(range(1, len(isomers) + 1))
    assert isomers[0]["relative_energy"] == 0.0
    assert all(np.diff([isomer["energy"] for isomer in isomers]) >= 0)
    for isomer in isomers:
        assert isomer["shape"] in SHAPES
        assert sorted(isomer["symbols"]) == ["B"] * 4 + ["Se"]
        assert [bond["symbol"] for bond in isomer["bonds"]] == ["Se"]
        assert isomer["times_found"] >= 1
    assert sum(isomer["times_found"] for isomer in isomers) <= 32
    assert result["confirmed"] is None


def test_folder(searched, model):
    folder, result = searched
    frames = read(folder / "isomers.extxyz", ":")
    assert len(frames) == len(result["isomers"]) == len(Archive.read(folder))
    for atoms, isomer in zip(frames, result["isomers"], strict=True):
        assert atoms.get_potential_energy() == pytest.approx(isomer["energy"], abs=1e-6)
        assert (atoms.info["rank"], atoms.info["shape"]) == (isomer["rank"], isomer["shape"])
    assert (folder / "isomers.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    run = json.loads((folder / "run.json").read_text())
    card = storage.read_card(storage.find(model))
    assert run["model"]["sha256"] == [member["sha256"] for member in card.members]
    assert run["settings"]["seed"] == 0
    assert run["settings"]["method"] == "basin-hopping"
    assert run["versions"]["torch"] == version("torch")
    assert run["stopped_by"] == "quenches"
    assert not [path for path in folder.iterdir() if path.name.endswith(".part")]


@pytest.mark.slow
def test_table_and_going_on(searched, iia, model, tmp_path):
    folder, _ = searched
    done = iia("search", "SeB4", "--quenches", 48, "--model", model, "--no-known", "--out", tmp_path / "own")
    table = done.stdout
    assert "relative" in table
    assert "energy, eV" in table
    assert "48 quenches" in table
    assert "bonds of Se" in table
    again = iia("search", "SeB4", "--quenches", 48, "--model", model, "--no-known", "--out", tmp_path / "own")
    assert again.stdout.split("SeB₄:")[0] == table.split("SeB₄:")[0]
    calls = json.loads((tmp_path / "own/run.json").read_text())["calls"]
    assert [call["n_quenches"] for call in calls] == [48, 48]
    # Ended at 32 and gone on to 48 (whole batches) is the same search as 48 at once.
    folder = shutil.copytree(folder, tmp_path / "longer")  # the first is of other tests, too
    longer = iia("search", "SeB4", "--quenches", 48, "--model", model, "--no-known", "--out", folder, "--json")
    energies = [atoms.get_potential_energy() for atoms in read(tmp_path / "own/isomers.extxyz", ":")]
    assert [isomer["energy"] for isomer in json.loads(longer.stdout)["isomers"]] == pytest.approx(energies, abs=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="terminals of POSIX")
def test_a_terminal_that_is_closed_costs_nothing(model, tmp_path):
    """The terminal sends SIGHUP to the search and to its workers, and no longer takes what is written."""
    import pty

    arguments = ["search", "SeB4", "--time", "5m", "--model", model, "--islands", "2", "-j", "2", "--out", "out"]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tmp_path)
        os.execve(IIA[0], [*IIA, *arguments], ENVIRONMENT)
    shown = b""
    while not re.search(rb"[1-9]\d* quenches", shown):
        shown += os.read(terminal, 10_000)
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status == 128 + signal.SIGHUP
    assert read(tmp_path / "out/isomers.extxyz", ":")
    calls = json.loads((tmp_path / "out/run.json").read_text())["calls"]
    assert [call["stopped_by"] for call in calls] == ["interrupted"]


@pytest.mark.slow
def test_ctrl_c_shows_what_was_found_and_kill_loses_nothing(model, tmp_path):
    command = [*IIA, "search", "SeB4", "--time", "5m", "--model", model, "--out", str(tmp_path / "out"), "--json"]

    def start():
        process = subprocess.Popen(
            command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        return process

    def wait_for_quenches(process, n):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if (tmp_path / "out/run.json").exists() and stored() >= n:
                return
            time.sleep(0.1)
        pytest.fail(f"no {n} minima in a minute: {process.communicate()[1]}")

    def stored():
        return sum(minimum.times_found for minimum in Archive.read(tmp_path / "out"))

    process = start()
    wait_for_quenches(process, 10)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = stored()
    assert before >= 10
    process = start()
    wait_for_quenches(process, before + 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    result = json.loads(out)
    assert result["stopped_by"] == "interrupted"
    assert sum(isomer["times_found"] for isomer in result["isomers"]) > before
    calls = json.loads((tmp_path / "out/run.json").read_text())["calls"]
    assert [call["stopped_by"] for call in calls] == ["running", "interrupted"]


@pytest.mark.slow
def test_dft_ranks_anew_and_goes_on(iia, model, tmp_path):
    pytest.importorskip("pyscf")
    command = (
        "search",
        "SeB2",
        "--quenches",
        20,
        "--model",
        model,
        "--out",
        tmp_path / "o",
        "--dft",
        1,
        "--dft-workers",
        1,
        "--dft-basis",
        "def2-SVP",
        "--stability",
        "relaxation",
    )
    first = json.loads(iia(*command, "--json").stdout)["confirmed"]
    assert "PBE0/def2-TZVP" in first["level_of_theory"]
    assert "PBE0/def2-SVP" in first["ranked_by"]
    converged = [isomer for isomer in first["isomers"] if isomer["converged"]]
    assert all(isomer["fmax"] <= 0.05 for isomer in converged)
    distinct = [isomer for isomer in converged if isomer["same_as_model_rank"] is None]
    for isomer in distinct:
        assert {(s["basis"], s["multiplicity"]) for s in isomer["states"]} == {
            (basis, m) for basis in ("3-21G", "def2-SVP") for m in (1, 3)
        }
        assert isomer["stability"] in ("stable", "instability followed")
    labels = len(connect(tmp_path / "o/dft.db"))
    assert labels == sum(isomer["steps"] for isomer in first["isomers"])
    again = iia(*command)
    assert len(connect(tmp_path / "o/dft.db")) == labels
    assert "moved" in again.stdout
    assert "(ideal)" in again.stdout
    ranked = [isomer for isomer in first["isomers"] if isomer["rank"] == 1]
    if ranked:
        assert read(tmp_path / "o/confirmed.extxyz", 0).info["rank"] == 1
    model_frame = read(tmp_path / "o/isomers.extxyz", 0)
    of_first = next(isomer for isomer in first["isomers"] if isomer["model_rank"] == 1)
    assert model_frame.info["dft_relative_energy"] == pytest.approx(of_first["relative_energy"])
    run = json.loads((tmp_path / "o/run.json").read_text())
    assert [isomer["model_rank"] for isomer in run["dft"]["isomers"]] == [i["model_rank"] for i in first["isomers"]]
    assert run["dft"]["charge"] == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["SeC9"], "it knows B, Se"),
        (["SeC9"], "--calculator tblite.ase:TBLite"),
        (["SeC9"], "iia improve SeC9"),
        (["Cu3", "--set", "asap_cutoff"], "KEY=VALUE"),
        (["Seb9"], "not a chemical formula"),
        (["SeB4", "--time", "3x"], "90s, 2m, 1h"),
        (["SeB4", "--time", "0"], "not a time"),
        (["SeB4", "--method", "annealing"], "basin-hopping, bee-colony"),
        (["SeB4", "--quenches", "0"], "at least 1"),
        (["SeB4", "--charge", "1"], "add --dft K"),
        (["SeB4", "--dft", "1", "--multiplicity", "2"], "impossible"),
        (["SeB4", "--frequencies"], "add --dft K"),
        (["SeB4", "--dft", "1", "--dft-basis", "huge"], "no basis 'huge'"),
        (["SeB4", "--dft", "1", "--stability", "some"], "all, relaxation, none"),
        (["SeB4", "--dft", "1", "--descend"], "needs frequencies"),
        (["SeB4", "--dft", "1", "--dft-workers", "0"], "at least 1"),
        (["SeB4", "--model", "nothing"], "no model"),
        (["SeB4", "--device", "abacus"], "not available"),
    ],
)
def test_errors_are_one_message(iia, model, arguments, says):
    if "--model" not in arguments:
        arguments = [*arguments, "--model", model]
    done = iia("search", *arguments, code=2)
    assert says in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_any_ase_calculator(iia, tmp_path):
    chosen = ("--calculator", "ase.calculators.emt:EMT", "--set", "asap_cutoff=True")
    result = json.loads(iia("search", "AuCu3", *chosen, "-n", 8, "--out", "alloy", "--json").stdout)
    text = "ase.calculators.emt:EMT(asap_cutoff=True)"
    assert result["calculator"]["settings"] == {"asap_cutoff": True}
    assert (result["model"], result["calculator"]["text"]) == (None, text)
    assert result["isomers"][0]["symbols"].count("Cu") == 3
    again = iia("search", "--config", tmp_path / "alloy/config.yml")
    assert f"AuCu₃ by {text}" in again.stdout
    lacking = iia("search", "SeCu3", *chosen, code=2)
    assert "can't compute SeCu3" in lacking.stderr.replace("\n", " ")


def test_a_folder_of_another_search_is_refused(searched, iia, model):
    folder, _ = searched
    before = (folder / "run.json").read_bytes()
    done = iia("search", "SeB4", "--quenches", 60, "--seed", 7, "--model", model, "--out", folder, code=2)
    assert "another search" in done.stderr
    assert "SeB4" in iia("search", "SeB5", "--quenches", 60, "--model", model, "--out", folder, code=2).stderr
    assert (folder / "run.json").read_bytes() == before


def test_debug_shows_the_traceback(model):
    command = [*IIA, "search", "SeC9", "--model", model, "--debug"]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.slow
def test_a_search_begins_with_what_it_is_given(iia, model, tmp_path):
    lowest = {
        atoms.info["formula"]: atoms
        for atoms in reversed(read(storage.models_folder() / "lowest" / "lowest.extxyz", ":"))
    }
    write("mine.xyz", lowest["SeB4"])
    own = iia("search", "SeB4", "--quenches", 4, "--starts", "mine.xyz", "--no-known", "--model", model, "--out", "own")
    assert "begun with 1 given or known structure," in own.stdout.replace("\n", " ")
    assert json.loads((tmp_path / "own/run.json").read_text())["settings"]["starts"] == 1
    random = iia("search", "SeB4", "--quenches", 4, "--no-known", "--model", model, "--out", "random")
    assert "begun with" not in random.stdout.replace("\n", " ")
    iia("search", "SeB4", "--quenches", 4, "--model", model, "--out", "known")
    assert json.loads((tmp_path / "known/run.json").read_text())["settings"]["starts"] > 4
    wrong = iia("search", "SeB5", "--quenches", 4, "--starts", "mine.xyz", "--model", model, "--out", "wrong", code=2)
    assert "starting structure 1 is SeB4; the search is for SeB5" in wrong.stderr.replace("\n", " ")
    assert "there is no file none.xyz" in iia("search", "SeB5", "--starts", "none.xyz", "--model", model, code=2).stderr
