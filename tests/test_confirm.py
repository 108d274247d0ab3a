"""Ranking anew, storing and going on, with a level of theory that costs nothing: Lennard-Jones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones as ASELennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import read

from iia_calc.confirm.api import (
    confirm,
    confirm_search,
    dft_level,
    displacement,
    rank_correlation,
    store_for,
    write_confirmed,
)
from iia_calc.confirm.result import Confirmed, describe_confirmed, rank_confirmed
from iia_calc.confirm.settings import Checks
from iia_calc.isomers.ranking import rank_isomers
from iia_calc.isomers.search import IsomerSearch
from iia_calc.labels.level import Label, LabelFailed
from iia_calc.labels.store import LabelStore

BOND = 1.7


@dataclass
class Cheap:
    """Lennard-Jones of boron's bond length; fails on the calls it is told to."""

    name: str = "LJ"
    charge: int = 0
    multiplicity: int | None = None
    fails: tuple[int, ...] = ()
    interrupted: tuple[int, ...] = ()
    calls: list[int] = field(default_factory=list)

    def label(self, atoms: Atoms) -> Label:
        self.calls.append(len(atoms))
        if len(self.calls) in self.fails:
            raise LabelFailed("SCF not converged")
        if len(self.calls) in self.interrupted:
            raise KeyboardInterrupt
        atoms = atoms.copy()
        atoms.calc = ASELennardJones(sigma=BOND / 2 ** (1 / 6), epsilon=1.0, rc=50.0)
        return Label(atoms.get_potential_energy(), atoms.get_forces())

    def element_energy(self, symbol: str) -> float:
        return 0.0


@pytest.fixture
def isomers():
    """Of B4: a rhombus and a loose tetrahedron (lower by Lennard-Jones), and a copy of the latter, rattled."""
    rhombus = BOND * np.array([(0, 0, 0), (1, 0, 0), (0.5, 0.87, 0), (1.5, 0.87, 0)])
    tetrahedron = 1.05 * BOND / np.sqrt(8) * np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)])
    rattled = tetrahedron + np.random.default_rng(0).normal(scale=0.05, size=(4, 3))
    return [Atoms("B4", x) for x in (rhombus, tetrahedron, rattled)]


def test_ranked_by_the_better_level(isomers, tmp_path):
    seen = []
    confirmed = confirm(isomers, Cheap(), tmp_path / "dft.db", callback=seen.append)
    assert confirmed[2].model_rank == 1
    assert {c.model_rank for c in confirmed[:2]} == {2, 3}
    assert [c.rank for c in confirmed] == [1, 1, 2]
    assert [c.same_as for c in confirmed] == [None, confirmed[0].model_rank, None]
    assert confirmed[0].energy == pytest.approx(-6.0, abs=1e-2)
    assert confirmed[0].relative == 0.0
    assert confirmed[2].relative > 0.5
    assert all(c.converged and c.fmax <= 0.05 for c in confirmed)
    assert 0.0 < confirmed[0].rmsd < 0.1
    assert sum(c.steps for c in confirmed) == len(connect(tmp_path / "dft.db"))
    assert sum("evaluation" in step.text for step in seen) == len(connect(tmp_path / "dft.db"))
    assert (seen[-1].done, seen[-1].total) == (3, 3)
    write_confirmed(confirmed, tmp_path / "confirmed.extxyz")
    assert (tmp_path / "confirmed.extxyz").read_text().count(" model_rank=") == 3


@pytest.mark.parametrize(("each_shape", "ranks"), [(False, {1}), (True, {1, 3})])
def test_the_lowest_of_a_further_shape_is_relaxed_under_its_own_rank(isomers, tmp_path, each_shape, ranks):
    rhombus, tetrahedron, rattled = isomers
    wide = Atoms("B4", 1.1 * rhombus.positions)
    for k, atoms in enumerate((rhombus, wide, tetrahedron, rattled)):
        atoms.calc = SinglePointCalculator(atoms, energy=float(k))
        atoms.info.update(times_found=1, first_quench=1)
    found = IsomerSearch(rank_isomers([rhombus, wide, tetrahedron, rattled]), None, tmp_path, {})
    assert [isomer.shape for isomer in found.isomers] == ["planar", "planar", "compact", "compact"]
    confirmed = confirm_search(found, 1, Cheap(), workers=1, each_shape=each_shape)
    assert {c.model_rank for c in confirmed} == ranks
    assert {plain["model_rank"] for plain in found.run["dft"]["isomers"]} == ranks
    if each_shape:
        assert (confirmed[0].rank, confirmed[0].model_rank) == (1, 3)
        frames = read(tmp_path / "isomers.extxyz", index=":")
        assert [frame.info.get("dft_rank") for frame in frames] == [2, None, 1, None]


def test_nothing_is_computed_twice(isomers, tmp_path):
    first = confirm(isomers, Cheap(), tmp_path / "dft.db")
    turned = []
    for atoms in isomers:  # as another copy in an archive may be
        copy = atoms.copy()
        copy.rotate(40, (1, 2, 3))
        turned.append(copy)
    level = Cheap()
    again = confirm(turned, level, tmp_path / "dft.db")
    assert not level.calls
    assert [(c.model_rank, c.rank, c.energy) for c in again] == [(c.model_rank, c.rank, c.energy) for c in first]
    assert [c.rmsd for c in again] == pytest.approx([c.rmsd for c in first])


def test_interrupted_and_gone_on(isomers, tmp_path):
    whole = Cheap()
    expected = confirm(isomers, whole, tmp_path / "whole.db")
    stop = confirm(isomers, Cheap(interrupted=(3,)), tmp_path / "dft.db")
    assert [c.reason for c in stop] == ["interrupted", "not started", "not started"]
    assert [c.rank for c in stop] == [None, None, None]
    assert len(connect(tmp_path / "dft.db")) == 2
    level = Cheap()
    end = confirm(isomers, level, tmp_path / "dft.db")
    assert [c.model_rank for c in end] == [c.model_rank for c in expected]
    assert len(level.calls) <= len(whole.calls)
    assert len(connect(tmp_path / "dft.db")) == len(whole.calls)


def test_a_relaxation_stopped_after_each_step_takes_the_steps_of_one_that_was_not(isomers, tmp_path):
    rough = [isomers[0].copy()]
    rough[0].rattle(0.15, seed=1)

    def stiff(atoms):
        return 40.0 * np.eye(3 * len(atoms))

    (expected,) = confirm(rough, Cheap(), tmp_path / "whole.db", curvature=stiff)
    assert expected.steps > 5
    level = Cheap()
    for _ in range(expected.steps + 3):
        (end,) = confirm(rough, level, tmp_path / "dft.db", max_steps=1, curvature=stiff)
    assert (end.reason, end.steps, len(level.calls)) == ("converged", expected.steps, expected.steps)
    assert end.energy == pytest.approx(expected.energy, abs=1e-12)
    assert end.atoms.positions == pytest.approx(expected.atoms.positions, abs=1e-9)


def test_a_failure_is_said_and_ranks_nowhere(isomers, tmp_path):
    confirmed = confirm(isomers[:2], Cheap(fails=(1,)), tmp_path / "dft.db")
    assert [c.model_rank for c in confirmed] == [2, 1]
    assert confirmed[1].rank is None
    assert confirmed[1].energy is None
    assert "SCF not converged" in confirmed[1].reason


def test_step_limit_is_not_converged(isomers, tmp_path):
    (c,) = confirm(isomers[1:2], Cheap(), tmp_path / "dft.db", max_steps=1)
    assert (c.reason, c.rank, c.converged) == ("step limit", None, False)


def test_as_many_gradients_as_asked_and_the_force_that_remains(isomers, tmp_path):
    loose = isomers[1:2]
    loose[0].positions *= 1.1
    level = Cheap()
    (c,) = confirm(loose, level, tmp_path / "dft.db", gradients=2)
    assert (len(level.calls), c.steps, c.reason, c.rank, c.converged) == (2, 2, "gradient limit", 1, False)
    assert c.fmax > 0.05
    assert f"2 gradients only: a force of {c.fmax:.2f} eV/Å remains" in c.notes[0]
    again = Cheap()
    confirm(loose, again, tmp_path / "dft.db", gradients=2)
    assert not again.calls  # those of the first call count
    (full,) = confirm(loose, again, tmp_path / "dft.db")
    assert (full.reason, full.rank) == ("converged", 1)
    assert full.energy < c.energy
    assert len(again.calls) == full.steps - 2


def test_moved_does_not_count_rotation(isomers):
    turned = isomers[0].copy()
    turned.rotate(70, (1, 1, 0))
    turned.translate((3, 2, 1))
    assert displacement(isomers[0], turned) == pytest.approx(0.0, abs=1e-10)
    turned.positions[0] += (0.5, 0, 0)
    assert displacement(isomers[0], turned) > 0.1


def test_another_level_needs_another_file(isomers, tmp_path):
    confirm(isomers[:1], Cheap(), tmp_path / "dft.db")
    with pytest.raises(ValueError, match="another file"):
        confirm(isomers[:1], Cheap(name="other"), tmp_path / "dft.db")


@pytest.mark.filterwarnings("ignore:Basis may be available")  # PySCF's advice
def test_levels_are_checked_first():
    pytest.importorskip("pyscf")
    assert "PBE0" in dft_level("SeB4").name
    with pytest.raises(ValueError, match="impossible"):
        dft_level("SeB4", multiplicity=2)
    with pytest.raises(ValueError, match="functional"):
        dft_level("SeB4", functional="no such thing")
    with pytest.raises(ValueError, match="basis"):
        dft_level("SeB4", basis="no such thing")
    with pytest.raises(ValueError, match="def2-TZVP"):
        dft_level("SeB4", larger_basis="no such thing")


def test_each_level_has_its_store(tmp_path):
    assert store_for(tmp_path, Cheap()).name == "dft.db"
    LabelStore(tmp_path / "dft.db", "LJ")
    assert store_for(tmp_path, Cheap()).name == "dft.db"
    assert store_for(tmp_path, Cheap(name="other")).name == "dft-2.db"


def test_checks_need_dft_and_make_sense(isomers, tmp_path):
    with pytest.raises(ValueError, match="a DFT level"):
        confirm(isomers, Cheap(), tmp_path / "dft.db", checks=Checks())
    with pytest.raises(ValueError, match="all, relaxation, none"):
        Checks(stability="some")
    with pytest.raises(ValueError, match="needs frequencies"):
        Checks(descend=True)
    assert not (tmp_path / "dft.db").exists()


def with_ranks(*energies: float) -> list[Confirmed]:
    return rank_confirmed(
        [
            Confirmed(k + 1, None, Atoms("B"), 0, 2, energy, None, 0.0, 1, 0.0, None, "converged")
            for k, energy in enumerate(energies)
        ]
    )


def test_rank_correlation_of_known_orders():
    assert rank_correlation(with_ranks(0.0, 1.0, 2.0, 3.0)) == (4, 1.0, 1.0)
    assert rank_correlation(with_ranks(3.0, 2.0, 1.0)) == pytest.approx((3, -1.0, -1.0))
    assert rank_correlation(with_ranks(0.0, 2.0, 1.0)) == pytest.approx((3, 0.5, 1 / 3))
    assert rank_correlation(with_ranks(0.0, 1.0)) is None


@dataclass
class TwoSolutions(Cheap):
    """Lennard-Jones whose every second label is 0.17 eV higher, as where an SCF finds now one solution, now another."""

    def label(self, atoms: Atoms) -> Label:
        label = super().label(atoms)
        return label._replace(energy=label.energy + 0.17 * (len(self.calls) % 2))


def test_energies_that_jump_beyond_what_forces_explain_are_said(isomers, tmp_path):
    smooth = confirm(isomers[:1], Cheap(), tmp_path / "smooth.db", fmax=1e-3)[0]
    assert smooth.jumps == ()
    jumping = confirm(isomers[:1], TwoSolutions(), tmp_path / "dft.db", max_steps=2, fmax=1e-3)[0]
    assert (jumping.rank, jumping.reason, len(jumping.jumps)) == (None, "step limit", 1)
    assert max(jumping.jumps) < 0.17 + 1e-9
    assert jumping.notes[0] == f"not relaxed by 2 gradients: a force of {jumping.fmax:.2f} eV/Å remains"
    assert "two SCF solutions alternate" in jumping.notes[1]
    assert describe_confirmed(jumping)["energy_jumps"] == list(jumping.jumps)
    relaxed = confirm(isomers[:1], TwoSolutions(), tmp_path / "dft.db", fmax=1e-3)[0]
    assert relaxed.converged
    assert any("another SCF solution took over" in note for note in relaxed.notes)
