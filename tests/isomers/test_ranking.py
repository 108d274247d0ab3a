"""Errors of relative energies, ties, and minima that are known."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from clusters import small_potential

from iia_calc.isomers.known import KnownMinimum, known_minima, match_known
from iia_calc.isomers.ranking import rank_isomers
from iia_calc.model.calibration import Calibration
from iia_calc.model.committee import Committee
from search.geometry.composition import Composition

RHOMBUS = 1.6 * np.array([(0, 0, 0), (1, 0, 0), (0.5, 0.87, 0), (1.5, 0.87, 0)])
BUTTERFLY = RHOMBUS + np.array([(0, 0, 0), (0, 0, 0.3), (0, 0, 0.2), (0.1, 0, 0.6)])


def minima(*energies):
    found = []
    for k, energy in enumerate(energies):
        atoms = Atoms("B4", RHOMBUS + k * (BUTTERFLY - RHOMBUS))
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        atoms.info.update(times_found=1, first_quench=k + 1, energy_std=0.1)
        found.append(atoms)
    return found


def test_the_error_of_a_difference_comes_of_both_errors():
    members = [small_potential(seed=seed) for seed in (0, 1, 2)]
    structures = minima(-4.0, -3.9, -3.0)
    structures[1].info["energy_std"] = 0.3
    isomers = rank_isomers(structures, Committee(members, Calibration(difference_factor=0.5)))
    assert isomers[0].error == pytest.approx(0.1)  # as the relaxer told it
    halves = [0.0, 0.5 * np.hypot(0.1, 0.3), 0.5 * np.hypot(0.1, 0.1)]
    assert [i.relative_error for i in isomers] == pytest.approx(halves)
    del structures[0].info["energy_std"]
    assert [i.relative_error for i in rank_isomers(structures, Committee(members))] == [None, None, None]


def test_ties_are_what_the_error_cannot_tell_apart():
    members = [small_potential(seed=seed) for seed in (0, 1)]
    apart = rank_isomers(minima(-4.0, -3.9, 5.0e6), Committee(members))
    error = apart[1].relative_error
    assert [isomer.tied for isomer in apart] == [False, error > 0.1, False]
    assert not any(isomer.tied for isomer in rank_isomers(minima(-4.0, -4.0)))


def test_known_minima_are_recognised_and_give_their_shape():
    composition = Composition.parse("SeB16")
    known = known_minima(composition)
    assert [k.relative for k in known] == pytest.approx([0.0, 0.0319, 0.4709], abs=1e-3)
    turned = []
    for minimum in known[:2]:
        atoms = minimum.atoms.copy()
        atoms.positions += np.random.default_rng(0).normal(scale=0.03, size=atoms.positions.shape)
        atoms.rotate(50, (1, 2, 3))
        turned.append(atoms)
    stranger = Atoms(turned[0].numbers, turned[0].positions * 1.2)
    found = match_known([stranger, turned[1], turned[0]], known)
    assert {k: round(minimum.relative, 2) for k, minimum in found.items()} == {1: 0.03, 2: 0.0}
    assert known_minima(Composition.parse("Se2B30")) == []


def test_one_structure_has_one_shape():
    first, second = minima(-4.0, -3.0)
    known = [KnownMinimum(second.copy(), -2677.9, 0.0, "compact", "PBE0/3-21G")]
    assert [isomer.shape for isomer in rank_isomers([first, second], known=known)] == ["planar", "compact"]


def test_known_minima_are_of_the_level_that_is_wanted(tmp_path, monkeypatch):
    composition = Composition.parse("B3")
    side = 1.55 * np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.75**0.5, 0]])
    for folder, level, energy in ((".", "PBE0/3-21G", -2006.0), ("def2-tzvp", "PBE0/def2-TZVP", -2017.0)):
        atoms = Atoms("B3", side, info={"level": level})
        atoms.calc = SinglePointCalculator(atoms, energy=energy)
        (tmp_path / "lowest" / folder).mkdir(parents=True, exist_ok=True)
        write(tmp_path / "lowest" / folder / "lowest.extxyz", atoms, format="extxyz")
    monkeypatch.setattr("iia_calc.isomers.known.models_folder", lambda: tmp_path)
    assert [m.energy for m in known_minima(composition, level="PBE0/def2-TZVP")] == [-2017.0]
    assert [m.energy for m in known_minima(composition, level="PBE0/3-21G")] == [-2006.0]
    assert [m.energy for m in known_minima(composition, level="B3LYP/6-31G")] == [-2006.0]  # and says which it is
