"""Ask and tell: the protocol, its misuse, the state, and what each method does with results."""

import json

import numpy as np
import pytest

from search import BasinHopping, BasinHoppingSettings, BeeColony, BeeColonySettings, LennardJones, Relaxed
from search.geometry.composition import Composition
from search.geometry.scale import LengthScale
from search.searchers.base import settings_from

METHODS = [BasinHopping, BeeColony]
RELAXER = LennardJones()
LJ13 = LengthScale.of(Composition.parse("Ar13"), RELAXER)


def answer(structures, energy=None, **changes):
    """Results without a potential: what was asked, at energies that were asked for."""
    values = {"fmax": 0.0, "converged": True, "n_steps": 1, "n_evaluations": 1, **changes}
    return [Relaxed(a, -float(k) if energy is None else energy, **values) for k, a in enumerate(structures)]


@pytest.mark.parametrize("method", METHODS)
def test_misuse_is_refused(method):
    searcher = method("SeB8")
    with pytest.raises(RuntimeError, match="ask for structures before"):
        searcher.tell([])
    with pytest.raises(ValueError, match="at least 1"):
        searcher.ask(0)
    structures = searcher.ask(3)
    with pytest.raises(RuntimeError, match="tell the 3 results"):
        searcher.ask(3)
    with pytest.raises(RuntimeError, match="tell the 3 results"):
        searcher.state()
    with pytest.raises(ValueError, match="3 structures were asked for, 2 results"):
        searcher.tell(answer(structures[:2]))
    with pytest.raises(ValueError, match="in the order in which they were asked"):
        searcher.tell(answer([atoms[::-1] for atoms in structures]))
    searcher.tell(answer(structures))  # a refused tell left it waiting


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [5, 16, 40])
def test_state_goes_on_bit_for_bit(method, batch):
    straight = method(LJ13, seed=3)
    for _ in range(4):
        straight.tell(RELAXER.relax(straight.ask(batch)))
    resumed = method.from_state(json.loads(json.dumps(straight.state())), LJ13)
    for _ in range(3):
        for searcher in (straight, resumed):
            searcher.tell(RELAXER.relax(searcher.ask(batch)))
    assert resumed.state() == straight.state()
    other = method(LJ13, seed=4)
    assert other.rng.bit_generator.state != straight.rng.bit_generator.state


def test_state_of_another_method_is_refused():
    with pytest.raises(ValueError, match="state of bee-colony, not of basin-hopping"):
        BasinHopping.from_state(BeeColony("B8").state(), "B8")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "changes", [{"converged": False}, {"fragmented": True}, {"energy": float("nan")}, {"energy": -np.inf}]
)
def test_what_is_no_minimum_is_not_taken(method, changes):
    searcher = method("SeB8")
    n = searcher.batch_size
    searcher.tell(answer(searcher.ask(n)))
    kept = [w.energy for w in searcher.walks]
    searcher.tell(answer(searcher.ask(n), **{"energy": -100.0, **changes}))
    after = [w.energy for w in searcher.walks]
    assert after == kept
    searcher.tell(answer(searcher.ask(n), energy=-100.0))  # control: a sound one is
    assert -100.0 in [w.energy for w in searcher.walks]


def test_metropolis_rate():
    """Rises of kT are accepted in exp(−1) of the cases, falls always; at zero temperature no rise is."""
    for temperature, expected in ((0.5, np.exp(-1.0)), (0.0, 0.0)):
        searcher = BasinHopping("B6", BasinHoppingSettings(walkers=1, temperature=temperature, patience=10**6))
        energy, taken = 0.0, 0
        searcher.tell(answer(searcher.ask(1), energy=energy))
        for _ in range(1500):
            searcher.walks[0].energy = 0.0
            searcher.tell(answer(searcher.ask(1), energy=0.5))
            taken += searcher.walks[0].energy == 0.5
        assert taken / 1500 == pytest.approx(expected, abs=0.045)


def test_a_stalled_walker_starts_again():
    searcher = BasinHopping("B6", BasinHoppingSettings(walkers=1, patience=5))
    searcher.tell(answer(searcher.ask(1), energy=-1.0))
    for _ in range(5):
        assert searcher.walks[0].starts == 0
        searcher.tell(answer(searcher.ask(1), energy=-1.0))
    assert searcher.walks[0].starts == 1
    assert searcher.walks[0].positions is None


def test_a_spent_source_is_left_and_sources_stay_distinct():
    searcher = BeeColony(LJ13, BeeColonySettings(sources=4, limit=3))
    for _ in range(30):
        searcher.tell(RELAXER.relax(searcher.ask(8)))
        energies = sorted(s.energy for s in searcher.walks if s.positions is not None)
        assert all(s.failures < 3 for s in searcher.walks)
        assert len(energies) < 2 or np.diff(energies).min() > 1e-4
    assert searcher.moves.counts["mix"].tries > 20


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BasinHoppingSettings(walkers=0), "walkers is 0; it must be a whole number of at least 1"),
        (lambda: BasinHoppingSettings(temperature=float("nan")), "temperature is nan"),
        (lambda: BasinHoppingSettings(target_acceptance=1.0), "between 0 and 1"),
        (lambda: BeeColonySettings(sources=1), "sources is 1; it must be a whole number of at least 2"),
        (lambda: BeeColonySettings(selection=-1.0), "selection is -1.0"),
        (lambda: BeeColonySettings.without(["hop"]), "moves hop are not known; choose among rattle, .* mix"),
        (lambda: settings_from(BeeColonySettings, {"bees": 3}), "has no bees; it has sources, limit"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_settings_of_the_other_method():
    with pytest.raises(TypeError, match="takes BasinHoppingSettings, not BeeColonySettings"):
        BasinHopping("B8", BeeColonySettings())


def test_walkers_without_symmetric_starts_are_more_patient():
    """Four times so in a niche, after four random starts, and twelve times without that move."""
    searcher = BasinHopping("B6", BasinHoppingSettings(walkers=2, patience=2), shape=lambda atoms: "none of them")
    for _ in range(3 * 12):
        searcher.tell(answer(searcher.ask(2), energy=-1.0))
    assert searcher.walks[0].starts > 5
    assert searcher.walks[1].starts == 36 // (4 - 1 + 4 * 2)
    plain = BasinHopping("B6", BasinHoppingSettings(walkers=1, patience=2, moves={"rattle": 1.0}))
    for _ in range(3 * 12):
        plain.tell(answer(plain.ask(1), energy=-1.0))
    assert plain.walks[0].starts == 1


def test_a_walker_of_a_niche_goes_on_from_the_lowest_of_its_random_starts():
    searcher = BasinHopping("B6", BasinHoppingSettings(walkers=2), shape=lambda atoms: "compact")
    for energy in (-3.0, -5.0, -4.0, -1.0):
        assert searcher.walks[1].seeds > 0
        results = answer(searcher.ask(2), energy=energy)
        results[1].atoms.positions[0, 0] = energy
        searcher.tell(results)
    walk = searcher.walks[1]
    assert (walk.seeds, walk.energy, walk.positions[0, 0]) == (0, -5.0, -5.0)
    again = BasinHopping.from_state(searcher.state(), "B6", shape=lambda atoms: "compact")
    assert again.state() == searcher.state()
    before = walk.positions.copy()
    moved = searcher.ask(2)[1].positions
    assert np.linalg.norm(moved - before) > 0
    assert searcher._pending[1][1] is not None  # a move, no further start
