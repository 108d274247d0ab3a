"""Single points, frequencies and saddles on molecules that PySCF does in a second, and after every kind of stop."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms

from iia_calc.confirm.api import Checks, as_plain, confirm, dft_level
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import HessianUnavailable, LabelFailed

pytest.importorskip("pyscf")

B2 = Atoms("B2", [[0, 0, 0], [0, 0, 1.6]])
H2 = Atoms("H2", [[0, 0, 0], [0, 0, 0.75]])
SMALL = Checks("6-31G", frequencies=True)
TRIANGLE = Atoms("B3", [[0, 0, 0], [1.55, 0, 0], [0.775, 1.34, 0]])


class Counting(DFTLevel):
    """PBE0/3-21G that counts what it is asked for and can be stopped there."""

    calls: list[str] = []  # noqa: RUF012
    stop_at: int | None = None
    analytic = True

    def _count(self, what: str) -> None:
        type(self).calls.append(what)
        if type(self).stop_at == len(type(self).calls):
            raise KeyboardInterrupt

    def label(self, atoms):
        self._count("label")
        return super().label(atoms)

    def state(self, atoms, multiplicity, **options):
        self._count(f"state {self.basis} {multiplicity}")
        return super().state(atoms, multiplicity, **options)

    def hessian(self, atoms):
        if not type(self).analytic:
            raise HessianUnavailable("not for this functional")
        self._count("hessian")
        return super().hessian(atoms)


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setattr(Counting, "calls", [])
    monkeypatch.setattr(Counting, "stop_at", None)
    monkeypatch.setattr(Counting, "analytic", True)
    return Counting(threads=1)


def test_the_triplet_of_b2_ranks_and_is_said(counting, tmp_path):
    (c,) = confirm([B2], counting, tmp_path / "dft.db", checks=SMALL)
    assert [(s.basis, s.multiplicity) for s in c.states] == [("3-21G", 1), ("3-21G", 3), ("6-31G", 1), ("6-31G", 3)]
    assert (c.rank, c.multiplicity, c.state.multiplicity, c.charge) == (1, 1, 3, 0)
    assert c.final_energy == c.states[3].energy < c.states[2].energy
    assert c.gap == pytest.approx(c.states[3].energy - c.states[2].energy)
    assert any("multiplicity 3 lies" in note for note in c.notes)
    assert c.state.s_squared >= c.state.ideal_s_squared == 2.0
    assert c.stability in ("stable", "instability followed")
    assert len(c.vibrations.frequencies) == 1
    assert c.vibrations.method == "analytic"
    assert not c.is_saddle
    plain = json.loads(json.dumps(as_plain([c], counting, SMALL, 1), allow_nan=False))
    assert plain["isomers"][0]["states"][3]["multiplicity"] == 3
    assert plain["isomers"][0]["vibrations"]["charge"] == 0
    before = len(Counting.calls)
    (again,) = confirm([B2], counting, tmp_path / "dft.db", checks=SMALL)
    assert len(Counting.calls) == before  # all of it was stored
    assert again.states == c.states
    assert again.vibrations.frequencies == pytest.approx(c.vibrations.frequencies, abs=0.01)


def test_stopped_anywhere_it_goes_on(counting, tmp_path, monkeypatch):
    checks = Checks("6-31G", stability="none", frequencies=True)
    (whole,) = confirm([H2], counting, tmp_path / "whole.db", checks=checks)
    monkeypatch.setattr(Counting, "stop_at", 2)  # each call computes one thing and ends amid the next
    done: list[str] = []
    for _ in range(20):
        monkeypatch.setattr(Counting, "calls", [])
        (c,) = confirm([H2], counting, tmp_path / "dft.db", checks=checks)
        done.append(Counting.calls[0])
        if c.converged:
            break
        assert (c.rank, c.reason) == (None, "interrupted")
    assert c.rank == 1
    assert [name for name in done if name != "label"] == [
        "hessian",
        "state 3-21G 1",
        "state 6-31G 1",
        "state 3-21G 3",
        "state 6-31G 3",
    ]
    assert c.final_energy == pytest.approx(whole.final_energy, abs=1e-3)


def test_differences_are_stored_one_by_one(counting, tmp_path, monkeypatch):
    checks = Checks(None, next_multiplicity=False, stability="none", frequencies=True)
    (analytic,) = confirm([H2], counting, tmp_path / "analytic.db", checks=checks)
    monkeypatch.setattr(Counting, "analytic", False)
    relaxed = analytic.steps
    monkeypatch.setattr(Counting, "calls", [])
    monkeypatch.setattr(Counting, "stop_at", relaxed + 5)
    (stopped,) = confirm([H2], counting, tmp_path / "dft.db", checks=checks)
    assert (stopped.reason, stopped.rank, stopped.vibrations) == ("interrupted", None, None)
    monkeypatch.setattr(Counting, "stop_at", None)
    monkeypatch.setattr(Counting, "calls", [])
    (c,) = confirm([H2], counting, tmp_path / "dft.db", checks=checks)
    assert Counting.calls.count("label") == 12 - 4
    assert c.vibrations.method == "central differences"
    assert c.vibrations.frequencies == pytest.approx(analytic.vibrations.frequencies, abs=30)


def test_a_saddle_has_no_rank_and_descends(counting, tmp_path):
    """Linear water bends."""
    line = Atoms("OH2", [[0, 0, 0], [0, 0, 0.95], [0, 0, -0.95]])
    bent = Atoms("OH2", [[0, 0, 0], [0.76, 0, 0.59], [-0.76, 0, 0.59]])
    checks = Checks(None, next_multiplicity=False, stability="none", frequencies=True)
    first, last = confirm([line, bent], counting, tmp_path / "dft.db", checks=checks)
    assert (first.model_rank, first.rank, last.model_rank, last.rank) == (2, 1, 1, None)
    assert last.vibrations.n_imaginary == 2
    assert last.relative > 1.0
    assert any("a saddle, no isomer" in note for note in last.notes)
    checks = Checks(None, next_multiplicity=False, stability="none", frequencies=True, descend=True)
    found = confirm([line, bent], counting, tmp_path / "dft.db", checks=checks)
    assert [c.rank for c in found] == [1, 1]
    pushed = next(c for c in found if c.model_rank == 1)
    assert pushed.left_saddle < -500
    assert pushed.atoms.get_angle(1, 0, 2) == pytest.approx(last_angle(found), abs=3.0)
    before = len(Counting.calls)
    confirm([line, bent], counting, tmp_path / "dft.db", checks=checks)
    assert len(Counting.calls) == before


def last_angle(found) -> float:
    return next(c for c in found if c.model_rank == 2).atoms.get_angle(1, 0, 2)


@pytest.mark.slow
def test_in_processes_as_in_one(tmp_path):
    isomers = [H2, H2.copy()]
    isomers[1].positions[1, 2] = 0.76
    checks = Checks(None, stability="none")
    level = dft_level("H2")
    alone = confirm(isomers, level, tmp_path / "one.db", checks=checks)
    side_by_side = confirm(isomers, level, tmp_path / "two.db", checks=checks, workers=2)
    assert [c.same_as is None for c in side_by_side] == [True, False]
    assert [c.rank for c in side_by_side] == [c.rank for c in alone] == [1, 1]
    assert side_by_side[0].final_energy == pytest.approx(alone[0].final_energy, abs=2e-3)


def test_what_fails_is_said(tmp_path):
    class Failing(DFTLevel):
        def state(self, atoms, multiplicity, **options):
            if multiplicity == 4:
                raise LabelFailed("SCF not converged")
            return super().state(atoms, multiplicity, **options)

    (c,) = confirm([TRIANGLE], Failing(threads=1), tmp_path / "dft.db", checks=Checks(None, stability="none"))
    assert c.rank == 1
    assert c.state.multiplicity == 2
    assert any("SCF not converged" in note for note in c.notes)


def test_charge_and_multiplicity_are_explicit(tmp_path):
    level = dft_level("B3", charge=1, multiplicity=3)
    (c,) = confirm([TRIANGLE], level, tmp_path / "dft.db", checks=Checks(None, stability="none"))
    assert {(s.charge, s.multiplicity) for s in c.states} == {(1, 3), (1, 5)}
    for line in (tmp_path / "dft.steps.jsonl").read_text().splitlines():
        step = json.loads(line)["step"]
        assert step["charge"] == 1
        assert f"multiplicity {step['multiplicity']}" in step["level"]
    assert np.isfinite(c.final_energy)
