"""The potential in torch-sim: its own validator, the calculator's numbers, relaxations, and bad input."""

import numpy as np
import pytest
import torch
from clusters import random_cluster, small_potential

from iia_calc.calculator import IIACalculator
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from search.errors import InputError

ts = pytest.importorskip("torch_sim")

from torch_sim.models.interface import validate_model_outputs  # noqa: E402

from iia_calc.model.interfaces.torch_sim import IIAModel  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    return storage.save(tmp_path_factory.mktemp("models") / "tiny", small_potential(), {"level_of_theory": "none"})


@pytest.fixture(params=["float32", "float64"])
def model(request, card):
    potential = small_potential(dtype=getattr(torch, request.param), angular=1, kind="vectors", attention=None)
    potential.card = card
    return IIAModel(potential)


def state_of(clusters):
    return ts.io.atoms_to_state(clusters, CPU, torch.float64)


def as_clusters(state):
    """torch-sim's crystals and benzene as clusters of boron and, where there are several atoms, one selenium."""
    state.pbc = False
    state.cell = torch.zeros_like(state.cell)
    first = torch.ones(len(state.system_idx), dtype=torch.bool)
    first[1:] = state.system_idx[1:] != state.system_idx[:-1]
    several = state.n_atoms_per_system[state.system_idx] > 1
    state.atomic_numbers = torch.where(first & several, 34, 5)
    return state


def test_passes_the_validator(model):
    validate_model_outputs(model, CPU, torch.float64, state_modifier=as_clusters)


def test_the_validator_sees_a_wrong_model(model):
    class Drifting(IIAModel):
        calls = 0

        def forward(self, state, **kwargs):
            out = super().forward(state, **kwargs)
            self.calls += 1
            return out | {"forces": out["forces"] + self.calls}

    with pytest.raises(ValueError, match="forces"):
        validate_model_outputs(Drifting(model.model), CPU, torch.float64, state_modifier=as_clusters)


@pytest.mark.parametrize("energy_from", ["leader", "mean"])
def test_equals_the_calculator(energy_from):
    committee = Committee([small_potential(seed) for seed in range(2)]).freeze()
    clusters = [random_cluster(n, seed=n, n_selenium=n % 3) for n in (1, 2, 9, 5, 70)]
    calculator = IIACalculator(committee, energy_from=energy_from)
    model = IIAModel(committee, energy_from=energy_from)
    for some in ([clusters[-1]], clusters):  # one large cluster has a neighbour list
        out = model(state_of(some))
        expected = [calculator.get_potential_energy(atoms) for atoms in some]
        forces = np.concatenate([calculator.get_forces(atoms) for atoms in some])
        np.testing.assert_allclose(out["energy"], expected, rtol=0, atol=1e-8)
        np.testing.assert_allclose(out["forces"], forces, rtol=0, atol=1e-9)
        assert np.abs(forces).max() > 0.1
        np.testing.assert_allclose(out["energies"].sum(), out["energy"].sum())


def test_the_layout_follows_the_systems(model):
    a, b = random_cluster(6, seed=1), random_cluster(6, seed=2, n_selenium=2)
    alone = [float(model(state_of([atoms]))["energy"][0]) for atoms in (a, b)]
    assert model(state_of([b, a]))["energy"].tolist() == pytest.approx(alone[::-1], abs=1e-2)
    together = state_of([a, b])
    model(together)
    assert model(together[[1]])["energy"].tolist() == pytest.approx(alone[1:], abs=1e-2)
    large = random_cluster(70, seed=3)
    before = model(state_of([large]))["energy"].clone()
    large.positions *= 1.2  # its neighbours change
    after = model(state_of([large]))["energy"]
    assert after.item() == pytest.approx(IIACalculator(model.model).get_potential_energy(large), abs=1e-2)
    assert abs(after - before) > 1e-2


def test_a_system_without_positions_is_alone(model):
    clusters = [random_cluster(6, seed=seed) for seed in (1, 2)]
    sound = model(state_of(clusters))
    clusters[0].positions[0, 0] = np.nan
    broken = model(state_of(clusters))
    assert torch.isnan(broken["energy"][0])
    assert torch.equal(broken["energy"][1], sound["energy"][1])
    assert torch.equal(broken["forces"][6:], sound["forces"][6:])


@pytest.mark.parametrize("optimizer", ["fire", "lbfgs"])
def test_relaxes(optimizer):
    model = IIAModel(small_potential(angular=1, kind="vectors", attention=None))
    clusters = [random_cluster(n, seed=n, shortest=1.7) for n in (5, 7)]
    relaxed = ts.optimize(
        clusters,
        model,
        optimizer=ts.Optimizer[optimizer],
        convergence_fn=ts.generate_force_convergence_fn(force_tol=0.05, include_cell_forces=False),
        max_steps=500,
    )
    calculator = IIACalculator(model.model)
    for before, after in zip(clusters, relaxed.to_atoms(), strict=True):
        after.pbc = before.pbc = False
        assert np.linalg.norm(calculator.get_forces(after), axis=1).max() < 0.05
        assert calculator.get_potential_energy(after) < calculator.get_potential_energy(before) - 0.1


def test_refuses_what_it_cannot_treat(model):
    periodic = random_cluster(4)
    periodic.cell, periodic.pbc = np.eye(3) * 10, True
    with pytest.raises(InputError, match="periodic"):
        model(state_of([periodic]))
    gold = random_cluster(4)
    gold.numbers[0] = 79
    with pytest.raises(InputError, match="not fitted for Au"):
        model(state_of([gold]))
    charged = state_of([random_cluster(4), random_cluster(5)])
    charged.store_model_extras({"charge": torch.tensor([0, 1])})
    with pytest.raises(InputError, match="system 1: has charge"):
        model(charged)
    triplet = state_of([random_cluster(4)])
    triplet.store_model_extras({"spin": torch.tensor([3])})
    with pytest.raises(InputError, match="multiplicity"):
        model(triplet)
    with pytest.raises(InputError, match="energy_from"):
        IIAModel(model.model, energy_from="best")
