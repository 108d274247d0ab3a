"""The findings: cases of one claim share a row, both readings stand side by side, convergence by three definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from reproduce.test_verdicts import line

from iia_calc.data.usable import COPY, Usable, write
from iia_calc.reproduce import convergence, findings, supplement
from iia_calc.reproduce.gains import FAILS, HOLDS, OPEN, Verdict


def cells(text, start):
    (row,) = [row for row in text.splitlines() if row.startswith(start)]
    return [cell.strip() for cell in row.split("|")[1:-1]]


@pytest.fixture
def group():
    published = [Verdict("it helps", "+10.0 %", "0.0 %", FAILS, "nothing moves", case) for case in ("A", "B")]
    corrected = [
        Verdict("it helps", "+10.0 %", "+12.0 % (+9.0 to +15.0)", HOLDS, "lower with each seed", "A"),
        Verdict("it helps", "+10.0 %", "+1.0 % (-9.0 to +15.0)", OPEN, "the seeds disagree", "B"),
    ]
    return findings.Group("Table 9", {"published": "3 epochs"}, {"published": published, "corrected": corrected})


def test_a_row_has_both_readings_and_each_reason_once(group):
    text = findings.table([group])
    assert cells(text, "| **Table 9**") == ["**Table 9**", "", "*3 epochs*", "", ""]
    assert cells(text, "| it helps") == [
        "it helps",
        "+10.0 %",
        "**doesn't hold**: A 0.0 %, B 0.0 %",
        "**holds**: A +12.0 % (+9.0 to +15.0); **can't be told**: B +1.0 % (-9.0 to +15.0)",
        "Published: nothing moves. Corrected: A: lower with each seed; B: the seeds disagree.",
    ]


def test_in_short_goes_by_the_corrected_reading(group):
    text = findings.summary([group])
    assert "- **Holds**: it helps (A)." in text
    assert "- **Doesn't hold**: nothing." in text
    assert "- **Can't be told**: it helps (B)." in text


def test_printed_and_obtained_stand_side_by_side_in_both_units():
    published = line("none", [3.0, 3.2], printed=(0.118, 0.121))
    corrected = replace(published, mae=np.array([0.16]), constant=np.array([0.22]))
    text = findings.errors([published], [corrected])
    assert cells(text, "| none") == ["none", "0.118", "3.21", "0.1139", "3.100 ± 0.141", "0.0059", "0.160"]
    assert cells(text, "| *one number")[3:] == ["0.1102", "3.000", "0.0081", "0.220"]
    assert findings.errors([replace(published, printed=None)], []) == ""


def test_the_definitions_of_convergence_differ():
    losses = np.array([5.0, 2.0, 1.04, 1.1, 1.0, 1.2])
    assert convergence.best_epoch(losses) == 5
    assert convergence.epoch_near_best(losses) == 3
    assert convergence.epoch_at(losses, 2.0) == 2
    assert convergence.epoch_at(losses, 0.5) == 7  # never


def test_a_fit_that_is_not_over_tells_only_when_it_reaches_the_others_loss():
    slow, fast = np.linspace(10, 1, 20), np.linspace(10, 0.1, 20) / 3
    before, after = line("SchNet", [1.0] * 3, best=20), line("SMU", [0.9] * 3, best=20)
    curves = {"SchNet": dict.fromkeys(range(3), slow), "SMU": dict.fromkeys(range(3), fast)}
    (speed,) = convergence.speeds("table3", [before, after], curves)
    assert speed.printed == "+23.5 %"
    assert [verdict for _, verdict in speed.by.values()] == [OPEN, OPEN, HOLDS]
    assert speed.by["level"][0] == "20, 20, 20 → 15, 15, 15"
    assert "(1) and (2) tell nothing" in speed.reason
    unlearnt = [replace(one, constant=np.full(3, 0.5)) for one in (before, after)]
    (speed,) = convergence.speeds("table3", unlearnt, curves)
    assert {verdict for _, verdict in speed.by.values()} == {OPEN}
    assert "neither network is better than a constant" in speed.reason
    assert speed.claim in convergence.section([speed])
    assert convergence.section([]) == ""


def test_fits_that_are_over_are_told_by_all_definitions():
    slow, fast = np.r_[np.linspace(10, 1, 10), np.full(10, 2.0)], np.r_[np.linspace(10, 0.9, 4), np.full(16, 2.0)]
    lines = [line("SchNet", [1.0] * 3, best=10), line("SMU", [0.9] * 3, best=4)]
    curves = {"SchNet": dict.fromkeys(range(3), slow), "SMU": dict.fromkeys(range(3), fast)}
    (speed,) = convergence.speeds("table3", lines, curves)
    assert {verdict for _, verdict in speed.by.values()} == {HOLDS}
    assert speed.reason == "the seeds agree"
    (slower,) = convergence.speeds("table3", lines, {"SchNet": curves["SMU"], "SMU": curves["SchNet"]})
    assert {verdict for _, verdict in slower.by.values()} == {FAILS}
    assert slower.by["level"][0] == "4, 4, 4 → –, –, –"


def test_usable_structures_are_counted_by_folder(tmp_path):
    rows = [
        Usable("SeBn/B=16.npz", 0, "yes", "its energy agrees with its bonds and with GFN1-xTB; in pieces"),
        Usable("SeBn/B=16.npz", 1, "no", "its energy is more than 0.25 eV/atom above GFN1-xTB's"),
        Usable("SeBn/B=17.npz", 0, "no", "its energy is far above what its bonds explain"),
        Usable("Bn/B=16.npz", 0, "no", f"{COPY} Bn/B=17.npz 3"),
    ]
    assert supplement.summary(tmp_path) == supplement.section([]) == ""
    write(rows[:3], tmp_path / "usable-SeBn.csv.gz")
    write(rows[3:], tmp_path / "usable-others.csv.gz")
    text = supplement.summary(tmp_path)
    assert "1 of 4: [usable-SeBn.csv.gz](usable-SeBn.csv.gz) and [usable-others.csv.gz]" in text
    assert "was asked of SeBn" in text
    assert cells(text, "| SeBn ") == ["SeBn", "3", "1", "1", "0", "1", "1"]
    assert cells(text, "| all ") == ["all", "4", "1", "1", "1", "1", "1"]
    assert cells(supplement.section(supplement.read(tmp_path)), "| SeBn/B=17.npz") == [
        "SeBn/B=17.npz",
        *("1", "0", "0", "0", "1", "0"),
    ]
