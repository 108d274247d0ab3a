"""Every network variant keeps the contract; the paper's hard attention is smooth everywhere but at the cutoff."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from clusters import flat, random_cluster, small_potential
from physics.contract import PotentialContract

from iia_calc.model.network import NetworkSettings


class TestSmoothAttention(PotentialContract):
    settings: ClassVar[dict] = {"attention": "smooth", "activation": "smu"}


class TestPlainSchNet(PotentialContract):
    settings: ClassVar[dict] = {"attention": None, "activation": "ssp"}


class TestSMUOnly(PotentialContract):
    settings: ClassVar[dict] = {"attention": None, "activation": "smu"}


class TestAttentionOnly(PotentialContract):
    settings: ClassVar[dict] = {"attention": "smooth", "activation": "ssp"}


class TestDistanceLogits(PotentialContract):
    settings: ClassVar[dict] = {"distance_logits": True, "activation": "smu-trainable"}


class TestAngularAttention(PotentialContract):
    """The shipped shape: degree 2, distances in the logits."""

    settings: ClassVar[dict] = {"angular": 2, "distance_logits": True}


class TestAngularDegree1(PotentialContract):
    settings: ClassVar[dict] = {"angular": 1}


class TestAngularDegree3(PotentialContract):
    settings: ClassVar[dict] = {"angular": 3, "activation": "ssp", "distance_logits": True}


class TestAngularTrainableActivation(PotentialContract):
    """Not merged: autograd serves."""

    settings: ClassVar[dict] = {"angular": 3, "activation": "smu-trainable"}


class TestAngularHardAttention(PotentialContract):
    settings: ClassVar[dict] = {"attention": "hard", "angular": 2, "distance_logits": True}
    smooth: ClassVar[bool] = False


class TestDirectionalConvolution(PotentialContract):
    settings: ClassVar[dict] = {"angular": 2, "directions": "convolution", "distance_logits": True}


class TestDirectionalConvolutionAlone(PotentialContract):
    """Without attention, with filters of another width."""

    settings: ClassVar[dict] = {"angular": 3, "directions": "convolution", "attention": None, "n_filters": 24}


class TestLimitedInvariants(PotentialContract):
    """Limits so tight that most of what the network sees lies beyond them."""

    settings: ClassVar[dict] = {"angular": 2, "directions": "convolution", "distance_logits": True}

    @pytest.fixture(scope="class")
    def potential(self):
        potential = small_potential(**self.settings)
        for block in potential.network.interactions:
            block.angles.limits.fill_(0.02)
        return potential.freeze()


class TestVectors(PotentialContract):
    settings: ClassVar[dict] = {"kind": "vectors", "angular": 1, "attention": None}


class TestVectorsDegree2(PotentialContract):
    settings: ClassVar[dict] = {"kind": "vectors", "angular": 2, "attention": None}


class TestHardAttention(PotentialContract):
    settings: ClassVar[dict] = {"attention": "hard", "activation": "smu"}
    smooth: ClassVar[bool] = False


def test_untrained_attention_answers_differently_each_time():
    potential = small_potential(attention="untrained")
    cluster = flat([random_cluster(6)])
    energies = {round(float(potential(*cluster).energy[0]), 9) for _ in range(3)}
    assert len(energies) == 3
    assert not any("attention" in name for name, _ in potential.named_parameters())


@pytest.mark.parametrize("attention", ["smooth", "hard", None])
@pytest.mark.parametrize("activation", ["smu", "ssp", "smu-trainable"])
@pytest.mark.parametrize(("angular", "directions"), [(0, "attention"), (3, "attention"), (2, "convolution")])
def test_forces_can_be_trained(attention, activation, angular, directions):
    """A force loss differentiates twice: by parameters, against differences along a random direction."""
    if angular and attention is None and directions == "attention":
        pytest.skip("these angles belong to an attention")
    settings = {"attention": attention, "activation": activation, "angular": angular, "directions": directions}
    settings["distance_logits"] = angular > 0 and attention is not None
    potential = small_potential(**settings).requires_grad_(True)
    Z, R, batch = flat([random_cluster(5), random_cluster(3, seed=1)])

    def loss():
        r = R.clone().requires_grad_(True)
        energy = potential.atomic_energies(Z, r, batch).sum()
        (gradient,) = torch.autograd.grad(energy, r, create_graph=True)
        return gradient.square().sum() + 0.1 * energy

    parameters = list(potential.parameters())
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    generator = torch.Generator().manual_seed(0)
    direction = [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in parameters]
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True) if g is not None)
    step, ends = 1e-5, []
    for sign in (1, -2, 1):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p.add_(sign * step * d)
        ends.append(float(loss().detach()))
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-6)
    assert np.isfinite(slope)
    assert abs(slope) > 1e-4


@pytest.mark.parametrize("angular", [1, 2])
def test_forces_of_vectors_can_be_trained(angular):
    """As above, of each parameter that the loss depends on."""
    potential = small_potential(kind="vectors", angular=angular, attention=None).requires_grad_(True)
    Z, R, batch = flat([random_cluster(5), random_cluster(3, seed=1)])

    def loss():
        r = R.clone().requires_grad_(True)
        energy = potential.atomic_energies(Z, r, batch).sum()
        (gradient,) = torch.autograd.grad(energy, r, create_graph=True)
        return gradient.square().sum() + 0.1 * energy

    parameters = list(potential.parameters())
    gradients = torch.autograd.grad(loss(), parameters, allow_unused=True)
    for p, g in zip(parameters, gradients, strict=True):
        direction = torch.randn(p.shape, generator=torch.Generator().manual_seed(0), dtype=p.dtype)
        step, ends = 1e-5, []
        for sign in (1, -2, 1):
            with torch.no_grad():
                p.add_(sign * step * direction)
            ends.append(float(loss().detach()))
        slope = 0.0 if g is None else float((g * direction).sum())
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4, abs=1e-6)


def test_energies_of_vectors_are_bounded_where_atoms_crowd():
    """Whatever the weights: without the repulsion the network's part grows no further as atoms meet."""
    potential = small_potential(kind="vectors", angular=2, attention=None)
    crowd = random_cluster(20, seed=2, shortest=0.05)
    Z, R, batch = flat([crowd])
    hidden = potential.head.layers[0].weight.shape[1]
    first, second = potential.head.layers
    largest = float(first.weight.norm(dim=1).mul(hidden**0.5).add(first.bias.abs()) @ second.weight[0].abs())
    for scale in (1.0, 0.1, 1e-3):
        energies = potential.atomic_energies(Z, R * scale, batch, repulsion=False)
        assert float(energies.abs().max()) < 2 * (largest + float(second.bias.abs()))


def test_the_length_of_a_vector_that_vanishes_turns_round_as_slowly_as_the_softening_says():
    """What the first layer of an atom's features is shown of one vector x, which goes through zero."""
    shown: list[torch.Tensor] = []
    for softening in (0.01, 1.0):
        block = small_potential(kind="vectors", angular=1, attention=None, softening=softening).network.blocks()[1]
        block.context[0].register_forward_pre_hook(lambda layer, given: shown.append(given[0]))
        with torch.no_grad():
            block.mix[0].weight.zero_()[0, 0] = 1.0
            s = torch.zeros(21, block.context_widths[0], dtype=torch.float64)
            V = torch.zeros(3, *s.shape, dtype=torch.float64)
            V[0, :, 0] = torch.linspace(-0.1, 0.1, 21)
            block.update(s, [V])
    for softening, context in zip((0.01, 1.0), shown, strict=True):
        length = context[:, context.shape[1] // 2]
        assert float(length.min()) == pytest.approx(softening**0.5)
        assert float(length.diff(n=2).max()) == pytest.approx(0.01**2 / softening**0.5, rel=0.02)


def test_a_card_from_before_the_softening_was_a_setting_has_the_value_of_then():
    described = NetworkSettings(kind="vectors", angular=1, attention=None).as_dict()
    del described["softening"]
    assert NetworkSettings.from_dict(described).softening == 0.01


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"angular": 0}, "needs angular 1 or 2, not 0"),
        ({"attention": "hard"}, "no attention"),
        ({"n_heads": 3}, "128 features cannot be shared by 3 heads"),
        ({"angular": 2, "n_tensors": 20}, "20 features cannot be shared by 4 heads|20 features"),
        ({"softening": 0.0}, "softening is 0.0; it must be a number above 0"),
        ({"softening": float("nan")}, "softening is nan; it must be a number above 0"),
        ({"kind": "tensors"}, "unknown kind of network 'tensors'; choose schnet or vectors"),
    ],
)
def test_settings_of_vectors_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        NetworkSettings(**{"kind": "vectors", "angular": 1, "attention": None, "n_heads": 16} | settings)


@pytest.mark.parametrize("wrong", [4, -1, 1.5])
def test_angular_is_a_degree(wrong):
    with pytest.raises(ValueError, match=f"from 0 to 3, not {wrong}"):
        NetworkSettings(angular=wrong)


def test_directions_are_weighed_by_attention_or_convolution():
    with pytest.raises(ValueError, match="unknown directions 'both'; choose attention or convolution"):
        NetworkSettings(angular=1, directions="both")


@pytest.mark.parametrize("attention", [None, "untrained"])
@pytest.mark.parametrize("setting", [{"angular": 1}, {"distance_logits": True}])
def test_directions_and_distances_need_an_attention_to_enter(attention, setting):
    with pytest.raises(ValueError, match=rf"{next(iter(setting))} belongs to a smooth or hard attention, not to"):
        NetworkSettings(attention=attention, **setting)
