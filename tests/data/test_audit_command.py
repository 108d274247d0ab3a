from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from made_data import boron_set, gaussian_log
from typer.testing import CliRunner

from iia_calc.cli import app


@pytest.fixture
def iia(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*arguments: object, code: int = 0):
        done = CliRunner().invoke(app, list(map(str, arguments)), prog_name="iia")
        assert done.exit_code == code, f"exit code {done.exit_code}\n{done.stdout}\n{done.stderr}\n{done.exception!r}"
        return done

    return run


@pytest.fixture
def npz(write_npz):
    made = boron_set(200)
    energies = made.energies.copy()
    energies[:20] += 3.0
    return write_npz("Bn/B=8.npz", made.numbers, made.positions, energies)


def test_table_findings_and_files(iia, npz, tmp_path):
    text = iia("audit", npz).stdout
    assert "Bn/B=8" in text
    assert "• Bn/B=8.npz: 20 of 200 energies (10.0%) can't be used" in text
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == [
        "audit.csv",
        "audit.json",
        "audit.png",
        "config.yml",
        "structures.csv",
    ]


def test_json_alone_with_clean_and_check(iia, npz, tmp_path):
    pytest.importorskip("tblite")
    options = ("--json", "--clean", "clean.db", "--check", 1, "--check-level", "gfn1", "--out", "here")
    plain = json.loads(iia("audit", npz, *options).stdout)
    assert plain["sets"][0]["failed"] == 20
    assert plain["clean"] == {"file": "clean.db", "kept": 180, "dropped": plain["clean"]["dropped"]}
    assert plain["check"]["flagged"] == plain["check"]["passed"] == 1
    assert (tmp_path / "here" / "check.csv").exists()


def test_usable_structures_are_listed_and_counted(iia, npz, tmp_path):
    text = iia("audit", npz, "--usable", "usable.csv").stdout
    assert "180 of 200 structures can be used" in text
    with (tmp_path / "usable.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert {line["file"] for line in lines} == {"Bn/B=8.npz"}
    assert [line["usable"] for line in lines] == ["no"] * 20 + ["yes"] * 180
    plain = json.loads(iia("audit", npz, "--usable", "usable.csv", "--json").stdout)
    assert plain["usable"] == {"file": "usable.csv", "usable": 180}


def test_convert_both_ways(iia, npz):
    assert "hartree" in iia("convert", npz, "B8.extxyz").stdout
    assert "200 structures, energies in eV" in iia("convert", "B8.extxyz", "B8.db").stdout


def test_logs_by_first_geometry(iia, tmp_path):
    steps = [([[0, 0, 0], [2.0, 0, 0]], -48.9, None, True), ([[0, 0, 0], [1.6, 0, 0]], -49.1, None, True)]
    (tmp_path / "B2.log").write_text(gaussian_log(steps))
    iia("convert", "B2.log", "B2.npz", "--geometry", "first")
    with np.load(tmp_path / "B2.npz") as held:
        assert held["R"][0, 1, 0] == 2.0
        assert held["E"][0, 0] == pytest.approx(-48.9 * 27.211386, abs=1e-3)
        assert str(held["unit"]) == "eV"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("audit", "nowhere"), "there is no file or folder nowhere"),
        (("audit", "FILE", "--unit", "kcal"), "the energy unit is 'kcal'; it must be hartree or eV"),
        (("audit", "FILE", "--geometry", "middle"), "--geometry: of Gaussian logs, and there are none"),
        (("audit", "FILE", "--clean", "clean.npz"), "is of no kind written here; name it *.db"),
        (("audit", "FILE", "--drop", "copy"), "--drop says what --clean leaves out"),
        (("audit", "FILE", "--clean", "c.db", "--drop", "ugly"), "ugly is no flag"),
        (("audit", "FILE", "--usable", "usable.txt"), "name it *.csv or *.csv.gz"),
        (("audit", "FILE", "--xtb"), "add --usable FILE.csv"),
        (("audit", "FILE", "--check", "-1"), "--check is -1"),
        (("audit", "FILE", "--check", "1", "--check-level", "mp2"), "choose dft or gfn1"),
        (("convert", "FILE", "out.pdf"), "is of no kind written here"),
        (("convert", "FILE", "FILE"), "exists; name another file"),
    ],
)
def test_bad_input_is_one_clear_line_and_nothing_is_written(iia, npz, tmp_path, arguments, message):
    done = iia(*(npz if word == "FILE" else word for word in arguments), code=2)
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.strip().count("\n") == 0
    assert not (tmp_path / "audit").exists()
