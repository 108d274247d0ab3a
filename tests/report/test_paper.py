"""The supporting information says what the confirmation found, in forms that other programs read."""

from __future__ import annotations

import io
import re
import shutil
import subprocess

import pytest
from ase.io import read
from ase.units import Hartree

from iia_calc.common.files import read_json, write_json
from iia_calc.properties.tables import property_tables
from iia_calc.report.paper.api import write_paper
from iia_calc.report.paper.citations import bibliography, find_unlisted, works, works_of_level
from iia_calc.report.paper.tables import latex
from search.errors import InputError


@pytest.fixture(scope="module")
def paper(hcn_search, tmp_path_factory):
    return write_paper([hcn_search], tmp_path_factory.mktemp("paper"))


def test_the_table_has_the_confirmed_numbers(hcn_search, paper):
    text = (paper.folder / "supporting.md").read_text()
    told = {i["rank"]: i for i in read_json(hcn_search / "run.json")["dft"]["isomers"]}
    rows = [line.split("|")[1:-1] for line in text.splitlines() if re.match(r"\| NCH-\d", line)]
    assert len(rows) == 2
    for rank, row in enumerate(rows, 1):
        name, group, state, energy, relative, with_zpe, zpe, lowest, s_squared = (cell.strip() for cell in row)
        assert (name, group, state, s_squared) == (f"NCH-{rank}", "C∞v", "singlet", "0.000")
        assert float(energy) == pytest.approx(told[rank]["final_energy"] / Hartree, abs=1e-6)
        assert float(relative) == pytest.approx(told[rank]["relative_energy"], abs=1e-3)
        assert float(zpe) == pytest.approx(told[rank]["vibrations"]["zero_point_energy"], abs=1e-3)
        assert float(lowest) == pytest.approx(told[rank]["vibrations"]["frequencies"][0], abs=1.0)
        difference = told[rank]["vibrations"]["zero_point_energy"] - told[1]["vibrations"]["zero_point_energy"]
        assert float(with_zpe) == pytest.approx(told[rank]["relative_energy"] + difference, abs=2e-3)
    assert "PBE0/3-21G, density fitting, grid 1, charge 0" in text
    assert "is ranked by PBE0/3-21G" in paper.remarks[0]


def test_states_that_properties_told_are_in_the_tables(hcn_search, tmp_path):
    folder = shutil.copytree(hcn_search, tmp_path / "HCN-search")
    told = read_json(folder / "run.json")["dft"]["isomers"]
    electronic = {
        "term": "1A1 (C2v of C∞v)",
        "dipole_moment": 3.0,
        "gap": 9.0,
        "charges": [],
        "spins": [],
        "valences": [],
    }
    isomers = [
        {name: i[name] for name in ("rank", "model_rank")}
        | {"formula": "NCH", "symbols": ["C", "N", "H"], "energy": i["final_energy"], "electronic": electronic}
        for i in told
    ]
    isomers[1]["energy"] += 0.01  # of another confirmation
    write_json(
        folder / "properties.json",
        {"dft": {"level_of_theory": "", "energies_by": "", "preview": False, "isomers": isomers}},
    )
    write_paper([folder], tmp_path / "paper")
    states = [
        line.split("|")[3].strip()
        for line in (tmp_path / "paper/supporting.md").read_text().splitlines()[:40]
        if line.startswith("| NCH-")
    ]
    assert sorted(states) == ["1A1 (C2v of C∞v)", "singlet"]
    text = (tmp_path / "paper/supporting.tex").read_text()
    assert r"$^{1}\mathrm{A}_{1}$ ($C_{2v}$ of $C_{\infty v}$)" in text
    assert "1A1 (C2v of Cinfv), E = " in (tmp_path / "paper/NCH.xyz").read_text()


def test_the_structures_can_be_read(hcn_search, paper):
    text = (paper.folder / "NCH.xyz").read_text()
    frames = read(io.StringIO(text), index=":", format="xyz")
    confirmed = [f for f in read(hcn_search / "confirmed.extxyz", ":") if "rank" in f.info]
    for ours, theirs in zip(frames, sorted(confirmed, key=lambda f: f.info["rank"]), strict=True):
        assert ours.get_chemical_symbols() == theirs.get_chemical_symbols()
        assert ours.positions == pytest.approx(theirs.positions, abs=1e-5)
    assert "NCH-1, Cinfv, singlet, E = -9" in text


def test_everything_cited_is_in_the_bibliography(paper):
    source = (paper.folder / "supporting.tex").read_text()
    cited = {key for keys in re.findall(r"\\cite\{([^}]+)\}", source) for key in keys.split(",")}
    listed = set(re.findall(r"^@article\{([^,]+),", (paper.folder / "references.bib").read_text(), re.MULTILINE))
    assert cited == listed
    assert {"schnet-iia", "pyscf", "libxc", "pbe0", "3-21g", "ase", "pymatgen", "quasi-rrho"} <= cited
    assert "def2" not in cited  # not used here
    numbers = re.findall(r"\[(\d+)\]", (paper.folder / "supporting.md").read_text())
    assert {int(n) for n in numbers} == set(range(1, len(listed) + 1))


def test_the_latex_is_sound(paper):
    source = (paper.folder / "supporting.tex").read_text()
    for rule in ("toprule", "midrule", "bottomrule"):
        assert rf"\{rule}" in source
    for name in ("document", "table", "tabular", "verbatim", "center"):
        assert source.count(rf"\begin{{{name}}}") == source.count(rf"\end{{{name}}}") > 0
    table = source.split(r"\midrule")[1].split(r"\bottomrule")[0]
    rows = [line for line in table.splitlines() if line.strip()]
    assert all(row.count("&") == 8 and row.endswith(r"\\") for row in rows)
    outside = re.sub(r"\\begin\{verbatim\}.*?\\end\{verbatim\}", "", source, flags=re.DOTALL)
    assert outside.isascii()
    assert "CITEOPEN" not in source
    if shutil.which("pdflatex"):
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "supporting.tex"], cwd=paper.folder, check=False
        )
        assert done.returncode == 0


def test_figures_are_svg_and_pdf(paper):
    for name in ("NCH-isomers", "NCH-populations"):
        assert (paper.folder / f"{name}.svg").read_text().lstrip().startswith("<?xml")
        assert (paper.folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    assert all((paper.folder / name).exists() for name in paper.files)


def test_special_characters_and_what_is_to_be_cited():
    assert latex("50 % of A_b & ⟨S²⟩ at 3i cm⁻¹") == r"50 \% of A\_b \& $\langle S^2\rangle$ at 3i cm$^{-1}$"
    assert works_of_level("r2SCAN/def2-TZVPD, grid 3") == ["pyscf", "libcint", "libxc", "r2scan", "def2", "diffuse"]
    assert find_unlisted("PBE0/3-21G, grid 1") == []
    assert find_unlisted("M06/cc-pVDZ, grid 1") == ["M06", "cc-pVDZ"]
    keys = set(works_of_level("PBE0/3-21G")) | set(works_of_level("B3LYP/def2-SVP")) | {"basin-hopping", "bee-colony"}
    assert keys <= set(works())
    assert all("doi = {10." in entry and entry.count("{") == entry.count("}") for entry in works().values())
    assert bibliography(["ase", "ase"]).count("@article") == 1


def test_what_makes_no_sense_is_refused(hcn_search, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no folder SeB4 or SeB4-search; iia search"):
        write_paper(["SeB4"])
    with pytest.raises(InputError, match="given twice"):
        write_paper([hcn_search, hcn_search])
    with pytest.raises(InputError, match="at least one"):
        write_paper([])
    only_searched = tmp_path / "B2-search"
    shutil.copytree(hcn_search, only_searched, ignore=shutil.ignore_patterns("confirmed.extxyz"))
    with pytest.raises(InputError, match="the supporting information needs isomers that DFT has relaxed"):
        write_paper(["B2"])
    assert not (tmp_path / "paper").exists()


def test_islands_are_told_as_both_methods():
    from types import SimpleNamespace

    from iia_calc.report.paper.methods import _search

    settings = {"method": None, "islands": 4, "seed": 7, "fmax": 0.005, "starts": 2}
    run = {"settings": settings, "counts": {"n_quenches": 800, "n_minima": 40}, "versions": {"schnet-iia": "0.1.0"}}
    model = {"name": "seb-10", "level_of_theory": "PBE0/3-21G"}
    text = _search(SimpleNamespace(run={**run, "model": model}, formula="SeB8", charge=-1), lambda key: f"<{key}>")
    assert "by basin hopping <basin-hopping> and an artificial bee colony <bee-colony>" in text
    assert "800 relaxations gave 40 distinct minima (seed 7, 4 islands, largest force 0.005 eV/Å)" in text
    assert "fitted to PBE0/3-21G; it knows neutral clusters, and so the search ran on the neutral surface" in text
    one = _search(SimpleNamespace(run={"settings": {"method": "bee-colony"}}, formula="B4", charge=0), str)
    assert "bee colony bee-colony." in one
    assert "basin" not in one


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("[]", "properties.json is []; it must hold values by name"),
        ('{"remarks": [], "dft": {}}', "properties.json: dft has no 'level_of_theory'"),
        ('{"remarks": "none"}', "properties.json: remarks is 'none'; it must be a list"),
    ],
)
def test_changed_properties_are_refused_with_the_place(hcn_search, tmp_path, told, said):
    folder = shutil.copytree(hcn_search, tmp_path / "HCN-search")
    (folder / "properties.json").write_text(told)
    for make in (lambda: write_paper([folder], tmp_path / "paper"), lambda: property_tables(folder)):
        with pytest.raises(ValueError, match=re.escape(said)):
            make()
