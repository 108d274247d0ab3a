"""Rehearsal: large forces of a cheaper level take part in a fit, its energies never."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from iia_calc.labels.packed import open_labels, pack
from iia_calc.labels.sampling import Start, sample_start, sample_walls
from iia_calc.labels.store import LabelStore
from iia_calc.labels.xtb import XTBLevel
from iia_calc.network import NetworkSettings
from iia_calc.potential import Potential
from iia_calc.training.build import BuildRequest, build_potential
from iia_calc.training.evaluate import held_out_errors
from iia_calc.training.fit import TrainingSettings, fit
from iia_calc.training.rehearsal import LEAST_FORCE, draw

LEVEL, OTHER = XTBLevel(), XTBLevel("GFN2-xTB")
SETTINGS = TrainingSettings(epochs=12, batch_size=8, learning_rate=4e-3)
ENERGIES = {symbol: LEVEL.element_energy(symbol) for symbol in ("B", "Se")}


@pytest.fixture(scope="module")
def near_minima():
    found = [item for k in range(8) for item in sample_start(Start("SeB3", k, seed=3), LEVEL)]
    return [item for item in found if np.abs(item.label.forces).max() < 3.0]


@pytest.fixture(scope="module")
def walls():
    return [item for k in range(10) for item in sample_walls(Start("SeB3", k, seed=4), OTHER, LEVEL)]


@pytest.fixture(scope="module")
def packed(walls, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rehearsal")
    store = LabelStore(folder / "walls.db", OTHER.name)
    store.add(walls)
    store.add_element_energies({symbol: OTHER.element_energy(symbol) for symbol in ("B", "Se")})
    pack(store, folder / "walls.npz.xz")
    return folder / "walls.npz.xz"


def fitted(near_minima, folder, rehearsal):
    torch.manual_seed(1)
    potential = Potential(NetworkSettings(n_atom_basis=16, n_interactions=2, n_rbf=12, n_heads=2), ENERGIES)
    fit(potential, near_minima, folder, SETTINGS, progress=False, rehearsal=rehearsal)
    return potential


def test_forces_are_learnt_from_it_and_energies_are_not(near_minima, walls, tmp_path):
    plain = fitted(near_minima, tmp_path / "plain", [])
    rehearsed = fitted(near_minima, tmp_path / "rehearsed", walls)
    shifted = [replace(item, label=item.label._replace(energy=item.label.energy + 1e4)) for item in walls]
    again = fitted(near_minima, tmp_path / "shifted", shifted)
    for one, other in zip(rehearsed.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    without, with_them = (held_out_errors(model, walls, None)["all"].forces for model in (plain, rehearsed))
    assert with_them < 0.8 * without


def test_the_rehearsal_belongs_to_the_fit(near_minima, walls, tmp_path):
    fitted(near_minima, tmp_path, walls[:8])
    with pytest.raises(ValueError, match="other settings or labels"):
        fitted(near_minima, tmp_path, walls[:9])
    with pytest.raises(ValueError, match="needs a force_weight"):
        fit(Potential(element_energies=ENERGIES), near_minima, tmp_path / "x", replace(SETTINGS, force_weight=0.0),
            rehearsal=walls)  # fmt: skip


def test_large_forces_are_drawn(packed):
    drawn = draw([packed], 6, 0, ENERGIES)
    assert len(drawn) == 6
    assert all(np.linalg.norm(item.label.forces, axis=1).max() >= LEAST_FORCE for item in drawn)
    names = [[item.label.energy for item in draw([packed], 6, seed, ENERGIES)] for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]
    n_far = len(draw([packed], 10**6, 0, ENERGIES))
    assert 6 < n_far <= len(list(open_labels(packed).read()))
    with pytest.raises(ValueError, match="contain Se"):
        draw([packed], 6, 0, ["B"])


def test_labels_near_minima_alone_are_refused(near_minima, tmp_path):
    store = LabelStore(tmp_path / "calm.db", LEVEL.name)
    store.add([item for item in near_minima if np.abs(item.label.forces).max() < 1.0])
    with pytest.raises(ValueError, match="near minima"):
        draw([tmp_path / "calm.db"], 5, 0, ENERGIES)


def test_two_levels_meet_in_a_built_model(near_minima, packed, tmp_path):
    store = LabelStore(tmp_path / "labels.db", LEVEL.name)
    store.add(near_minima)
    store.add_element_energies(ENERGIES)
    request = BuildRequest(
        (store.path,), tmp_path / "model", network=NetworkSettings(n_atom_basis=8, n_interactions=1, n_heads=2),
        training=replace(SETTINGS, epochs=1), rehearse=(packed,),
    )  # fmt: skip
    build_potential(request, progress=False)
    assert (tmp_path / "model" / "card.json").exists()
    with pytest.raises(ValueError, match="rehearse_share"):
        replace(request, rehearse_share=0.0)
