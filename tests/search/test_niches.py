"""Shapes kept alive side by side: niches for walkers and sources, by whatever says what shape a cluster has."""

import json

import numpy as np
import pytest

from search import BasinHopping, BasinHoppingSettings, BeeColony, BeeColonySettings, LennardJones, Relaxed, find_minima
from search.geometry.seeds import KINDS

METHODS = {BasinHopping: BasinHoppingSettings(walkers=8), BeeColony: BeeColonySettings(sources=8)}


def by_mark(atoms):
    """The shape is written on the first atom."""
    return KINDS[int(atoms.positions[0, 0])]


def slots(searcher):
    return searcher.walks


def answer(structures, shapes, energies):
    results = []
    for atoms, shape, energy in zip(structures, shapes, energies, strict=True):
        marked = atoms.copy()
        marked.positions[0, 0] = KINDS.index(shape)
        results.append(Relaxed(marked, energy, 0.0, True, 1, 1))
    return results


@pytest.mark.parametrize("method", METHODS)
def test_a_niche_keeps_its_shape_against_lower_ones(method):
    searcher = method("B12", METHODS[method], shape=by_mark)
    niches = [searcher.niche(k) for k in range(8)]
    assert niches == [None, "compact", None, "planar", None, "tubular", None, "cage"]
    own = [niche or "compact" for niche in niches]
    searcher.tell(answer(searcher.ask(8), own, -np.arange(8.0)))
    rng = np.random.default_rng(0)
    for _ in range(5):  # planar ones ever lower: the free ones and the planar niche follow, the others stay
        trials = searcher.ask(8)
        searcher.tell(answer(trials, ["planar"] * 8, -100.0 - rng.uniform(0.0, 50.0, size=8)))
        searcher = method.from_state(json.loads(json.dumps(searcher.state())), "B12", shape=by_mark)
    for k, slot in enumerate(slots(searcher)):
        if niches[k] in ("compact", "tubular", "cage"):
            assert slot.energy > -100.0 or slot.positions is None
    free = method("B12", METHODS[method])
    assert [free.niche(k) for k in range(8)] == [None] * 8


def test_a_walker_that_left_its_niche_at_the_start_comes_home():
    searcher = BasinHopping("B12", METHODS[BasinHopping], shape=by_mark)
    searcher.tell(answer(searcher.ask(8), ["planar"] * 8, [-5.0] * 8))
    assert [w.home for w in searcher.walks] == [False, False, False, True, False, False, False, False]
    searcher.tell(answer(searcher.ask(8), ["cage"] * 8, [-1.0] * 8))
    assert searcher.walks[7].home
    assert searcher.walks[7].energy == -1.0
    assert searcher.walks[3].energy == -5.0  # refused


def test_shapes_found_with_niches(tmp_path):
    def shape(atoms):
        return KINDS[int(np.linalg.norm(atoms.positions - atoms.positions.mean(0), axis=1).max() > 1.2)]

    arguments = {"quenches": 64, "seed": 1, "archive": tmp_path}
    result = find_minima("Ar9", LennardJones(), shape=shape, **arguments)
    assert result.n_quenches == 64
    with pytest.raises(ValueError, match="niches was True, now False"):
        find_minima("Ar9", LennardJones(), **{**arguments, "quenches": 96})
