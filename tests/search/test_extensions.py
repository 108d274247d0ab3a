"""What third parties add: a searcher, a move, a relaxer; each by the names at the top of the package alone."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ase import Atoms

from search import (
    MOVES,
    BasinHoppingSettings,
    Island,
    LennardJones,
    Move,
    Relaxed,
    Searcher,
    find_minima,
    find_minima_on_islands,
    register_move,
)

LOWEST_13 = -44.326801  # Cambridge Cluster Database, ε


class Shaken(Searcher):
    """Shakes the best of all, or what it was handed, and hardly ever leaves it."""

    name = "shaken"
    batch_size = 4

    def __init__(self, composition, settings=None, seed=0, shape=None):
        super().__init__(composition, settings, seed, shape)
        self.best, self.energy, self.handed = None, float("inf"), 0

    def propose(self):
        if self.best is None:
            return "seed", self.scale.seed(self.rng)
        return "shake", self.best + self.rng.normal(scale=0.02 * self.scale.bond, size=self.best.shape)

    def learn(self, ticket, relaxed):
        assert ticket in ("seed", "shake")
        if relaxed.converged and relaxed.energy < self.energy:
            self.best, self.energy = relaxed.atoms.positions.copy(), relaxed.energy

    def accept(self, positions, energy, shape):
        if energy >= self.energy:
            return None
        self.best, self.energy, self.handed = positions, energy, self.handed + 1
        return 0

    def own_state(self):
        best = None if self.best is None else self.best.tolist()
        return {"best": best, "energy": self.energy, "handed": self.handed}

    def restore(self, state):
        self.best = None if state["best"] is None else np.array(state["best"])
        self.energy, self.handed = state["energy"], state["handed"]


def summary(result):
    return [(a.get_potential_energy(), a.info["times_found"], a.positions.tolist()) for a in result.minima]


def test_a_searcher_of_ones_own_goes_on_and_takes_starts(tmp_path):
    straight = find_minima("Ar7", LennardJones(), Shaken, quenches=40, seed=2)
    find_minima("Ar7", LennardJones(), Shaken, quenches=20, seed=2, archive=tmp_path)
    again = find_minima("Ar7", LennardJones(), Shaken, quenches=40, seed=2, archive=tmp_path)
    assert summary(again) == summary(straight)
    assert again.method == "shaken"
    assert again.moves == {}
    with pytest.raises(ValueError, match="method was 'shaken', now 'basin-hopping'"):
        find_minima("Ar7", LennardJones(), quenches=80, seed=2, batch_size=4, archive=tmp_path)
    with pytest.raises(ValueError, match="NoSettings has no step; it has no settings"):
        find_minima("Ar7", LennardJones(), Shaken, quenches=4, settings={"step": 1})
    begun = find_minima("Ar7", LennardJones(), Shaken, quenches=8, seed=2, starts=straight.minima[:1])
    assert begun.minima[0].info["first_quench"] == 1


def test_a_searcher_of_ones_own_lives_on_islands_with_others():
    handed = []

    class Watching(ThreadPoolExecutor):
        def submit(self, fn, /, epoch):
            future = super().submit(fn, epoch)
            if epoch.method is Shaken:
                handed.append(future.result()["state"]["handed"])
            return future

    islands = [Island(), Island(Shaken)]
    with Watching(1) as executor:
        result = find_minima_on_islands(
            "Ar13", LennardJones, islands, quenches=192, seed=5, epoch=16, executor=executor
        )
    assert [island["method"] for island in result.islands] == ["basin-hopping", "shaken"]
    assert result.islands[1]["guests"] == handed[-1] > 0
    assert result.islands[1]["lowest_energy"] == pytest.approx(LOWEST_13, abs=1e-4)


@pytest.fixture
def stretch():
    """Along a random axis, and squeezed across it."""
    calls = []

    def change(positions, scale, rng, step):
        calls.append(step)
        axis = rng.normal(size=3)
        axis /= np.linalg.norm(axis)
        return positions + step * np.outer(positions @ axis, axis)

    move = register_move(Move("axial stretch", change, step=0.4, min_atoms=4))
    yield move, calls
    del MOVES["axial stretch"]


def test_a_move_of_ones_own_is_drawn_and_counted(stretch, tmp_path):
    move, calls = stretch
    settings = BasinHoppingSettings(moves={"rattle": 1.0, "axial stretch": 3.0}, interval=10)
    result = find_minima("Ar9", LennardJones(), quenches=120, settings=settings, archive=tmp_path)
    assert result.moves["axial stretch"]["tries"] == len(calls) > 10
    assert result.moves["rattle"]["tries"] > 10
    assert len(set(calls)) > 1  # its step follows the acceptance
    assert find_minima("Ar3", LennardJones(), quenches=40, settings=settings).moves.keys() == {"rattle"}
    assert register_move(move) is move
    with pytest.raises(ValueError, match="there is a move 'axial stretch' already"):
        register_move(Move("axial stretch", lambda positions, scale, rng, step: positions))


def test_a_move_that_combines_two_minima(tmp_path):
    mates = []

    def middle(positions, mate, scale, rng):
        mates.append(np.array_equal(positions, mate))
        return 0.5 * (positions + mate)

    register_move(Move("middle", combine=middle))
    try:
        result = find_minima("Ar7", LennardJones(), quenches=80, settings={"moves": {"rattle": 1.0, "middle": 1.0}})
    finally:
        del MOVES["middle"]
    assert result.moves["middle"]["tries"] == len(mates) > 10
    assert mates.count(False) > 10


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Move("none"), "needs either change or combine"),
        (lambda: Move("both", lambda *a: a[0], lambda *a: a[0]), "needs either change or combine"),
        (
            lambda: Move("step", lambda *a: a[0], step=0.0),
            "the step of move 'step' is 0.0; it must be",
        ),
        (lambda: BasinHoppingSettings(moves={"fly": 1.0}), "moves fly are not known; choose among rattle"),
    ],
)
def test_moves_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_move_that_loses_atoms_is_named():
    register_move(Move("lossy", lambda positions, scale, rng, step: positions[1:]))
    try:
        with pytest.raises(ValueError, match=r"move 'lossy' gives positions of shape \[6, 3\] for 7 atoms"):
            find_minima("Ar7", LennardJones(), quenches=80, settings={"moves": {"rattle": 0.1, "lossy": 1.0}})
    finally:
        del MOVES["lossy"]


class Harmonic:
    """A relaxer that derives from nothing: every cluster becomes a row of atoms 1 apart, at its number of atoms."""

    signature, bond_length = "harmonic", 1.0

    def relax(self, structures):
        row = [Atoms(a.numbers, np.arange(len(a))[:, None] * [1.0, 0.0, 0.0]) for a in structures]
        return [Relaxed(atoms, -float(len(atoms)), 0.0, True, 1, 1) for atoms in row]


def test_a_relaxer_of_ones_own():
    result = find_minima("Ar5", Harmonic(), quenches=12)
    assert [(a.get_potential_energy(), a.info["times_found"]) for a in result.minima] == [(-5.0, 12)]


def test_a_relaxer_that_lacks_something_is_told_what():
    class Unsigned:
        bond_length = 1.0

        def relax(self, structures):
            raise AssertionError

    with pytest.raises(TypeError, match=r"a Unsigned; give something with relax.* it lacks signature\)"):
        find_minima("Ar5", Unsigned(), quenches=12)


class Unfinished:
    """A relaxer with a mistake in it."""

    signature, bond_length = "unfinished", 1.0

    def relax(self, structures):
        return [Relaxed(atoms, 0.0, 0.0, True) for atoms in structures]


@pytest.mark.parametrize("quenches", [1, 8])
def test_a_search_of_which_everything_fails_says_why_however_short(quenches):
    with pytest.raises(
        RuntimeError, match=rf"for each of the {quenches} structures; the last: failed: TypeError: .*n_st"
    ):
        find_minima("Ar5", Unfinished(), quenches=quenches)
    with ThreadPoolExecutor(1) as executor, pytest.raises(RuntimeError, match="TypeError"):
        find_minima_on_islands("Ar5", Unfinished, 1, quenches=quenches, executor=executor)


@pytest.mark.parametrize("method", [Shaken("Ar5"), 5, Harmonic, Shaken("Ar5").propose])
def test_a_method_that_is_no_searcher_class_is_refused(method):
    with pytest.raises(TypeError, match=r"neither a name nor a class derived from search\.Searcher"):
        find_minima("Ar5", LennardJones(), method, quenches=4)


def test_a_move_with_other_arguments_is_refused_where_it_is_made():
    with pytest.raises(TypeError, match=r"move 'short' must take \(positions, scale, rng, step\): too many positional"):
        Move("short", lambda positions, scale, rng: positions)
    with pytest.raises(TypeError, match=r"move 'two' must take \(positions, mate, scale, rng\)"):
        Move("two", combine=lambda positions, mate, scale, rng, step: positions)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda positions, scale, rng, step: positions * np.nan, ValueError, "not finite"),
        (lambda positions, scale, rng, step: positions[0, 7], RuntimeError, "failed: IndexError"),
        (lambda positions, scale, rng, step: None, RuntimeError, "failed: TypeError|shape"),
    ],
)
def test_a_move_that_fails_is_named(change, error, message):
    register_move(Move("poor", change))
    try:
        with pytest.raises((error, ValueError), match=rf"move 'poor' .*({message}|shape)"):
            find_minima("Ar7", LennardJones(), quenches=80, settings={"moves": {"rattle": 0.1, "poor": 1.0}})
    finally:
        del MOVES["poor"]


@pytest.mark.parametrize("starts", [Atoms("Ar2", [(0, 0, 0), (0, 0, 1)]), [None], ["a.xyz"]])
def test_starts_that_are_no_list_of_structures_are_told(starts):
    with pytest.raises(TypeError, match=r"give (a list|ASE Atoms)"):
        find_minima("Ar2", LennardJones(), quenches=1, starts=starts)
