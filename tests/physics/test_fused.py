"""The kernels of a GPU equal the plain code beside them; here in Triton's interpreter, on a CPU."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

pytest.importorskip("triton")

HERE = Path(__file__).resolve()


def test_kernels_equal_the_plain_code():
    """In a process of its own: Triton decides when it is imported whether it interprets."""
    folders = [str(HERE.parents[2]), str(HERE.parents[1]), *sys.path]
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(folders)}
    ended = subprocess.run([sys.executable, str(HERE)], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    assert ended.stdout.split() == ["saturated", "bend", "steps", "table", "meeting", "network", "choice"]


def compare() -> None:
    """Each kernel, and then the whole network."""
    import torch
    from clusters import flat, random_cluster, small_potential

    from iia_calc.model.inference import fused
    from iia_calc.model.inference import potential as potential_module
    from iia_calc.model.inference.basis import SharedBasis
    from iia_calc.model.inference.meeting import FusedMeeting, PlainMeeting
    from iia_calc.model.inference.network import Gradient
    from iia_calc.model.inference.saturated import FusedBend, FusedSaturated, Saturated
    from iia_calc.model.inference.steps import steps_for
    from iia_calc.model.inference.table import DistanceTable
    from iia_calc.model.inference.vectors import FrozenVectors
    from iia_calc.model.inference.weights import Bend

    def close(a: torch.Tensor, b: torch.Tensor, most: float = 1e-5) -> None:
        torch.testing.assert_close(a, b, atol=most, rtol=most)

    torch.manual_seed(0)
    for shape in ((5, 12), (4, 3, 40)):
        x, g, plus = torch.randn(3, *shape).unbind()
        one, other = FusedSaturated(x), Saturated(x)
        close(one.value, other.value)
        close(one.back(g), other.back(g))
        close(one.back(g, plus), other.back(g, plus.clone()))
    wide = torch.randn(5, 30)
    one, other = FusedSaturated(wide[:, :12].contiguous()), Saturated(wide[:, :12].contiguous())
    close(one.back(wide[:, 12:24]), other.back(wide[:, 12:24]))  # a part of a wider array
    print("saturated")

    z, g = torch.randn(2, 7, 33).unbind()
    (a, kept), (b, kept_plain) = FusedBend("smu")(z), Bend("smu")(z)
    close(a, b)
    close(FusedBend("smu").slope(g, kept), Bend("smu").slope(g, kept_plain))
    print("bend")

    b, n, heads = 2, 5, 3
    plain, quick = steps_for(fuse=False), steps_for(fuse=True)
    for c in (3, 5):
        mixed = torch.randn(4, c, 24)
        parts = mixed.split(12, 2)
        close(quick.dots(*parts), plain.dots(*parts))
        both = [steps.with_lengths(parts[1][:, 0], parts, 0.01) for steps in (quick, plain)]
        close(both[0][0], both[1][0])
        close(both[0][1][1], both[1][1][1])
        found, wide = torch.rand(4, 12) + 0.1, torch.randn(4, 40)
        gated, product = (torch.randn(4, c, 12), torch.randn(4, 30)[:, 9:21]), torch.randn(4, 12)
        for some in (((*parts,), gated, product), ((*parts,), gated, None), ((*parts,), None, product)):
            close(
                quick.mix_back(some[0], found, wide[:, 5:17], some[1], some[2]),
                plain.mix_back(some[0], found, wide[:, 5:17].clone(), some[1], some[2]),
            )
        close(
            quick.mix_back((mixed,), torch.ones(4, 24), torch.ones(4, 24), None, None),
            plain.mix_back((mixed,), torch.ones(4, 24), torch.ones(4, 24), None, None),
        )
        Y, sums = torch.randn(b, 1 + c, n, n)[:, 1:], torch.randn(b, 9, n, n)
        weights, g = torch.randn(heads * b, n, n), torch.randn(heads * b, c * n, n)
        results = []
        for steps in (quick, plain):
            g_weights, g_channels = torch.empty_like(weights), sums.clone()[:, 2 : 2 + c]
            steps.directions_back(g.clone(), Y, weights, g_weights, g_channels)
            results.append((g_weights, g_channels))
        close(results[0][0], results[1][0])
        close(results[0][1], results[1][1])
    print("steps")

    potential = small_potential(dtype=torch.float32, kind="vectors", angular=2, attention=None, n_heads=4)
    frozen = potential.for_inference()
    assert frozen is not None
    network = frozen.network
    assert isinstance(network, FrozenVectors)
    assert isinstance(network.table, SharedBasis)
    closest = network.table.table.start
    whole = FrozenVectors(potential.network, potential.head, network.numbers.tolist(), closest, fuse=True)
    table = whole.table
    assert isinstance(table, DistanceTable)
    d = torch.cat([torch.rand(70) * 6.0, torch.tensor([0.01, 4.9999, 1e3, torch.nan])])
    places = table.places(d)
    values, back = table.at(d)
    close(values.nan_to_num(9.0), table.values(0, places).T.nan_to_num(9.0))
    g = torch.randn_like(values)
    close(back(g)[:-1], (g * table.slopes(0, places).T).sum(0)[:-1], 1e-4)
    assert bool(torch.isnan(values[:, -1]).all())
    assert bool(torch.isnan(back(g)[-1]))
    print("table")

    clusters = [random_cluster(6, seed=0, shortest=1.0), random_cluster(5, seed=1)]
    Z, R, _ = flat(clusters, torch.float32)
    pairs = potential.cluster_pairs((6, 5))
    (part,) = frozen.prepare([pairs], Z)
    plain_meeting, quick_meeting = PlainMeeting(potential.repulsion), FusedMeeting()
    R[1] = R[0] + 0.9  # inside one another
    met, quick_met = plain_meeting(pairs, part.constants, R), quick_meeting(pairs, part.constants, R)
    for a, b in zip(quick_met, met, strict=True):
        close(a, b, 1e-4)
    by_distance, by_direction = torch.randn_like(met.seen), torch.randn_like(met.directions)
    for direction in (by_direction, None):
        copies = [Gradient(by_distance.clone(), None if direction is None else direction.clone()) for _ in range(2)]
        again = plain_meeting(pairs, part.constants, R)
        close(quick_meeting.back(quick_met, copies[0]), plain_meeting.back(again, copies[1]), 1e-4)
    print("meeting")

    energies, forces = frozen.evaluate(part, R)
    frozen.network, frozen.meeting = whole, quick_meeting
    (part,) = frozen.prepare([pairs], Z)
    quick_energies, quick_forces = frozen.evaluate(part, R)
    close(quick_energies, energies)
    close(quick_forces, forces, 1e-4)
    print("network")

    potential_module.kernels_serve = lambda device, dtype: True  # as on a GPU
    again = small_potential(dtype=torch.float32, kind="vectors", angular=2, attention=None, n_heads=4).for_inference()
    assert again is not None
    assert again.fuse
    close(again(pairs, Z, R)[1], forces, 1e-4)
    fused.dots = lambda a, b: 9.0 * (a * b).sum(1)  # a kernel that errs is noticed, and not used
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        careful = small_potential(
            dtype=torch.float32, kind="vectors", angular=2, attention=None, n_heads=4
        ).for_inference()
    assert careful is not None
    assert not careful.fuse
    assert "off by" in str(said[0].message)
    print("choice")


if __name__ == "__main__":
    compare()
