"""A reader sees the old file or the new one, never half of either."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from iia_calc.common.files import read_json, replacing, write_frames, write_json
from iia_calc.improve import LoopSettings
from iia_calc.training.settings import TrainingSettings
from search.errors import InputError


def stop_half_way(path) -> None:
    with replacing(path) as part:
        part.write_text("half")
        assert path.read_text().startswith("{")
        raise RuntimeError("half way")


def test_the_old_file_stays_where_writing_fails(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"Å": 1})
    assert read_json(path) == {"Å": 1}
    with pytest.raises(RuntimeError, match="half"):
        stop_half_way(path)
    assert read_json(path) == {"Å": 1}
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_structures_come_back(tmp_path):
    write_frames(tmp_path / "a.extxyz", [Atoms("B2", [[0, 0, 0], [0, 0, 1.6]]), Atoms("B")])
    assert [len(atoms) for atoms in read(tmp_path / "a.extxyz", ":")] == [2, 1]
    assert [file.name for file in tmp_path.iterdir()] == ["a.extxyz"]


def test_a_suffix_can_be_kept(tmp_path):
    with replacing(tmp_path / "a.npz", keep_suffix=True) as part:
        assert part.suffix == ".npz"
        part.write_text("x")
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_what_is_no_json_is_said(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        read_json(tmp_path / "a.json")


def test_numpy_numbers_are_numbers(tmp_path):
    write_json(tmp_path / "a.json", {"n": np.int64(3), "x": np.float32(0.5), "v": np.arange(2), "p": Path("b")})
    assert read_json(tmp_path / "a.json") == {"n": 3, "x": 0.5, "v": [0, 1], "p": "b"}
    settings = TrainingSettings(epochs=np.int64(2), learning_rate=np.float64(1e-3))
    write_json(tmp_path / "b.json", asdict(settings))
    assert read_json(tmp_path / "b.json") == asdict(TrainingSettings(epochs=2, learning_rate=1e-3))
    loop = LoopSettings(("B4",), level="gfn1", quenches=np.int64(3), seed=np.int32(2))
    assert loop.as_plain() == LoopSettings(("B4",), level="gfn1", quenches=3, seed=2).as_plain()
    with pytest.raises(TypeError, match="can't be written as JSON"):
        write_json(tmp_path / "a.json", {"f": print})
    assert read_json(tmp_path / "a.json")["n"] == 3
