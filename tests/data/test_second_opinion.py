"""A second opinion: what lies above a potential's expectation is found, whatever the set's shift."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from clusters import flat, random_cluster, small_potential

from iia_calc.data.model_filter import excess_over
from iia_calc.data.recompute import EXCESS

COUNT, ATOMS = 60, 7


@pytest.fixture(scope="module")
def judged():
    """A potential, and structures with its own energies, each a little off."""
    potential = small_potential()
    clusters = [random_cluster(ATOMS, seed=k) for k in range(COUNT)]
    with torch.no_grad():
        energies = potential(*flat(clusters)).energy.numpy()
    noise = np.random.default_rng(0).normal(0.0, 0.02 * ATOMS, COUNT)
    return potential, clusters[0].numbers, np.stack([atoms.positions for atoms in clusters]), energies + noise


def test_only_what_lies_above_is_doubted(judged):
    potential, numbers, positions, energies = judged
    wrong = energies.copy()
    wrong[:20] += np.linspace(1.5 * EXCESS, 3.0, 20) * ATOMS
    wrong[20:23] -= 1.0 * ATOMS
    for shift in (0.0, 500.0):
        above = excess_over(potential, numbers, positions, wrong + shift)
        assert np.flatnonzero(above > EXCESS).tolist() == list(range(20))
    assert np.abs(np.median(above[23:])) < 0.02
    assert above[19] == pytest.approx(3.0, abs=0.1)


def test_an_unknown_element_is_named(judged):
    potential, numbers, positions, energies = judged
    with pytest.raises(ValueError, match="not fitted for Al"):
        excess_over(potential, np.where(numbers == 34, 13, numbers), positions, energies)
