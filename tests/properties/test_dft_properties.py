"""Vibrations, infrared lines, electrons and orders of HCN and HNC, stored and gone on with."""

from __future__ import annotations

import json
import shutil

import pytest
from made_search import HCN

from iia_calc.confirm.journal import StoredSteps
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.properties import dft_properties
from iia_calc.properties.api import find_properties
from iia_calc.properties.coupled_cluster import check_coupled_cluster
from iia_calc.properties.dft_steps import level_of_name
from iia_calc.properties.request import PropertiesRequest
from iia_calc.properties.results import with_earlier
from iia_calc.properties.tables import property_tables
from search.errors import InputError

FAST = {"basis": "3-21G", "functionals": ("PBE", "PBE0"), "workers": 1, "threads": 1}


@pytest.fixture(scope="module")
def folder(hcn_search, tmp_path_factory):
    """A copy, for what is computed stays in it and other tests use the search as it was."""
    return shutil.copytree(hcn_search, tmp_path_factory.mktemp("properties") / "HCN-search")


def test_everything_of_two_isomers(folder, monkeypatch):
    what = ("point-groups", "thermo", "infrared", "electronic", "ranking")
    monkeypatch.setattr(dft_properties, "hessian_of", None)  # the confirmation's are taken
    found = find_properties(PropertiesRequest(folder, what, **FAST))
    hcn, hnc = found.sets["dft"].entries
    assert (hcn.subject.model_rank, hnc.subject.model_rank) == (2, 1)
    assert [e.symmetry.point_group for e in (hcn, hnc)] == ["C∞v", "C∞v"]
    assert 0.4 < hnc.relative < 0.8  # experiment: 0.64 eV
    assert 0.40 < hcn.zero_point_energy < 0.48  # experiment: 0.43 eV
    assert hcn.population == pytest.approx(1.0, abs=1e-6)
    assert hcn.method == "analytic"
    lines = dict(zip(hcn.infrared.frequencies, hcn.infrared.intensities, strict=True))
    stretch = max(lines)
    assert 3300 < stretch < 3600
    assert 30 < lines[stretch] < 90  # measured: 59 km/mol
    assert max(hnc.infrared.intensities) > 150  # HNC's N-H bending and stretching are far stronger
    assert 2.5 < hcn.electronic.dipole_moment < 3.3  # measured: 2.98 D
    assert hcn.electronic.charges[2] > 0.1
    assert sum(hcn.electronic.charges) == pytest.approx(0.0, abs=1e-3)
    assert hcn.electronic.term == "1A1 (C2v of C∞v)"
    (cn,) = [order for i, j, order in hcn.electronic.bond_orders if {i, j} == {0, 1}]
    assert 2.3 < cn < 3.3
    assert hcn.verdict == hnc.verdict == "safe"
    assert found.sets["dft"].ranking.relative["PBE0"] == pytest.approx((0.0, hnc.relative), abs=1e-2)
    for name in ("infrared.csv", "infrared-spectra.csv", "infrared.png", "populations.csv"):
        assert (folder / name).stat().st_size > 100
    table = property_tables(folder)["dft"]
    assert table.rows[0]["verdict"] == "safe"
    assert {"point_group", "gap", "dopant_charges"} <= set(table.columns)
    assert json.loads((folder / "properties.json").read_text())["dft"]["isomers"][1]["infrared"]["intensities"]


def test_nothing_is_computed_twice_and_a_stop_keeps_what_is_there(folder, tmp_path, monkeypatch):
    request = PropertiesRequest(folder, ("infrared",), out=tmp_path, **FAST)
    calls, real = [], dft_properties.displaced_dipole

    def counted(*arguments):
        calls.append(arguments[2:])
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(dft_properties, "displaced_dipole", counted)
    stopped = find_properties(request)
    assert "interrupted; the same command goes on" in stopped.remarks
    assert all(entry.infrared is None for entry in stopped.sets["dft"].entries)
    assert len(StoredSteps(tmp_path / "properties.steps.jsonl")) == 4
    calls.append("so the fifth is not stopped again")
    whole = find_properties(request)
    assert len(calls) == 6 + 2 * 18 - 4
    assert len(whole.sets["dft"].entries[0].infrared.intensities) == 4
    n = len(calls)
    again = find_properties(request)
    assert len(calls) == n
    assert [e.infrared for e in again.sets["dft"].entries] == [e.infrared for e in whole.sets["dft"].entries]


def test_what_an_earlier_call_told_stays(folder, tmp_path):
    for what in (("electronic",), ("point-groups",), ("thermo",)):
        find_properties(PropertiesRequest(folder, what, out=tmp_path, **FAST))
    isomer = json.loads((tmp_path / "properties.json").read_text())["dft"]["isomers"][0]
    assert isomer["electronic"]["gap"] > 5.0
    assert isomer["population"] == pytest.approx(1.0, abs=1e-6)
    old = {"dft": {"level_of_theory": "a", "energies_by": "a", "isomers": [{"model_rank": 1, "energy": 1.0, "x": 1}]}}
    other = {"dft": {"level_of_theory": "a", "energies_by": "a", "isomers": [{"model_rank": 1, "energy": 2.0}]}}
    assert with_earlier(other, old, ("dft",)) == other  # of another structure nothing is kept


def test_a_failure_is_told_and_costs_only_its_isomer(folder, tmp_path, monkeypatch):
    from iia_calc.labels.level import LabelFailed

    real = dft_properties.electronic_of

    def failing(level, atoms, *more):
        if atoms.positions[2, 2] > atoms.positions[0, 2]:
            raise LabelFailed("SCF not converged")
        return real(level, atoms, *more)

    monkeypatch.setattr(dft_properties, "electronic_of", failing)
    entries = find_properties(PropertiesRequest(folder, ("electronic",), out=tmp_path, **FAST)).sets["dft"].entries
    assert sorted(entry.electronic is None for entry in entries) == [False, True]
    (bad,) = [entry for entry in entries if entry.electronic is None]
    assert "electronic failed: SCF not converged" in bad.doubts


def test_coupled_cluster_ranks_and_is_for_small_clusters_only(folder, tmp_path):
    settings = FAST | {"functionals": ("PBE0", "CCSD(T)")}
    request = PropertiesRequest(folder, ("ranking",), out=tmp_path, **settings)
    found = find_properties(request).sets["dft"]
    relative = found.ranking.relative
    assert relative["PBE0"][0] == relative["CCSD(T)"][0] == 0.0
    assert abs(relative["PBE0"][1] - relative["CCSD(T)"][1]) < 0.3
    assert relative["PBE0"][1] != relative["CCSD(T)"][1]
    steps = [json.loads(line) for line in (tmp_path / "properties.steps.jsonl").read_text().splitlines()]
    assert sum(step["step"]["kind"] == "CCSD(T)" for step in steps) == 2
    with pytest.raises(InputError, match=r"CCSD\(T\): of at most 8 atoms, and B9 has 9; leave it out of --functionals"):
        check_coupled_cluster(request.functionals, "B9", 9)
    check_coupled_cluster(("PBE",), "B9", 9)


def test_a_doubtful_reference_is_told(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(dft_properties, "coupled_cluster", doubtful)
    settings = FAST | {"functionals": ("CCSD(T)", "PBE0")}
    request = PropertiesRequest(folder, ("ranking",), out=tmp_path, **settings)
    entries = find_properties(request).sets["dft"].entries
    assert all(any("T1 diagnostic is 0.045" in doubt for doubt in entry.doubts) for entry in entries)


def doubtful(level, atoms, multiplicity):
    """Stands for a CCSD(T) whose determinant is no good."""
    return {"energy": -2500.0, "t1": 0.045}


def test_a_level_can_be_made_again_from_its_name():
    for level in (
        DFTLevel(),
        DFTLevel("TPSSh", "def2-TZVP", -1, 2, grid_level=3),
        DFTLevel("PBE", "6-31G*", 1, density_fit=False),
    ):
        assert level_of_name(level.name).name == level.name
    assert level_of_name("PBE0/3-21G, density fitting, grid 1, charge 0").name == DFTLevel().name
    for name in ("GFN1-xTB, Te 1500 K", DFTLevel(conv_tol=1e-9).name, "the relaxer"):
        with pytest.raises(InputError, match="from its name"):
            level_of_name(name)


def test_what_needs_dft_says_so_before_anything_is_computed(folder, tmp_path):
    with pytest.raises(InputError, match="name at least two"):
        PropertiesRequest(folder, ("ranking",), functionals=("PBE",))
    with pytest.raises(InputError, match="doesn't know the functional"):
        find_properties(PropertiesRequest(folder, ("ranking",), functionals=("PBE", "no such")))
    HCN.write(tmp_path / "hcn.xyz")
    with pytest.raises(InputError, match=r"infrared needs isomers that DFT has relaxed, and .* has none: .*--dft K"):
        find_properties(PropertiesRequest(tmp_path / "hcn.xyz", ("infrared",)))


def test_the_time_is_told_before_and_grows_with_what_is_asked(folder):
    from iia_calc.properties.dft_cost import describe_cost
    from iia_calc.properties.sources import read_source

    source = read_source(folder)
    said = []
    few = PropertiesRequest(folder, ("infrared",), **FAST)
    find_properties(few, say=said.append)
    assert said == [describe_cost(source, few)]
    assert said[0].startswith("DFT for 2 isomers: about 3 s")
    many = PropertiesRequest(folder, ("infrared", "ranking"), functionals=("PBE", "PBE0", "TPSSh"), basis="def2-TZVP")
    assert describe_cost(source, many, n_cores=1) != describe_cost(source, few, n_cores=1)
