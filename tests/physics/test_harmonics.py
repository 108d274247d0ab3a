"""Harmonics by what they must be: the addition theorem, parity, orthogonality, gradients."""

import pytest
import torch

from iia_calc.model.network.harmonics import SlotHarmonics, n_harmonics, spherical_harmonics
from iia_calc.model.pairs.clusters import ClusterPairs
from iia_calc.model.pairs.neighbour_list import NeighbourPairs

LEGENDRE = (lambda t: t, lambda t: 1.5 * t**2 - 0.5, lambda t: 2.5 * t**3 - 1.5 * t)


def directions(*shape, seed=0):
    n = torch.randn(*shape, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return n / n.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_addition_theorem(degree):
    a, b = directions(50), directions(50, seed=1)
    start, stop = n_harmonics(degree - 1), n_harmonics(degree)
    Y_a, Y_b = (spherical_harmonics(n, 3)[:, start:stop] for n in (a, b))
    assert Y_a.shape[1] == 2 * degree + 1
    t = (a * b).sum(-1)
    torch.testing.assert_close((Y_a * Y_b).sum(-1), LEGENDRE[degree - 1](t), rtol=0, atol=1e-14)
    assert float(((Y_a * Y_b.flip(1)).sum(-1) - LEGENDRE[degree - 1](t)).abs().max()) > 0.1  # control


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_lower_degrees_come_first(degree):
    n = directions(7)
    assert torch.equal(spherical_harmonics(n, degree), spherical_harmonics(n, 3)[:, : n_harmonics(degree)])


def test_parity():
    n = directions(7)
    here, there = spherical_harmonics(n, 3), spherical_harmonics(-n, 3)
    odd = torch.tensor([1] * 3 + [0] * 5 + [1] * 7, dtype=torch.bool)
    torch.testing.assert_close(there[:, odd], -here[:, odd], rtol=0, atol=0)
    torch.testing.assert_close(there[:, ~odd], here[:, ~odd], rtol=0, atol=0)


@pytest.mark.parametrize("degree", [0, 4, 7])
def test_other_degrees_raise(degree):
    with pytest.raises(ValueError, match=f"degree 1 to 3, not {degree}"):
        spherical_harmonics(directions(2), degree)


@pytest.mark.parametrize("listed", [False, True])
def test_each_slot_looks_from_its_own_atom(listed):
    R = 3 * directions(5, seed=3)
    pairs = NeighbourPairs(R.numpy(), 9.0) if listed else ClusterPairs((5,))
    vectors = pairs.expand_directions(pairs.vectors(R))  # [A, K, 3]
    for pair, (i, j) in enumerate(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)):
        torch.testing.assert_close(vectors.view(-1, 3)[pairs.slot_forth[pair]], R[j] - R[i])
        torch.testing.assert_close(vectors.view(-1, 3)[pairs.slot_back[pair]], R[i] - R[j])


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_all_slots_and_their_gradient(degree):
    n = directions(2, 4, 4).permute(0, 3, 1, 2).contiguous().requires_grad_(True)  # [B, 3, N, N]
    harmonics = SlotHarmonics(n, torch.ones(2, 4, 4, dtype=n.dtype), degree)
    expected = spherical_harmonics(n.permute(0, 2, 3, 1), degree).permute(0, 3, 1, 2)
    torch.testing.assert_close(harmonics.values[:, 1:], expected, rtol=0, atol=1e-15)
    g = torch.randn(harmonics.values.shape, generator=torch.Generator().manual_seed(1), dtype=n.dtype)
    (gradient,) = torch.autograd.grad((expected * g[:, 1:]).sum(), n)
    torch.testing.assert_close(harmonics.gradient(g).detach(), gradient, rtol=0, atol=1e-14)
