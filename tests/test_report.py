from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from ase.io import read
from rich.console import Console

from iia_calc.cli.views import confirmed as confirmed_view
from iia_calc.cli.views import isomers as report
from iia_calc.cli.views.search import as_plain
from iia_calc.confirm.result import Confirmed, rank_confirmed, write_confirmed
from iia_calc.confirm.vibrations import Vibrations
from iia_calc.isomers.search import search_isomers
from iia_calc.labels.dft.electronic import ElectronicState
from iia_calc.report.picture import draw_isomers, with_charge, with_subscripts
from search import ASERelaxer, Convergence


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
    plain = json.loads(json.dumps(as_plain(found), allow_nan=False))
    assert plain["formula"] == "SeB5"
    assert len(plain["isomers"][0]["positions"]) == 6
    assert plain["isomers"][0]["energy_std"] is None
    lengths = plain["isomers"][0]["bonds"][0]["lengths"]
    assert lengths == sorted(lengths)


def test_summary(found):
    text = report.summary(found)
    assert "16 quenches" in text
    assert "SeB₅" in text
    assert "seed 1" in text
    assert report.files(found.folder) == ["report.html", "isomers.extxyz", "isomers.png", "archive.db", "run.json"]


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


def test_confirmed_beside_the_model(found, tmp_path):
    state = ElectronicState("PBE0/def2-TZVP", "def2-TZVP", 0, 1, -5.0, False, 0.4, "instability followed")
    triplet = replace(state, multiplicity=3, energy=-5.5, s_squared=2.01, stability="stable")
    first, second = (isomer.atoms for isomer in found.isomers[:2])
    saddle = Vibrations((-123.4, 300.0), first.positions, "analytic", "PBE0/3-21G", 0, 1)
    confirmed = rank_confirmed(
        [
            Confirmed(1, None, first, 0, 1, -4.0, None, 0.01, 5, 0.12, None, "converged", (state,), saddle),
            Confirmed(2, None, second, 0, 1, -4.1, None, 0.01, 7, 0.34, None, "converged", (state, triplet)),
        ]
    )
    text = printed(confirmed_view.confirmed_table(confirmed, found.isomers, "PBE0"))
    rows = text.strip().splitlines()[-2:]
    assert rows[0].split()[:3] == ["1", "2", "0.000"]
    assert rows[1].split()[:3] == ["–", "1", "0.500"]
    assert "2.01 (2.00)" in rows[0]
    assert "followed" in rows[1]
    remarks = " ".join(confirmed_view.confirmed_remarks(confirmed))
    assert "multiplicity 3 lies 0.50 eV lower than 1" in remarks
    assert "a saddle, no isomer: 123i" in remarks
    write_confirmed(confirmed, tmp_path / "c.extxyz")
    frames = read(tmp_path / "c.extxyz", ":")
    assert frames[0].info["final_multiplicity"] == 3
    assert frames[0].info["s_squared"] == pytest.approx(2.01)
    assert frames[1].info["n_imaginary"] == 1
    assert "rank" not in frames[1].info


def test_a_contaminated_state_is_flagged_and_a_charge_is_named(found, tmp_path):
    level = "PBE0/3-21G, density fitting, grid 1, charge -1"
    state = ElectronicState(f"{level}, multiplicity 2", "3-21G", -1, 2, -5.0, False, 1.49, "stable")
    clean = replace(state, s_squared=0.77)
    first, second = (isomer.atoms for isomer in found.isomers[:2])
    ends = [
        Confirmed(1, None, first, -1, 2, -4.0, None, 0.01, 5, 0.12, None, "converged", (state,)),
        Confirmed(2, None, second, -1, 2, -3.0, None, 0.01, 5, 0.12, None, "converged", (clean,)),
    ]
    confirmed = rank_confirmed(ends)
    assert [c.spin_contamination for c in confirmed] == [pytest.approx(0.74), None]
    remarks = " ".join(confirmed_view.confirmed_remarks(confirmed))
    assert "model rank 1: ⟨S²⟩ is 1.49 where 0.75 is right" in remarks
    assert "model rank 2: ⟨S²⟩" not in remarks
    title = confirmed_view.confirmed_title("SeB5", confirmed, f"{level}, multiplicity 2")
    assert title.startswith("SeB₅⁻: relaxed by PBE0/3-21G")
    assert "everything here with charge -1" in title
    assert with_charge("B12", 2) == "B₁₂²⁺"
    table = printed(confirmed_view.confirmed_table(confirmed, found.isomers, title))
    assert "1.49 (0.75) !" in table
    write_confirmed(confirmed, tmp_path / "c.extxyz", level)
    frame = read(tmp_path / "c.extxyz", 0)
    assert (frame.info["charge"], frame.info["level_of_theory"]) == (-1, level)
    assert frame.info["final_level"] == f"{level}, multiplicity 2"
    assert frame.info["spin_contamination"] == pytest.approx(0.74)


def test_times_found_and_starts_are_told_together(found):
    text = report.convergence_line(Convergence(20, 4, 2, 0), 4)
    assert "4 quenches ended in the lowest, all of a given or known structure" in text
    text = report.convergence_line(Convergence(20, 4, 2, 1), 1)
    assert (
        "1 quench ended in the lowest, from 1 independent random start (a lower one, if any, is found at most" in text
    )
    assert "0.8 times as often, 95 %); 10% of" in report.convergence_line(Convergence(20, 4, 2, 5), 7)


def test_picture_with_a_second_ladder(found, tmp_path):
    from matplotlib.image import imread

    atoms, energies = [i.atoms for i in found.isomers], [i.energy for i in found.isomers]
    draw_isomers(atoms, energies, tmp_path / "one.png")
    draw_isomers(atoms, energies, tmp_path / "two.png", confirmed={1: 0.0, 0: 0.4})
    one, two = imread(tmp_path / "one.png"), imread(tmp_path / "two.png")
    assert two.shape[1] > one.shape[1]
    colour = np.array([0x1F, 0x5A, 0x7A]) / 255
    assert [(np.abs(p[..., :3] - colour).max(-1) < 0.02).sum() > 100 for p in (one, two)] == [False, True]


def test_subscripts():
    assert with_subscripts("Se2B10") == "Se₂B₁₀"
