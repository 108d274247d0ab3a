"""Funnels kept apart: kinds of packing, returns to the lowest of each, and starts chosen by their bonds."""

import json

import numpy as np
import pytest
from ase.build import bulk
from ase.cluster import Decahedron, Icosahedron

from search import BasinHopping, BasinHoppingSettings, Composition, LennardJones, Relaxed
from search.convergence import LowestCount
from search.geometry.packing import fivefold_bonds, packing_of
from search.geometry.scale import LengthScale
from search.moves.symmetric_start import cohesion, promise, symmetric_start
from search.moves.symmetrise import GROWN, Frames
from search.searchers.returns import LowestOfPackings

RELAXER = LennardJones()


def scale_of(n_atoms):
    return LengthScale.of(Composition.parse(f"Ar{n_atoms}"), RELAXER)


def as_lennard_jones(atoms):
    """Positions with nearest neighbours a bond length apart."""
    distances = atoms.get_all_distances()
    return atoms.positions * RELAXER.bond_length / distances[distances > 0].min()


def bound(positions):
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    return ((distances < 1.3 * RELAXER.bond_length) & (distances > 0)).astype(float)


def test_fivefold_bonds_of_known_packings():
    icosahedron = as_lennard_jones(Icosahedron("Ar", 2))
    crystal = as_lennard_jones(bulk("Ar", "fcc", a=5.3, cubic=True).repeat(3))
    marks = as_lennard_jones(Decahedron("Ar", 2, 2, 1))  # 75 atoms, five of them on the axis
    assert fivefold_bonds(bound(icosahedron)) == 12  # from the centre to each corner
    assert fivefold_bonds(bound(crystal)) == 0
    assert len(marks) == 75
    assert fivefold_bonds(bound(marks)) == 4


def test_packing_does_not_depend_on_orientation_or_order_and_tells_funnels_apart():
    rng = np.random.default_rng(0)
    marks, scale = as_lennard_jones(Decahedron("Ar", 2, 2, 1)), scale_of(75)
    turned = rng.permutation(marks) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert packing_of(marks, scale) == packing_of(turned, scale)
    assert packing_of(marks, scale) != packing_of(as_lennard_jones(Icosahedron("Ar", 4))[:75], scale)


def test_returns_go_evenly_to_the_lower_half_of_the_packings():
    lowest, rng = LowestOfPackings(), np.random.default_rng(0)
    for k in range(6):
        lowest.record(f"{k} 8", -float(k), np.full((2, 3), float(k)), 1e-6)
    energies = [chosen[1] for _ in range(400) if (chosen := lowest.choose(rng)) is not None]
    assert 160 < len(energies) < 240
    counts = [energies.count(-float(k)) for k in range(6)]
    assert counts[:3] == [0, 0, 0]
    assert max(counts[3:]) - min(counts[3:]) <= 1
    lowest.record("3 8", -3.5, np.full((2, 3), 9.0), 1e-6)  # lower: its turn, until it has had as many as the others
    after = [chosen for _ in range(40) if (chosen := lowest.choose(rng)) is not None]
    assert all(energy == -3.5 and (positions == 9.0).all() for positions, energy in after)
    again = LowestOfPackings()
    again.restore(json.loads(json.dumps(lowest.state())))
    assert again == lowest


def test_no_return_before_some_packings_are_known():
    lowest, rng = LowestOfPackings(), np.random.default_rng(0)
    for k in range(2):
        lowest.record(f"{k} 8", 0.0, np.zeros((2, 3)), 1e-6)
    assert all(lowest.choose(rng) is None for _ in range(50))


def test_stalled_walkers_return_and_the_state_goes_on_bit_for_bit():
    searcher = BasinHopping(scale_of(19), BasinHoppingSettings(walkers=4, patience=2), seed=1)
    returned = followed = 0
    for _ in range(40):
        again = BasinHopping.from_state(json.loads(json.dumps(searcher.state())), scale_of(19))
        structures = searcher.ask(4)
        for one, other in zip(structures, again.ask(4), strict=True):
            assert (one.positions == other.positions).all()
        results = RELAXER.relax(structures)
        starts = [walker.starts for walker in searcher.walks]
        searcher.tell(results)
        for walker, before in zip(searcher.walks, starts, strict=True):
            returned += walker.starts > before and walker.positions is not None
        followed += bool(searcher.lowest.following)
    assert returned > 3
    assert followed > 3


def test_walks_that_return_are_no_independent_starts():
    count = LowestCount()
    count.record(-5.0, 0, None)
    count.follow(1)
    count.record(-5.0, 1, None)
    assert count.times == 1
    count.restart(1)
    count.record(-5.0, 1, None)
    assert count.times == 2


def test_patient_walkers_never_return():
    searcher = BasinHopping("Ar13", BasinHoppingSettings(walkers=1, patience=1, moves={"rattle": 1.0}))
    for _ in range(40):
        results = [Relaxed(atoms, -1.0, 0.0, True, 1, 1) for atoms in searcher.ask(1)]
        searcher.tell(results)
    assert not searcher.packings.found


@pytest.mark.parametrize(("formula", "kind"), [("Ar38", "compact"), ("SeB11", "planar"), ("Au6Cu7", "compact")])
def test_a_symmetric_start_is_well_bound_for_what_is_grown_of_its_core(formula, kind):
    """Better bound than most that are grown of the same core one by one, whatever the seed."""
    scale, above = LengthScale.of(Composition.parse(formula)), []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        core = scale.seed(rng, kind)
        chosen = symmetric_start(core, scale, rng)
        assert chosen.shape == core.shape
        frames = Frames(core, scale)
        others = [scale.push_apart(frames.begin(rng, GROWN).finish()) for _ in range(8)]
        bonds = [cohesion(other, scale.bonds) for other in others]
        above.append(np.mean(cohesion(chosen, scale.bonds) > np.array(bonds)))
    assert np.mean(above) > 0.75  # of one that is drawn at random: 0.5


def test_the_race_is_won_by_what_has_most_bonds_on_the_way():
    scale, rng = scale_of(38), np.random.default_rng(0)
    growths = [Frames(scale.seed(rng), scale).begin(rng, GROWN) for _ in range(40)]
    for growth in growths:
        growth.grow_to(19)
    halfway = [promise(growth) for growth in growths]
    ends = [cohesion(growth.finish(), scale.bonds) for growth in growths]
    assert np.corrcoef(halfway, ends)[0, 1] > 0.5


def test_cohesion_is_highest_at_the_bond_length_and_counts_overlaps_against():
    scale = scale_of(2)

    def pair(ratio):
        return cohesion(np.array([[0.0, 0.0, 0.0], [ratio * scale.bond, 0.0, 0.0]]), scale.bonds)

    assert pair(1.0) == pytest.approx(1.0)
    assert pair(0.95) < 1.0 > pair(1.1) > pair(1.5) > 0.0 > pair(0.7)
