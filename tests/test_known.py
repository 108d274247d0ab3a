"""Where a search may begin: the shipped lowest minima, and its neighbours' with an atom more or less."""

from __future__ import annotations

import numpy as np
import pytest
from ase.io import read, write

from iia_calc.isomers.known import known_starts
from iia_calc.isomers.search import search_isomers
from iia_calc.model.storage import models_folder
from search.geometry.composition import Composition, bond_lengths
from search.searchers.starts import in_order

LOWEST = {frame.info["formula"]: frame for frame in reversed(read(models_folder() / "lowest" / "lowest.extxyz", ":"))}


@pytest.mark.parametrize("formula", ["SeB10", "B12", "SeB3"])
def test_the_formulas_own_minimum_and_what_neighbours_give(formula):
    composition = Composition.parse(formula)
    starts = known_starts(composition)
    assert np.array_equal(starts[0].positions, LOWEST[formula].positions)
    assert len(starts) > 6
    for atoms in in_order(starts, composition):
        apart = atoms.get_all_distances() / bond_lengths(atoms.numbers) + 9 * np.eye(len(atoms))
        assert apart.min() > 0.8
        assert apart.min(1).max() < 1.4  # each atom has a neighbour
    again = known_starts(composition)
    assert all(np.array_equal(a.positions, b.positions) for a, b in zip(starts, again, strict=True))


def test_a_size_nobody_searched_begins_from_its_neighbours_or_from_nothing(tmp_path):
    path = tmp_path / "minima.extxyz"
    write(path, [LOWEST["SeB6"], LOWEST["B8"]])
    of = lambda formula: known_starts(Composition.parse(formula), path)  # noqa: E731
    assert len(of("SeB7")) == 6  # SeB6 and an atom
    assert len(of("SeB5")) == 4  # SeB6 without one
    assert len(of("SeB8")) == 6  # B8 and selenium
    assert of("SeB20") == of("AlC4") == []
    assert known_starts(Composition.parse("SeB6"), tmp_path / "none.extxyz") == []


def test_the_known_minimum_is_quenched_first_and_listed():
    begun = search_isomers("SeB9", quenches=15, seed=3)
    assert begun.run["settings"]["starts"] > 6
    (first,) = (isomer for isomer in begun.isomers if isomer.atoms.info["first_quench"] == 1)
    apart = [np.sort(atoms.get_all_distances(), axis=None) for atoms in (first.atoms, LOWEST["SeB9"])]
    assert np.sqrt(np.mean((apart[0] - apart[1]) ** 2)) < 0.1  # Å; DFT's, relaxed on the potential


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
