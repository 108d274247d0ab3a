"""Two atoms pushed together repel: deep inside a bond whatever the weights, farther out because labels say so."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import covalent_radii
from clusters import flat, small_potential

from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.network import NetworkSettings, RepulsionSettings
from iia_calc.model.potential import Potential
from search.geometry.composition import Composition
from search.geometry.seeds import random_cluster

FRACTIONS = np.linspace(0.3, 0.8, 26)  # of the sum of covalent radii


def pushed_together(atoms, i, j):
    """`atoms` with i and j at each of `FRACTIONS`, about their midpoint."""
    between = atoms.positions[j] - atoms.positions[i]
    axis, middle = between / np.linalg.norm(between), atoms.positions[[i, j]].mean(0)
    for fraction in FRACTIONS:
        pushed = atoms.copy()
        half = 0.5 * fraction * covalent_radii[atoms.numbers[[i, j]]].sum()
        pushed.positions[i], pushed.positions[j] = middle - half * axis, middle + half * axis
        yield pushed


def pair_forces(potential, clusters, i, j):
    """-dE/dr_ij, eV/Å, of one pair in each of the clusters, every other distance and all directions held."""
    Z, R, batch = flat(clusters)
    pairs = potential.pairs_of(R, batch)
    Z_i, Z_j = Z[pairs.first], Z[pairs.second]
    distances = pairs.distances(R).requires_grad_(True)
    seen = potential.repulsion.saturate(Z_i, Z_j, distances)
    directions = pairs.vectors(R) / distances.detach()[:, None]
    x = potential.network(pairs.pad(Z), seen, pairs, directions)
    energy = potential.head(x.index_select(0, pairs.atoms)).sum() + potential.repulsion(Z_i, Z_j, distances).sum()
    (gradient,) = torch.autograd.grad(energy, distances)
    ends = torch.stack([pairs.within[pairs.first], pairs.within[pairs.second]])  # [2, P]
    mine = (ends == torch.tensor([min(i, j), max(i, j)])[:, None]).all(0)
    return -gradient[mine].numpy()


@pytest.mark.parametrize("settings", [{}, {"angular": 3, "distance_logits": True}, {"attention": None}])
def test_deep_inside_a_bond_no_weights_can_attract(settings):
    potential = small_potential(**settings)
    for parameter in potential.parameters():
        parameter.data.mul_(3.0)
    atoms = random_cluster(Composition.parse("Se2B7"), np.random.default_rng(1))
    promised = potential.repulsion.settings.saturation_end > FRACTIONS
    for i, j in ((0, 1), (0, 4), (5, 8)):
        forces = pair_forces(potential.freeze(), list(pushed_together(atoms, i, j)), i, j)
        assert forces[promised].min() > 1.0
        assert (np.diff(forces[promised]) < 0).all()  # the closer, the harder


@pytest.mark.parametrize("name", storage.shipped_models())
def test_shipped_models_repel_inside_every_bond(name):
    """From 0.8 of the covalent radii inwards, in dimers and for random pairs of random clusters."""
    model = storage.load(name, dtype=torch.float64)
    potential = model.leader if isinstance(model, Committee) else model
    rng, weakest, n = np.random.default_rng(0), np.inf, 0
    clusters = [Atoms(pair, positions=[(0, 0, 0), (0, 0, 2)]) for pair in ("B2", "SeB", "Se2")]
    clusters += [random_cluster(Composition.parse(f"SeB{k}"), rng) for k in (5, 8, 11, 14, 17)]
    for atoms in clusters:
        distance = atoms.get_all_distances()
        close = np.argwhere(np.triu(distance < 2.6, 1))
        for i, j in rng.permutation(close)[:4]:
            weakest = min(weakest, pair_forces(potential, list(pushed_together(atoms, i, j)), i, j).min())
            n += 1
    assert n > 20
    assert weakest > 0.5  # eV/Å


def test_control_an_attractive_pair_is_measured_as_such():
    model = storage.load(dtype=torch.float64)
    potential = model.leader if isinstance(model, Committee) else model
    stretched = [Atoms("B2", positions=[(0, 0, 0), (0, 0, r)]) for r in (1.2, 2.4)]
    inside, outside = pair_forces(potential, stretched, 0, 1)
    assert inside > 0 > outside
    forces = potential(*flat(stretched)).forces.numpy()
    np.testing.assert_allclose(forces[[1, 3], 2], [inside, outside], atol=1e-9)


def test_settings_of_a_card_win_over_the_defaults(tmp_path):
    wider = RepulsionSettings(1.0, 0.8, 0.6)
    potential = Potential(NetworkSettings(n_atom_basis=8, n_heads=2), {"B": -1.0}, wider)
    storage.save(tmp_path / "wider", potential, {"level_of_theory": "none"})
    assert wider != RepulsionSettings()
    assert storage.load(tmp_path / "wider").repulsion.settings == wider
