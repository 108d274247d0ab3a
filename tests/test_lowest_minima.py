"""The tables of lowest minima: made anew without losing what they hold, and without what was found to be a saddle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from iia_calc.confirm.relaxation import start_name
from iia_calc.isomers.checked import Checked, read_checks, write_checks
from iia_calc.model.storage import models_folder

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
SHIPPED = models_folder() / "lowest" / "lowest.extxyz"


def run(script: str, *arguments: object) -> str:
    command = [sys.executable, str(ROOT / "benchmarks" / script), *map(str, arguments)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_table_is_made_anew_without_saddles(tmp_path):
    pytest.importorskip("pyscf")
    frames = [frame for frame in read(SHIPPED, ":") if frame.info["formula"] in ("B3", "B9")]
    write(tmp_path / "lowest.extxyz", frames, format="extxyz")
    saddle = frames[1]
    write_checks(tmp_path, frames[0].info["level"], {start_name(saddle): Checked("B9", (-300.0, 200.0), "analytic")})
    run("lowest_minima.py", "--runs", tmp_path / "none", "--out", tmp_path)
    kept = read(tmp_path / "lowest.extxyz", ":")
    assert [frame.info["formula"] for frame in kept] == ["B3", "B9"]
    for before, after in zip((frames[0], frames[2]), kept, strict=True):
        assert np.array_equal(before.positions, after.positions)
        assert after.get_potential_energy() == before.get_potential_energy()
        assert after.info == before.info


@pytest.mark.slow
def test_a_saddle_gives_way_to_what_it_falls_to(tmp_path):
    pytest.importorskip("pyscf")
    (rhombus,) = (frame for frame in read(SHIPPED, ":") if frame.info["formula"] == "B4")
    square = Atoms("B4", [[0, 0, 0], [1.55, 0, 0], [1.55, 1.55, 0], [0, 1.55, 0]], info=rhombus.info)
    square.calc = SinglePointCalculator(square, energy=-2677.8076, forces=np.zeros((4, 3)))
    write(tmp_path / "lowest.extxyz", [square], format="extxyz")
    run("lowest_checks.py", "--out", tmp_path, "--work", tmp_path / "work")
    (kept,) = read(tmp_path / "lowest.extxyz", ":")
    assert kept.get_potential_energy() == pytest.approx(rhombus.get_potential_energy(), abs=0.01)
    assert kept.info["origin"].endswith("pushed off a saddle")
    checks = read_checks(tmp_path)
    assert checks[start_name(square)].falls_to == start_name(kept)
    assert min(checks[start_name(kept)].frequencies) > 0
    assert 3 in checks[start_name(kept)].spins
