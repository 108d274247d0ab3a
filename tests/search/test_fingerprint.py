"""Copies merge whatever was done to them; homotops, mirror images by option, and other minima stay apart."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from search import Composition, LennardJones, Sameness
from search.geometry.fingerprint import Fingerprint, align, same
from search.geometry.scale import LengthScale

BORON, SELENIUM = 5, 34


def disguise(positions, numbers, rng, mirror):
    """Permuted within elements, rotated, shifted and perhaps mirrored."""
    order = np.arange(len(numbers))
    for z in np.unique(numbers):
        order[numbers == z] = rng.permutation(np.flatnonzero(numbers == z))
    turned = positions[order] @ Rotation.random(random_state=int(rng.integers(1 << 31))).as_matrix().T
    return turned * (np.array([1.0, 1.0, -1.0]) if mirror else 1.0) + rng.normal(size=3)


def alike(a, b, numbers, bond, **options):
    return same(Fingerprint(a, numbers), Fingerprint(b, numbers), bond, Sameness(**options))


@pytest.mark.parametrize("formula", ["B12", "SeB16", "Se2B10", "B38", "SeB", "B3"])
@pytest.mark.parametrize("mirror", [False, True])
def test_disguised_copies_are_one(formula, mirror):
    rng = np.random.default_rng(5)
    scale = LengthScale(Composition.parse(formula))
    numbers = scale.composition.numbers
    for _ in range(8):
        positions = scale.seed(rng)
        copy = disguise(positions, numbers, rng, mirror) + rng.normal(scale=0.01, size=positions.shape)
        assert alike(positions, copy, numbers, scale.bond)


def test_random_structures_are_distinct():
    rng = np.random.default_rng(6)
    scale = LengthScale(Composition.parse("SeB12"))
    structures = [scale.seed(rng) for _ in range(40)]
    numbers = scale.composition.numbers
    pairs = [(i, j) for i in range(40) for j in range(i)]
    assert not any(alike(structures[i], structures[j], numbers, scale.bond) for i, j in pairs)


def test_symmetric_minima_jittered_and_quenched_again_are_one():
    """LJ13's icosahedron: 120 images, nothing to tell the atoms of the shell apart."""
    rng = np.random.default_rng(0)
    relaxer, composition = LennardJones(), Composition.parse("Ar13")
    scale = LengthScale.of(composition, relaxer)
    first = min(relaxer.relax([scale.atoms(scale.seed(rng)) for _ in range(16)]), key=lambda r: r.energy)
    assert first.energy == pytest.approx(-44.326801, abs=1e-4)
    numbers = composition.numbers
    jittered = [disguise(first.atoms.positions, numbers, rng, k % 2 == 1) for k in range(12)]
    jittered = [positions + rng.normal(scale=0.06, size=positions.shape) for positions in jittered]
    again = relaxer.relax([scale.atoms(positions) for positions in jittered])
    assert all(alike(first.atoms.positions, r.atoms.positions, numbers, scale.bond) for r in again)


def test_homotops_stay_two():
    """A double ring's sites, the dopant pair at each distance: skeletons equal, only the labels differ."""
    angles = 2 * np.pi * np.arange(8) / 8
    ring = np.column_stack([2.2 * np.cos(angles), 2.2 * np.sin(angles), np.zeros(8)])
    skeleton = np.concatenate([ring, ring + np.array([0, 0, 1.6])])
    numbers = np.array([BORON] * 14 + [SELENIUM] * 2)

    def homotop(i, j):
        rest = [k for k in range(16) if k not in (i, j)]
        return skeleton[[*rest, i, j]]

    assert alike(homotop(0, 1), homotop(3, 4), numbers, 1.68)  # control: the same one elsewhere
    assert alike(homotop(0, 1), homotop(9, 10), numbers, 1.68)
    different = [homotop(0, k) for k in (1, 2, 3, 4, 8, 9)]
    assert not any(alike(different[i], different[j], numbers, 1.68) for i in range(6) for j in range(i))


def test_equal_distance_lists_do_not_make_two_structures_one():
    """A homometric pair on a line: equal sorted distances, not congruent. Only the superposition sees it."""
    a = np.array([0.0, 1.0, 4.0, 10.0, 12.0, 17.0])
    b = np.array([0.0, 1.0, 8.0, 11.0, 13.0, 17.0])
    line = np.array([1.0, 0.0, 0.0])
    a, b = a[:, None] * line, b[:, None] * line
    numbers = np.full(6, BORON)
    p, q = Fingerprint(a, numbers), Fingerprint(b, numbers)
    assert np.allclose(p.pair_distances, q.pair_distances)
    assert not same(p, q, 1.68, Sameness())
    assert same(p, Fingerprint(-a, numbers), 1.68, Sameness())


def test_enantiomers_are_one_or_two():
    rng = np.random.default_rng(2)
    scale = LengthScale(Composition.parse("SeB12"))
    numbers = scale.composition.numbers
    chiral = scale.seed(rng, "compact")
    mirrored = disguise(chiral, numbers, rng, mirror=True)
    turned = disguise(chiral, numbers, rng, mirror=False)
    assert alike(chiral, mirrored, numbers, scale.bond)
    assert not alike(chiral, mirrored, numbers, scale.bond, enantiomers="two")
    assert alike(chiral, turned, numbers, scale.bond, enantiomers="two")


@pytest.mark.parametrize("mirror", [False, True])
def test_align_undoes_a_disguise(mirror):
    rng = np.random.default_rng(3)
    scale = LengthScale(Composition.parse("SeB16"))
    numbers = scale.composition.numbers
    for _ in range(10):
        positions = scale.seed(rng, "compact") + 3.0
        aligned = align(positions, disguise(positions, numbers, rng, mirror), numbers)
        assert np.abs(aligned - positions).max() < 1e-8


def test_align_brings_others_closer():
    rng = np.random.default_rng(4)
    scale = LengthScale(Composition.parse("Se2B14"))
    numbers = scale.composition.numbers
    for _ in range(10):
        a, b = (x - x.mean(0) for x in (scale.seed(rng), scale.seed(rng)))
        aligned = align(a, b, numbers)
        assert ((aligned - a) ** 2).sum() < ((b - a) ** 2).sum()
        assert alike(aligned, b, numbers, scale.bond)  # still the same structure


@pytest.mark.parametrize(
    ("setting", "message"),
    [({"enantiomers": "three"}, "one, two"), ({"energy_tolerance": 0.0}, "energy_tolerance is 0.0")],
)
def test_bad_settings(setting, message):
    with pytest.raises(ValueError, match=message):
        Sameness(**setting)
