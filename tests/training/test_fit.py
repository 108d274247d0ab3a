"""Fitting: it learns, it is SchNetPack that fits, it goes on after a kill, and splits keep starts apart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from iia_calc.labels.sampling import Start, sample_start
from iia_calc.labels.store import LabelStore
from iia_calc.labels.xtb import XTBLevel
from iia_calc.model import storage
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.training.build import BuildRequest, build_potential
from iia_calc.training.curve import write_curve
from iia_calc.training.dataset import (
    Batches,
    LabelArrays,
    batches_of_fixed_shape,
    batches_of_like_size,
    data_hash,
    split_by_start,
)
from iia_calc.training.evaluate import held_out_errors, predict
from iia_calc.training.fit import TrainingSettings, fit, read_curve
from iia_calc.training.task import PotentialTask

SMALL = NetworkSettings(n_atom_basis=16, n_interactions=2, n_rbf=12, n_heads=2)
LEVEL = XTBLevel()
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(scope="module")
def labelled():
    return [item for f in ("B3", "SeB3") for k in range(12) for item in sample_start(Start(f, k, seed=3), LEVEL)]


@pytest.fixture(scope="module")
def energies():
    return {symbol: LEVEL.element_energy(symbol) for symbol in ("B", "Se")}


def _potential(energies) -> Potential:
    torch.manual_seed(1)
    return Potential(SMALL, energies)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimiser", "device"), [("adamw", "cpu"), ("muon", "cpu"), pytest.param("muon", "cuda", marks=NEEDS_GPU)]
)
def test_it_learns(tmp_path, labelled, energies, optimiser, device):
    potential = _potential(energies).to(device)
    before = held_out_errors(potential.freeze(), labelled, None)["all"]
    settings = TrainingSettings(epochs=12, learning_rate=4e-3, optimiser=optimiser)
    result = fit(potential, labelled, tmp_path, settings, progress=False)
    after = held_out_errors(potential, labelled, None)["all"]
    assert after.energy < 0.2 * before.energy
    assert after.forces < 0.5 * before.forces
    curve = read_curve(tmp_path / "curve.csv")
    assert len(curve) == 12
    assert min(row["loss"] for row in curve) == curve[int(result["epoch"])]["loss"]
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_errors_are_counted_right(labelled, energies):
    potential = _potential(energies).freeze()
    items = labelled[:7]
    by_hand = [
        (1e3 * abs(energy - item.label.energy) / len(item.atoms), np.abs(forces - item.label.forces).ravel())
        for item, energy, forces, *_ in predict(potential, items, batch_size=3)
    ]
    errors = held_out_errors(potential, items, None)["all"]
    assert errors.count == 7
    assert errors.energy == pytest.approx(np.mean([row[0] for row in by_hand]))
    assert errors.forces == pytest.approx(np.concatenate([row[1] for row in by_hand]).mean())
    with pytest.raises(ValueError, match="no held-out labels"):
        held_out_errors(potential, items, near_minimum=0.0)


def test_splits_keep_starts_apart_and_reproduce():
    starts = [f"s{k // 5}" for k in range(100)]
    train, held = split_by_start(starts, 0.2, np.random.default_rng(3))
    again = split_by_start(starts, 0.2, np.random.default_rng(3))
    assert len(train) + len(held) == 100
    assert len(held) == 20
    assert not {starts[k] for k in train} & {starts[k] for k in held}
    assert np.array_equal(held, again[1])
    assert not np.array_equal(held, split_by_start(starts, 0.2, np.random.default_rng(4))[1])
    with pytest.raises(ValueError, match="at least two starts"):
        split_by_start(["a", "a"], 0.5, np.random.default_rng(0))


def test_batches_visit_all_once_and_are_of_one_size():
    sizes = np.random.default_rng(0).integers(3, 25, size=705)
    batches = batches_of_like_size(sizes, 10, np.random.default_rng(1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(705))
    assert max(map(len, batches)) == 10
    assert sum(len(set(sizes[batch])) > 1 for batch in batches) <= 22  # of what was left over of each size
    again = batches_of_like_size(sizes, 10, np.random.default_rng(2))
    assert batches[0].tolist() != again[0].tolist()


def test_batches_of_fixed_shape_are_full_and_hold_all():
    sizes = np.random.default_rng(0).integers(3, 25, size=705)
    batches = batches_of_fixed_shape(sizes, 16, np.random.default_rng(1))
    assert set(np.concatenate([batch for batch, _ in batches]).tolist()) == set(range(705))
    assert all(sizes[batch].max() <= width for batch, width in batches)
    assert len({(len(batch), width) for batch, width in batches}) == len({width for _, width in batches}) <= 12


def test_labels_are_drawn_as_often_as_told():
    repeats = np.repeat([0.0, 1.0, 2.5], 400)
    batches = batches_of_like_size(np.full(1200, 5), 10, np.random.default_rng(0), repeats)
    times = np.bincount(np.concatenate(batches), minlength=1200)
    assert times[:400].max() == 0
    assert (times[400:800] == 1).all()
    assert times[800:].mean() == pytest.approx(2.5, abs=0.1)


def test_an_epoch_depends_on_its_number_alone(labelled, energies):
    arrays = LabelArrays(labelled, [energies], [0] * len(labelled))
    some = Batches(arrays, np.arange(len(labelled)), 4, seed=1)
    first = [batch["_n_atoms"].tolist() for batch in some]
    some.set_epoch(1)
    second = [batch["_positions"].sum().item() for batch in some]
    fresh = Batches(arrays, np.arange(len(labelled)), 4, seed=1)
    fresh.set_epoch(1)
    assert [batch["_positions"].sum().item() for batch in fresh] == second  # as a fit that goes on with its second
    assert len(first) == len(some)


def test_padding_changes_neither_energies_nor_forces(labelled, energies):
    """What a GPU is given: clusters of two sizes padded to one, with atoms that touch nothing."""
    arrays = LabelArrays(labelled, [energies], [0] * len(labelled))
    chosen = np.array([0, 5, len(labelled) - 1, len(labelled) - 2])
    task = PotentialTask(_potential(energies), TrainingSettings(), 10)
    plain, padded = arrays.batch(chosen), arrays.batch(chosen, 6)
    assert set(arrays.sizes[chosen]) == {3, 4}
    gradients = []
    for batch in (plain, padded):
        loss = task.loss_of(dict(batch))
        gradients.append((loss, *torch.autograd.grad(loss, list(task.potential.parameters()), allow_unused=True)))
    for one, other in zip(*gradients, strict=True):
        if one is not None:
            torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-5)


def test_data_hash_sees_labels_not_order(labelled):
    assert data_hash(labelled[:9]) == data_hash(labelled[:9][::-1])
    assert data_hash(labelled[:9]) != data_hash(labelled[:8])


def _bits(potential) -> list[bytes]:
    return [value.numpy().tobytes() for value in potential.state_dict().values()]


def _some(labelled):
    """Two starts of each formula."""
    kept = {f"{formula}-3-{k:06d}" for formula in ("B3", "SeB3") for k in (0, 1)}
    return [item for item in labelled if item.start in kept]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, labelled, energies):
    """Settings of a short fit and the weights it ends with."""
    settings = TrainingSettings(epochs=4, batch_size=8, optimiser="muon", average=0.9, validation_share=0.3)
    potential, folder = _potential(energies), tmp_path_factory.mktemp("fit")
    fit(potential, _some(labelled), folder, settings, progress=False)
    return settings, _bits(potential), read_curve(folder / "curve.csv")


def test_the_order_of_the_labels_makes_no_difference(tmp_path, labelled, energies, undisturbed):
    settings, weights, _ = undisturbed
    items, potential = _some(labelled), _potential(energies)
    mixed = [items[k] for k in np.random.default_rng(0).permutation(len(items))]
    fit(potential, mixed, tmp_path, settings, progress=False)
    assert _bits(potential) == weights


def test_labels_named_for_validation_stay_those_in_another_order(tmp_path, labelled, energies):
    items, settings = _some(labelled)[:40], TrainingSettings(epochs=1)
    one, other = _potential(energies), _potential(energies)
    fit(one, items, tmp_path / "one", settings, progress=False, validation=[3, 4, 30])
    fit(other, items[::-1], tmp_path / "other", settings, progress=False, validation=[36, 35, 9])
    assert _bits(one) == _bits(other)


@pytest.mark.parametrize("seed", range(3))
def test_a_fit_stopped_anywhere_ends_with_the_same_weights(
    tmp_path, monkeypatch, labelled, energies, undisturbed, seed
):
    settings, weights, curve = undisturbed
    rng, left, steps = np.random.default_rng(seed), 4, PotentialTask.training_step

    def stopping(self, batch, index):
        nonlocal left
        if left and rng.random() < 0.1:
            left -= 1
            raise KeyboardInterrupt
        steps(self, batch, index)

    monkeypatch.setattr(PotentialTask, "training_step", stopping)
    before = torch.get_num_threads()
    try:
        while True:
            potential = _potential(energies)
            try:
                fit(potential, _some(labelled), tmp_path, settings, progress=False)
                break
            except KeyboardInterrupt:
                torch.set_num_threads(3 - torch.get_num_threads() if before < 3 else 1)  # as another machine has
    finally:
        torch.set_num_threads(before)
    assert left < 4
    assert _bits(potential) == weights
    rows = read_curve(tmp_path / "curve.csv")
    assert [row["loss"] for row in rows] == [row["loss"] for row in curve]


def test_a_curve_that_cannot_be_written_leaves_that_of_before(tmp_path):
    """The best epoch is chosen by it: half a curve after a stop would be another choice."""
    path, row = tmp_path / "curve.csv", {"epoch": 0, "loss": 1.0}
    write_curve(path, [row])
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        write_curve(path, [row, {**row, "unknown": 1.0}])
    assert read_curve(path) == [row]


def test_a_folder_of_another_fit_is_refused(tmp_path, labelled, energies):
    settings = TrainingSettings(epochs=1)
    fit(_potential(energies), labelled[:120], tmp_path, settings, progress=False)
    with pytest.raises(ValueError, match="other settings or labels"):
        fit(_potential(energies), labelled[:100], tmp_path, settings, progress=False)


@pytest.mark.parametrize("epochs", [1, 9])
def test_a_fit_of_few_steps(tmp_path, labelled, energies, epochs):
    """One batch an epoch; PyTorch's one-cycle schedule divides by zero at ten steps."""
    few = [item for start in ("SeB3-3-000000", "SeB3-3-000001") for item in labelled if item.start == start]
    fit(_potential(energies), few, tmp_path, TrainingSettings(epochs=epochs, batch_size=99), progress=False)
    assert len(read_curve(tmp_path / "curve.csv")) == epochs


def test_nonsense_settings_are_refused():
    with pytest.raises(ValueError, match="unknown training settings epoch"):
        TrainingSettings.from_dict({"epoch": 3})
    with pytest.raises(ValueError, match="at least 1"):
        TrainingSettings(epochs=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        TrainingSettings(validation_share=1.5)


def _store(path, labelled, energies):
    store = LabelStore(path, LEVEL.name)
    store.add(labelled)
    store.add_element_energies(energies)
    return path


@pytest.mark.slow
def test_build_saves_a_committee_with_its_card(tmp_path, labelled, energies):
    starts = sorted({item.start for item in labelled})
    held = set(starts[::4])
    train = _store(tmp_path / "train.db", [i for i in labelled if i.start not in held], energies)
    test = _store(tmp_path / "test.db", [i for i in labelled if i.start in held], energies)
    request = BuildRequest(
        (train,), tmp_path / "model", (test,), members=2, network=SMALL, training=TrainingSettings(epochs=2)
    )
    errors = build_potential(request, progress=False)
    committee = storage.load(tmp_path / "model")
    assert len(committee.members) == 2
    card = committee.card
    assert card.level_of_theory == LEVEL.name
    assert card.label_counts["SeB3"] + card.label_counts["B3"] == sum(i.start not in held for i in labelled)
    assert card.held_out_errors["all"]["energy_mae_meV_per_atom"] == pytest.approx(errors["all"].energy, abs=1e-3)
    weights = [member.network.embedding.weight for member in committee.members]
    assert not torch.equal(*weights)

    build_potential(replace(request, leader=1), progress=False)  # the fits are there: the members change places
    first, second = (member.network.embedding.weight for member in storage.load(tmp_path / "model").members)
    assert torch.equal(first, weights[1])
    assert torch.equal(second, weights[0])
    with pytest.raises(ValueError, match="the first is 0"):
        replace(request, leader=2)

    further = BuildRequest(
        (train,), tmp_path / "finer", start_from=str(tmp_path / "model"), training=TrainingSettings(epochs=1)
    )
    build_potential(further, progress=False)
    assert storage.load(tmp_path / "finer").settings == SMALL
    with pytest.raises(ValueError, match="both in the labels and in the test set"):
        build_potential(BuildRequest((train,), tmp_path / "x", (train,)), progress=False)
    other = LabelStore(tmp_path / "other.db", "another level")
    with pytest.raises(ValueError, match=r"are of several levels of theory: .*; another level"):
        build_potential(BuildRequest((train, other.path), tmp_path / "x"), progress=False)
    with pytest.raises(ValueError, match="'cuda:99' is not available here"):
        BuildRequest((train,), tmp_path / "x", device="cuda:99")


@pytest.mark.slow
def test_a_killed_fit_goes_on(tmp_path, labelled, energies):
    path = _store(tmp_path / "train.db", labelled, energies)
    script = (
        "import sys; from pathlib import Path\n"
        "from iia_calc.training.build import *\n"
        "build_potential(BuildRequest((Path(sys.argv[1]),), Path(sys.argv[2]), "
        "network=NetworkSettings(n_atom_basis=16, n_interactions=2, n_rbf=12, n_heads=2), "
        "training=TrainingSettings(epochs=30)), progress=False)"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, str(path), str(tmp_path / "model")]
    curve = tmp_path / "model-fit" / "member-0" / "curve.csv"
    process = subprocess.Popen(command, start_new_session=True)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and len(read_curve(curve)) < 4:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = read_curve(curve)
    assert 4 <= len(before) < 30
    subprocess.run(command, check=True)
    after = read_curve(curve)
    assert [row["epoch"] for row in after] == list(range(30))
    assert after[:3] == before[:3]  # what was learned was kept, not learned again
    assert after[-1]["loss"] < before[0]["loss"]
    assert storage.load(tmp_path / "model").elements == ("B", "Se")
