"""Turns of a force and tortuosity of an energy, on curves whose answer is known."""

import numpy as np
import pytest

from iia_calc.training.smoothness import tortuosity, turns

R = np.arange(1.0, 6.0, 0.01)
MORSE = (1 - np.exp(-1.5 * (R - 1.6))) ** 2
PULL = -np.gradient(MORSE, R)


def test_a_bond_turns_once_and_goes_straight():
    assert turns(PULL) == 1
    assert tortuosity(MORSE) == pytest.approx(1.0)


def test_ripples_are_counted_where_they_are_large():
    ripple = np.sin(2 * np.pi * R / 0.5)
    assert turns(PULL + 0.005 * ripple) == 1
    assert turns(PULL + 0.1 * ripple) > 10
    assert tortuosity(MORSE + 0.1 * ripple) > 1.3


def test_a_flat_curve_turns_nowhere():
    assert turns(np.zeros(10)) == 0
    assert tortuosity(np.zeros(10)) == np.inf
