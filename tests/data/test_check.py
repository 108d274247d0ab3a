from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from made_data import boron_set

from iia_calc.data.recompute import Recomputed, check_level, draw, judge, recompute
from iia_calc.data.scf_bound import lowest_energy
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LabelFailed


def test_a_sample_alternates_and_takes_from_every_set():
    flags = [np.arange(10) < 3, np.arange(20) < 1, np.zeros(5, dtype=bool)]
    sample = draw(flags, 4, 4, seed=0)
    assert [flagged for _, _, flagged in sample] == [True, False] * 4
    assert sorted(s for s, _, flagged in sample if flagged) == [0, 0, 0, 1]
    assert {s for s, _, flagged in sample if not flagged} == {0, 1, 2}
    assert len(set(sample)) == len(sample)
    assert sample == draw(flags, 4, 4, seed=0)
    done = {(s, k) for s, k, _ in sample}
    assert not done & {(s, k) for s, k, _ in draw(flags, 4, 9, seed=0, done=done)}


def test_a_changed_verdict_hardly_changes_the_sample():
    flags = np.arange(50) < 25
    passed = {k for _, k, flagged in draw([flags], 10, 10, seed=1) if not flagged}
    flags[30] = True
    assert len(passed & {k for _, k, flagged in draw([flags], 10, 10, seed=1) if not flagged}) >= 9


def row(index: int, flagged: bool, published: float, recomputed: float) -> Recomputed:
    return Recomputed("B8.npz", "B8", index, flagged, published, recomputed, "level")


def test_verdicts_are_judged_after_the_sets_shift():
    rows = [
        row(0, False, 10.0, 0.0),
        row(1, False, 10.5, 0.0),
        row(2, False, 19.0, 0.0),
        row(3, True, 30.0, 0.0),
        row(4, True, 11.0, 0.0),
        row(5, True, 99.0, float("nan")),
    ]
    result = judge(rows)
    assert (result.flagged, result.flagged_right, result.passed, result.passed_right) == (2, 1, 3, 2)
    assert result.not_recomputed == 1
    assert result.excess["B8.npz", 3] == pytest.approx(19.5)
    assert result.share_right == pytest.approx(0.6)


def test_rows_are_kept_as_they_end_and_never_redone(tmp_path):
    pytest.importorskip("tblite")
    made = [boron_set(12)]
    flags = [np.arange(12) < 4]
    level = check_level("gfn1")
    first = recompute(made, flags, 1, tmp_path / "check.csv", level=level)
    assert len(first) == 2
    table = (tmp_path / "check.csv").read_text()
    more = recompute(made, flags, 2, tmp_path / "check.csv", level=level)
    assert len(more) == 4
    assert (tmp_path / "check.csv").read_text().startswith(table)
    assert len(list(csv.DictReader((tmp_path / "check.csv").read_text().splitlines()))) == 4
    again = recompute(made, flags, 2, tmp_path / "check.csv", level=level)
    assert sorted(again, key=lambda r: r.index) == sorted(more, key=lambda r: r.index)
    assert (tmp_path / "check.csv").read_text().count("\n") == 5


def test_rows_count_with_todays_verdict(tmp_path):
    made, level = boron_set(3), check_level("gfn1")
    (tmp_path / "check.csv").write_text(
        "source,formula,index,flagged,published,recomputed,level,error\n"
        + "".join(f'{made.source},B8,{k},False,-1.0,-1.0,"{level.name}",\n' for k in range(2))
    )
    rows = recompute([made], [np.array([True, False, False])], 1, tmp_path / "check.csv", level=level)
    assert [row.flagged for row in rows] == [True, False]


def test_a_table_of_something_else_is_refused(tmp_path):
    (tmp_path / "check.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="no table of recomputed energies"):
        recompute([boron_set(3)], [np.zeros(3, dtype=bool)], 1, tmp_path / "check.csv", level=check_level("gfn1"))


def test_an_energy_alone_is_that_of_the_label():
    pytest.importorskip("pyscf")
    level = DFTLevel(gpu=False, threads=1)
    pair = Atoms("B2", [[0, 0, 0], [1.6, 0, 0]])
    assert level.energy(pair) == pytest.approx(level.label(pair).energy, abs=1e-4)
    with pytest.raises(LabelFailed):
        level.energy(Atoms("B2", [[0, 0, 0], [0.1, 0, 0]]))


def test_a_bound_counts_where_it_is_low_enough_and_says_nothing_where_not():
    sound = [row(k, False, 10.0, 0.0) for k in range(3)]
    low, high = replace(row(3, True, 30.0, 0.0), bound=True), replace(row(4, True, 10.5, 0.0), bound=True)
    result = judge([*sound, low, high])
    assert (result.flagged, result.flagged_right, result.not_recomputed) == (1, 1, 1)


def test_an_scf_stops_where_it_is_low_enough_and_bounds_the_ground_state_from_above():
    pytest.importorskip("pyscf")
    level = DFTLevel(gpu=False, threads=1)
    pair = Atoms("B2", [[0, 0, 0], [1.6, 0, 0]])
    whole = lowest_energy(level, pair)
    assert whole.converged
    assert whole.energy == pytest.approx(level.energy(pair), abs=1e-4)
    stopped = lowest_energy(level, pair, enough=whole.energy + 1.0)
    assert not stopped.converged
    assert whole.energy - 1e-3 <= stopped.energy < whole.energy + 1.0
    hurried = lowest_energy(level.but(max_cycle=1), pair)
    assert not hurried.converged
    assert hurried.energy >= whole.energy - 1e-3


def test_a_table_of_an_earlier_version_is_not_added_to(tmp_path):
    pytest.importorskip("tblite")
    (tmp_path / "check.csv").write_text("source,formula,index,flagged,published,recomputed,level,error\n")
    with pytest.raises(ValueError, match="earlier version"):
        recompute([boron_set(3)], [np.zeros(3, dtype=bool)], 1, tmp_path / "check.csv", level=check_level("gfn1"))
