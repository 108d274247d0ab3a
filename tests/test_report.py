from __future__ import annotations

import json

import pytest
from ase.io import read
from rich.console import Console

from iia_calc import report
from iia_calc.isomers import search_isomers
from iia_calc.picture import draw_isomers, subscripted
from search import ASERelaxer


@pytest.fixture
def relaxer():
    from ase.calculators.lj import LennardJones as ASELennardJones

    return ASERelaxer(ASELennardJones(sigma=1.6, epsilon=1.0, rc=30.0), fmax=0.05)


@pytest.fixture
def found(relaxer, tmp_path):
    return search_isomers("SeB5", relaxer=relaxer, out=tmp_path / "out", quenches=16, seed=1)


def printed(table) -> str:
    console = Console(width=140)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_table(found):
    text = printed(report.isomer_table(found.isomers, limit=2))
    assert "bonds of Se" in text
    assert len(text.strip().splitlines()) == 2 + min(2, len(found.isomers))
    assert "0.000" in text


def test_plain_data_is_json(found):
    plain = json.loads(json.dumps(report.as_plain(found), allow_nan=False))
    assert plain["formula"] == "SeB5"
    assert len(plain["isomers"][0]["positions"]) == 6
    assert plain["isomers"][0]["committee_deviation"] is None
    lengths = plain["isomers"][0]["bonds"][0]["lengths"]
    assert lengths == sorted(lengths)


def test_summary(found):
    text = report.summary(found)
    assert "16 quenches" in text
    assert "SeB₅" in text
    assert "seed 1" in text
    assert report.files(found.folder) == ["isomers.extxyz", "isomers.png", "archive.db", "run.json"]


def test_no_relaxer_is_mentioned_as_a_model(found):
    assert found.run["relaxer"] == "ASERelaxer"
    assert len(read(found.folder / "isomers.extxyz", ":")) == len(found.isomers)


def test_a_file_is_no_folder(relaxer, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        search_isomers("SeB5", relaxer=relaxer, out=tmp_path / "file", quenches=2)


def test_picture(found, tmp_path):
    from matplotlib.image import imread

    atoms = [isomer.atoms for isomer in found.isomers]
    draw_isomers(atoms, [isomer.energy for isomer in found.isomers], tmp_path / "p.png")
    pixels = imread(tmp_path / "p.png")[..., :3]
    assert pixels.shape[0] > 600
    assert 0.01 < (pixels.min(-1) < 0.9).mean() < 0.6  # neither empty nor full
    draw_isomers(atoms[:1], [0.0], tmp_path / "one.png", title="one")
    with pytest.raises(ValueError, match="no isomers"):
        draw_isomers([], [], tmp_path / "none.png")
    with pytest.raises(ValueError, match="energies"):
        draw_isomers(atoms, [0.0, 1.0, 2.0] * 20, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_subscripts():
    assert subscripted("Se2B10") == "Se₂B₁₀"
