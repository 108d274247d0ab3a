"""Open-shell labels lie on the stable SCF solution, and older ones are brought there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect
from ase.units import Hartree

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import ALREADY_LOWER, CARRIED, FOLLOWED, STABLE, UNCHECKED, Label, LabelFailed
from iia_calc.labels.recheck import recheck
from iia_calc.labels.request import LabelRequest
from iia_calc.labels.run import run_recheck
from iia_calc.labels.store import LabelledStructure, LabelStore

pytest.importorskip("pyscf")
LEVEL = DFTLevel(multiplicity=3, threads=1, conv_tol=1e-9)
B2 = Atoms("B2", [[0, 0, 0], [0, 0, 1.6]])  # its first SCF solution is not stable (test_electronic.py)
SEB = Atoms("SeBB", [[1.65, 0, 0], [0, 0.8, 0], [0, -0.8, 0]])

CHAIN = Atoms("B4", [[0, 0, 1.8 * k] for k in range(4)])  # stretched: its first closed-shell solution is not stable


def test_a_label_is_of_the_stable_solution_and_its_forces_are_the_slope():
    label = LEVEL.label(B2)
    assert label.stability == FOLLOWED
    assert label.energy < LEVEL.converge(B2, 3).e_tot * Hartree - 1e-3
    assert label.energy == LEVEL.energy(B2)
    assert label.energy == pytest.approx(LEVEL.state(B2, 3).energy, abs=1e-5)
    energies = []
    for sign in (1, -1):
        moved = B2.copy()
        moved.positions[1, 2] += sign * 0.005
        near = LEVEL.label(moved)
        assert near.stability == FOLLOWED
        energies.append(near.energy)
    assert label.forces[1, 2] == pytest.approx(-(energies[0] - energies[1]) / 0.01, abs=0.03)
    assert abs(label.forces[1, 2]) > 0.3


def test_a_label_does_not_depend_on_what_was_labelled_before():
    first = LEVEL.label(B2)
    moved = B2.copy()
    moved.positions[1, 2] += 0.01
    LEVEL.label(moved)
    again = LEVEL.label(B2)
    assert (again.energy, again.stability) == (first.energy, first.stability)
    assert np.array_equal(again.forces, first.forces)
    assert hash(LEVEL) == hash(LEVEL.but())  # nothing in it can change
    unfollowed = LEVEL.but(follow=False)
    assert unfollowed.label(B2).stability == UNCHECKED
    assert unfollowed.label(B2).energy > first.energy + 1e-3
    assert unfollowed.name != LEVEL.name


def test_closed_shells_stay_so_and_are_followed_too():
    """H2 apart is unstable towards two spins only, and is kept; the other one has a lower restricted solution."""
    level = DFTLevel(threads=1)
    assert level.label(SEB).stability == STABLE
    assert level.label(Atoms("H2", [[0, 0, 0], [0, 0, 4.0]])).stability == STABLE
    label = level.label(CHAIN)
    assert label.stability == FOLLOWED
    assert label.energy < level.converge(CHAIN, 1).e_tot * Hartree - 0.03
    assert level.label_again(CHAIN, label).stability == STABLE


def test_labels_that_were_too_high_are_replaced_once(tmp_path):
    store = LabelStore(tmp_path / "labels.db", LEVEL.name)
    unstable = Label(float(LEVEL.converge(B2, 3).e_tot) * Hartree, np.zeros((2, 3)))
    good = LEVEL.label(SEB)
    store.add(
        [
            LabelledStructure(SEB, good._replace(stability=""), "good", "path", 0, 3),
            LabelledStructure(SEB, Label(good.energy - 1.0, good.forces), "lower", "path", 0, 3),
            LabelledStructure(B2, unstable, "unstable", "path", 0, 3),
            LabelledStructure(SEB, Label(good.energy, good.forces, CARRIED), "carried", "path", 0, 3),
            LabelledStructure(SEB, Label(-1.0, np.zeros((3, 3))), "singlet", "path", 0, 1),
        ]
    )
    with ThreadPoolExecutor(1) as executor:
        assert recheck(store, LEVEL, executor, largest=1).n_tested == 0
        found = recheck(store, LEVEL, executor)
        assert recheck(store, LEVEL, executor).n_tested == 0  # it goes on where it was
    assert found.n_tested == 4
    items = {item.start: item for item in LabelStore(store.path).read()}
    assert [items[name].label.stability for name in ("good", "carried", "lower", "unstable", "singlet")] == [
        STABLE,
        STABLE,
        ALREADY_LOWER,
        FOLLOWED,
        "",
    ]
    assert items["good"].label.energy == good.energy
    assert np.array_equal(items["good"].label.forces, good.forces)
    assert items["lower"].label.energy == good.energy - 1.0
    assert items["unstable"].label.energy == pytest.approx(LEVEL.label(B2).energy, abs=1e-4)
    assert abs(items["unstable"].label.forces[1, 2]) > 0.3
    assert found.lowered == [pytest.approx(500 * (unstable.energy - items["unstable"].label.energy))]
    assert (items["unstable"].origin, items["unstable"].multiplicity) == ("path", 3)
    assert connect(store.path).get(start="unstable").energy_before == pytest.approx(unstable.energy)
    assert "energy_before" not in connect(store.path).get(start="good")


def test_labels_that_were_followed_one_way_only_are_tested_again(tmp_path):
    store = LabelStore(tmp_path / "labels.db", LEVEL.name)
    lowest = LEVEL.label(B2)
    higher = Label(lowest.energy + 0.1, np.zeros((2, 3)), FOLLOWED)
    store.add(
        [
            LabelledStructure(B2, higher, "higher", "path", 0, 3),
            LabelledStructure(B2, lowest, "lowest", "path", 0, 3),
            LabelledStructure(SEB, LEVEL.label(SEB), "stable", "path", 0, 3),
        ]
    )
    with ThreadPoolExecutor(1) as executor:
        assert recheck(store, LEVEL, executor).n_tested == 0
        found = recheck(store, LEVEL, executor, which="followed")
    assert found.n_tested == 2
    assert found.lowered == [pytest.approx(50.0)]
    energies = {item.start: item.label.energy for item in store.read()}
    assert energies["higher"] == energies["lowest"] == lowest.energy
    (item,) = [item for _, item in store.list_doubtful("followed")]
    assert item.start == "higher"  # one that came down again is asked once more, where it is stable now


class Failing(DFTLevel):
    def label_again(self, atoms, known):
        raise LabelFailed("not again")


def test_a_label_that_fails_again_is_kept(tmp_path):
    store = LabelStore(tmp_path / "labels.db", LEVEL.name)
    store.add([LabelledStructure(B2, Label(-5.0, np.ones((2, 3))), "b", "path", 0, 3)])
    with ThreadPoolExecutor(1) as executor:
        assert recheck(store, Failing(multiplicity=3), executor).n_tested == 1
    (item,) = store.read()
    assert (item.label.energy, item.label.stability) == (-5.0, UNCHECKED)


def test_a_tested_label_that_fails_again_stays_tested(tmp_path):
    store = LabelStore(tmp_path / "labels.db", LEVEL.name)
    store.add([LabelledStructure(B2, Label(-5.0, np.ones((2, 3)), FOLLOWED), "b", "path", 0, 3)])
    with ThreadPoolExecutor(1) as executor:
        assert recheck(store, Failing(multiplicity=3), executor, which="followed").n_tested == 1
    (item,) = store.read()
    assert item.label.stability == FOLLOWED


def test_a_request_to_recheck(tmp_path):
    store = LabelStore(tmp_path / "labels.db", DFTLevel().name)
    atoms = Atoms("B")
    store.add([LabelledStructure(atoms, Label(-600.0, np.zeros((1, 3))), "b", "given", 0, 2)])
    told = []
    found = run_recheck(
        LabelRequest(level="dft", out=store.path, recheck="open-shell"), lambda *counts: told.append(counts)
    )
    assert found.line().startswith("1 labels tested; 1 were too high")
    assert told == [(1, 1)]
    with pytest.raises(ValueError, match="level dft"):
        LabelRequest(out=store.path, recheck="open-shell")
    with pytest.raises(FileNotFoundError, match="no label database"):
        LabelRequest(level="dft", out=tmp_path / "none.db", recheck="open-shell")
    with pytest.raises(ValueError, match="recheck"):
        LabelRequest(largest=5)
    with pytest.raises(ValueError, match="need another file"):
        run_recheck(LabelRequest(level="dft", basis="6-31G", out=store.path, recheck="open-shell"))
