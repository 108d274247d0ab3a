"""Searchers and moves of one's own, named in the shell."""

from __future__ import annotations

import numpy as np
import pytest

from iia_calc.isomers.method import GPU_WALKERS, islands_of, read_moves, searcher_class, settings_with, walkers_on
from iia_calc.isomers.request import SearchRequest
from iia_calc.isomers.search import search_isomers
from search import MOVES, LennardJones
from search.errors import InputError, InputTypeError
from search.searchers.basin_hopping import BasinHopping

OWN = """
from search import Move, Searcher, register_move

class Restart(Searcher):
    name = "restart"
    batch_size = 4
    def propose(self):
        return None, self.scale.seed(self.rng)
    def learn(self, ticket, relaxed):
        pass
    def own_state(self):
        return {}
    def restore(self, state):
        pass

def mirror_half(positions, scale, rng, step):
    half = positions[:, 2] > positions[:, 2].mean()
    positions[half] *= -1
    return positions

register_move(Move("mirror-half", mirror_half))
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module with a searcher and a move, in the current folder; its name."""
    name = f"own_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(OWN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield name
    MOVES.pop("mirror-half", None)


def test_a_searcher_and_a_move_of_ones_own(own):
    found = search_isomers(
        "B4", relaxer=LennardJones(), method=f"{own}:Restart", known=False, quenches=4, picture=False
    )
    assert found.result.method == "restart"
    moved = search_isomers(
        "B5",
        relaxer=LennardJones(),
        moves={f"{own}:mirror-half": np.float64(2.0), "surface": 0},
        known=False,
        quenches=40,
        picture=False,
    )
    assert moved.result.moves["mirror-half"]["tries"] > 0
    assert "surface" not in moved.result.moves


def test_islands_of_a_method_of_ones_own(own):
    assert [island.method.__name__ for island in islands_of(3, f"{own}:Restart", {})] == ["Restart"] * 3
    mixed = islands_of(4, None, {"twist": 0.0})
    assert all(island.settings["moves"]["twist"] == 0.0 for island in mixed)
    assert mixed[1].settings["moves"]["symmetrise"] < mixed[0].settings["moves"]["symmetrise"]  # stays as it was


def test_what_makes_no_sense_is_refused(own):
    with pytest.raises(InputTypeError, match=r"derived from search\.Searcher"):
        searcher_class(f"{own}:mirror_half")
    with pytest.raises(InputError, match="has no moves"):
        settings_with(searcher_class(f"{own}:Restart"), {}, {"twist": 0.5})
    with pytest.raises(InputError, match="moves fly are not known; choose among rattle"):
        settings_with(BasinHopping, {}, {"fly": 0.5})
    with pytest.raises(InputError, match="module 'nowhere' can't be imported"):
        settings_with(BasinHopping, {}, {"nowhere:fly": 0.5})
    for moves in ("twist", ["twist"], None):
        with pytest.raises(InputTypeError, match="give shares by name"):
            SearchRequest("B4", moves=moves)
    for share in (-1, "1", np.nan, True, None):
        with pytest.raises(InputError, match="number of 0 or more"):
            SearchRequest("B4", moves={"twist": share})


def test_moves_in_the_shell():
    assert read_moves(["twist=0", "mine:half-turn=0.5"]) == {"twist": 0.0, "mine:half-turn": 0.5}
    for wrong in (["twist"], ["=1"], ["twist=much"], ["twist=-1"], ["twist=nan"], ["twist=1", "twist=2"]):
        with pytest.raises(InputError, match="--move"):
            read_moves(wrong)


def test_a_module_with_a_mistake_is_named(tmp_path, monkeypatch):
    (tmp_path / "mistaken_module.py").write_text("1 / 0\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="'mistaken_module' can't be imported: ZeroDivisionError: division by zero"):
        searcher_class("mistaken_module:Mine")


def test_a_gpu_gets_hundreds_of_walkers():
    assert walkers_on("cpu", searcher_class("basin-hopping")) == {}
    for device in ("cuda", "cuda:1"):
        assert walkers_on(device, searcher_class("basin-hopping")) == {"walkers": GPU_WALKERS}
        assert walkers_on(device, searcher_class("bee-colony")) == {}
