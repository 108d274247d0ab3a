"""Merged weights and tabulated filters: how they come and go, and how exact they are."""

import pytest
import torch
from clusters import flat, random_cluster, small_potential

from iia_calc.network.frozen import FrozenNetwork
from iia_calc.network.table import TOLERANCE
from iia_calc.pairs import ClusterPairs


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
    assert short._frozen_cache.table is not None
    assert short._frozen_cache.table.error <= TOLERANCE
    largest = float(expected.forces.abs().max())
    assert float((tabulated.energy - expected.energy).abs().max()) < 2e-5
    assert float((tabulated.forces - expected.forces).abs().max()) < 1e-5 * largest


def test_table_ends_at_the_cutoff_and_holds_its_own_gradient():
    potential = small_potential(dtype=torch.float32).freeze()
    table = potential._frozen().table
    pairs = ClusterPairs((2,))
    values, slopes = [], []
    grid = torch.linspace(4.9, 5.1, 201)
    for r in grid:
        places = table.places(r[None], pairs)
        values.append(table.filters(0, places)[1])
        slopes.append(table.slopes(0, places)[1])
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
    for settings in ({"attention": "untrained"}, {"activation": "smu-trainable"}, {"distance_logits": True}):
        potential = small_potential(**settings)
        assert not FrozenNetwork.covers(potential.settings)
        potential(*flat([random_cluster(3)]))
        assert potential._frozen_cache is None
