"""Box plots, doubts and budget: the numbers that the page's sections are made of."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace

import numpy as np
import pytest
from clusters import small_potential
from reproduce.test_verdicts import line

from iia_calc.data.second_opinion import excess_over
from iia_calc.reproduce import boxes, budget, doubts
from iia_calc.reproduce.verdicts import FAILS, HOLDS


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
        "SeB22-O": "B=21.npz", "SeB23-O": "B=22.npz",
    }  # fmt: skip
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
    monkeypatch.setattr("iia_calc.reproduce.doubts.storage.load", lambda name: potential)
    monkeypatch.setattr("iia_calc.reproduce.doubts._third_opinion", lambda *args: None)
    rows = doubts.read(doubts.write(sets, tmp_path))
    assert [row["set"] for row in rows] == [f"SeB{n}" for n in range(16, 24)]
    library = doubts.Library(sets, "corrected")
    for row in rows:
        item = library.structures(row["set"])
        above = excess_over(potential, item.numbers, item.positions, item.energies_in("eV"))
        assert int(row["corrected"]) == len(item) < int(row["published"]) == 30
        assert int(row["doubted"]) == (above > 0.25).sum()
        assert float(row["mae_strict"]) <= float(row["mae_corrected"])
        assert int(row["electrons"]) == item.numbers.sum()
    checked = [{"level": "X", "set": "SeB20", "doubted": "9", "doubted_right": "8", "kept": "7", "kept_right": "6",
                "sound": "5", "mae_sound": "0.07"}]  # fmt: skip
    text = doubts.section(rows, checked)
    assert "8 of 9 doubted energies" in text
    assert "6 of 7 others" in text
    assert doubts.section([], []) == ""


def test_a_third_opinion_is_counted_over_the_whole_set(sets, tmp_path):
    pytest.importorskip("tblite")
    found = doubts.Library(sets, "corrected").structures("SeB16")
    chosen = found.select(np.arange(6))
    above = np.array([0.0, 0.01, 0.02, 0.03, 0.9, 1.0])
    doubts._third_opinion(chosen, above, tmp_path / "doubts-check.csv")
    (row,) = doubts.read(tmp_path / "doubts-check.csv")
    assert (int(row["doubted"]), int(row["kept"])) == (2, 4)
    assert int(row["kept_right"]) + int(row["doubted"]) - int(row["doubted_right"]) == int(row["sound"])
    table = (tmp_path / doubts.RECOMPUTED).read_text()
    doubts._third_opinion(chosen, above, tmp_path / "doubts-check.csv")
    assert (tmp_path / doubts.RECOMPUTED).read_text() == table


def test_parity_is_that_of_the_electrons():
    rows = [{"electrons": "134", "corrected": "100", "doubted": "30"}, {"electrons": "129", "corrected": "100",
            "doubted": "1"}, {"electrons": "124", "corrected": "100", "doubted": "10"}]  # fmt: skip
    assert "even number of electrons 20 % are doubted, of those with an odd one 1 %" in doubts.parity_sentence(rows)


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


def test_the_sample_of_energies_is_not_copied_to_the_page(tmp_path):
    from iia_calc.reproduce.page import make_page

    out = tmp_path / "out"
    out.mkdir()
    with (out / "doubts.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([field for field in doubts.Doubt.__dataclass_fields__])
        writer.writerow(["SeB20", 134, 30, 27, 3, 0.2, 0.1])
    (out / doubts.RECOMPUTED).write_text("source,published\nx,1\n")
    page = make_page(out, tmp_path / "page")
    assert "doubted" in page.read_text()
    assert (tmp_path / "page/doubts.csv").exists()
    assert not (tmp_path / "page" / doubts.RECOMPUTED).exists()
