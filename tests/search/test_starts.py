"""Structures a search is given to begin with: relaxed first, gone on from, not counted as independent finds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ase import Atoms

from search import METHODS, Archive, Composition, LennardJones, find_minima
from search.islands.run import find_minima_on_islands
from search.searchers.starts import in_order

LOWEST_13 = -44.326801  # Cambridge Cluster Database, ε


def minima(result):
    return [(a.get_potential_energy(), a.info["first_quench"], a.positions.tolist()) for a in result.minima]


@pytest.fixture(scope="module")
def found():
    """Minima of LJ13, the lowest first."""
    return find_minima("Ar13", LennardJones(), quenches=200, seed=1).minima


@pytest.mark.parametrize("method", METHODS)
def test_given_minima_are_quenched_first_and_gone_on_from(found, method):
    given = [found[2], found[0]]
    result = find_minima("Ar13", LennardJones(), method, quenches=40, seed=5, starts=given, shape=lambda _: "compact")
    first = {a.info["first_quench"]: a.get_potential_energy() for a in result.minima}
    assert first[1] == pytest.approx(found[2].get_potential_energy(), abs=1e-4)
    assert first[2] == pytest.approx(LOWEST_13, abs=1e-4)
    assert result.n_quenches == 40
    assert result.convergence.lowest_found < 7  # the walk that begins at it has not found it by itself
    alone = find_minima("Ar13", LennardJones(), method, quenches=2, seed=5, starts=given)
    assert alone.convergence.lowest_found == 0
    assert find_minima("Ar13", LennardJones(), method, quenches=1, starts=given).n_quenches == 1


@pytest.mark.parametrize("method", METHODS)
def test_going_on_gives_the_same_and_other_starts_are_refused(tmp_path, found, method):
    given = found[1:4]
    settings = {"method": method, "seed": 3, "batch_size": 8, "starts": given}
    straight = find_minima("Ar13", LennardJones(), quenches=43, archive=tmp_path / "a", **settings)
    find_minima("Ar13", LennardJones(), quenches=27, archive=tmp_path / "b", **settings)
    assert minima(find_minima("Ar13", LennardJones(), quenches=43, archive=tmp_path / "b", **settings)) == minima(
        straight
    )
    with pytest.raises(ValueError, match="another search: starts"):
        find_minima("Ar13", LennardJones(), quenches=43, archive=tmp_path / "b", **settings | {"starts": found[:1]})
    with Archive(tmp_path / "b") as archive:
        assert len(archive) == len(straight.minima)


def test_islands_deal_them_out_and_give_the_same_for_any_workers(found):
    def search(workers, **more):
        with ThreadPoolExecutor(workers) as executor:
            return find_minima_on_islands(
                "Ar13", LennardJones, 3, quenches=96, seed=4, epoch=8, executor=executor, workers=workers, **more
            )

    one, three = search(1, starts=found[:5]), search(3, starts=found[:5])
    assert minima(one) == minima(three)
    assert one.minima[0].get_potential_energy() == pytest.approx(LOWEST_13, abs=1e-4)
    assert one.minima[0].info["first_quench"] == 1
    with pytest.raises(ValueError, match="25 starting structures, more than 3 islands"):
        search(1, starts=found[:5] * 5)


def test_atoms_may_come_in_any_order():
    atoms = Atoms("BSeBBC", np.arange(15.0).reshape(5, 3))
    composition = Composition.parse(atoms)
    (ordered,) = in_order([atoms], composition)
    assert ordered.get_chemical_symbols() == composition.symbols
    assert {(s, *p) for s, p in zip(ordered.symbols, ordered.positions.tolist(), strict=True)} == {
        (s, *p) for s, p in zip(atoms.symbols, atoms.positions.tolist(), strict=True)
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.append("B"), "structure 2 is SeB5; the search is for SeB4"),
        (lambda a: a.set_pbc(True), "structure 2 is periodic"),
        (lambda a: a.positions.__setitem__((0, 0), np.nan), "structure 2: positions are not finite"),
        (lambda a: a.positions.__setitem__(0, a.positions[1]), "structure 2 has two atoms in one place"),
    ],
)
def test_bad_starts_are_named_before_anything_is_relaxed(change, message):
    good = Atoms("SeB4", np.random.default_rng(0).normal(scale=2.0, size=(5, 3)), cell=(9, 9, 9))
    bad = good.copy()
    change(bad)

    class Never(LennardJones):
        def relax(self, structures):
            raise AssertionError

    with pytest.raises(ValueError, match=message):
        find_minima("SeB4", Never(), quenches=4, starts=[good, bad])
