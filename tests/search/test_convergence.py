"""What a search says about the minima it has not seen, and stopping on it."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from search import METHODS, Archive, Convergence, LennardJones, find_minima
from search.convergence import LowestCount, record_growth


def test_walks_count_once_and_mixtures_not_at_all():
    count = LowestCount()
    count.record(-1.0, walk=0, mate=None)
    count.record(-1.0, walk=0, mate=None)
    assert count.times == 1
    count.record(-1.0002, walk=1, mate=None)
    assert count.times == 2
    count.record(-0.9, walk=2, mate=None)
    assert count.times == 2
    count.record(-1.0, walk=2, mate=1)  # made with what had been there
    assert count.times == 2
    count.record(-1.0, walk=2, mate=None)  # and stays so until it starts anew
    assert count.times == 2
    count.mix(3, 0)
    count.record(-1.0, walk=3, mate=None)
    assert count.times == 2
    count.restart(3)
    count.record(-1.0, walk=3, mate=None)
    assert count.times == 3
    count.record(-1.5, walk=5, mate=2)  # a lower one: all begins again
    assert (count.times, count.reached, count.energy) == (1, [5], -1.5)


def test_unseen_mass_of_a_known_distribution():
    """Draws from 400 minima of unequal weight: the estimate is near the true mass of those not drawn."""
    rng = np.random.default_rng(0)
    weights = rng.exponential(size=400) ** 2
    weights /= weights.sum()
    draws = rng.choice(400, size=800, p=weights)
    kinds, times = np.unique(draws, return_counts=True)
    state = Convergence(800, len(kinds), int((times == 1).sum()))
    missing = 1.0 - weights[kinds].sum()
    assert missing > 0.03
    assert state.unseen == pytest.approx(missing, abs=0.02)
    assert Convergence().unseen is None


@pytest.mark.parametrize("starts", [1, 2, 5, 12])
def test_a_lower_minimum_is_missed_as_seldom_as_is_said(starts):
    """Where starts lead to a lower minimum as often as the bound allows, 5 % of the searches miss it."""
    bound = Convergence(80, 9, 2, starts).lower_at_most
    rng = np.random.default_rng(starts)
    lower = rng.random((20_000, starts)) < bound / (1.0 + bound)
    assert (~lower.any(1)).mean() == pytest.approx(0.05, abs=0.006)
    assert Convergence(80, 9, 2, 0).lower_at_most is None


def test_growth_is_thinned():
    growth = []
    for n in range(8, 100_000, 8):
        record_growth(growth, n, n // 2)
    assert len(growth) < 80
    assert growth[0] == [8, 4]
    assert growth[-1][0] > 80_000


@pytest.mark.parametrize("method", METHODS)
def test_stop_when_found_again(tmp_path, method):
    seen = []
    result = find_minima(
        "Ar13", LennardJones(), method, until_found=5, quenches=4000, seed=2, archive=tmp_path, callback=seen.append
    )
    assert result.stopped_by == "found"
    assert result.best_energy == pytest.approx(-44.326801, abs=1e-5)
    assert result.minima[0].info["times_found"] >= result.convergence.lowest_found >= 5
    last = seen[-1].convergence
    assert last == result.convergence
    assert last.n_minima == len(result.minima)
    assert last.n_once == sum(atoms.info["times_found"] == 1 for atoms in result.minima)
    assert last.n_quenches == sum(atoms.info["times_found"] for atoms in result.minima)
    counts = [p.convergence.n_minima for p in seen]
    assert counts == sorted(counts)
    assert json.loads(json.dumps(last.as_plain()))["unseen"] == last.unseen
    with Archive(tmp_path) as archive:  # counted anew from the file
        assert archive.n_once == last.n_once
        assert LowestCount(**archive.state["searcher"]["lowest"]).times == last.lowest_found
    again = find_minima("Ar13", LennardJones(), method, until_found=5, seed=2, archive=tmp_path)
    assert again.n_quenches == result.n_quenches
    assert asdict(again.convergence) == asdict(result.convergence)
