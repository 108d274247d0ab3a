"""What is chosen for a label: low, uncertain, unlike; never twice, never nonsense."""

import numpy as np
import pytest
from ase import Atoms

from iia_calc.improve.candidates import Candidate, load, save
from iia_calc.improve.select import ALIKE, choose
from search.geometry.composition import Composition
from search.geometry.fingerprint import Fingerprint
from search.geometry.seeds import random_cluster
from search.geometry.shape import shape_of


@pytest.fixture
def pool():
    rng = np.random.default_rng(0)
    composition = Composition.parse("SeB6")
    return [
        Candidate(random_cluster(composition, rng), -float(k), 0.1 * k, "minimum" if k % 3 else "uncertain")
        for k in range(30)
    ]


def moved(atoms: Atoms, rng: np.random.Generator) -> Atoms:
    """Turned, mirrored, atoms of one element in another order."""
    copy = atoms.copy()
    copy.rotate(rng.uniform(0, 360), "x")
    copy.positions[:, 2] *= -1
    order = np.concatenate([rng.permutation(np.flatnonzero(copy.numbers == z)) for z in np.unique(copy.numbers)])
    return copy[order]


def test_the_lowest_and_the_least_certain_come_first(pool):
    chosen = choose(pool, [], 10, share_lowest=0.4, share_uncertain=0.3)
    assert len(chosen) == 10
    minima = sorted((item for item in pool if item.origin == "minimum"), key=lambda item: item.energy)
    assert chosen[0] == minima[0]
    assert all(item.origin == "minimum" for item in chosen[:4])
    shapes = [shape_of(item.atoms) for item in chosen[:4]]
    assert len(set(shapes)) == min(4, len({shape_of(item.atoms) for item in minima}))
    rest = sorted((item for item in pool if item not in chosen[:4]), key=lambda item: -item.forces_std)
    assert chosen[4:7] == rest[:3]


def test_each_shape_has_its_lowest_labelled_before_any_has_two():
    rng = np.random.default_rng(3)
    composition = Composition.parse("B14")
    kinds = ["planar"] * 6 + ["tubular", "cage"]
    minima = [
        Candidate(random_cluster(composition, rng, kind), float(k), 0.0, "minimum") for k, kind in enumerate(kinds)
    ]
    shapes = [shape_of(item.atoms) for item in minima]
    assert len(set(shapes)) > 2
    firsts = [minima[shapes.index(shape)] for shape in dict.fromkeys(shapes)]
    chosen = choose(minima, [], 6, share_lowest=1.0)
    assert chosen[: len(firsts)] == firsts
    others = [item for item in minima if item not in firsts]
    assert chosen[len(firsts) :] == others[: 6 - len(firsts)]
    # of a shape whose lowest is labelled, the next one counts
    again = choose(minima, [minima[0].atoms], 1, share_lowest=1.0)
    assert again == [minima[1]]


def test_nothing_is_labelled_twice(pool):
    rng = np.random.default_rng(1)
    labelled = [moved(item.atoms, rng) for item in pool[:20]]
    chosen = choose(pool + pool[20:], labelled, 100)
    assert {id(item) for item in chosen} == {id(item) for item in pool[20:]}
    points = [Fingerprint(item.atoms.positions, item.atoms.numbers).pair_distances for item in chosen]
    for k, point in enumerate(points):
        assert all(np.sqrt(((point - other) ** 2).mean()) > ALIKE for other in points[:k])


def test_what_cannot_be_labelled_is_left_out(pool):
    collapsed = pool[0].atoms.copy()
    collapsed.positions[1] = collapsed.positions[0] + 0.1
    lost = pool[0].atoms.copy()
    lost.positions[0] = np.nan
    assert choose([Candidate(atoms, -1e3, 9.0, "minimum") for atoms in (collapsed, lost)], [], 5) == []
    assert choose([], [], 5) == []


def test_candidates_survive_the_file(pool, tmp_path):
    save(pool, tmp_path / "pool.extxyz")
    for ours, theirs in zip(pool, load(tmp_path / "pool.extxyz"), strict=True):
        assert (ours.energy, ours.origin) == (theirs.energy, theirs.origin)
        assert theirs.forces_std == pytest.approx(ours.forces_std)
        np.testing.assert_allclose(ours.atoms.positions, theirs.atoms.positions, atol=1e-7)
    save([], tmp_path / "none.extxyz")
    assert load(tmp_path / "none.extxyz") == []
