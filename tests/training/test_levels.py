"""Several levels of theory in one network: each level's potential is an ordinary one and gives the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from clusters import ELEMENT_ENERGIES, random_cluster

from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure, LabelStore
from iia_calc.model import storage
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.training.build import BuildRequest, build_potential
from iia_calc.training.evaluate import held_out_errors
from iia_calc.training.fit import TrainingSettings, fit, read_curve
from iia_calc.training.levels import LevelPotential

SMALL = NetworkSettings(n_atom_basis=16, n_interactions=2, n_rbf=12, n_heads=2)
OTHER = {symbol: energy - 3.0 for symbol, energy in ELEMENT_ENERGIES.items()}


@pytest.fixture
def both() -> LevelPotential:
    """Two levels that differ in head and embedding."""
    torch.manual_seed(0)
    potential = LevelPotential(SMALL, [ELEMENT_ENERGIES, OTHER])
    with torch.no_grad():
        potential.network.embedding.shift.normal_(std=0.3)
        for parameter in potential.heads[1].parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return potential


def _batch():
    atoms = [random_cluster(n, seed=n) for n in (4, 3, 6)]
    Z = torch.from_numpy(np.concatenate([a.numbers for a in atoms]))
    R = torch.from_numpy(np.concatenate([a.positions for a in atoms])).float()
    sizes = torch.tensor([len(a) for a in atoms])
    return Z, R, sizes


def test_each_level_becomes_an_ordinary_potential(both, tmp_path):
    Z, R, sizes = _batch()
    pairs = both.cluster_pairs(tuple(sizes.tolist()))
    own = torch.tensor([1, 0, 1]).repeat_interleave(sizes)
    mixed = both.at(own, pairs).interaction_energies(pairs, Z, R)
    for level, energies in enumerate((ELEMENT_ENERGIES, OTHER)):
        single = both.single(level)
        assert type(single) is Potential
        assert single.element_energies == energies
        storage.save(tmp_path / str(level), single, {"level_of_theory": f"level {level}"})
        loaded = storage.load(tmp_path / str(level))
        found = loaded.interaction_energies(pairs, Z, R)
        torch.testing.assert_close(found[own == level], mixed[own == level], rtol=1e-5, atol=1e-5)
    assert float((both.single(0).interaction_energies(pairs, Z, R) - mixed)[own == 1].detach().abs().max()) > 0.01


def test_an_isolated_atom_is_zero_at_every_level(both):
    Z = torch.tensor([5, 34, 5, 34])
    pairs = both.cluster_pairs((1, 1, 1, 1))
    energies = both.at(torch.tensor([0, 0, 1, 1]), pairs).interaction_energies(pairs, Z, torch.zeros(4, 3))
    assert float(energies.detach().abs().max()) < 1e-6


def test_all_levels_begin_from_one_potential():
    torch.manual_seed(1)
    source = Potential(SMALL, ELEMENT_ENERGIES)
    both = LevelPotential(SMALL, [OTHER, ELEMENT_ENERGIES])
    both.begin_from(source)
    Z, R, sizes = _batch()
    pairs = both.cluster_pairs(tuple(sizes.tolist()))
    expected = source.interaction_energies(pairs, Z, R)
    for level in (0, 1):
        torch.testing.assert_close(both.single(level).interaction_energies(pairs, Z, R), expected)


def _labelled(level: int, count: int) -> list[LabelledStructure]:
    """Pair energies with forces; the second level's are deeper."""
    depth, energies = (0.3, 0.5)[level], (ELEMENT_ENERGIES, OTHER)[level]
    items = []
    for k in range(count):
        atoms = random_cluster(4 + k % 3, seed=100 * level + k)
        R = torch.from_numpy(atoms.positions).requires_grad_()
        i, j = np.triu_indices(len(atoms), 1)
        energy = -depth * torch.exp(-(((R[i] - R[j]).norm(dim=1) - 1.8) ** 2)).sum()
        (gradient,) = torch.autograd.grad(energy, R)
        total = energy.item() + sum(energies[symbol] for symbol in atoms.symbols)
        items.append(LabelledStructure(atoms, Label(total, -gradient.numpy()), f"{level}-{k}", "test"))
    return items


def test_levels_are_learnt_together_and_measured_apart(tmp_path):
    labelled = _labelled(0, 60) + _labelled(1, 40)
    levels = [0] * 60 + [1] * 40
    torch.manual_seed(0)
    both = LevelPotential(SMALL, [ELEMENT_ENERGIES, OTHER])
    settings = TrainingSettings(epochs=12, learning_rate=5e-3, optimiser="muon", batch_size=5, average=0.9)
    held = [*range(50, 60), *range(90, 100)]
    repeats = np.repeat([1.0, 2.0], [60, 40])
    result = fit(
        both, labelled, tmp_path, settings, progress=False, validation=held, levels=levels, repeats=repeats.tolist()
    )
    curve = read_curve(tmp_path / "curve.csv")
    for level in (0, 1):
        assert curve[-1][f"energy_{level}"] < 0.3 * curve[0][f"energy_{level}"]
        single = both.single(level).freeze()
        items = [labelled[k] for k in held if levels[k] == level]
        wrong = []
        for item in items:
            Z = torch.from_numpy(item.atoms.numbers)
            found = single(Z, torch.from_numpy(item.atoms.positions).float(), torch.zeros_like(Z))
            wrong.append(abs(float(found.energy) - item.label.energy) / len(item.atoms))
        best = next(row for row in curve if row["epoch"] == result["epoch"])
        assert np.mean(wrong) == pytest.approx(best[f"energy_{level}"], rel=0.02)


def test_a_model_of_one_level_from_labels_of_two(tmp_path):
    stores = []
    for level, energies in enumerate((ELEMENT_ENERGIES, OTHER)):
        stores.append(LabelStore(tmp_path / f"{level}.db", f"level {level}, charge 0"))
        stores[-1].add(_labelled(level, 30))
        stores[-1].add_element_energies(energies)
    test = LabelStore(tmp_path / "test.db", "level 1, charge 0")
    test.add(replace(item, start="t" + item.start) for item in _labelled(1, 8))
    request = BuildRequest(
        tuple(store.path for store in stores),
        tmp_path / "model",
        (test.path,),
        network=SMALL,
        training=TrainingSettings(epochs=3, batch_size=5, validation_share=0.1),
        target_level="LEVEL 1",
    )
    errors = build_potential(request, progress=False)
    model = storage.load(tmp_path / "model")
    assert model.card.level_of_theory == "level 1, charge 0"
    assert model.element_energies == OTHER
    assert sum(model.card.label_counts.values()) == 30
    assert {level: sum(counts.values()) for level, counts in model.card.fitted_together.items()} == {
        "level 0, charge 0": 30
    }
    assert held_out_errors(model, _labelled(1, 8)) == errors
    with pytest.raises(ValueError, match="'level' names 2 of the levels"):
        build_potential(replace(request, target_level="level"), progress=False)
    with pytest.raises(ValueError, match="test labels are of level 1"):
        build_potential(replace(request, target_level="level 0"), progress=False)
    # the fit is there: another level is only written
    build_potential(replace(request, target_level="level 0", test=()), progress=False)
    assert storage.load(tmp_path / "model").element_energies == ELEMENT_ENERGIES


def test_levels_of_other_elements_are_refused():
    with pytest.raises(ValueError, match="the same elements"):
        LevelPotential(SMALL, [ELEMENT_ENERGIES, {"B": -1.0}])
