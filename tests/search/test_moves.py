"""Moves: no overlaps, input untouched, elements kept, and what each is for."""

import numpy as np
import pytest

from search import BasinHoppingSettings, BeeColonySettings, Composition, LennardJones
from search.geometry.scale import LengthScale
from search.geometry.sites import cap_sites, distinct, dopant_sites
from search.moves.counts import Step
from search.moves.registry import DEFAULT_SHARES, MOVES, MoveSet, moves_without
from search.moves.surface import coordination, fill


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("formula", ["B12", "SeB16", "Se2B10", "SeB2", "B4"])
def test_no_overlaps_and_input_untouched(name, formula):
    move, scale = MOVES[name], LengthScale(Composition.parse(formula))
    if not move.applicable(scale.composition):
        assert name in ("swap", "relocate") or scale.composition.n_atoms < 6
        return
    rng = np.random.default_rng(1)
    for _ in range(15):
        positions = scale.seed(rng)
        before = positions.copy()
        moved = move(positions, scale, rng)
        assert (positions == before).all()
        assert moved.shape == before.shape
        assert np.isfinite(moved).all()
        gaps = np.linalg.norm(moved[:, None] - moved[None, :], axis=-1) / scale.bonds
        assert gaps[np.triu_indices(len(gaps), 1)].min() > 0.7
        gaps = np.linalg.norm(before[:, None] - before[None, :], axis=-1)
        assert np.abs(np.linalg.norm(moved[:, None] - moved[None, :], axis=-1) - gaps).max() > 1e-3


def test_dopant_moves_need_a_dopant():
    shares = {"rattle": 1.0, "swap": 1.0, "relocate": 1.0}
    assert set(MoveSet.of(Composition.parse("B12"), shares).shares) == {"rattle"}
    assert set(MoveSet.of(Composition.parse("SeB11"), shares).shares) == set(shares)


def test_swap_exchanges_two_elements_and_nothing_else():
    scale = LengthScale(Composition.parse("Se2B10"))
    rng = np.random.default_rng(0)
    positions = scale.seed(rng)
    for _ in range(20):
        moved = MOVES["swap"].change(positions.copy(), scale, rng, 0.0)
        changed = np.flatnonzero((moved != positions).any(1))
        assert len(changed) == 2
        assert len(set(scale.composition.numbers[changed])) == 2


def test_surface_moves_the_worst_bound_atom_to_where_it_touches():
    scale = LengthScale(Composition.parse("B13"))
    rng = np.random.default_rng(0)
    positions = scale.seed(rng, "compact")
    positions[4] = positions.mean(0) + np.array([0.0, 0.0, 9.0])
    assert coordination(positions, scale).argmin() == 4
    hits = 0
    for _ in range(40):
        moved = MOVES["surface"].change(positions.copy(), scale, rng, 0.0)
        if (moved[4] != positions[4]).any():
            hits += 1
            nearest = np.linalg.norm(np.delete(moved, 4, 0) - moved[4], axis=1).min()
            assert nearest == pytest.approx(scale.bond, rel=1e-6)
    assert hits > 15


def test_sites_on_a_triangle():
    """Two caps, three bridges and three rim sites, each at the bond length; inside a wall there is none."""
    side = 1.68
    triangle = side / np.sqrt(3) * np.array([[1, 0, 0], [-0.5, 0.75**0.5, 0], [-0.5, -(0.75**0.5), 0]])
    sites = dopant_sites(triangle, np.full((3, 3), side), np.full(3, side))
    assert {kind: len(found) for kind, found in sites.items()} == {"rim": 3, "bridge": 3, "cap": 2}
    for found in sites.values():
        nearest = np.linalg.norm(found[:, None] - triangle[None], axis=-1).min(1)
        assert np.allclose(nearest, side)


def test_relocate_moves_a_dopant_only():
    scale = LengthScale(Composition.parse("SeB12"))
    rng = np.random.default_rng(3)
    positions = scale.seed(rng, "planar")
    for _ in range(10):
        moved = MOVES["relocate"].change(positions.copy(), scale, rng, 0.0)
        assert (np.flatnonzero((moved != positions).any(1)) == [12]).all()


def test_the_worst_bound_dopant_is_relocated_to_where_bonds_are():
    scale = LengthScale(Composition.parse("Se2B12"))
    rng = np.random.default_rng(0)
    positions = scale.seed(rng, "compact")
    positions[13] = positions.mean(0) + np.array([0.0, 0.0, 9.0])
    moved = [MOVES["relocate"].change(positions.copy(), scale, rng, 0.0) for _ in range(40)]
    first = [bool((x[13] != positions[13]).any()) for x in moved]
    assert 20 < sum(first) < 38  # mostly the loose one, not always
    bonds = [coordination(x, scale)[13] for x, it in zip(moved, first, strict=True) if it]
    assert min(bonds) > 0.9


def test_squares_have_a_site_on_either_side():
    """A hollow over a square of four: three of them are no triangle of neighbours."""
    square = 1.68 * np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    sites = distinct(cap_sites(square, np.full((4, 4), 1.68), np.full(4, 1.68)), np.full(4, 1.68))
    assert len(sites) == 2
    assert np.allclose(np.linalg.norm(sites[:, None] - square[None], axis=-1), 1.68)


def test_fill_takes_the_sites_that_bind_together():
    """Two side by side beat the best single one; of two that clash one is filled."""
    sites = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [9.0, 0.0, 0.0], [1.2, 0.0, 0.0]])
    assert sorted(fill(sites, np.array([3.0, 3.0, 3.5, 2.9]), 1.0, 2)) == [0, 1]
    assert sorted(fill(sites, np.array([3.0, 3.0, 3.5, 2.9]), 1.0, 4)) == [0, 1, 2]
    assert fill(sites, np.array([3.0, 3.0, 3.5, 2.9]), 1.0, 1) == [2]


def test_moves_left_out():
    left = moves_without(["symmetrise", "splice"])
    assert set(DEFAULT_SHARES) - set(left) == {"symmetrise", "splice"}
    with pytest.raises(ValueError, match="moves jump are not known; choose among rattle"):
        moves_without(["jump"])
    hot = BasinHoppingSettings.without(["symmetrise"])
    assert hot.temperature == 4 * BasinHoppingSettings().temperature
    assert hot.moves["rattle"] == DEFAULT_SHARES["rattle"] + DEFAULT_SHARES["symmetrise"]
    assert sum(hot.moves.values()) == pytest.approx(sum(DEFAULT_SHARES.values()))
    assert BasinHoppingSettings.without(["refill"]).temperature == BasinHoppingSettings().temperature
    assert set(BeeColonySettings().moves) - set(BeeColonySettings.without(["mix"]).moves) == {"mix"}


def test_length_scale_of_the_relaxer():
    composition = Composition.parse("Ar13")
    assert LengthScale.of(composition, LennardJones(sigma=2.0)).bond == pytest.approx(2.0 * 2 ** (1 / 6))
    assert LengthScale.of(composition).bond == pytest.approx(2.12)
    with pytest.raises(ValueError, match="bond_length is -1"):
        LengthScale.with_bond(composition, -1.0)


def test_coincident_atoms_are_separated():
    scale = LengthScale(Composition.parse("B6"))
    apart = scale.push_apart(np.zeros((6, 3)))
    gaps = np.linalg.norm(apart[:, None] - apart[None, :], axis=-1)[np.triu_indices(6, 1)]
    assert gaps.min() > 0.7 * scale.bond


def test_step_follows_the_acceptance():
    short, long = Step(0.4), Step(0.4)
    for _ in range(100):
        short.record(False, 0.5, 50, 0.8)
        long.record(True, 0.5, 50, 0.8)
    assert short.size == pytest.approx(0.4 * 0.81)
    assert long.size == pytest.approx(0.4 / 0.81)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"jump": 1.0}, "jump .* choose among rattle, surface"),
        ({"rattle": -1.0}, "0 or above"),
        ({"swap": 1.0}, "single element"),
    ],
)
def test_bad_shares(shares, message):
    with pytest.raises(ValueError, match=message):
        MoveSet.of(Composition.parse("SeB11"), shares)


def test_splice_takes_a_side_from_each():
    scale = LengthScale(Composition.parse("Se2B14"))
    rng = np.random.default_rng(0)
    for kind in ("compact", "planar"):
        one, other = scale.seed(rng, kind), scale.seed(rng, kind)
        child = MOVES["splice"].combine(one.copy(), other, scale, rng)
        between = [np.linalg.norm(x[:, None] - x[None], axis=-1) for x in (one, other, child)]
        kept = np.isclose(between[2], between[0], atol=1e-6).sum(1) > 2
        assert 2 <= kept.sum() <= 14


def test_mates_are_aligned_before_they_are_mixed():
    """With a turned, mirrored and permuted copy of itself a minimum stays what it is; with another it doesn't."""
    scale, lj = LengthScale.of(Composition.parse("Ar13"), LennardJones()), LennardJones()
    rng = np.random.default_rng(3)
    one, other = (r.atoms.positions for r in lj.relax([scale.atoms(scale.seed(rng)) for _ in range(2)]))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    copy = one[rng.permutation(13)] @ turn + 2.0
    assert MOVES["mix"].combine(one.copy(), copy, scale, rng) == pytest.approx(one, abs=1e-6)
    assert np.abs(MOVES["mix"].combine(one.copy(), other, scale, rng) - one).max() > 0.1


def test_shares_follow_what_pays_and_none_dies():
    moves = MoveSet.of(Composition.parse("B12"), {"rattle": 1.0, "twist": 1.0, "surface": 2.0})
    for _ in range(600):
        moves.record("twist", True, True)
        moves.record("rattle", True, False)
        moves.record("surface", False, False)
    assert sum(moves.current.values()) == pytest.approx(1.0)
    assert moves.current["twist"] > 0.6
    assert moves.current["rattle"] > 0.25 * 0.25
    assert moves.current["surface"] > 0.25 * 0.5
    fixed = MoveSet.of(Composition.parse("B12"), {"rattle": 1.0, "twist": 1.0}, adapt=False)
    fixed.record("twist", True, True)
    assert fixed.current == {"rattle": 0.5, "twist": 0.5}
    drawn = [moves.draw(np.random.default_rng(k)) for k in range(300)]
    assert drawn.count("twist") / 300 == pytest.approx(moves.current["twist"], abs=0.1)


def test_refill_puts_atoms_on_better_sites():
    relaxer = LennardJones()
    scale = LengthScale.of(Composition.parse("Ar20"), relaxer)
    rng = np.random.default_rng(0)
    starts = [r.atoms.positions for r in relaxer.relax([scale.atoms(scale.seed(rng)) for _ in range(24)])]
    gains = [coordination(MOVES["refill"](x, scale, rng), scale).sum() - coordination(x, scale).sum() for x in starts]
    assert np.median(gains) > -1.0
    assert max(gains) > 0.0
