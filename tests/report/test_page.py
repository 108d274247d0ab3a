from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from iia_calc.report import viewer, words
from iia_calc.report.citations import command
from iia_calc.report.findings import Entry, Findings, read_findings, thickness
from iia_calc.report.live import follow, has_ended
from iia_calc.report.page import page, write_report
from search.errors import InputError

LIMIT = 15e6  # bytes of a page


class Page(HTMLParser):
    """Ids, tags that were left open, and addresses that a browser would fetch."""

    EMPTY = frozenset({"meta", "link", "br", "rect", "line", "circle", "path", "polyline", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids, self.open, self.fetched, self.rows = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag not in self.EMPTY:
            self.open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "tr" and "data-rank" in values:
            self.rows.append(values)
        self.fetched += [
            values[name] for name in ("src", "href") if not values.get(name, "#").startswith(("#", "data:"))
        ]

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def data_of(text: str) -> dict:
    return json.loads(re.search(r'id="viewer-data">(.*?)</script>', text, re.DOTALL)[1])


def test_a_search_ends_with_its_page(search):
    text = (search.folder / "report.html").read_text()
    found = Page(text)
    assert not found.open
    assert not found.fetched
    assert len(found.ids) == len(set(found.ids))
    assert {"lowest", "explore", "ladder", "isomers", "course", "level", "repeat", "cite"} <= set(found.ids)
    assert len(found.rows) == len(search.isomers)
    assert "No DFT has confirmed it" in text
    assert f"{len(search.isomers)} distinct minima" in text


def test_viewer_has_every_isomer(search):
    data = data_of((search.folder / "report.html").read_text())
    assert len(data["structures"]) == len(search.isomers)
    drawn = data["structures"][2]
    positions = np.array([drawn["x"], drawn["y"], drawn["z"]]).T
    expected = Atoms(search.isomers[2].atoms.symbols, positions).get_all_distances()
    assert expected == pytest.approx(search.isomers[2].atoms.get_all_distances(), abs=2e-3)
    assert data["properties"]["relative energy"]["values"][2] == pytest.approx(search.isomers[2].relative)


def test_dft_stands_beside_the_potential(confirmed):
    write_report(confirmed)
    text = (confirmed / "report.html").read_text()
    findings = read_findings(confirmed)
    assert [entry.dft.rank for entry in findings.confirmed] == [1, 2, None]
    relaxed = read(confirmed / "confirmed.extxyz", ":")
    lowest = findings.ranked[0]
    assert np.allclose(lowest.best.positions, next(a for a in relaxed if a.info["rank"] == 1).positions)
    data = data_of(text)
    assert data["properties"]["geometry"]["values"].count("DFT") == 3
    rows = {row["data-rank"]: row for row in Page(text).rows}
    place = int(rows[str(lowest.rank)]["data-dft"])
    assert data["structures"][place]["x"] == pytest.approx(
        list((lowest.best.positions - lowest.best.positions.mean(0))[:, 0]), abs=1e-3
    )
    assert "all frequencies are real, the lowest 211 cm⁻¹" in text
    assert "a saddle, no isomer: 212i cm⁻¹" in text
    assert "212i" in text
    assert "10.1063/5.0006074" in text


def test_how_sure(confirmed):
    findings = read_findings(confirmed)
    kinds = {remark.text: remark.kind for remark in words.remarks(findings)}
    second = findings.ranked[1].dft.relative
    expected = words.MIND if second < words.SMALL_BASIS_ERROR else words.GOOD
    (separation,) = [text for text in kinds if text.startswith("The next one")]
    assert f"{second:.2f} eV above" in separation
    assert kinds[separation] == expected
    assert any("ranked with PBE0/3-21G" in text and kind == words.GOOD for text, kind in kinds.items())


def changed(folder, **dft):
    """The record of a confirmed search with other values in its part on DFT."""
    record = folder / "run.json"
    run = json.loads(record.read_text())
    run["dft"].update(dft)
    level = "PBE0/3-21G, grid 1, charge 0, lowest multiplicity"
    run["model"] = {"name": "seb-10", "level_of_theory": level, "sha256": "0" * 64}
    record.write_text(json.dumps(run))


def test_an_ion_says_from_where_to_where_ranks_went(confirmed):
    changed(confirmed, charge=-1)
    write_report(confirmed)
    text = (confirmed / "report.html").read_text()
    assert "<h1>SeB₅⁻</h1>" in text
    ranks = [(e.rank, e.dft.rank) for e in read_findings(confirmed).ranked]
    assert len(ranks) == 2
    assert "DFT has charge −1; ranks by the potential → by DFT: " + ", ".join(f"{a} → {b}" for a, b in ranks) in text
    assert "1 more isomer lies within 1 eV of the neutral's lowest and was not relaxed" in text.replace("&#39;", "'")
    changed(confirmed, charge=0)
    write_report(confirmed)
    assert "<h1>SeB₅</h1>" in (confirmed / "report.html").read_text()
    assert "ranks by the potential" not in (confirmed / "report.html").read_text()


def test_figures_of_properties_are_on_the_page(confirmed):
    isomers = [{"rank": 2, "formula": "SeB5", "symbols": ["Se"], "point_group": "C2v", "doubts": ["a doubt"]}]
    told = {"level_of_theory": "PBE0/3-21G", "energies_by": "PBE0/3-21G", "preview": False, "isomers": isomers}
    (confirmed / "properties.json").write_text(json.dumps({"remarks": [], "dft": told}))
    (confirmed / "infrared.png").write_bytes(b"spectra")
    write_report(confirmed)
    text = (confirmed / "report.html").read_text()
    assert 'alt="infrared spectra" src="data:image/png;base64,c3BlY3RyYQ=="' in text
    assert "over temperature" not in text
    assert "Rank 2: a doubt." in text


def entry(rank: int, relative: float, error: float | None = None, **more) -> Entry:
    atoms = Atoms("B3", [(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0.001 * rank)])
    atoms.calc = SinglePointCalculator(atoms, energy=relative)
    return Entry(rank, atoms, relative, error, "planar", **{"times_found": 1, "first_quench": rank} | more)


@pytest.mark.parametrize(("error", "kind"), [(0.04, words.GOOD), (0.3, words.MIND)])
def test_an_expected_error_as_large_as_the_gap_is_minded(tmp_path, error, kind):
    findings = Findings(tmp_path, "B3", [entry(1, 0.0, 0.0), entry(2, 0.1, error)], {"settings": {}})
    (found,) = [remark for remark in words.remarks(findings) if "next isomer lies 0.10 eV" in remark.text]
    assert found.kind == kind


def test_a_search_that_keeps_finding_is_not_finished(tmp_path):
    for times, kind in ((1, words.MIND), (20, words.GOOD)):
        findings = Findings(tmp_path, "B3", [entry(k, 0.1 * k, times_found=times) for k in (1, 2)], {"settings": {}})
        (found,) = [remark for remark in words.remarks(findings) if "further relaxations" in remark.text]
        assert found.kind == kind
        assert ("not finished" in found.text) == (kind == words.MIND)


def test_five_thousand_minima(tmp_path):
    rng = np.random.default_rng(0)
    atoms = [Atoms("B25", rng.normal(size=(25, 3)) * 3) for _ in range(50)]
    entries = [Entry(k + 1, atoms[k % 50], 0.001 * k, 0.1, "compact", 1, k + 1, dft=None) for k in range(5000)]
    findings = Findings(tmp_path, "B25", entries, {"settings": {"formula": "B25", "seed": 0}})
    text = page(findings)
    assert len(text.encode()) < LIMIT
    assert len(findings.shown) == 2000
    ranks = [e.rank for e in findings.shown]
    assert ranks[:1000] == list(range(1, 1001))
    assert ranks[-1] == 5000
    assert "5,000 isomers" in text
    assert len(data_of(text)["structures"]) == 2000


def test_without_chemiscope_there_are_drawings(folder, monkeypatch):
    monkeypatch.setattr("iia_calc.report.viewer.find_spec", lambda name: None)
    assert viewer.viewer_script() is None
    text = write_report(folder).read_text()
    assert not Page(text).open
    assert "chemiscope isn't installed" in text.replace("&#39;", "'")
    assert len(text) < 1e6
    assert text.count('<svg class="structure"') >= 2 * len(read_findings(folder).shown) > 4  # each twice on the page


def test_names_of_files_and_shapes_are_escaped(folder, tmp_path):
    frames = read(folder / "isomers.extxyz", ":")
    frames[0].info["shape"] = "</script><script>alert(1)</script>"
    write(folder / "isomers.extxyz", frames, format="extxyz")
    text = write_report(folder).read_text()
    assert "alert(1)" in text
    assert "<script>alert(1)" not in text


def test_a_file_of_structures_has_a_page(search, tmp_path):
    frames = [isomer.atoms for isomer in search.isomers[:3]]
    write(tmp_path / "some.extxyz", frames[::-1], format="extxyz")
    path = write_report(tmp_path / "some.extxyz")
    assert path == tmp_path / "some.html"
    findings = read_findings(tmp_path / "some.extxyz")
    assert [e.relative for e in findings.isomers] == pytest.approx([i.relative for i in search.isomers[:3]])
    write(tmp_path / "mixed.xyz", [Atoms("B"), Atoms("B2", [(0, 0, 0), (1.6, 0, 0)])])
    assert not Page(write_report(tmp_path / "mixed.xyz").read_text()).open


def test_bad_folders_get_one_line(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder or file"):
        read_findings(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no search .*makes one"):
        read_findings(tmp_path / "empty")
    (tmp_path / "empty" / "archive.db").write_bytes(b"no database" * 100)
    with pytest.raises(InputError, match="archive"):
        read_findings(tmp_path / "empty")
    table = folder / "isomers.extxyz"
    table.write_text(table.read_text()[:-300])
    with pytest.raises(InputError, match=r"is cut short: .*writes isomers.extxyz anew"):
        read_findings(folder)
    (folder / "run.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        read_findings(folder)


def test_live_until_the_search_has_ended(folder):
    record = folder / "run.json"
    run = json.loads(record.read_text())
    record.write_text(json.dumps(run | {"stopped_by": "running"}))
    (folder / "isomers.extxyz").unlink()
    seen = []

    def wait(seconds: float) -> None:
        seen.append("data-reload" in (folder / "report.html").read_text())
        if len(seen) == 2:
            record.write_text(json.dumps(run))

    path = follow(folder, every=1.0, wait=wait)
    assert seen == [True, True, True]
    assert "data-reload" not in path.read_text()
    assert len(read_findings(folder).isomers) == run["counts"]["n_minima"]  # from the archive


def test_live_waits_for_the_confirmation(folder, confirmed):
    for path in (folder, confirmed):
        (path / "config.yml").write_text("dft: 3\n")
    assert not has_ended(folder)
    assert has_ended(confirmed)


def test_nothing_found_yet(tmp_path):
    text = page(Findings(tmp_path, "B3", [], {"settings": {"formula": "B3"}}))
    assert not Page(text).open
    assert "found no minimum" in text
    assert "yet" in page(Findings(tmp_path, "B3", [], running=True))


def test_thickness():
    ring = Atoms("B4", [(0, 0, 0), (2, 0, 0), (0, 3, 0), (2, 3, 0)])
    assert thickness(ring) == pytest.approx(0.0, abs=1e-12)
    assert thickness(Atoms("B4", [(0, 0, 0), (2, 0, 1), (0, 3, 0), (2, 3, 1)])) < 1.0
    assert thickness(Atoms("B")) == 0.0


def test_the_command_that_repeats_a_search(tmp_path):
    settings = {"formula": "SeB5", "quenches": 24, "seed": 3, "known": False, "islands": 1, "fmax": 0.005, "starts": 7}
    asked = {"calculator": "tblite.ase:TBLite", "calculator_settings": {"method": "GFN1-xTB"}, "time_limit": 90.0}
    findings = Findings(tmp_path, "SeB5", [entry(1, 0.0)], {"settings": settings})
    assert command(findings) == "iia search SeB5 -n 24 --seed 3 --no-known"
    more = command(Findings(tmp_path, "SeB5", [entry(1, 0.0)], {"settings": settings | asked}))
    assert "--calculator tblite.ase:TBLite --set method=GFN1-xTB" in more
    assert "--time 90s" in more


@pytest.mark.parametrize(("out", "says"), [(".", "is a folder; name a file"), ("none/page.html", "no folder none")])
def test_a_place_where_no_file_can_be_is_refused(tmp_path, monkeypatch, out, says):
    monkeypatch.chdir(tmp_path)
    write("water.xyz", Atoms("OH2", [(0, 0, 0), (0.96, 0, 0), (-0.24, 0.93, 0)]))
    with pytest.raises(InputError, match=says):
        write_report("water.xyz", Path(out))
    assert [path.name for path in tmp_path.iterdir()] == ["water.xyz"]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("settings",), None, ": settings is None; it must hold values by name"),
        (("settings", "seed"), "one", "settings.seed is 'one'; it must be a whole number"),
        (("counts", "n_quenches"), -1, "counts.n_quenches is -1; it must be a whole number from 0"),
        (("moves",), {"swap": {"share": 0.5}}, "moves.swap has no 'tries'"),
        (("dft", "isomers", 0, "rank"), [1], "isomers[0].rank is [1]; it must be a whole number from 1"),
        (("dft", "isomers", 1, "notes"), None, "isomers[1].notes is None; it must be a list"),
        (
            ("dft", "isomers", 2, "vibrations", "frequencies", 0),
            "soft",
            "frequencies[0] is 'soft'; it must be a number",
        ),
        (("dft", "isomers", 2, "relative_energy"), float("nan"), "relative_energy is nan; it must be a number"),
    ],
)
def test_a_changed_record_is_refused_with_the_place(confirmed, place, value, said):
    record = confirmed / "run.json"
    run = json.loads(record.read_text())
    part = run
    for name in place[:-1]:
        part = part[name]
    part[place[-1]] = value
    record.write_text(json.dumps(run))
    with pytest.raises(ValueError, match=re.escape(said)):
        write_report(confirmed)


def test_a_record_without_settings_makes_a_page(confirmed):
    record = confirmed / "run.json"
    run = json.loads(record.read_text())
    record.write_text(json.dumps({**run, "settings": {}, "versions": {}}))
    assert "SchNet-IIA" in write_report(confirmed).read_text()


@pytest.mark.parametrize(
    ("file", "was", "now", "said"),
    [
        ("isomers.extxyz", "rank=1", "rank=[1, 2]", "rank is [1, 2]; it must be a whole number from 1"),
        ("isomers.extxyz", " energy=", " energy=x", "energy is "),
        ("confirmed.extxyz", "model_rank=", "model=", "has no 'model_rank'"),
        ("confirmed.extxyz", "Properties=species:S:1:pos:R:3", "Properties=", "there are no atoms"),
    ],
)
def test_a_changed_table_is_refused_with_the_place(confirmed, file, was, now, said):
    table = confirmed / file
    text = table.read_text()
    assert was in text
    table.write_text(
        re.sub(f"{re.escape(was)}[^ \n]*", now, text, count=1) if now[-1] in "=x" else text.replace(was, now, 1)
    )
    with pytest.raises(ValueError, match=re.escape(said)) as told:
        write_report(confirmed)
    assert file in str(told.value)
    assert "writes" in str(told.value)
