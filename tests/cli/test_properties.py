"""`iia properties` on a search and on files, and its one-line errors."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import read, write

pytest.importorskip("pymatgen")


def test_of_a_search(iia, searched, tmp_path):
    folder, result = searched
    done = iia("properties", folder, "--out", "p", "--lowest", 3, "--json")
    told = json.loads(done.stdout)
    isomers = told["model"]["isomers"]
    assert "dft" not in told
    assert told["model"]["preview"]
    assert [isomer["energy"] for isomer in isomers] == pytest.approx([i["energy"] for i in result["isomers"]])
    assert all("point_group" in isomer for isomer in isomers)
    assert [isomer.get("frequencies_by") for isomer in isomers[:4]] == ["preview"] * 3 + [None]
    assert len(isomers[0]["frequencies"]) == 9
    assert isomers[0]["zero_point_energy"] == pytest.approx(
        sum(isomers[0]["frequencies"]) * 0.5 * 1.239842e-4, rel=1e-4
    )
    assert sum(isomer.get("population", 0.0) for isomer in isomers) == pytest.approx(1.0)
    assert "preview" in " ".join(told["remarks"])
    rows = list(csv.reader((tmp_path / "p/populations.csv").read_text().splitlines()))
    assert rows[0][:2] == ["temperature_K", "rank_1"]
    assert [float(row[0]) for row in rows[1:]] == [50.0 * k for k in range(31)]
    assert (tmp_path / "p/populations.png").read_bytes()[:4] == b"\x89PNG"
    frames = read(tmp_path / "p/symmetrised.extxyz", ":")
    assert [frame.info["point_group"] for frame in frames] == [isomer["point_group"] for isomer in isomers]


def test_the_table(iia, searched):
    folder, _ = searched
    done = iia("properties", folder, "--out", "p", "--lowest", 2, "--temperature", 500)
    assert "free energies and shares at 500 K (vibrations: a preview by the potential)" in done.stdout
    assert "shares of the 2 lowest of" in done.stderr
    assert "written to p: properties.json" in done.stderr


def test_of_a_file(iia, tmp_path):
    write("all.extxyz", [molecule("NH3"), molecule("H2O")])
    told = json.loads(iia("properties", "all.extxyz", "--what", "point-groups", "--json").stdout)
    assert [(i["formula"], i["point_group"]) for i in told["model"]["isomers"]] == [("NH3", "C3v"), ("OH2", "C2v")]
    assert (tmp_path / "all-properties/properties.json").exists()


def test_energies_of_a_file_are_the_potentials_where_it_has_none(iia, model):
    rhombus = Atoms("B4", [(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0), (0.8, -1.4, 0)])
    write("b4.xyz", [rhombus])
    told = json.loads(iia("properties", "b4.xyz", "--model", model, "--json").stdout)
    (isomer,) = told["model"]["isomers"]
    assert isomer["energy"] < -2000.0
    assert isomer["point_group"] == "D2h"
    assert isomer["doubts"][0].startswith("not relaxed: forces up to ")
    assert "PBE0/def2-TZVP" in told["model"]["energies_by"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "there is no file or folder nowhere"),
        (["."], "holds no finished search"),
        (["two.xyz"], "2 formulas (B2, B3, ...)"),
        (["b2.xyz", "--what", "colour"], "'colour' is no property; choose of point-groups, thermo"),
        (["b2.xyz", "--tolerance", "2"], "tolerance is 2.0"),
        (["b2.xyz", "--step", "0"], "step is 0.0; it must be above 0"),
        (["anion.xyz"], "has charge -1, and seb-def2-tzvp knows charge 0 only"),
        (["ammonia.xyz"], "N"),
        (["b2.xyz", "--out", "two.xyz"], "two.xyz exists and is no folder"),
        (["listed"], "listed/run.json is []; it must hold values by name"),
        (["unranked"], "unranked was changed since its search ended; run its search again"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(iia, arguments, says):
    b2 = Atoms("B2", [[0, 0, 0], [0, 0, 1.6]])
    b3 = Atoms("B3", [[0, 0, 0], [0, 0, 1.6], [0, 1.4, 0.8]])
    write("b2.xyz", b2)
    write("two.extxyz", [b2, b3])
    write("two.xyz", [b2, b3])
    write("ammonia.xyz", molecule("NH3"))
    for name, record in (("listed", "[]"), ("unranked", "{}")):
        Path(name).mkdir()
        Path(name, "run.json").write_text(record)
        write(f"{name}/isomers.extxyz", b2)
    anion = b2.copy()
    anion.info["charge"] = -1
    write("anion.xyz", anion, format="extxyz")
    done = iia("properties", *arguments, code=2)
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_pymatgen_one_line_says_how_to_get_it(iia, monkeypatch):
    import sys

    write("b2.xyz", Atoms("B2", [[0, 0, 0], [0, 0, 1.6]]))
    for name in [name for name in sys.modules if name.split(".")[0] == "pymatgen"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "pymatgen", None)
    done = iia("properties", "b2.xyz", code=2)
    assert "point groups need pymatgen: pip install '.[properties]'" in done.stderr
