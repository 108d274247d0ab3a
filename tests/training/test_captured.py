"""Captured steps: one capture a shape, each batch's own gradients, and on without capture where it fails.

Here a graph is a function that computes the same again; on a GPU the test of `fit` runs real ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from clusters import ELEMENT_ENERGIES, random_cluster

from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure
from iia_calc.model.network import NetworkSettings
from iia_calc.training.captured import CapturedGradients
from iia_calc.training.dataset import LabelArrays
from iia_calc.training.levels import LevelPotential
from iia_calc.training.settings import TrainingSettings
from iia_calc.training.task import PotentialTask

SMALL = NetworkSettings(n_atom_basis=16, n_interactions=2, n_rbf=12, n_heads=2)


class Again:
    """Stands for a CUDA graph: computes what was captured again, on the tensors it was captured with."""

    def __init__(self, owner: CapturedGradients, held: dict[str, Any], loss: torch.Tensor):
        self.owner, self.held, self.loss = owner, held, loss

    def replay(self) -> None:
        self.loss.copy_(self.owner._compute(self.held))


class Faked(CapturedGradients):
    """Captures on a CPU."""

    def __init__(self, *args: Any):
        super().__init__(*args)
        self.capturing, self.captures = True, 0

    def _capture(self, batch):
        self.captures += 1
        held = {name: v.clone() if isinstance(v, torch.Tensor) else v for name, v in batch.items()}
        loss = self._compute(held)
        return Again(self, held, loss), held, loss


@pytest.fixture
def made():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    items = []
    for k in range(12):
        atoms = random_cluster(4 + k % 3, seed=k)
        energy = sum(ELEMENT_ENERGIES[s] for s in atoms.symbols) - 2.0
        items.append(LabelledStructure(atoms, Label(energy, rng.normal(size=(len(atoms), 3))), f"s{k}", "test"))
    potential = LevelPotential(SMALL, [ELEMENT_ENERGIES, ELEMENT_ENERGIES])
    arrays = LabelArrays(items, potential.level_energies, [k % 2 for k in range(12)])
    return PotentialTask(potential, TrainingSettings(), 10, n_levels=2), arrays


def test_each_batch_has_its_own_gradients_and_each_shape_one_capture(made):
    task, arrays = made
    captured, plain = (kind(task.loss_of, task.potential.parameters()) for kind in (Faked, CapturedGradients))
    for chosen, width in (([0, 1, 2], 6), ([3, 4, 5], 6), ([0, 3, 6], 4), ([6, 7, 8], 6)):
        batch = arrays.batch(np.array(chosen), width)
        loss = captured(batch).clone()
        expected = plain(batch)
        torch.testing.assert_close(loss, expected)
        torch.testing.assert_close(captured.flat, plain.flat)
    assert captured.captures == 2
    # the gradients that an optimiser sees are parts of what was captured
    captured(arrays.batch(np.array([0, 1, 2]), 6))
    joined = torch.cat([p.grad.flatten() for p in task.potential.parameters()])
    assert torch.equal(joined, captured.flat)


def test_where_capture_fails_the_fit_goes_on(made):
    task, arrays = made

    class Failing(Faked):
        def _capture(self, batch):
            raise RuntimeError("operation not permitted when stream is capturing")

    captured = Failing(task.loss_of, task.potential.parameters())
    batch = arrays.batch(np.array([0, 1, 2]), 6)
    with pytest.warns(UserWarning, match="can't be captured"):
        loss = captured(batch)
    assert not captured.capturing
    assert float(loss) == pytest.approx(float(task.loss_of(batch).detach()), rel=1e-6)
    assert float(captured.flat.norm()) > 0


def test_steps_without_finite_gradients_are_left_out_and_end_a_fit_where_many(made):
    task, _ = made
    for _ in range(5):
        assert not task._clip(torch.tensor([1.0, torch.nan]))
    assert int(task.skipped) == 5
    gradient = torch.tensor([30.0, 40.0])
    assert task._clip(gradient)
    assert float(gradient.norm()) == pytest.approx(task.settings.gradient_clip)
