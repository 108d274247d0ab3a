"""With attention off and shifted softplus on, the network is SchNetPack's SchNet."""

import pytest
import torch
from clusters import flat, random_cluster

from iia_calc.model.network import NetworkSettings, SchNetIIA
from iia_calc.model.pairs.clusters import ClusterPairs


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("n_filters", [None, 48])
def test_equals_schnetpack(n_filters):
    schnetpack = pytest.importorskip("schnetpack")
    from schnetpack import properties

    torch.manual_seed(0)
    settings = NetworkSettings(attention=None, activation="ssp", n_embedding=100, n_filters=n_filters)
    theirs = schnetpack.representation.SchNet(
        settings.n_atom_basis,
        settings.n_interactions,
        schnetpack.nn.GaussianRBF(settings.n_rbf, settings.cutoff),
        schnetpack.nn.CosineCutoff(settings.cutoff),
        n_filters=n_filters,
    )
    ours = SchNetIIA(settings)
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not missing
    assert unexpected == ["cutoff_fn.cutoff"]
    ours, theirs = ours.double(), theirs.double()

    Z, R, _ = flat([random_cluster(20, seed=1)])
    i, j = (~torch.eye(20, dtype=torch.bool)).nonzero().T
    inputs = {properties.Z: Z, properties.Rij: R[j] - R[i], properties.idx_i: i, properties.idx_j: j}
    expected = theirs(inputs)["scalar_representation"]
    pairs = ClusterPairs((20,))
    torch.testing.assert_close(ours(Z, pairs.distances(R), pairs), expected, rtol=0, atol=1e-6)

    with torch.no_grad():  # control: one weight off is seen
        ours.interactions[2].f2out[0].weight[0, 0] += 1e-2
    assert float((ours(Z, pairs.distances(R), pairs) - expected).abs().max()) > 1e-6
