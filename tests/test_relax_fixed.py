"""Relaxations in batches of fixed shape: the same as today's, with nothing in a step that a GPU could not replay."""

import numpy as np
import pytest
import torch
from clusters import random_cluster, small_potential
from torch.utils._python_dispatch import TorchDispatchMode

from iia_calc.model.committee import Committee
from iia_calc.relax import on_device
from iia_calc.relax.advance import EMPTY, RUNNING, Rules
from iia_calc.relax.batch import PotentialRelaxer
from iia_calc.relax.captured import Recorder
from iia_calc.relax.fixed import FixedBatch, Watch
from iia_calc.relax.model_hessian import inverse_by_products, inverse_model_hessian, model_hessian
from search.geometry.pieces import soundness, soundness_of_each

HOST_LOOKS = ("item", "_local_scalar_dense", "nonzero", "masked_select", "unique", "repeat_interleave", "is_nonzero")
"""Operations that wait for the device, or whose result's shape depends on values: none can be captured."""


class Captureless(TorchDispatchMode):
    """Fails at what a CUDA graph can't hold."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.name().removeprefix("aten::").split(".")[0]
        assert name not in HOST_LOOKS, name
        if name in ("index", "index_put", "index_put_"):
            assert all(index is None or index.dtype == torch.int64 for index in args[1]), f"{name} by a mask"
        return function(*args, **(kwargs or {}))


@pytest.fixture(scope="module")
def potential():
    return small_potential(dtype=torch.float32, kind="vectors", angular=2, attention=None, n_heads=4)


@pytest.fixture(scope="module")
def clusters():
    return [random_cluster(n, seed=n) for n in (4, 7, 12, 2, 9, 3, 8, 8, 10)]


def batch_of(surface, clusters, rules=Rules(0.01, 500, 0.2), watch=None):
    batch = FixedBatch(surface, 8, 12, rules, watch)
    keys = list(range(len(clusters)))
    batch.fill(keys, keys, [a.numbers for a in clusters], [a.positions for a in clusters])
    return batch


def test_ends_as_the_batch_that_changes_its_shape(clusters, monkeypatch):
    potential = small_potential(kind="vectors", angular=2, attention=None, n_heads=4)
    monkeypatch.setattr(on_device, "LEAST", 2)
    ours = PotentialRelaxer(potential, fmax=0.01, batch_size=4, fixed_shape=True)
    for fixed, today in zip(ours.relax(clusters), PotentialRelaxer(potential, fmax=0.01).relax(clusters), strict=True):
        assert fixed.reason == today.reason == "converged"
        assert fixed.energy == pytest.approx(today.energy, abs=1e-7)
        assert fixed.n_evaluations == today.n_evaluations
        np.testing.assert_allclose(fixed.atoms.positions, today.atoms.positions, atol=1e-6)


def test_spent_and_non_finite_rows_say_so(potential):
    good, bad = random_cluster(6, seed=0), random_cluster(6, seed=1)
    bad.positions[0] = np.nan
    results = PotentialRelaxer(potential, fmax=1e-6, max_steps=7, fixed_shape=True).relax([good, bad])
    assert [result.reason for result in results] == ["step limit", "non-finite"]
    assert results[0].n_evaluations == 7
    assert results[1].failed


def test_a_committee_stops_what_it_does_not_agree_on(clusters):
    members = [
        small_potential(seed=seed, dtype=torch.float32, kind="vectors", angular=2, attention=None, n_heads=4)
        for seed in (0, 1)
    ]
    committee = Committee(members).freeze()
    strict = PotentialRelaxer(committee, fmax=1e-4, forces_std_limit=1e-3, fixed_shape=True).relax(clusters)
    today = PotentialRelaxer(committee, fmax=1e-4, forces_std_limit=1e-3).relax(clusters)
    assert [a.reason for a in strict] == [b.reason for b in today]
    long = [result for result in strict if result.n_evaluations >= 20]
    assert long
    assert all(result.reason == "uncertain" for result in long)


def test_nothing_in_a_step_looks_at_a_value(potential, clusters, monkeypatch):
    watch = Watch([potential, potential], Committee([potential, small_potential()]).calibration, 1.0, 20)
    batch = batch_of([potential], clusters[:6], watch=watch)
    monkeypatch.setattr(batch, "_inverse", lambda Z, x: inverse_by_products(model_hessian(Z, x)))  # as on a GPU
    batch._advance()
    batch._ask()
    before = {name: tensor.data_ptr() for name, tensor in batch.state.items()}
    with Captureless():
        batch._advance()
        batch._ask()
    assert {name: tensor.data_ptr() for name, tensor in batch.state.items()} == before
    assert (batch.codes()[6:] == EMPTY).all()


def test_the_guard_of_that_test_finds_a_look():
    with pytest.raises(AssertionError), Captureless():
        torch.ones(3)[torch.tensor([True, False, True])]
    with pytest.raises(AssertionError), Captureless():
        float(torch.ones(1))


def test_rows_that_are_done_stay_as_they_are(potential, clusters):
    batch = batch_of([potential], clusters[:6], Rules(0.05, 500, 0.2))
    while (batch.codes()[:6] == RUNNING).all():
        batch.run(1)
    (row, *_) = np.flatnonzero(batch.codes()[:6] != RUNNING)
    before = {name: tensor[row].clone() for name, tensor in batch.state.items()}
    batch.run(3)
    for name, value in before.items():
        assert torch.equal(batch.state[name][row], value), name


def test_memory_that_runs_out_halves_the_batch(potential, clusters, monkeypatch):
    relaxer = PotentialRelaxer(potential, fmax=0.01, batch_size=8, fixed_shape=True)
    original, sizes = FixedBatch.run, []

    def run(self, steps):
        sizes.append(self.size)
        if self.size > 4:
            raise torch.OutOfMemoryError("no memory")
        original(self, steps)

    monkeypatch.setattr(on_device, "LEAST", 1)
    monkeypatch.setattr(on_device, "NARROWER", 20)
    monkeypatch.setattr(FixedBatch, "run", run)
    results = relaxer.relax(clusters)
    assert all(result.converged for result in results)
    assert sizes[0] == 8
    assert relaxer.on_device.batch_size == 4


def test_a_spread_that_does_not_fit_is_asked_for_in_halves(potential, clusters, monkeypatch):
    committee = Committee([potential, potential]).freeze()
    relaxer = PotentialRelaxer(committee, batch_size=8)
    frames = [(atoms.numbers, atoms.positions) for atoms in clusters]
    whole, original, sizes = relaxer._spread(frames), Committee.spread, []

    def spread(self, pairs, Z, R, measure=True):
        sizes.append(len(pairs.sizes))
        if len(pairs.sizes) > 2:
            raise torch.OutOfMemoryError("no memory")
        return original(self, pairs, Z, R, measure)

    monkeypatch.setattr(Committee, "spread", spread)
    np.testing.assert_allclose(relaxer._spread(frames), whole, atol=1e-5)
    assert sizes[:3] == [8, 4, 2]


def test_soundness_of_each_is_that_of_one():
    atoms = [random_cluster(n, seed=n, shortest=0.9) for n in (1, 2, 2, 5, 9, 9, 9, 16)]
    for k, one in enumerate(atoms):
        one.positions[: k % 3] += 4.0 * (k % 2)
    positions = [one.positions * (0.7, 1.2, 1.6)[k % 3] for k, one in enumerate(atoms)]
    numbers = [one.numbers for one in atoms]
    each = [soundness(z, r) for z, r in zip(numbers, positions, strict=True)]
    assert soundness_of_each(numbers, positions) == each
    assert len(set(each)) > 2


def test_inverses_by_products_are_the_inverses():
    atoms = [random_cluster(9, seed=seed, shortest=0.9) for seed in range(4)]
    Z = torch.as_tensor(np.stack([a.numbers for a in atoms]))
    x = torch.as_tensor(np.stack([a.positions for a in atoms]))
    x[0] *= 0.5  # crowded: stiff
    torch.testing.assert_close(
        inverse_by_products(model_hessian(Z, x)), inverse_model_hessian(Z, x), atol=1e-6, rtol=1e-5
    )


def test_a_cpu_records_nothing():
    recorder = Recorder(torch.device("cpu"))
    assert recorder(sum, []) is sum
    assert recorder.why_not is None
