"""The steps from a model's isomers to confirmed ones, each stored as it ends: relax, vibrate, single points.

Isomers are relaxed side by side; those that became one go on as one. Whatever is stored is taken
from there, so the same call goes on after any stop, and after Ctrl-C it still tells what there is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from iia_calc.confirm.case import NOT_STARTED, Case
from iia_calc.confirm.journal import StoredSteps
from iia_calc.confirm.relaxation import (
    CONVERGED,
    INTERRUPTED,
    StoredRelaxation,
    path_of,
    start_name,
    stored_paths,
)
from iia_calc.confirm.result import Confirmed, merge_alike, rank_confirmed
from iia_calc.confirm.settings import Checks
from iia_calc.confirm.vibrations import HESSIAN, STEP, Vibrations, central_differences, hessian_as_plain, normal_modes
from iia_calc.confirm.worker_level import InLane, state_of
from iia_calc.confirm.workers import Lanes, WorkerLost
from iia_calc.labels.dft.electronic import ElectronicState, next_multiplicity
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import HessianUnavailable, LabelFailed, LevelOfTheory, multiplicity_of
from iia_calc.labels.store import LabelledStructure, LabelStore

PUSH = 0.4
"""Å by which the atom that moves most leaves a saddle."""


class Step(NamedTuple):
    """Progress: `done` of about `total` steps, and what was just done."""

    done: int
    total: int
    model_rank: int
    text: str


@dataclass(frozen=True)
class Job:
    """What is done with every isomer.

    Attributes
    ----------
    level : of the relaxation. dft : the same, where it can tell electronic states.
    checks : what follows the relaxation; None for nothing. They need `dft`.
    fmax : largest force of a converged structure, eV/Å. max_steps : optimiser steps per isomer in this call.
    gradients : an isomer may take at most; None relaxes in full.
    curvature : second derivatives [3n, 3n], eV/Å², near those of `level`.
    """

    level: LevelOfTheory
    dft: DFTLevel | None = None
    checks: Checks | None = None
    fmax: float = 0.05
    max_steps: int = 100
    gradients: int | None = None
    curvature: Callable[[Atoms], np.ndarray] | None = None

    @property
    def bases(self) -> list[DFTLevel]:
        """Levels of the single points, the one that ranks last; empty without checks."""
        if self.dft is None or self.checks is None:
            return []
        if self.checks.basis is None or self.checks.basis.lower() == self.dft.basis.lower():
            return [self.dft]
        return [self.dft, self.dft.but(basis=self.checks.basis, grid_level=max(3, self.dft.grid_level))]


class Verification:
    """Relaxations and checks of `isomers` (lowest first); see `iia_calc.confirm.api.confirm`."""

    def __init__(
        self,
        isomers: Sequence[Atoms],
        ranks: Sequence[int],
        job: Job,
        labels: LabelStore,
        steps: StoredSteps,
        pool: Lanes,
        callback: Callable[[Step], object] | None = None,
    ) -> None:
        self.job, self.labels, self.steps, self.pool, self.callback = job, labels, steps, pool, callback
        self.paths = stored_paths(labels)
        self.everything = dict(self.paths)
        self.cases = [Case(rank, atoms, self._relaxation(atoms)) for rank, atoms in zip(ranks, isomers, strict=True)]
        self.bases = job.bases
        self._lock = threading.Lock()
        self.done, self.total = 0, len(self.cases) * (1 + self._per_isomer())

    def run(self) -> list[Confirmed]:
        """Relaxations, frequencies and single points in turn, as far as they aren't stored yet; the isomers by rank."""
        self.pool.map([partial(self._relax, case) for case in self.cases])
        chosen = self._distinct()
        if self.job.checks is not None:
            if self.job.checks.frequencies:
                self.total = len(self.cases) + len(chosen) * self._per_isomer()
                self.pool.map([partial(self._vibrate, case) for case in chosen])
                chosen = self._distinct()
            pairs = [(case, m) for case in chosen for m in self._multiplicities(case)]
            self.total = self.done + len(pairs) * len(self.bases)
            self.pool.map([partial(self._single_points, *pair) for pair in pairs])
        return rank_confirmed([self._result(case) for case in self.cases])

    def _per_isomer(self) -> int:
        """Steps beyond the relaxation, about."""
        checks = self.job.checks
        return 0 if checks is None else int(checks.frequencies) + len(self.bases) * (1 + int(checks.next_multiplicity))

    def _relaxation(self, atoms: Atoms) -> StoredRelaxation:
        return self._stored_relaxation(atoms, path_of(atoms, self.paths))

    def _stored_relaxation(self, atoms: Atoms, frames: list[LabelledStructure]) -> StoredRelaxation:
        level = InLane(self.job.level, self.pool)
        return StoredRelaxation(atoms, frames, level, self.labels, self.job.fmax, self.job.curvature)

    def _distinct(self) -> list[Case]:
        """Converged ones, each kind once; the others learn which they became."""
        cases = [case for case in self.cases if case.is_relaxed]
        kept = merge_alike([(case.relaxation.frames[-1].label.energy, case.final) for case in cases])
        for case, k in zip(cases, kept, strict=True):
            case.same_as = None if cases[k] is case else cases[k].model_rank
        return [case for case in cases if case.same_as is None]

    def _relax(self, case: Case) -> None:
        if self.pool.stopped:
            case.reason = CONVERGED if case.relaxation.converged else NOT_STARTED
            return
        case.reason = case.relaxation.run(self.job.max_steps, partial(self._tell_evaluation, case), self.job.gradients)
        self.pool.stopped |= case.reason == INTERRUPTED
        self._tell(case, f"relaxation {case.reason}", 1)

    def _vibrate(self, case: Case) -> None:
        """Frequencies; of a saddle, where wanted, those of what lies below it."""
        case.vibrations = self._frequencies(case)
        if (
            case.vibrations is None
            or not case.vibrations.n_imaginary
            or not (self.job.checks and self.job.checks.descend)
        ):
            return
        below = Atoms(case.start.numbers, case.final.positions + PUSH * case.vibrations.softest)
        # Only its own path goes on: another start may look like this one and end elsewhere.
        relaxation = self._stored_relaxation(below, self.everything.get(start_name(below), []))
        saddle, case.left_saddle = case.relaxation, case.vibrations.frequencies[0]
        case.steps_before, case.relaxation = len(saddle.frames), relaxation
        case.vibrations = None
        case.reason = relaxation.run(self.job.max_steps, partial(self._tell_evaluation, case))
        self.pool.stopped |= case.reason == INTERRUPTED
        if not relaxation.frames:
            case.relaxation, case.steps_before = saddle, 0
        elif case.reason == CONVERGED:
            case.vibrations = self._frequencies(case)

    def _frequencies(self, case: Case) -> Vibrations | None:
        atoms, level, dft = case.final, self.job.level, self.job.dft
        multiplicity = multiplicity_of(atoms, level.charge, level.multiplicity)

        def compute() -> dict[str, Any]:
            method, hessian = "analytic", None
            if dft is not None:
                with suppress(HessianUnavailable):
                    hessian = self.pool.call(dft.hessian, atoms)
            if hessian is None:
                method, hessian = "central differences", self._differences(case, multiplicity)
            key = self._key(case, {"kind": HESSIAN}, level, multiplicity)
            self.steps.add(key, hessian_as_plain(hessian, method))
            frequencies, modes = normal_modes(atoms, hessian)
            return Vibrations(
                tuple(float(f) for f in frequencies), modes[0], method, level.name, level.charge, multiplicity
            ).as_plain()

        if len(atoms) < 2:
            return None
        found = self._step(case, {"kind": "frequencies"}, level, multiplicity, compute)
        self._tell(case, "frequencies", 1)
        return None if found is None else Vibrations.from_plain(found)

    def _differences(self, case: Case, multiplicity: int) -> np.ndarray:
        """Second derivatives [n, 3, n, 3], eV/Å², from forces at displaced structures, each stored."""
        dft = self.job.dft
        level = self.job.level if dft is None else dft.but(conv_tol=min(dft.conv_tol, 1e-9))
        source, total, taken = InLane(level, self.pool), 6 * len(case.final), 0

        def forces_at(atom: int, axis: int, sign: int, displaced: Atoms) -> np.ndarray:
            nonlocal taken
            about = {"kind": "displacement", "atom": atom, "axis": axis, "sign": sign, "step": STEP}
            key = self._key(case, about, level, multiplicity)
            if (forces := self.steps.get(key)) is None:
                forces = source.label(displaced).forces.tolist()
                self.steps.add(key, forces)
            taken += 1
            self._tell(case, f"frequencies, displacement {taken} of {total}")
            return np.array(forces)

        return central_differences(case.final, forces_at)

    def _multiplicities(self, case: Case) -> list[int]:
        """The lowest, or the one asked for, and the next one where that is wanted."""
        level, checks = self.job.level, self.job.checks
        lowest = multiplicity_of(case.final, level.charge, level.multiplicity)
        higher = next_multiplicity(case.final, level.charge, lowest)
        wanted = checks is not None and checks.next_multiplicity and higher is not None
        return [lowest, *([higher] if wanted and higher is not None else [])]

    def _single_points(self, case: Case, multiplicity: int) -> None:
        """In the relaxation's basis, then in the larger one from that solution."""
        stability = "none" if self.job.checks is None else self.job.checks.stability
        for k, level in enumerate(self.bases):
            checked = stability == "all" or (stability == "relaxation" and k == 0)
            start = self.bases[0] if k else None
            arguments = (level, case.final, multiplicity, checked, start, stability != "none")
            compute = partial(self._state, *arguments)
            about = {"kind": "state", "stability": stability}
            found = self._step(case, about, level.but(multiplicity=multiplicity), multiplicity, compute)
            if found is not None:
                state = ElectronicState.from_plain(found)
                case.states[k, multiplicity] = state
                self._tell(case, f"multiplicity {multiplicity}, {state.basis}: {state.energy:.3f} eV", 1)

    def _state(self, *arguments: Any) -> dict[str, Any]:
        """`state_of` in the lane's process, as plain data."""
        return self.pool.call(state_of, *arguments).as_plain()

    def _step(
        self,
        case: Case,
        about: dict[str, Any],
        level: LevelOfTheory,
        multiplicity: int,
        compute: Callable[[], dict[str, Any]],
    ) -> dict[str, Any] | None:
        """From the store, or computed and stored; None where it failed, which is remembered too."""
        key = self._key(case, about, level, multiplicity)
        result: dict[str, Any] | None = self.steps.get(key)
        if result is None:
            try:
                result = compute()
            except WorkerLost as error:
                case.failures.append(f"{about['kind']} failed: {error}")
                return None
            except LabelFailed as error:
                result = {"failed": str(error)}
            self.steps.add(key, result)
        if "failed" in result:
            case.failures.append(f"{about['kind']} failed: {result['failed']}")
            return None
        return result

    def _key(self, case: Case, about: dict[str, Any], level: LevelOfTheory, multiplicity: int) -> dict[str, Any]:
        return {
            **about,
            "structure": start_name(case.final),
            "level": level.name,
            "charge": level.charge,
            "multiplicity": multiplicity,
        }

    def _tell_evaluation(self, case: Case, n: int, energy: float, force: float) -> None:
        self._tell(case, f"evaluation {n}: {energy:.3f} eV, largest force {force:.3f} eV/Å")

    def _tell(self, case: Case, text: str, steps: int = 0) -> None:
        with self._lock:
            self.done += steps
            if self.callback is not None:
                self.callback(Step(min(self.done, self.total), self.total, case.model_rank, text))

    def _result(self, case: Case) -> Confirmed:
        level, checks = self.job.level, self.job.checks
        multiplicity = multiplicity_of(case.start, level.charge, level.multiplicity)
        expected = 0
        if checks is not None and case.is_relaxed:
            expected = len(self.bases) * len(self._multiplicities(case))
            expected += int(checks.frequencies and len(case.start) > 1)
        reason = case.end_reason(len(self.bases), expected, self.pool.stopped)
        return case.result(level.charge, multiplicity, reason)
