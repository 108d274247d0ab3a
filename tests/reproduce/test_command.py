"""iia reproduce: from the archive's files to the page, and what it says when something is wrong."""

from __future__ import annotations

import csv

import pytest
from reproduce.made import MadeLevel
from typer.testing import CliRunner

from iia_calc.cli import app
from search.errors import MissingPackage


def iia(*arguments: object, code: int = 0):
    done = CliRunner().invoke(app, list(map(str, arguments)), prog_name="iia")
    assert done.exit_code == code, f"exit code {done.exit_code}\n{done.stdout}\n{done.stderr}\n{done.exception!r}"
    return done


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_everything_runs_and_goes_on(sets, tmp_path):
    out = tmp_path / "out"
    command = ["reproduce", "all", "--data", sets, "--out", out, "--quick"]
    iia(*command, "--as", "published")
    first = {path.name: path.stat().st_mtime_ns for path in (out / "runs").glob("*/outcome.json")}
    iia(*command, "--as", "published")
    iia("reproduce", "best", "--data", sets, "--out", out, "--quick", "--as", "corrected")
    page, tables = (out / "README.md").read_text(), (out / "tables.md").read_text()
    for word in ("Table 2", "Table 3", "Fig. 4", "Fig. 2", "Table S3", "can't be told", "goal", "Tables S4 and S5"):
        assert word in page
    for word in ("Table 1", "Table 2", "Table 3", "Fig. 4", "Fig. 2", "Table S2", "Table S3", "(table3-published.csv)"):
        assert word in tables
    assert page.count("\n") <= 110
    assert {path.name: path.stat().st_mtime_ns for path in (out / "runs").glob("*/outcome.json")}.keys() >= first.keys()
    for name in ("fig4", "fig6", "fig7", "continuous", "table2", "table3", "tableS3"):
        assert (out / f"{name}-published.png").stat().st_size > 5000
    table = rows(out / "table3-published.csv")
    assert len(table) == 15
    line = table[0]
    assert float(line["mae_eV_per_atom"]) / float(line["mae_hartree_per_atom"]) == pytest.approx(27.2114, rel=1e-3)
    assert line["printed_mae"] == "0.118"
    curve = [row for row in rows(out / "table3-published-curves.csv") if row["key"] == "SMU"]
    assert [row["epoch"] for row in curve] == ["1", "2"]


def test_one_table_and_a_page_elsewhere(sets, tmp_path):
    out, page = tmp_path / "out", tmp_path / "page"
    iia("reproduce", "tableS3", "--data", sets, "--out", out, "--as", "corrected", "--quick", "--rows", "Ta2N3-")
    assert len(rows(out / "tableS3-corrected.csv")) == 2
    iia("reproduce", "page", "--out", out, "--page", page)
    assert "Ta2N3-" in (page / "README.md").read_text()
    assert (page / "tableS3-corrected.csv").exists()


def test_constants_are_the_medians_errors(sets, tmp_path):
    iia("reproduce", "constants", "--data", sets, "--out", tmp_path, "--as", "published", "--quick")
    table = {row["target"]: row for row in rows(tmp_path / "constants-published.csv")}
    assert len(table) == 8
    assert 300 / 21 / 10 * 0.5 < float(table["SeB20"]["mae_eV_per_atom"]) < 300 / 21 / 10 * 2  # a tenth is 300 eV off
    assert "What one number for all structures gets" in (tmp_path / "tables.md").read_text()


def test_tuples_need_no_data(tmp_path):
    iia("reproduce", "tableS2", "--out", tmp_path)
    table = {row["composition"]: row for row in rows(tmp_path / "tableS2.csv")}
    assert table["SeB19"]["to SeB20"] == "+1 B"
    assert table["B21"]["to SeB20"] == "-1 B, +1 Se"
    assert "4p=4" in table["SeB20"]["encoding"]


def test_a_search_goes_on(sets, tmp_path):
    pytest.importorskip("optuna")
    command = ["reproduce", "table1", "--data", sets, "--out", tmp_path, "--as", "corrected", "--quick"]
    iia(*command)
    table = rows(tmp_path / "table1-corrected.csv")
    assert len(table) == 2
    assert {row["bold"] for row in table} == {"True", "False"}
    iia(*command)
    assert rows(tmp_path / "table1-corrected.csv") == table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table7"], "there is no experiment 'table7'"),
        (["table2"], "say where the published sets lie"),
        (["table2", "--data", "nowhere"], "there is no folder nowhere"),
        (["table2", "--data", ".", "--as", "true"], "choose published or corrected"),
        (["table2", "--data", "."], "is wanted, but there is no"),
        (["table2", "--data", ".", "--epochs", "0"], "must be at least 1"),
        (["best", "--data", ".", "--as", "published"], "--as corrected"),
        (["doubts", "--data", ".", "--check", "-1"], "--check is -1"),
        (["page"], "there are no results"),
    ],
)
def test_mistakes_are_named_before_anything_is_computed(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in iia("reproduce", *arguments, code=2).stderr


def test_without_xtb_the_extra_is_named(sets, tmp_path, monkeypatch):
    def label(self, atoms):
        raise MissingPackage("xTB labels need tblite: pip install '.[xtb]'")

    monkeypatch.setattr(MadeLevel, "label", label)
    command = ["reproduce", "fig4", "--data", sets, "--out", tmp_path, "--quick", "--as"]
    assert "[xtb]" in iia(*command, "corrected", code=2).stderr
    assert not (tmp_path / "runs").exists()


def test_wrong_rows_are_named(sets, tmp_path):
    command = ["reproduce", "table3", "--data", sets, "--out", tmp_path, "--quick", "--rows", "SMO"]
    assert "no row of table3" in iia(*command, code=2).stderr
