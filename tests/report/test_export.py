from __future__ import annotations

import csv
import runpy

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read
from ase.io.orca import read_geom_orcainp

from iia_calc.report.export import ExportRequest, export
from iia_calc.report.findings import Entry, Findings, read_findings
from search.errors import InputError


def test_each_format_has_the_structures_and_their_state(confirmed, tmp_path):
    findings = read_findings(confirmed)
    best = findings.ranked[0]
    for kind, opened in (("xyz", read), ("gaussian", read), ("orca", read_geom_orcainp)):
        files = export(findings, ExportRequest(kind, lowest=2), tmp_path / kind)
        assert len(files) == 2
        assert files[0].stem == f"SeB5-{best.rank:02d}"
        assert np.allclose(opened(files[0]).get_all_distances(), best.best.get_all_distances(), atol=1e-4)
    assert "#P PBE1PBE/3-21G" in (tmp_path / "gaussian" / files[0].with_suffix(".gjf").name).read_text()
    assert "! PBE0 3-21G Opt Freq" in files[0].read_text()
    assert "isomer" in (tmp_path / "xyz" / files[0].with_suffix(".xyz").name).read_text()


def test_the_potentials_geometry_and_another_level(confirmed, tmp_path):
    findings = read_findings(confirmed)
    request = ExportRequest("orca", 1, "potential", "B3LYP", "def2-TZVP", charge=-1, task="energy")
    (file,) = export(findings, request, tmp_path)
    text = file.read_text()
    assert "! B3LYP/G def2-TZVP TightSCF" in text
    assert "*xyz -1 1" in text
    assert np.allclose(
        read_geom_orcainp(file).get_all_distances(), findings.ranked[0].atoms.get_all_distances(), atol=1e-4
    )


def test_table(confirmed, tmp_path):
    findings = read_findings(confirmed)
    (file,) = export(findings, ExportRequest("csv"), tmp_path)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert len(rows) == len(findings.isomers)
    assert {int(row["rank"]) for row in rows} == {entry.rank for entry in findings.isomers}
    assert [row["dft_rank"] for row in rows[:2]] == ["1", "2"]
    assert float(rows[0]["relative_energy"]) == pytest.approx(findings.ranked[0].relative)


def test_pyscf_input_runs(tmp_path, capsys):
    pytest.importorskip("pyscf")
    atoms = Atoms("B2", [(0, 0, 0), (0, 0, 1.6)])
    atoms.calc = SinglePointCalculator(atoms, energy=0.0)
    findings = Findings(tmp_path, "B2", [Entry(1, atoms, 0.0, None, "planar")])
    request = ExportRequest("pyscf", functional="PBE", basis="STO-3G", multiplicity=3, task="energy")
    (file,) = export(findings, request, tmp_path)
    runpy.run_path(str(file))
    energy = float(capsys.readouterr().out.split("hartree:")[1])
    from pyscf import dft, gto

    molecule = gto.M(atom="B 0 0 0; B 0 0 1.6", basis="STO-3G", spin=2, verbose=0)
    assert energy == pytest.approx(dft.UKS(molecule, xc="PBE").kernel(), abs=1e-6)


def test_what_makes_no_sense_is_refused_before_anything_is_written(confirmed, tmp_path):
    for settings in ({"kind": "molpro"}, {"kind": "xyz", "lowest": 0}, {"kind": "orca", "task": "md"}):
        with pytest.raises(InputError, match=r"choose one of|at least 1"):
            ExportRequest(**settings)
    for settings in ({"basis": "def2-SVP\n%mem=1GB"}, {"functional": " "}):
        with pytest.raises(InputError, match="needs its name in one line"):
            ExportRequest("gaussian", **settings)
    with pytest.raises(InputError, match="multiplicity"):
        export(read_findings(confirmed), ExportRequest("orca", multiplicity=3), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="no isomers yet"):
        export(Findings(tmp_path, "B3", []), ExportRequest("xyz"), tmp_path / "out")
