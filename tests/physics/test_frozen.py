"""Merged weights and tabulated filters: how they come and go, and how exact they are."""

import copy

import pytest
import torch
from clusters import flat, random_cluster, small_potential

from iia_calc.model.inference import recorded, vectors
from iia_calc.model.inference.network import FrozenNetwork
from iia_calc.model.inference.table import TOLERANCE
from iia_calc.model.inference.tape import replay_of


@pytest.mark.parametrize("attention", ["smooth", "hard", None])
@pytest.mark.parametrize("activation", ["smu", "ssp"])
@pytest.mark.parametrize("n_filters", [None, 24])
def test_table_against_computed_filters(attention, activation, n_filters):
    """In float32: the table's error is not larger than a few times the rounding of computed filters."""
    settings = {"attention": attention, "activation": activation, "n_filters": n_filters}
    exact, short = small_potential(**settings), small_potential(dtype=torch.float32, **settings)
    Z, R, batch = flat([random_cluster(n, seed=n, shortest=1.0) for n in (21, 1, 6)], torch.float32)
    expected = exact(Z, R.double(), batch)
    tabulated = short(Z, R, batch)
    assert short._frozen_cache.network.table is not None
    assert short._frozen_cache.network.table.error <= TOLERANCE
    largest = float(expected.forces.abs().max())
    assert float((tabulated.energy - expected.energy).abs().max()) < 2e-5
    assert float((tabulated.forces - expected.forces).abs().max()) < 1e-5 * largest


@pytest.mark.parametrize("attention", ["smooth", "hard"])
@pytest.mark.parametrize("angular", [1, 2, 3])
@pytest.mark.parametrize("distance_logits", [False, True])
@pytest.mark.parametrize("directions", ["attention", "convolution"])
def test_angles_in_float32(attention, angular, distance_logits, directions):
    """Merged and tabulated against float64, as far off as float32's own autograd at most."""
    settings = {"attention": attention, "angular": angular, "distance_logits": distance_logits}
    settings["directions"] = directions
    exact, short = small_potential(**settings), small_potential(dtype=torch.float32, **settings)
    Z, R, batch = flat([random_cluster(n, seed=n, shortest=1.0) for n in (21, 1, 6)], torch.float32)
    expected, merged = exact(Z, R.double(), batch), short(Z, R, batch)
    assert short._frozen_cache.network.table.error <= TOLERANCE
    largest = float(expected.forces.abs().max())
    assert float((merged.energy - expected.energy).abs().max()) < 2e-5
    assert float((merged.forces - expected.forces).abs().max()) < 1e-5 * largest


@pytest.mark.parametrize("angular", [1, 2])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("softening", [0.01, 1.0])
def test_vectors_against_autograd(angular, dtype, softening):
    """Energies and forces written out, in float32 with tabulated filters, against float64's autograd."""
    settings = {"kind": "vectors", "angular": angular, "attention": None, "softening": softening}
    exact, frozen = small_potential(**settings), small_potential(dtype=dtype, **settings)
    Z, R, batch = flat([random_cluster(n, seed=n, shortest=1.0) for n in (21, 1, 6)], torch.float32)
    r = R.double().requires_grad_(True)
    energies = exact.atomic_energies(Z, r, batch)
    (gradient,) = torch.autograd.grad(energies.sum(), r)
    found, forces = frozen.evaluate(frozen.pairs_of(R, batch), Z, R)
    assert frozen._frozen_cache is not None
    allowed = 1e-5 if dtype == torch.float32 else 1e-12
    assert float((found - energies.detach()).abs().max()) < allowed
    assert float((forces + gradient).abs().max()) < allowed * float(gradient.abs().max())


@pytest.mark.parametrize("n_interactions", [1, 2])
def test_the_first_block_by_elements_and_by_atoms(monkeypatch, n_interactions):
    """A network of few elements sums over them first; one of many goes on atom by atom."""
    settings = {"dtype": torch.float64, "kind": "vectors", "angular": 2, "attention": None}
    settings["n_interactions"] = n_interactions
    Z, R, batch = flat([random_cluster(n, seed=n, shortest=1.0) for n in (9, 1, 6)], torch.float64)
    few = small_potential(**settings)
    by_elements = few(Z, R, batch)
    monkeypatch.setattr(vectors, "MOST_ELEMENTS", 1)
    many = small_potential(**settings)
    by_atoms = many(Z, R, batch)
    assert few.for_inference().network.by_element
    assert not many.for_inference().network.by_element
    torch.testing.assert_close(by_elements.forces, by_atoms.forces, rtol=0, atol=1e-11)
    torch.testing.assert_close(by_elements.energy, by_atoms.energy, rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"angular": 2, "distance_logits": True},
        {"angular": 2, "directions": "convolution"},
        {"kind": "vectors", "angular": 2, "attention": None},
    ],
)
def test_many_clusters_are_computed_a_few_at_a_time(dtype, settings):
    """Parts of a batch, of one size and of several, in any order: the energies and forces of each alone."""
    potential = small_potential(dtype=dtype, **settings)
    for sizes in ([21] * 20, [3, 21, 1, 17, 2, 30, 5, 21, 21, 8, 1], [30] * 6 + [1] * 6):
        clusters = [random_cluster(n, seed=n + k) for k, n in enumerate(sizes)]
        Z, R, batch = flat(clusters, dtype)
        assert len(potential.pairs_of(R, batch).parts(potential.for_inference().network.cached_slots)) > 1
        together = potential(Z, R, batch)
        alone = [potential(*flat([cluster], dtype)) for cluster in clusters]
        tolerance = 1e-11 if dtype == torch.float64 else 1e-5 * float(together.forces.abs().max())
        expected = torch.cat([prediction.forces for prediction in alone])
        torch.testing.assert_close(together.forces, expected, rtol=0, atol=tolerance)
        energies = torch.cat([prediction.energy for prediction in alone])
        torch.testing.assert_close(together.energy, energies, rtol=0, atol=max(tolerance, 1e-9))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"angular": 2, "distance_logits": True},
        {"angular": 2, "directions": "convolution"},
        {"attention": None, "activation": "ssp"},
        {"kind": "vectors", "angular": 2, "attention": None},
    ],
)
def test_what_was_recorded_gives_the_same_numbers(monkeypatch, dtype, settings):
    """In float32. To the last digit, of other positions and other elements too, and of copies of the potential."""
    monkeypatch.setattr(recorded, "CALLS", 3)
    potential, other = (small_potential(dtype=dtype, **settings).freeze() for _ in range(2))
    for calls in range(6):
        n_selenium = calls % 3
        Z, R, batch = flat([random_cluster(9, seed=calls, n_selenium=n_selenium)], dtype)
        pairs = potential.pairs_of(R, batch)
        found = potential.evaluate(pairs, Z, R)
        expected = other.for_inference().evaluate(other.for_inference()._parts(pairs, Z)[0], R)
        assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
        assert not found[1].is_inference()
        assert (pairs.sizes in potential.for_inference()._recorded._replays) == (calls >= 2 and dtype == torch.float32)
    again = copy.deepcopy(potential).evaluate(pairs, Z, R)
    assert all(torch.equal(a, b) for a, b in zip(again, found, strict=True))


def test_a_replay_follows_views_and_what_is_changed_in_place():
    """Parts of results, of what is given and of constants; results written into parts of others."""
    weights = torch.arange(12.0).view(4, 3)

    def work(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made = torch.zeros(2, 5, 4)
        made[:, 1:4].transpose(0, 1)[0].copy_(x @ weights.T)
        torch.mul(y.view(2, -1)[:, None, ::2], 2.0, out=made[:, 2:3])
        first, second = made.unbind()
        first.add_(weights[1, 1])
        return made, torch.cat([first[1], second.t().reshape(-1)])

    given = torch.rand(2, 3), torch.rand(16)
    replay = replay_of(work, given)
    for _ in range(3):
        other = torch.rand(2, 3), torch.rand(16)
        assert all(torch.equal(a, b) for a, b in zip(replay(*other), work(*other), strict=True))


def test_layouts_come_and_go_and_a_torch_that_records_nothing_will_do(monkeypatch):
    monkeypatch.setattr(recorded, "CALLS", 2)
    potential = small_potential(dtype=torch.float32).freeze()
    for n in (*range(3, 3 + recorded.KEPT + 2), 3, 4):
        Z, R, batch = flat([random_cluster(n, seed=n)], torch.float32)
        for _ in range(3):
            potential.evaluate(potential.pairs_of(R, batch), Z, R)
    kept = potential.for_inference()._recorded
    assert len(kept._replays) == recorded.KEPT

    def refuse(*_, **__):
        raise RuntimeError("no longer supported")

    monkeypatch.setattr(torch.jit, "trace", refuse)
    plain = small_potential(dtype=torch.float32).freeze()
    for _ in range(3):
        found = plain.evaluate(plain.pairs_of(R, batch), Z, R)
    assert not plain.for_inference()._recorded._replays
    assert torch.equal(found[1], potential.evaluate(potential.pairs_of(R, batch), Z, R)[1])


def test_what_is_kept_of_the_elements_follows_the_elements():
    potential = small_potential()
    Z, R, batch = flat([random_cluster(6, n_selenium=1)])
    pairs = potential.pairs_of(R, batch)
    before = potential.evaluate(pairs, Z, R)[1]
    for other in (Z.flip(0), Z):
        expected = small_potential().evaluate(pairs, other.clone(), R)[1]
        torch.testing.assert_close(potential.evaluate(pairs, other, R)[1], expected, rtol=0, atol=0)
    Z[:] = Z.flip(0)  # in place: the same tensor
    after = potential.evaluate(pairs, Z, R)[1]
    torch.testing.assert_close(after, small_potential().evaluate(pairs, Z.clone(), R)[1], rtol=0, atol=0)
    assert float((after - before).abs().max()) > 1e-3


def test_table_ends_at_the_cutoff_and_holds_its_own_gradient():
    potential = small_potential(dtype=torch.float32).freeze()
    table = potential.for_inference().network.table
    values, slopes = [], []
    grid = torch.linspace(4.9, 5.1, 201)
    for r in grid:
        places = table.places(r[None])
        values.append(table.values(0, places)[0])
        slopes.append(table.slopes(0, places)[0])
    values, slopes = torch.stack(values).double(), torch.stack(slopes).double()
    assert float(values[grid >= 5.0].abs().max()) == 0.0
    assert float(slopes[grid >= 5.0].abs().max()) == 0.0
    numeric = (values[2:] - values[:-2]) / (2 * 0.001)
    assert float((numeric - slopes[1:-1]).abs().max()) < 2e-3
    assert float(slopes.abs().max()) > 1e-3


def test_weights_that_change_are_not_answered_from_a_cache():
    cluster = flat([random_cluster(6)])
    potential = small_potential(0)
    before = float(potential(*cluster).energy[0])
    potential.load_state_dict(small_potential(1).state_dict())
    assert float(potential(*cluster).energy[0]) == float(small_potential(1)(*cluster).energy[0]) != before
    potential.requires_grad_(True)
    with torch.no_grad():
        for parameter in potential.parameters():
            parameter.mul_(1.1)
    trained = float(potential(*cluster).energy[0])
    assert trained != before
    assert float(potential.freeze()(*cluster).energy[0]) == pytest.approx(trained, abs=1e-9)


def test_what_merging_does_not_cover_is_computed_as_it_was_trained():
    for settings in ({"attention": "untrained"}, {"activation": "smu-trainable"}):
        potential = small_potential(**settings)
        assert not FrozenNetwork.covers(potential.settings)
        potential(*flat([random_cluster(3)]))
        assert potential._frozen_cache is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_are_plain_tensors_and_leave_layouts_for_training(dtype):
    """An evaluation runs in inference mode; nothing of that is left in what it returns or in what it keeps."""
    Z, R, batch = flat([random_cluster(6)], dtype)
    potential = small_potential(dtype=dtype, kind="vectors", angular=1, attention=None)
    with torch.inference_mode():
        inside = potential(Z, R, batch)
    prediction = potential(Z, R, batch)
    torch.testing.assert_close(inside.forces, prediction.forces, rtol=0, atol=0)
    energies, forces = potential.evaluate(potential.pairs_of(R, batch), Z, R)
    assert not any(tensor.is_inference() for tensor in (energies, forces, prediction.energy, prediction.forces))
    forces.add_(1.0)
    potential.requires_grad_(True).train()
    r = R.clone().requires_grad_(True)
    potential.atomic_energies(Z, r, batch).sum().backward()  # on the layout of the evaluations
    torch.testing.assert_close(-r.grad, prediction.forces, rtol=1e-4, atol=1e-5)
