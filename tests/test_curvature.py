"""The potential's second derivatives, and what costly relaxations gain from knowing some."""

from __future__ import annotations

import fitted
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.lj import LennardJones as ASELennardJones
from test_confirm import BOND, Cheap

from iia_calc import IIACalculator
from iia_calc.confirm.api import confirm
from iia_calc.confirm.vibrations import central_differences
from iia_calc.model import storage
from iia_calc.model.hessian import second_derivatives, stiffen

CLUSTER = Atoms("B4Se", [[0, 0, 0], [1.6, 0, 0], [0.8, 1.4, 0.1], [2.4, 1.4, 0], [1.6, 2.9, -0.2]])


def of_lennard_jones(atoms: Atoms) -> np.ndarray:
    def forces_at(atom, axis, sign, moved):
        moved.calc = ASELennardJones(sigma=BOND / 2 ** (1 / 6), epsilon=1.0, rc=50.0)
        return moved.get_forces()

    return central_differences(atoms, forces_at).reshape(3 * len(atoms), -1)


@pytest.fixture(scope="module")
def potential():
    return storage.load(fitted.model(), dtype=torch.float64)


def test_they_are_those_of_the_forces(potential):
    calculator = IIACalculator(fitted.model(), dtype="float64", energy_from="mean")

    def forces_at(atom, axis, sign, moved):
        moved.calc = calculator
        return moved.get_forces()

    hessian = second_derivatives(potential, CLUSTER)
    expected = central_differences(CLUSTER, forces_at).reshape(15, 15)
    assert hessian == pytest.approx(0.5 * (expected + expected.T), abs=1e-6)
    assert np.abs(hessian.reshape(5, 3, 5, 3).sum(2)).max() < 0.5  # a push of the whole costs little: steps are finite


def test_single_precision_will_do(potential):
    exact = second_derivatives(potential, CLUSTER)
    assert second_derivatives(storage.load(fitted.model()), CLUSTER) == pytest.approx(exact, abs=0.05)


def test_stiffened_goes_down_everywhere():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    hessian = (axes * np.array([-30.0, -0.2, 0.0, 0.5, 3.0, 80.0])) @ axes.T
    curvatures, turned = np.linalg.eigh(stiffen(hessian))
    assert np.sort(curvatures) == pytest.approx([1.0, 1.0, 1.0, 3.0, 30.0, 80.0])
    assert np.abs(turned.T @ axes[:, 5]).max() == pytest.approx(1.0)


def bent(seed: int, by: float) -> Atoms:
    """Near the octahedron, Lennard-Jones' lowest of six atoms."""
    x = BOND / np.sqrt(2) * np.concatenate([np.eye(3), -np.eye(3)])
    return Atoms("B6", x + np.random.default_rng(seed).normal(scale=by, size=(6, 3)))


@pytest.mark.parametrize(("by", "at_most"), [(0.03, 0.85), (0.1, 1.0)])
def test_a_relaxation_takes_fewer_steps(tmp_path, by, at_most):
    """Far from the minimum, where forces are 10 eV/Å and the curvature of the place misleads, no more of them."""
    without, told = [], []
    for seed in range(4):
        isomer = [bent(seed, by)]
        without += confirm(isomer, Cheap(), tmp_path / f"without-{seed}.db")
        told += confirm(isomer, Cheap(), tmp_path / f"told-{seed}.db", curvature=of_lennard_jones)
    assert [c.reason for c in told] == ["converged"] * 4
    assert [c.energy for c in told] == pytest.approx([c.energy for c in without], abs=5e-3)
    assert sum(c.steps for c in told) <= at_most * sum(c.steps for c in without)


def test_it_goes_on_with_it_and_bad_advice_costs_steps_only(tmp_path):
    isomer = [bent(0, 0.01)]
    asked = []

    def noting(atoms):
        asked.append(atoms.positions.copy())
        return of_lennard_jones(atoms)[::-1, ::-1]  # of other atoms

    (stop,) = confirm(isomer, Cheap(), tmp_path / "dft.db", curvature=noting, max_steps=1)
    (end,) = confirm(isomer, Cheap(), tmp_path / "dft.db", curvature=noting)
    assert (stop.reason, end.reason) == ("step limit", "converged")
    assert len(asked) == 1  # what goes on repeats its steps with the curvature that it had
    assert end.energy == pytest.approx(-12.7, abs=0.05)
    confirm(isomer, Cheap(), tmp_path / "dft.db", curvature=noting)
    assert len(asked) == 1  # what is done asks for nothing
