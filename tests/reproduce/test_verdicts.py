"""Verdicts: what the seeds say decides, and too few say nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from iia_calc.reproduce.gains import FAILS, HOLDS, OPEN, gain_interval, judge_gain, show_gain
from iia_calc.reproduce.results import Line
from iia_calc.reproduce.verdicts import verdicts


def line(key, mae, *, constant=3.0, printed=None, best=10, rmse=None, **other):
    mae = np.array(mae, dtype=float)
    settings = {
        "experiment": "x",
        "treatment": "published",
        "key": key,
        "label": key,
        "target": "SeB20",
        "seeds": tuple(range(len(mae))),
        "mae": mae,
        "rmse": mae if rmse is None else np.array(rmse),
        "constant": np.full(len(mae), constant),
        "best_epoch": np.full(len(mae), float(best)),
        "epochs": 20,
        "n_train": 100,
        "structures": np.full(len(mae), 2000.0),
        "cpu_seconds": mae,
        "embedding_shift": 0 * mae,
        "printed": printed,
    }
    return Line(**(settings | other))


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ([1.0, 1.1, 0.9], [0.80, 0.89, 0.71], HOLDS),
        ([1.0, 1.1, 0.9], [1.01, 1.10, 0.90], FAILS),
        ([1.0, 1.1, 0.9], [1.20, 1.30, 1.10], FAILS),
        ([1.0, 1.1, 0.9], [0.7, 1.2, 0.95], OPEN),
        ([1.0], [0.1], OPEN),
        ([], [], OPEN),
    ],
)
def test_a_gain_needs_all_seeds(before, after, verdict):
    assert judge_gain(np.array(before), np.array(after), claimed=0.1) == verdict


def test_the_interval_is_students():
    mean, low, high = gain_interval(np.ones(3), np.exp([-0.1, -0.2, -0.3]))
    assert mean == pytest.approx(1 - np.exp(-0.2))
    assert (low, high) == pytest.approx((1 - np.exp(-0.2 + 0.16858), 1 - np.exp(-0.2 - 0.16858)), abs=1e-4)


def test_errors_that_grow_by_factors_are_told_from_none():
    before, after = np.ones(3), np.array([3.0, 10.0, 20.0])
    assert judge_gain(before, after, claimed=0.1) == FAILS
    assert show_gain(before, after).startswith("error × 8.4 (")
    assert show_gain(before, before) == "0.0 % (0.0 to 0.0)"
    assert show_gain(before[:1], before[:1]) == "0.0 % (one seed)"


def test_each_verdict_has_its_reason():
    def reason(*lines):
        return {v.claim: v.reason for v in verdicts("table3", lines)}

    plain = line("SchNet", [1.0] * 3)
    assert reason(plain, line("SMU", [0.8, 0.79, 0.81]))["SMU lowers the MAE"] == "lower with each of 3 seeds"
    unclear = line("SMU", [0.7, 1.2, 0.95])
    assert reason(plain, unclear)["SMU lowers the MAE"] == "the seeds disagree, and training was cut to 20 epochs"
    assert reason(line("SchNet", [1.0]), line("SMU", [0.9]))["SMU lowers the MAE"] == "one seed tells nothing of a gain"
    idle = [line(key, mae, constant=0.5) for key, mae in (("SchNet", [1.0] * 3), ("SMU", [0.8, 0.79, 0.81]))]
    assert reason(*idle)["SMU lowers the MAE"] == (
        "lower with each of 3 seeds, but neither is better than a constant after 20 epochs"
    )
    carried = line("SMU + TL", [0.7, 1.2, 0.95], embedding_shift=np.full(3, 0.004))
    claim = "TL lowers the MAE of the SMU network"
    assert reason(unclear, carried)[claim].endswith("training moves a row of embeddings by 0.4 % at most")


def test_the_unit_is_told_from_the_size():
    lines = [line("none", [3.1, 3.2, 3.0], printed=(0.118, 0.121), rmse=[6.0, 6.1, 5.9])]
    found = {verdict.claim: verdict for verdict in verdicts("table2", lines)}
    assert found["the tables' errors are in eV/atom"].verdict == FAILS
    assert "0.114 hartree/atom" in found["the tables' errors are in eV/atom"].obtained
    assert found["the RMSE is all but equal to the MAE"].verdict == FAILS
    learnt = next(verdict for claim, verdict in found.items() if "better than one constant" in claim)
    assert learnt.verdict == FAILS
    going_on = verdicts("table2", [replace(lines[0], best_epoch=np.full(3, 20.0))])
    assert next(verdict for verdict in going_on if verdict.claim == learnt.claim).verdict == OPEN


def test_rows_of_unequal_budget_are_not_compared():
    lines = [line("SchNet", [3.0, 3.1]), line("SMU", [1.0, 1.1], epochs=40)]
    assert not [verdict for verdict in verdicts("table3", lines) if verdict.verdict != OPEN]


def test_the_cost_of_a_chain_counts_every_step():
    chain = [line(f"SeB{n}", [1.0, 1.1]) for n in range(16, 24)]
    chain += [line(f"chain SeB{n}", [1.0, 1.1]) for n in range(17, 24)]
    costs = [verdict for verdict in verdicts("continuous", chain) if "costs" in verdict.claim]
    assert [verdict.obtained.split(" (")[0] for verdict in costs] == ["× 5.00", "× 8.00", "× 1.00"]
    assert [verdict.verdict for verdict in costs] == [FAILS, FAILS, HOLDS]


def test_a_goal_is_reached_or_not():
    assert verdicts("best", [line("a", [0.07, 0.075])])[0].verdict == HOLDS
    assert verdicts("best", [line("a", [0.09, 0.12])])[0].verdict == FAILS
