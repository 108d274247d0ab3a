"""GFN1-xTB's opinion: what lies above it is found, whatever the shift, and no energy is computed twice."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from made_data import boron_set

from iia_calc.data.xtb_filter import FILE, agrees, can_judge, excess_over_xtb, xtb_energies
from iia_calc.labels.level import Label, LabelFailed

COUNT = 40


class Level:
    """Energies by the place of the first atom; fails or stops where told to."""

    name = "made"

    def __init__(self, made, fails=(), stop=10**9):
        self.of = {x[0].tobytes() + x[1].tobytes(): (k, e) for k, (x, e) in enumerate(zip(*made, strict=True))}
        self.fails, self.left = fails, stop

    def label(self, atoms):
        k, energy = self.of[atoms.positions[0].tobytes() + atoms.positions[1].tobytes()]
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        if k in self.fails:
            raise LabelFailed("no")
        return Label(energy, np.zeros((len(atoms), 3)))


@pytest.fixture
def made():
    found = boron_set(COUNT)
    return found, found.positions, found.energies_in("eV") + np.random.default_rng(0).normal(0.0, 0.1, COUNT) - 500.0


def test_only_what_lies_above_is_rejected(made, monkeypatch):
    found, positions, energies = made
    wrong = found.energies.copy()
    wrong[:12] += np.linspace(0.3, 2.0, 12) * 8 / 27.2
    wrong[12] -= 1.0 * 8 / 27.2
    monkeypatch.setattr("iia_calc.data.xtb_filter.XTBLevel", lambda: Level((positions, energies), fails=(39,)))
    judged = replace(found, energies=wrong)
    assert np.flatnonzero(~agrees(judged)).tolist() == [*range(12), 39]
    assert excess_over_xtb(judged)[11] == pytest.approx(2.0, abs=0.05)
    assert np.isnan(excess_over_xtb(judged)[39])


def test_a_stopped_run_goes_on_and_nothing_is_repeated(made, tmp_path):
    found, positions, energies = made
    shown = []
    with pytest.raises(KeyboardInterrupt):
        xtb_energies(found, tmp_path, level=Level((positions, energies), fails=(3,), stop=25))
    with (tmp_path / FILE).open("a") as file:
        file.write("0123456789,-1")  # as a kill leaves it
    later = Level((positions, energies), stop=15)
    some = xtb_energies(found.select(np.arange(30)), tmp_path, level=later)
    assert later.left == 10
    whole = xtb_energies(found, tmp_path, lambda *told: shown.append(told), later)
    assert later.left == 0
    assert shown == [(30, COUNT)]
    assert np.isnan(whole[3])
    expected = np.where(np.arange(COUNT) == 3, np.nan, energies)
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(some, whole[:30])
    other = replace(found, positions=found.positions + 0.1, energies=found.energies)
    with pytest.raises(KeyError):  # other geometries are others, whatever the file is called
        xtb_energies(other, tmp_path, level=later)


def test_boron_and_selenium_are_judged():
    found = boron_set(4)
    assert can_judge(found)
    assert not can_judge(replace(found, numbers=np.array([13, *found.numbers[1:]])))


def test_real_energies_and_a_missing_package(tmp_path, monkeypatch):
    pytest.importorskip("tblite")
    found = boron_set(4)
    energies = xtb_energies(found, tmp_path)
    assert np.isfinite(energies).all()
    monkeypatch.setitem(sys.modules, "tblite.interface", None)
    np.testing.assert_allclose(xtb_energies(found, tmp_path), energies, atol=1e-5)
    with pytest.raises(ImportError, match=r"pip install .\.\[xtb\]"):
        xtb_energies(found)
