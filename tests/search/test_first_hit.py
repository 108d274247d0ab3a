"""First-hit statistics: estimates against cases done by hand, censoring, runs that go on, the command."""

import csv
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.stats import CensoredData, ecdf

from search.first_hit import FirstHits, kaplan_meier, lennard_jones_energies, lennard_jones_runs, read_runs


def test_reference_energies():
    known = lennard_jones_energies()
    assert sorted(known) == list(range(2, 111))
    assert [known[n] for n in (2, 13, 38, 75)] == [-1.0, -44.326801, -173.928427, -397.492331]


def test_without_censoring_it_is_the_plain_mean_and_quantiles():
    costs = np.random.default_rng(0).permutation(np.arange(1, 101))
    hits = FirstHits.of(costs, np.ones(100, dtype=bool))
    assert (hits.n_runs, hits.n_hits) == (100, 100)
    assert hits.mean.value == pytest.approx(50.5)
    assert (hits.median.value, hits.quantile_90.value) == (50, 90)
    assert hits.mean.low < 50.5 < hits.mean.high
    assert hits.mean.high - hits.mean.low == pytest.approx(2 * 1.96 * 28.9 / 10, rel=0.15)


@pytest.mark.slow
def test_censored_runs_count():
    """Kaplan–Meier by hand: 3 hits at 2, 4, 6 and one run given up at 5."""
    costs, hit = np.array([2.0, 4.0, 5.0, 6.0]), np.array([True, True, False, True])
    times, share = kaplan_meier(costs, hit)
    assert list(times) == [2, 4, 6]
    assert share == pytest.approx([0.25, 0.5, 1.0])
    assert FirstHits.of(costs, hit).mean.value == pytest.approx(17 / 3)
    exponential = np.random.default_rng(1).exponential(100.0, size=4000)
    censored = FirstHits.of(np.minimum(exponential, 60.0), exponential < 60.0)
    assert censored.mean.value == pytest.approx(100.0, rel=0.07)
    assert censored.quantile_90.value == np.inf
    none = FirstHits.of(np.array([5.0, 5.0]), np.array([False, False]))
    assert none.mean.value == none.median.value == np.inf


@pytest.mark.slow
def test_intervals_cover_the_truth():
    rng = np.random.default_rng(2)
    covered = 0
    for k in range(60):
        hits = FirstHits.of(rng.exponential(100.0, size=60), np.ones(60, dtype=bool), seed=k)
        covered += hits.mean.low <= 100.0 <= hits.mean.high
    assert covered >= 50


def test_runs_go_on_and_belong_to_their_settings(tmp_path):
    seen = []
    first = lennard_jones_runs(tmp_path, [7, 9], 2, callback=lambda run, done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(run.hit and 1 <= run.quenches <= run.evaluations for run in first)
    path = tmp_path / "runs.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:3]) + lines[3][:4])  # as a kill leaves it
    seen.clear()
    again = lennard_jones_runs(tmp_path, [7, 9], 3, callback=lambda run, done, total: seen.append(run.seed))
    assert seen == [2, 0, 1, 2]
    assert len(read_runs(path)) == 6
    strip = [(r.n_atoms, r.seed, r.quenches, r.evaluations) for r in again if r.seed < 2]
    assert strip == [(r.n_atoms, r.seed, r.quenches, r.evaluations) for r in first]
    with pytest.raises(ValueError, match=r"holds runs with .*; use another folder"):
        lennard_jones_runs(tmp_path, [7], 2, method="bee-colony")
    with ThreadPoolExecutor(1) as executor:
        assert lennard_jones_runs(tmp_path / "b", [7], 2, executor=executor)[1].quenches == first[1].quenches


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sizes": [1]}, "size 1 has no reference energy; choose from 2 to 110"),
        ({"sizes": []}, "at least one size"),
        ({"n_runs": 0}, "at least one size, one run"),
        ({"method": "luck"}, "choose one of basin-hopping"),
    ],
)
def test_bad_input(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        lennard_jones_runs(tmp_path / "a", **{"sizes": [7], "n_runs": 1, **arguments})
    assert not (tmp_path / "a").exists()


def test_the_command(tmp_path):
    from typer.testing import CliRunner

    from iia_calc.cli import app

    arguments = ["bench", "lj", "--sizes", "7,8", "--runs", "2", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0
    sizes = json.loads(done.stdout)["sizes"]
    assert sizes["7"]["quenches"]["n_hits"] == 2
    with open(tmp_path / "first_hits.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["n_atoms"], row["unit"]) for row in rows] == [
        (n, unit) for n in ("7", "8") for unit in ("quenches", "evaluations")
    ]
    assert (tmp_path / "first_hits.png").read_bytes().startswith(b"\x89PNG")
    assert "2/2" in CliRunner().invoke(app, arguments).stdout
    in_processes = ["bench", "lj", "--sizes", "7,8", "--runs", "2", "--workers", "2", "--out", str(tmp_path / "w")]
    assert json.loads(CliRunner().invoke(app, [*in_processes, "--json"]).stdout)["sizes"] == sizes
    assert CliRunner().invoke(app, ["bench", "lj", "--sizes", "few"]).exit_code == 2
    without = ["bench", "lj", "--sizes", "7", "--runs", "1", "--without", "symmetrise", "--out", str(tmp_path / "b")]
    assert CliRunner().invoke(app, without).exit_code == 0
    assert "symmetrise" not in json.loads((tmp_path / "b" / "settings.json").read_text())["settings"]["moves"]
    assert CliRunner().invoke(app, [*without[:-3], "jump"]).exit_code == 2


def test_kaplan_meier_is_that_of_scipy():
    rng = np.random.default_rng(0)
    for _ in range(40):
        n = int(rng.integers(1, 60))
        costs, hit = rng.integers(1, 30, size=n).astype(float), rng.random(n) < rng.random()
        times, share = kaplan_meier(costs, hit)
        if hit.any():
            reference = ecdf(CensoredData(uncensored=costs[hit], right=costs[~hit]))
            assert share == pytest.approx(reference.cdf.evaluate(times), abs=1e-12)
        assert (times == np.unique(costs[hit])).all()
