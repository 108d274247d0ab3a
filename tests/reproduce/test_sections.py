"""Box plots, doubts and budget: the numbers that the page's sections are made of."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from clusters import small_potential
from reproduce.test_verdicts import line

from iia_calc.data import recompute as check
from iia_calc.data.model_filter import excess_over
from iia_calc.reproduce import boxes, budget
from iia_calc.reproduce import label_quality as doubts
from iia_calc.reproduce.gains import FAILS, HOLDS
from iia_calc.reproduce.page import make_page


def test_box_plots_find_the_failed_energies_among_the_outliers(sets, tmp_path):
    found = {box.set: box for box in boxes.read(boxes.write(sets, tmp_path))}
    assert set(found) == {*(f"SeB{n}" for n in range(16, 24)), "SeB19-O"}
    for box in found.values():
        assert (box.structures, box.failed, box.outliers_failed) == (30, 3, 3)
        assert 0 <= box.q1 < box.median < box.q3 < 300
    assert (tmp_path / "fig5.png").stat().st_size > 10000


def test_sets_are_known_by_what_they_hold(sets, tmp_path):
    folder = tmp_path / "SeBn-O"
    folder.mkdir()
    (tmp_path / "SeBn").mkdir()
    shutil.copy(sets / "SeBn/B=22.npz", folder / "B=21.npz")
    shutil.copy(sets / "SeBn/B=23.npz", folder / "B=22.npz")
    shutil.copy(sets / "SeBn/B=23.npz", folder / "B=23.npz")
    assert {name: item.source.name for name, item in boxes.by_size(tmp_path).items()} == {
        "SeB22-O": "B=21.npz",
        "SeB23-O": "B=22.npz",
    }
    shutil.rmtree(folder)
    with pytest.raises(FileNotFoundError, match="no sets in"):
        boxes.write(tmp_path, tmp_path / "out")


def test_box_verdicts_follow_the_numbers():
    plain = boxes.Box("SeB19", 19, 100, 1.0, 2.0, 5.0, 10, 9, 20)
    opt = boxes.Box("SeB19-O", 19, 100, 1.0, 2.0, 3.0, 2, 0, 1)
    assert [v.verdict for v in boxes.verdicts([plain, opt])] == [HOLDS, HOLDS, FAILS]
    swapped = [replace(plain, q3=2.5, outliers=1, outliers_failed=0), opt]
    assert [v.verdict for v in boxes.verdicts(swapped)] == [FAILS, FAILS, HOLDS]
    assert boxes.verdicts([plain]) == []


def test_doubts_are_counted_for_each_set_and_no_energy_leaves(sets, tmp_path, monkeypatch):
    potential = small_potential()
    monkeypatch.setattr("iia_calc.reproduce.label_quality.storage.load", lambda name: potential)
    out, seen = tmp_path / "out", []
    path = doubts.write(sets, out, out / "cache", lambda *told: seen.append(told))
    assert seen[0] == (0, 8, "SeB16: GFN1-xTB on 0 of 27")
    rows = doubts.read(path)
    assert [row["set"] for row in rows] == [f"SeB{n}" for n in range(16, 24)]
    library = doubts.Library(sets, "corrected")
    for row in rows:
        item = library.structures(row["set"])
        above = excess_over(potential, item.numbers, item.positions, item.energies_in("eV"))
        assert int(row["kept"]) == int(row["passed"]) == len(item) < int(row["published"]) == 30
        assert int(row["doubted_kept"]) == (above > 0.25).sum()
        assert int(row["electrons"]) == item.numbers.sum()
    page = make_page(out, tmp_path / "page")
    assert "GFN1-xTB keeps" in page.with_name("tables.md").read_text()
    assert [file.name for file in page.parent.glob("*.csv")] == ["doubts.csv"]
    assert doubts.section([], []) == ""


def test_what_xtb_rejects_is_recomputed(sets, tmp_path, monkeypatch):
    monkeypatch.setattr("iia_calc.reproduce.label_quality.agrees", lambda found, *_: np.arange(len(found)) % 3 > 0)

    def recompute(items, flags, count, path, level, callback):
        assert (len(items[0]), flags[0].sum(), count) == (27, 9, 4)
        callback(1, 8)
        energies = [(k, flag, 9.0 if k in (0, 3, 4) else 0.0) for k, flag in enumerate(flags[0].tolist()[:12])]
        return [check.Recomputed("x", "SeB16", k, flag, high, 0.0, "") for k, flag, high in energies]

    monkeypatch.setattr("iia_calc.reproduce.label_quality.check.recompute", recompute)
    (row,) = doubts.read(doubts.recompute(sets, tmp_path, tmp_path, 4))
    assert row == {
        "set": "SeB16",
        "asked": "4",
        "rejected": "4",
        "rejected_right": "2",
        "kept": "8",
        "kept_right": "7",
        "unknown": "0",
    }
    text = doubts.dft_sentence(row)
    assert "doubts --check 4" in text
    assert "2 of 4 that GFN1-xTB rejects" in text
    assert "7 of 8 that it keeps" in text


def test_parity_is_that_of_the_electrons():
    table = (("134", "70", "29"), ("129", "99", "0"), ("124", "90", "9"))
    rows = [{"electrons": e, "passed": "100", "kept": k, "doubted_rejected": d} for e, k, d in table]
    text = doubts.parity_sentence(rows)
    assert "even number of electrons GFN1-xTB rejects 20 %, of those with an odd one 1 %" in text
    assert "doubts 38 of 40 where the number is even, 0 of 1 where it is odd" in text


def test_the_budget_says_what_was_cut():
    full = line("a", [1.0] * 3, epochs=100, cpu_seconds=np.full(3, 60.0))
    text = budget.section([("fig4", "published", [full], 1), ("table2", "corrected", [full, line("b", [1.0])], 9)])
    whole = "iia reproduce fig4 --as published --epochs 100 --seeds 3"
    assert budget.command("fig4", "published", [full], {}) == f"{whole} --data published"
    assert budget.command("fig4", "published", [full], {"SeB20": 125}) == f"{whole} --data published"
    assert budget.command("fig4", "published", [full], {"SeB20": 2000}) == f"{whole} --limit 125 --data published"
    other = line("c", [1.0] * 3, epochs=100, target="SeB19")
    assert "--limit 125" in budget.command("fig4", "published", [full, other], {})
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines() if row.startswith("| `")]
    assert rows[0] == [f"`{whole} --data published`", "1 of 1", "100", "3", "100", "3", "in full"]
    assert rows[1] == [
        "`iia reproduce table2 --as corrected --epochs 100 --seeds 3 --data published`",
        "2 of 9",
        "20 to 100",
        "1 to 3",
        "100",
        "3",
        "cut",
    ]
