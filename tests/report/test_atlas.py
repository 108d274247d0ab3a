"""The atlas: what its pages say is what the tables hold."""

from __future__ import annotations

import csv
import json
import re
import shutil

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from iia_calc.calculator import IIACalculator
from iia_calc.confirm.relaxation import start_name
from iia_calc.isomers.checked import Checked, OtherSpin, checks_of, read_checks, write_checks
from iia_calc.model.storage import models_folder
from iia_calc.report.atlas.entries import read_minima
from iia_calc.report.atlas.site import write_atlas
from iia_calc.report.paper.citations import in_one_line
from search.errors import InputError

pytest.importorskip("pymatgen")
LEVEL = "PBE0/3-21G, density fitting, grid 1, charge 0, lowest multiplicity"
TRIPLET = LEVEL.replace("lowest multiplicity", "multiplicity 3")


def ring(n: int, radius: float) -> Atoms:
    angles = 2.0 * np.pi * np.arange(n) / n
    return Atoms(f"B{n}", np.stack([radius * np.cos(angles), radius * np.sin(angles), 0.0 * angles], axis=1).round(6))


def framed(atoms: Atoms, energy: float, **info) -> Atoms:
    frame = atoms.copy()
    frame.calc = SinglePointCalculator(frame, energy=energy, forces=np.zeros((len(atoms), 3)))
    frame.info.update(info)
    return frame


@pytest.fixture
def folder(tmp_path):
    """Two isomers of B4, tested; a triplet of it below both; B3, of which nothing is known but its structure."""
    square, chain = ring(4, 1.1), Atoms("B4", [[0, 0, 0], [1.6, 0, 0], [3.2, 0, 0], [4.8, 0, 0]])
    spin = ring(4, 1.2)
    frames = [
        framed(ring(3, 0.9), -2006.0, level=LEVEL),
        framed(square, -2677.5, level=LEVEL, origin="mine"),
        framed(chain, -2677.0, level=LEVEL),
    ]
    root = tmp_path / "lowest"
    root.mkdir()
    write(root / "lowest.extxyz", frames, format="extxyz")
    write(root / "spins.extxyz", [framed(spin, -2677.75, level=TRIPLET, multiplicity=3)], format="extxyz")
    spins = {3: OtherSpin(0.4, 2.01, -0.25, start_name(spin))}
    checks = {
        start_name(square): Checked("B4", (310.0, 500.0), "analytic", spins),
        start_name(chain): Checked("B4", (-212.0, 100.0), "analytic"),
    }
    write_checks(root, LEVEL, checks)
    return root


def test_checks_come_back(folder):
    square = read(folder / "lowest.extxyz", 1)
    checked = checks_of(square, read_checks(folder))
    assert checked.frequencies == (310.0, 500.0)
    assert checked.n_imaginary == 0
    assert checked.spins[3].relaxed == -0.25
    square.positions[0, 0] += 0.01
    assert checks_of(square, read_checks(folder)) is None  # of another structure nothing is known


def test_minima_of_a_formula_are_compared_across_multiplicities(folder):
    minima = read_minima(folder)
    assert list(minima) == ["B3", "B4"]
    triplet, square, chain = minima["B4"]
    assert (triplet.multiplicity, triplet.relative, triplet.is_lowest_spin) == (3, 0.0, False)
    assert square.relative == pytest.approx(0.25)
    assert (square.point_group, chain.point_group) == ("D4h", "D∞h")
    assert (square.lowest_frequency, chain.lowest_frequency) == (310.0, -212.0)
    assert minima["B3"][0].lowest_frequency is None
    assert minima["B3"][0].multiplicity == 2


def test_pages_and_files(folder, tmp_path):
    done = write_atlas(tmp_path / "site", folder)
    assert (done.n_formulas, done.n_minima) == (2, 4)
    index = done.index.read_text(encoding="utf-8")
    assert 'href="B4.html"' in index
    assert "Of 4 structures 2 have frequencies" in index
    page = (done.folder / "B4.html").read_text(encoding="utf-8")
    assert "212i" in page
    assert "−0.25 eV relaxed" in page
    assert "Frequencies were not computed" in page  # of the triplet
    assert '<script src="assets/chemiscope' in page or "No 3-D here" in page
    assert len(page) < 200_000  # the viewer is not in it
    rows = list(csv.DictReader((done.folder / "data" / "B4.csv").read_text().splitlines()))
    assert [row["multiplicity"] for row in rows] == ["3", "1", "1"]
    plain = json.loads((done.folder / "data" / "atlas.json").read_text())
    assert plain[2]["frequencies_per_cm"] == [310.0, 500.0]
    frames = read(done.folder / "data" / "B4.xyz", ":")
    assert [frame.get_potential_energy() for frame in frames] == [-2677.75, -2677.5, -2677.0]
    off = 1000.0 * (IIACalculator("seb-3-21g").get_potential_energy(ring(4, 1.1)) + 2677.5) / 4
    assert plain[2]["model_error_meV_per_atom"] == pytest.approx(off, abs=0.1)
    assert plain[1]["model_error_meV_per_atom"] is None  # the potential knows the lowest multiplicity only


def test_only_some_formulas(folder, tmp_path):
    assert write_atlas(tmp_path / "site", folder, ["B3"]).n_minima == 1
    with pytest.raises(InputError, match="no minimum of SeB5 is known"):
        write_atlas(tmp_path / "site", folder, ["SeB5"])


def test_places_and_broken_tables(folder, tmp_path):
    with pytest.raises(InputError, match="is no atlas, and not empty"):
        write_atlas(tmp_path, folder)
    with pytest.raises(FileNotFoundError, match=r"there is no lowest\.extxyz"):
        write_atlas(tmp_path / "site", tmp_path / "nowhere")
    (folder / "checks.json").write_text('{"structures": {"B3": 1}}')
    with pytest.raises(InputError, match=r"checks\.json"):
        write_atlas(tmp_path / "site", folder)
    (folder / "lowest.extxyz").write_text("3\nProperties=species:S:1:pos:R:3\nB 0 0\n")
    with pytest.raises(InputError, match=r"lowest\.extxyz"):
        write_atlas(tmp_path / "site", folder)


def test_works_of_literature_in_one_line():
    assert in_one_line("zhai-b12") == "Zhai et al., Nat. Mater. 2003, 2, 827–833"
    assert in_one_line("libcint") == "Sun, J. Comput. Chem. 2015, 36, 1664–1671"
    assert in_one_line("ase").startswith("Larsen et al., ")


@pytest.mark.parametrize(
    ("file", "was", "now", "said"),
    [
        ("lowest.extxyz", " energy=", " energy=x", "energy is 'x"),
        ("lowest.extxyz", " energy=", " once=", "has no energy or no forces"),
        ("lowest.extxyz", " level=", " at=", "has no 'level'"),
        ("checks.json", '"frequencies": [', '"frequencies": ["x", ', "frequencies[0] is 'x'; it must be a number"),
        ("checks.json", '"4": {', '"four": {', "has 'four'; it must be a multiplicity"),
    ],
)
def test_a_changed_table_is_refused_with_the_place(tmp_path, file, was, now, said):
    changed = shutil.copytree(models_folder() / "lowest", tmp_path / "lowest") / file
    text = changed.read_text()
    assert was in text
    changed.write_text(text.replace(was, now, 1))
    with pytest.raises(InputError, match=re.escape(said)):
        read_minima(changed.parent, ["B3"])
