from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.constraints import FixAtoms
from ase.io import read

from iia_calc.dynamics import DynamicsResult, DynamicsSettings, Moment, energy_drift, run_dynamics
from search.errors import InputError


class Drifting(LennardJones):
    """Not conservative: forces are a little too large, so that energy grows."""

    factor = 1.0
    limit = None

    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        self.results["forces"] = self.results["forces"] * self.factor
        if self.limit is not None:
            self.limit -= 1
            if self.limit < 0:
                self.results["energy"] = float("nan")


@pytest.fixture
def cluster():
    """An octahedron of boron near its Lennard-Jones minimum."""
    return Atoms("B6", 1.2 * np.vstack([np.eye(3), -np.eye(3)]))


def calculator(factor: float = 1.0):
    calc = Drifting(sigma=1.51, epsilon=0.5, rc=100.0)
    calc.factor = factor
    return calc


def test_energy_is_conserved_and_a_wrong_force_is_seen(cluster, tmp_path):
    settings = DynamicsSettings(temperature=300, steps=400, timestep=1.0)
    before = cluster.positions.copy()
    good = run_dynamics(cluster, calculator(), settings, tmp_path / "a.traj")
    bad = run_dynamics(cluster, calculator(1.3), settings)
    assert good.stopped_by == "steps"
    assert good.fluctuation < 1e-3
    assert bad.fluctuation > 3 * good.fluctuation
    assert 240 < good.temperature < 360
    assert (cluster.positions == before).all()
    frames = read(tmp_path / "a.traj", ":")
    assert len(frames) == 41
    assert np.abs(frames[-1].get_momenta().sum(0)).max() < 1e-8


def test_same_seed_same_trajectory(cluster, tmp_path):
    for ensemble in ("nve", "langevin"):
        runs = []
        for k, seed in enumerate((3, 3, 4)):
            file = tmp_path / f"{ensemble}-{k}.extxyz"
            run_dynamics(cluster, calculator(), DynamicsSettings(steps=20, seed=seed, ensemble=ensemble), file)
            runs.append(read(file, -1).positions)
        assert (runs[0] == runs[1]).all()
        assert not np.allclose(runs[0], runs[2])


def test_bath_holds_the_temperature(cluster):
    settings = DynamicsSettings(temperature=100, steps=2000, ensemble="langevin", friction=0.05, every=5)
    result = run_dynamics(cluster, calculator(), settings)
    assert result.drift is None
    assert 50 < result.temperature < 160


def test_constant_energy_holds_the_temperature_that_was_asked_for(cluster):
    calc, means = calculator(), []
    for seed in range(6):
        means.append(run_dynamics(cluster, calc, DynamicsSettings(temperature=200, steps=1000, seed=seed)).temperature)
    assert np.mean(means) == pytest.approx(200, rel=0.1)
    cold = run_dynamics(cluster, calc, DynamicsSettings(temperature=200, steps=1000, equilibration=0)).temperature
    assert cold < 150  # half of the kinetic energy has become potential energy


def test_an_unrelaxed_start_is_seen(cluster):
    relaxed = run_dynamics(cluster, calculator(), DynamicsSettings(steps=1, equilibration=0))
    strained = cluster.copy()
    strained.positions *= 0.9
    forces = Atoms(strained, calculator=calculator()).get_forces()
    result = run_dynamics(strained, calculator(), DynamicsSettings(steps=1, equilibration=0))
    assert result.start_force == pytest.approx(np.linalg.norm(forces, axis=1).max())
    assert result.start_force > 5 * relaxed.start_force


def test_an_error_of_the_calculator_is_not_taken_for_a_bad_number(cluster):
    class Refusing(Drifting):
        calls = 0

        def calculate(self, *args, **kwargs):
            self.calls += 1
            if self.calls > 30:
                raise ValueError("the licence has expired")
            super().calculate(*args, **kwargs)

    with pytest.raises(ValueError, match="licence"):
        run_dynamics(cluster, Refusing(sigma=1.51, epsilon=0.5, rc=100.0), DynamicsSettings(steps=100))


def test_falling_apart_is_said(cluster):
    result = run_dynamics(cluster, calculator(), DynamicsSettings(temperature=30000, steps=2000))
    assert result.stopped_by == "fragmented"
    assert "fell apart" in result.message
    assert "-" not in result.message  # no time is below zero
    assert not result.sound
    assert result.steps < 2000


def test_a_start_in_pieces_is_refused(cluster):
    apart = cluster.copy()
    apart.positions[0] += 300.0
    with pytest.raises(InputError, match="the start is in pieces"):
        run_dynamics(apart, calculator(), DynamicsSettings(steps=2))


@pytest.mark.parametrize("value", [2.5, "3", True, None, 0])
def test_steps_are_whole_numbers(value):
    with pytest.raises(InputError, match="must be a whole number of at least 1"):
        DynamicsSettings(steps=value)
    settings = DynamicsSettings(steps=np.int64(3), every=np.int32(1), seed=np.uint8(2))
    assert [type(n) for n in (settings.steps, settings.every, settings.seed)] == [int] * 3


def test_nonsense_is_said(cluster):
    calc = calculator()
    calc.limit = 30
    result = run_dynamics(cluster, calc, DynamicsSettings(steps=100))
    assert result.stopped_by == "non-finite"
    assert result.steps < 100


def test_interrupt_keeps_the_frames(cluster, tmp_path):
    def stop(moment):
        if moment.step >= 20:
            raise KeyboardInterrupt

    result = run_dynamics(cluster, calculator(), DynamicsSettings(steps=100), tmp_path / "a.traj", stop)
    assert (result.stopped_by, result.steps) == ("interrupted", 20)
    assert len(read(tmp_path / "a.traj", ":")) == 3


def test_drift_is_the_slope():
    moments = [Moment(k, 10.0 * k, 300.0, 0.0, 5.0 + 0.02 * k, 0.0) for k in range(11)]
    assert energy_drift(moments, 2) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert energy_drift(moments[:2], 2) == (None, None)


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0}, {"steps": 0}, {"timestep": -1}, {"ensemble": "npt"}, {"seed": -1}, {"every": 0}]
)
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DynamicsSettings(**wrong)


def test_input_is_checked(cluster, tmp_path):
    with pytest.raises(ValueError, match="two atoms"):
        run_dynamics(Atoms("B"), calculator(), DynamicsSettings())
    with pytest.raises(ValueError, match=r"\.traj"):
        run_dynamics(cluster, calculator(), DynamicsSettings(), tmp_path / "a.dcd")


def test_masses_count(cluster):
    heavy = cluster.copy()
    heavy.set_masses(1e4 * heavy.get_masses())
    settings = DynamicsSettings(steps=20, equilibration=0.0, every=1)
    paths = [run_dynamics(atoms, calculator(), settings) for atoms in (cluster, heavy)]
    assert paths[1].temperature > 0.99 * 300 * 0.5  # a hundredth as fast, it stays where it began
    moved = []
    for atoms in (cluster, heavy):
        ends = []
        run_dynamics(atoms, calculator(), settings, callback=lambda m, ends=ends: ends.append(m.potential))
        moved.append(abs(ends[-1] - ends[0]))
    assert moved[1] < 0.1 * moved[0]


def test_constraints_and_steps_too_long_are_refused(cluster):
    fixed = cluster.copy()
    fixed.set_constraint(FixAtoms([0]))
    with pytest.raises(InputError, match="has constraints"):
        run_dynamics(fixed, calculator(), DynamicsSettings(steps=1))
    with pytest.raises(InputError, match="above 10 fs no vibration can be followed"):
        DynamicsSettings(timestep=100.0)


@pytest.mark.parametrize(
    ("drift", "fluctuation", "conserved"),
    [(None, None, True), (1e-3, 1e-4, True), (-0.5, 1e-4, False), (1e-3, 0.2, False)],
)
def test_energy_that_is_not_conserved_is_told(drift, fluctuation, conserved):
    result = DynamicsResult(10, 1.0, 300.0, drift, fluctuation, "steps", "all steps done", 0.0)
    assert result.conserved == conserved
