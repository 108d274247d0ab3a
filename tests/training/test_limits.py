"""Invariants stay within what labels reach: where atoms are loose nothing changes, and crowded ones don't run away."""

import numpy as np
import pytest
import torch
from clusters import flat, random_cluster, small_potential

from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure
from iia_calc.model import storage
from iia_calc.model.network.attention import UNLIMITED, AngularInvariants, within
from iia_calc.training.limits import lift_limits, measure_limits

DIRECTED = [
    {"angular": 2, "directions": "attention", "distance_logits": True},
    {"angular": 2, "directions": "convolution"},
]


def labelled(sizes):
    return [
        LabelledStructure(atoms, Label(0.0, np.zeros((len(atoms), 3))), f"start {n}", "minimum", 0, 1 + len(atoms) % 2)
        for n in sizes
        for atoms in [random_cluster(n, seed=n)]
    ]


def crowded(n, scale=0.55):
    atoms = random_cluster(n, seed=n)
    atoms.positions *= scale
    return atoms


def reached(potential, clusters):
    """Largest magnitude of each invariant as the network goes on with it, beside its limit."""
    seen = []
    modules = [module for module in potential.network.modules() if isinstance(module, AngularInvariants)]
    handles = [
        module.out[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].abs().amax(0)))
        for module in modules
    ]
    Z, R, batch = flat(clusters)
    potential.interaction_energies(potential.pairs_of(R, batch), Z, R)
    for handle in handles:
        handle.remove()
    # isolated atoms may be asked for after the clusters
    return [(s, module.limits) for s, module in zip(seen[: len(modules)], modules, strict=True)]


@pytest.mark.parametrize("settings", DIRECTED)
def test_crowded_atoms_are_held_to_what_labels_reach(settings):
    potential, items = small_potential(**settings), labelled(range(3, 12))
    on_labels = [s for s, _ in reached(potential, [item.atoms for item in items])]
    loose = [
        atoms
        for atoms in (crowded(n, scale) for n in range(2, 12) for scale in (1.0, 1.7, 2.2))
        if all(bool((s <= m / 1.5).all()) for (s, _), m in zip(reached(potential, [atoms]), on_labels, strict=True))
    ]
    assert loose
    before, free = potential(*flat(loose)), potential(*flat([crowded(20)]))
    unlimited = [s for s, _ in reached(potential, [crowded(20)])]
    assert any(float((s / m).max()) > 2 for s, m in zip(unlimited, on_labels, strict=True))  # nothing is limited yet
    measure_limits(potential, items)
    after, held = potential(*flat(loose)), potential(*flat([crowded(20)]))
    torch.testing.assert_close(after.energy, before.energy, rtol=0, atol=1e-9)
    torch.testing.assert_close(after.forces, before.forces, rtol=0, atol=1e-9)
    for (s, _), m in zip(reached(potential, [crowded(20)]), on_labels, strict=True):
        assert bool((s <= m.clamp_min(1e-6) + 1e-9).all())
    assert abs(float(held.energy - free.energy)) > 1e-3
    lift_limits(potential.requires_grad_(True))
    torch.testing.assert_close(potential.freeze()(*flat([crowded(20)])).energy, free.energy, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("settings", DIRECTED)
def test_merged_as_trained_beyond_the_limits(settings, dtype):
    potential = small_potential(dtype=dtype, **settings)
    measure_limits(potential, labelled(range(3, 8)))
    Z, R, batch = flat([crowded(n, 0.7) for n in (9, 21, 1, 14)], dtype)
    merged = potential(Z, R, batch)
    trained = potential.requires_grad_(True)(Z, R, batch)
    largest = float(trained.forces.abs().max())
    tolerance = 1e-10 if dtype == torch.float64 else 2e-5
    torch.testing.assert_close(merged.energy, trained.energy, rtol=0, atol=max(1e-9, tolerance * largest))
    torch.testing.assert_close(merged.forces, trained.forces, rtol=0, atol=tolerance * largest)


def test_slope_at_the_limit_is_continuous():
    limits = torch.tensor([0.3, 2.0])
    beyond = torch.tensor([-0.1, -1e-4, 0.0, 1e-4, 1.0])
    s = (limits + beyond[:, None]).requires_grad_(True)
    for sign in (1, -1):
        limited, bend = within(sign * s, limits)
        (slope,) = torch.autograd.grad(limited.sum(), s)
        torch.testing.assert_close(sign * slope, 1 - bend**2)
        torch.testing.assert_close(sign * slope[:4], torch.ones(4, 2), atol=1e-5, rtol=0)
        assert (sign * slope[4] < 0.6).all()
    assert bool((within(torch.tensor(1e6), limits)[0] <= 1.5 * limits).all())
    free = torch.tensor([-1e9, 0.0, 3.0])
    assert torch.equal(within(free, torch.tensor(UNLIMITED))[0], free)


def test_limits_are_saved_and_models_without_them_load(tmp_path):
    potential = small_potential(**DIRECTED[1])
    measure_limits(potential, labelled(range(3, 8)))
    storage.save(tmp_path / "limited", potential, {"level_of_theory": "none"})
    loaded = storage.load(tmp_path / "limited", dtype=torch.float64)
    cluster = flat([crowded(20)])
    torch.testing.assert_close(loaded(*cluster).energy, potential(*cluster).energy, rtol=0, atol=1e-4)
    old = {key: value for key, value in potential.state_dict().items() if not key.endswith("limits")}
    potential.load_state_dict(old)
    assert all(bool((m == UNLIMITED).all()) for _, m in reached(potential, [crowded(20)]))


def test_a_network_without_directions_is_left_alone():
    potential = small_potential()
    before = {key: value.clone() for key, value in potential.state_dict().items()}
    measure_limits(potential, labelled([4]))
    assert all(torch.equal(value, before[key]) for key, value in potential.state_dict().items())
