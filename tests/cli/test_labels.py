"""Labels from the shell: made, put right, and compared with a model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect
from ase.io import write

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure, LabelStore
from iia_calc.model import storage


def triangle(side: float) -> Atoms:
    return Atoms("B3", side * np.array([(0, 0, 0), (1, 0, 0), (0.5, 0.866, 0)]))


@pytest.fixture
def level(model) -> str:
    return storage.read_card(storage.find(model)).level_of_theory


def labels(path, level, *clusters):
    items = [
        LabelledStructure(atoms, Label(-2000.0, np.zeros((len(atoms), 3))), f"number {k}", "given", 0, 2)
        for k, atoms in enumerate(clusters)
    ]
    LabelStore(path, level).add(items)
    return path


def test_made_and_evaluated(iia, tmp_path):
    iia("label", "B3", "-n", 3, "-o", "xtb.db")
    assert connect(tmp_path / "xtb.db").count() >= 3
    said = iia("evaluate", "xtb.db", code=2).stderr
    assert "GFN1-xTB" in said
    assert "fitted to" in said


def test_files_that_hold_no_labels_are_refused(iia, tmp_path):
    write(tmp_path / "a.extxyz", Atoms("B3", triangle(1.6).positions, info={"REF_energy": -3.0}))
    for command in (("evaluate", "a.extxyz"), ("train", "a.extxyz", "-o", "m")):
        said = iia(*command, code=2).stderr
        assert "a.extxyz is no database of labels (*.db, or *.npz.xz where they are only read); iia label makes" in said
        assert said.count("\n") == 1


def test_known_structures_can_be_left_out(iia, level, model, tmp_path):
    held_out = labels(tmp_path / "held-out.db", level, triangle(1.6), triangle(1.9))
    turned = triangle(1.61)
    turned.rotate(40, (1, 2, 3))
    known = labels(tmp_path / "known.db", level, turned)
    everything = json.loads(iia("evaluate", held_out, "--model", model, "--fmax", 0, "--json").stdout)
    assert everything["B3"]["count"] == 2
    new = json.loads(iia("evaluate", held_out, "--model", model, "--known", known, "--fmax", 0, "--json").stdout)
    assert new["B3"]["count"] == 1
    assert "left out: 1 near a known one" in iia("evaluate", held_out, "--model", model, "--known", known).stdout
    assert "all 1 structures are near" in iia("evaluate", known, "--model", model, "--known", known, code=2).stderr


def test_one_batch_is_evaluated(iia, level, model, tmp_path):
    for name, size in (("near", 1.6), ("far", 1.9), ("farther", 2.0)):
        path = labels(tmp_path / f"{name}.db", level, triangle(size))
        iia("join", path, "--batch", name, "--split", "held-out", "-o", "all.npz.xz")
    command = ("evaluate", "all.npz.xz", "--model", model, "--fmax", 0)
    assert json.loads(iia(*command, "--batch", "near", "--batch", "far", "--json").stdout)["B3"]["count"] == 2
    assert "batches there are: far, farther, near" in iia(*command, "--batch", "nowhere", code=2).stderr


def test_labels_are_put_right_in_place(iia, tmp_path):
    pytest.importorskip("pyscf")
    labels(tmp_path / "old.db", DFTLevel().name, Atoms("B"))
    assert "1 labels tested" in iia("label", "--recheck", "open-shell", "--level", "dft", "-o", "old.db").stdout
    assert "--level dft" in iia("label", "--recheck", "open-shell", "-o", "old.db", code=2).stderr
    assert (
        "open-shell, all or followed"
        in iia("label", "--recheck", "some", "--level", "dft", "-o", "old.db", code=2).stderr
    )
