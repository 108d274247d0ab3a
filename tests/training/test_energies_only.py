"""Fits to energies alone: they need no forces, learn, keep to a given validation part, and cut far pairs exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from clusters import ELEMENT_ENERGIES, flat, random_cluster, small_potential

from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure
from iia_calc.model.network import NetworkSettings
from iia_calc.model.pairs.within_cutoff import NearPairs
from iia_calc.model.potential import Potential
from iia_calc.training.fit import TrainingSettings, fit, read_curve
from iia_calc.training.transfer import carry_over

SMALL = NetworkSettings(n_atom_basis=16, n_interactions=2, n_rbf=12, n_heads=2)


def labelled(count: int = 60) -> list[LabelledStructure]:
    """Clusters of 4 to 6 atoms with pair energies and no forces."""
    items = []
    for k in range(count):
        atoms = random_cluster(4 + k % 3, seed=k)
        distances = atoms.get_all_distances()[np.triu_indices(len(atoms), 1)]
        energy = -2.0 * np.exp(-((distances - 1.8) ** 2)).sum() + sum(ELEMENT_ENERGIES[s] for s in atoms.symbols)
        items.append(LabelledStructure(atoms, Label(energy, np.full((len(atoms), 3), np.nan)), f"s{k}", "test"))
    return items


@pytest.mark.parametrize(("loss", "schedule"), [("robust", "one-cycle"), ("squared", "constant")])
def test_energies_alone_are_learnt(tmp_path, loss, schedule):
    torch.manual_seed(0)
    potential = Potential(SMALL, ELEMENT_ENERGIES)
    settings = TrainingSettings(
        epochs=30, learning_rate=5e-3, energy_weight=1.0, force_weight=0.0, loss=loss, schedule=schedule
    )
    fit(potential, labelled(), tmp_path, settings, progress=False, validation=range(50, 60))
    curve = read_curve(tmp_path / "curve.csv")
    assert min(row["energy"] for row in curve) < 0.5 * curve[0]["energy"]
    assert all(np.isnan(row["forces"]) for row in curve)


def test_a_fit_can_be_ended_early_and_another_validation_is_another_fit(tmp_path):
    settings = TrainingSettings(epochs=5, force_weight=0.0)
    items = labelled(30)
    fit(
        Potential(SMALL, ELEMENT_ENERGIES),
        items,
        tmp_path,
        settings,
        progress=False,
        validation=[1, 2, 3],
        on_epoch=lambda row: row["epoch"] == 1,
    )
    assert len(read_curve(tmp_path / "curve.csv")) == 2
    with pytest.raises(ValueError, match="other settings or labels"):
        fit(Potential(SMALL, ELEMENT_ENERGIES), items, tmp_path, settings, progress=False, validation=[1, 2])
    with pytest.raises(ValueError, match="must name some of the 30 labels"):
        fit(Potential(SMALL, ELEMENT_ENERGIES), items, tmp_path / "x", settings, progress=False, validation=[40])


def test_a_stopped_fit_ends_as_if_it_had_not_been(tmp_path):
    settings = TrainingSettings(epochs=4, learning_rate=5e-3, force_weight=0.0, batch_size=5)
    items, curves = labelled(40), []

    def interrupt(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    for name, stops in (("whole", []), ("stopped", [interrupt])):
        torch.manual_seed(0)
        start = Potential(SMALL, ELEMENT_ENERGIES).state_dict()
        for on_epoch in (*stops, None):
            potential = Potential(SMALL, ELEMENT_ENERGIES)
            potential.load_state_dict(start)
            try:
                fit(potential, items, tmp_path / name, settings, progress=False, validation=[1, 2], on_epoch=on_epoch)
            except KeyboardInterrupt:
                assert on_epoch is interrupt
        curves.append([row["loss"] for row in read_curve(tmp_path / name / "curve.csv")])
    assert len(curves[0]) == 4
    assert curves[1] == pytest.approx(curves[0], rel=1e-5)


def test_unknown_schedules_and_losses_are_refused():
    with pytest.raises(ValueError, match="one-cycle or constant"):
        TrainingSettings(schedule="cosine")
    with pytest.raises(ValueError, match="nor both zero"):
        TrainingSettings(energy_weight=0.0, force_weight=0.0)


@pytest.mark.parametrize("variant", [{"attention": None}, {}, {"attention": "hard"}, {"angular": 2}])
def test_near_pairs_give_the_same_energies_and_gradients(variant):
    clusters = [random_cluster(n, seed=n) for n in (9, 3, 12, 1)]
    clusters[2].positions[:4] += 9.0  # two pieces
    Z, R, batch = flat(clusters)
    potential = small_potential(**variant).requires_grad_(True).train()
    near = NearPairs([len(atoms) for atoms in clusters], R, potential.cutoff)
    all_pairs = potential.pairs_of(R, batch)
    assert len(near.first) < len(all_pairs.first)
    results = []
    for pairs in (near, all_pairs):
        potential.zero_grad()
        energies = potential.interaction_energies(pairs, Z, R)
        energies.square().sum().backward()
        gradients = [p.grad.clone() for p in potential.parameters() if p.grad is not None]
        results.append((energies.detach(), gradients))
    torch.testing.assert_close(results[0][0], results[1][0], rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(results[0][1], results[1][1], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("variant", [{"attention": None}, {"angular": 2, "distance_logits": True}])
def test_filters_read_off_a_table_give_nearly_the_same(variant):
    clusters = [random_cluster(12, seed=n) for n in range(8)]
    Z, R, _ = flat(clusters)
    potential = small_potential(**variant).requires_grad_(True).train()
    results = []
    for knots in (None, 64, 256):
        pairs = NearPairs([12] * 8, R, potential.cutoff, knots)
        assert len(pairs.first) > 256
        potential.zero_grad()
        energies = potential.interaction_energies(pairs, Z, R)
        energies.square().sum().backward()
        gradient = torch.cat([p.grad.flatten() for p in potential.parameters() if p.grad is not None])
        results.append((energies.detach(), gradient))
    exact, coarse, fine = results
    errors = [float((found[0] - exact[0]).abs().max()) for found in (coarse, fine)]
    assert 0 < errors[1] < 3e-3 * float(exact[0].std())
    assert errors[1] < errors[0] / 8  # linear pieces: sixteen times less with a quarter of the spacing
    assert float((fine[1] - exact[1]).norm()) < 3e-3 * float(exact[1].norm())


def test_what_is_carried_over():
    source, target = small_potential(seed=1), small_potential(seed=2)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    carry_over(source, target, "embeddings")
    for key, value in target.state_dict().items():
        assert torch.equal(value, (source.state_dict() if "embedding" in key else before)[key])
    carry_over(source, target, "weights")
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in target.state_dict().items())
    with pytest.raises(ValueError, match="embeddings or weights"):
        carry_over(source, target, "all")
    with pytest.raises(ValueError, match="does not fit"):
        carry_over(source, small_potential(n_embedding=50), "embeddings")
    with pytest.raises(ValueError, match="same settings"):
        carry_over(source, small_potential(n_interactions=1), "weights")
