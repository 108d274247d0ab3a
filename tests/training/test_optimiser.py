"""Muon: what is orthogonalised, what is left to AdamW, and that a checkpoint goes on with the same steps."""

from __future__ import annotations

import copy

import pytest
import torch
from clusters import ELEMENT_ENERGIES

from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.training.optimiser import MuonAdamW, is_matrix, orthogonalise


@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 48, 16), (1, 16, 64)])
def test_singular_values_become_one_and_their_vectors_stay(shape):
    matrices = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    U, S, V = torch.linalg.svd(matrices, full_matrices=False)
    inside = U.mT @ orthogonalise(matrices) @ V.mT  # diagonal in the bases of the singular vectors
    values = torch.diagonal(inside, dim1=1, dim2=2)[0.05 * S[:, :1] < S]
    assert values.min() > 0.55
    assert values.max() < 1.35
    assert float((inside - torch.diag_embed(torch.diagonal(inside, dim1=1, dim2=2))).abs().max()) < 0.1
    assert torch.isfinite(orthogonalise(torch.zeros(shape))).all()


def test_matrices_of_the_network_and_only_those():
    network = NetworkSettings(
        n_atom_basis=32, n_interactions=1, angular=2, directions="convolution", distance_logits=True
    )
    potential = Potential(network, ELEMENT_ENERGIES)
    chosen = {name for name, parameter in potential.named_parameters() if is_matrix(name, parameter)}
    assert {name.split("interactions.0.")[-1] for name in chosen} == {
        "in2f.weight",
        "f2out.0.weight",
        "f2out.1.weight",
        "filter_network.0.weight",
        "filter_network.1.weight",
        "attention.W.weight",
        "angles.mix",
        "angles.out.0.weight",
        "angles.out.1.weight",
    }


def _model() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(20, 24), torch.nn.Tanh(), torch.nn.Linear(24, 1))


def _steps(model, optimiser, count: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        x = torch.randn(30, 20, generator=generator)
        optimiser.zero_grad()
        (model(x)[:, 0] - torch.sin(x[:, 0] * x[:, 1])).square().mean().backward()
        optimiser.step()


def test_a_step_has_the_size_of_its_learning_rate():
    model = _model()
    before = copy.deepcopy(model)
    optimiser = MuonAdamW(model.named_parameters(), lr=1e-2, weight_decay=0.0, matrix_ratio=3.0)
    assert optimiser.peaks == pytest.approx([1e-2, 3e-2])
    _steps(model, optimiser, 1, seed=0)
    moved = (model[0].weight - before[0].weight).detach()
    assert float(moved.square().mean().sqrt()) == pytest.approx(0.2 * 3e-2, rel=0.3)
    assert float((model[0].bias - before[0].bias).detach().abs().max()) == pytest.approx(
        1e-2, rel=1e-3
    )  # AdamW's first


def test_a_checkpoint_goes_on_with_the_same_steps():
    model = _model()
    optimiser = MuonAdamW(model.named_parameters(), lr=1e-2, weight_decay=1e-3)
    _steps(model, optimiser, 5, seed=0)
    weights, state = copy.deepcopy(model.state_dict()), copy.deepcopy(optimiser.state_dict())
    _steps(model, optimiser, 5, seed=1)
    other = _model()
    other.load_state_dict(weights)
    again = MuonAdamW(other.named_parameters(), lr=1e-2, weight_decay=1e-3)
    fresh_model = copy.deepcopy(other)
    again.load_state_dict(state)
    _steps(other, again, 5, seed=1)
    for expected, found in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    # without the state the steps are others
    fresh = MuonAdamW(fresh_model.named_parameters(), lr=1e-2, weight_decay=1e-3)
    _steps(fresh_model, fresh, 5, seed=1)
    assert float((fresh_model[0].weight - model[0].weight).detach().abs().max()) > 1e-4
