"""The table of detachment energies against experiment, from made energies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest
from ase import Atoms
from ase.io import write

from iia_calc.common.files import write_json
from iia_calc.confirm.journal import StoredSteps


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    monkeypatch.delitem(sys.modules, "photoelectron", raising=False)
    import photoelectron

    return photoelectron


def test_energies_become_a_table_with_errors(script, tmp_path):
    folder = tmp_path / "B5-anion"
    folder.mkdir()
    atoms = Atoms("B2", [[0, 0, 0], [0, 0, 1.6]])
    atoms.info.update(rank=1, final_multiplicity=1)
    write(folder / "confirmed.extxyz", atoms)
    write(folder / "neutral-2.extxyz", atoms)
    level = "PBE0/def2-TZVPD, density fitting, grid 3, charge -1, lowest multiplicity"
    detached = {
        "vertical_by_multiplicity": {"2": 2.5},
        "first_vertical": 2.5,
        "adiabatic": 2.3,
        "adiabatic_with_zpe": 2.33,
        "level": level,
    }
    isomer = {"point_group": "C2v", "multiplicity": 1, "photoelectron": detached}
    write_json(folder / "properties.json", {"dft": {"isomers": [isomer]}})
    steps = StoredSteps(folder / "functionals.steps.jsonl")
    for place, energy in (("anion", -10.0), ("neutral in its place", -7.6), ("neutral", -7.8)):
        key = {"functional": "PBE", "level": level.replace("PBE0", "PBE"), "place": place}
        steps.add(key, {"energy": energy})
    options = argparse.Namespace(runs=tmp_path, functionals=["PBE0", "PBE", "TPSSh"])
    lines = script.table(options).splitlines()
    assert lines[2] == "| B5⁻ | C2v, 1 | 2.33 | 2.33 (2.50) | 2.23 (2.40) | – |"
    assert lines[3] == "| mean error | | | +0.00 of 1 | -0.10 of 1 | – |"
    assert lines[4] == "| mean absolute error | | | +0.00 of 1 | +0.10 of 1 | – |"
