"""A reader sees the old file or the new one, never half of either."""

from __future__ import annotations

import os
import stat
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from iia_calc.common.files import check_file_place, read_json, replacing, write_frames, write_json
from iia_calc.improve import LoopSettings
from iia_calc.training.settings import TrainingSettings
from search.errors import InputError, whole


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


def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "a.json").symlink_to(tmp_path / "far" / "b.json")
    write_json(tmp_path / "a.json", {"n": 1})
    assert (tmp_path / "a.json").is_symlink()
    assert read_json(tmp_path / "far" / "b.json") == {"n": 1}


@pytest.mark.parametrize("check", [check_file_place, lambda path: write_json(path, {})])
def test_a_device_or_a_pipe_is_never_replaced(tmp_path, check):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InputError, match="a device or a pipe"):
        check(tmp_path / "pipe.json")
    with pytest.raises(InputError, match="a device or a pipe"):
        check(Path(os.devnull))
    assert stat.S_ISFIFO((tmp_path / "pipe.json").stat().st_mode)
    assert not Path(os.devnull).is_file()


def test_whole_numbers_that_count_nothing():
    assert whole("n", 10**15, 1) == 10**15
    with pytest.raises(InputError, match="at most 1000000000000000"):
        whole("n", 10**16, 1)
