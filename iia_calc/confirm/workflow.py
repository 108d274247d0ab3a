"""The steps from a model's isomers to confirmed ones, each stored as it ends: relax, vibrate, single points.

Isomers are relaxed side by side; those that became one go on as one. Whatever is stored is taken
from there, so the same call goes on after any stop, and after Ctrl-C it still tells what there is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from iia_calc.common.device import cores
from iia_calc.confirm.journal import StoredSteps
from iia_calc.confirm.relaxation import (
    CONVERGED,
    GRADIENT_LIMIT,
    INTERRUPTED,
    StoredRelaxation,
    largest_force,
    path_of,
    start_name,
    stored_paths,
)
from iia_calc.confirm.result import Confirmed, merged, moved, ranked
from iia_calc.confirm.settings import Checks
from iia_calc.confirm.vibrations import STEP, Vibrations, central_differences, normal_modes
from iia_calc.confirm.worker_level import InLane, state_of
from iia_calc.confirm.workers import Lanes, WorkerLost
from iia_calc.labels.dft.electronic import ElectronicState, next_multiplicity
from iia_calc.labels.level import HessianUnavailable, LabelFailed, LevelOfTheory, multiplicity_of
from iia_calc.labels.store import LabelledStructure, LabelStore

NOT_STARTED = "not started"
RELAXED = (CONVERGED, GRADIENT_LIMIT)
PUSH = 0.4
"""Å by which the atom that moves most leaves a saddle."""


class Step(NamedTuple):
    """Progress: `done` of about `total` steps, and what was just done."""

    done: int
    total: int
    model_rank: int
    text: str


@dataclass
class _Case:
    """One isomer on its way."""

    model_rank: int
    start: Atoms
    relaxation: StoredRelaxation
    reason: str = NOT_STARTED
    same_as: int | None = None
    left_saddle: float | None = None
    vibrations: Vibrations | None = None
    states: dict[tuple[int, int], ElectronicState] = field(default_factory=dict)  # by number of basis, multiplicity
    failures: list[str] = field(default_factory=list)
    steps_before: int = 0

    @property
    def final(self) -> Atoms:
        return self.relaxation.frames[-1].atoms


class Verification:
    """Relaxations and checks of `isomers` (lowest first); see `iia_calc.confirm.api.confirm`."""

    def __init__(
        self,
        isomers: Sequence[Atoms],
        level: LevelOfTheory,
        labels: LabelStore,
        steps: StoredSteps,
        pool: Lanes,
        checks: Checks | None,
        fmax: float,
        max_steps: int,
        callback: Callable[[Step], object] | None,
        curvature: Callable[[Atoms], np.ndarray] | None = None,
        ranks: Sequence[int] | None = None,
        gradients: int | None = None,
    ) -> None:
        if pool.workers > 1 and hasattr(level, "but"):
            level = level.but(threads=max(1, cores() // pool.workers))
        self.level = cast(Any, level)  # a DFTLevel where there are checks
        self.labels, self.steps, self.pool, self.checks, self.callback = labels, steps, pool, checks, callback
        self.fmax, self.max_steps, self.curvature, self.gradients = fmax, max_steps, curvature, gradients
        self.paths = stored_paths(labels)
        self.everything = dict(self.paths)
        ranks = range(1, len(isomers) + 1) if ranks is None else ranks
        self.cases = [_Case(rank, atoms, self._relaxation(atoms)) for rank, atoms in zip(ranks, isomers, strict=True)]
        self.bases: list[Any] = [self.level]
        if checks is not None and checks.basis is not None and checks.basis.lower() != self.level.basis.lower():
            self.bases.append(self.level.but(basis=checks.basis, grid_level=max(3, self.level.grid_level)))
        self._lock = threading.Lock()
        self.done, self.total = 0, len(self.cases) * (1 + self._per_isomer())

    def run(self) -> list[Confirmed]:
        """Relaxations, frequencies and single points in turn, as far as they aren't stored yet; the isomers by rank."""
        self.pool.map([partial(self._relax, case) for case in self.cases])
        chosen = self._distinct()
        if self.checks is not None:
            if self.checks.frequencies:
                self.total = len(self.cases) + len(chosen) * self._per_isomer()
                self.pool.map([partial(self._vibrate, case) for case in chosen])
                chosen = self._distinct()
            pairs = [(case, m) for case in chosen for m in self._multiplicities(case)]
            self.total = self.done + len(pairs) * len(self.bases)
            self.pool.map([partial(self._single_points, *pair) for pair in pairs])
        return ranked([self._result(case) for case in self.cases])

    def _per_isomer(self) -> int:
        """Steps beyond the relaxation, about."""
        if self.checks is None:
            return 0
        return int(self.checks.frequencies) + len(self.bases) * (1 + int(self.checks.next_multiplicity))

    def _relaxation(self, atoms: Atoms) -> StoredRelaxation:
        return self._stored(atoms, path_of(atoms, self.paths))

    def _stored(self, atoms: Atoms, frames: list[LabelledStructure]) -> StoredRelaxation:
        level = InLane(self.level, self.pool)
        return StoredRelaxation(atoms, frames, level, self.labels, self.fmax, self.curvature)

    def _distinct(self) -> list[_Case]:
        """Converged ones, each kind once; the others learn which they became."""
        cases = [case for case in self.cases if case.reason in RELAXED]
        kept = merged([(case.relaxation.frames[-1].label.energy, case.final) for case in cases])
        for case, k in zip(cases, kept, strict=True):
            case.same_as = None if cases[k] is case else cases[k].model_rank
        return [case for case in cases if case.same_as is None]

    def _relax(self, case: _Case) -> None:
        if self.pool.stopped:
            case.reason = CONVERGED if case.relaxation.converged else NOT_STARTED
            return
        case.reason = case.relaxation.run(self.max_steps, partial(self._evaluated, case), self.gradients)
        self.pool.stopped |= case.reason == INTERRUPTED
        self._tell(case, f"relaxation {case.reason}", 1)

    def _vibrate(self, case: _Case) -> None:
        """Frequencies; of a saddle, where wanted, those of what lies below it."""
        case.vibrations = self._frequencies(case)
        if case.vibrations is None or not case.vibrations.n_imaginary or not (self.checks and self.checks.descend):
            return
        below = Atoms(case.start.numbers, case.final.positions + PUSH * case.vibrations.softest)
        # Only its own path goes on: another start may look like this one and end elsewhere.
        relaxation = self._stored(below, self.everything.get(start_name(below), []))
        saddle, case.left_saddle = case.relaxation, case.vibrations.frequencies[0]
        case.steps_before, case.relaxation = len(saddle.frames), relaxation
        case.vibrations = None
        case.reason = relaxation.run(self.max_steps, partial(self._evaluated, case))
        self.pool.stopped |= case.reason == INTERRUPTED
        if not relaxation.frames:
            case.relaxation, case.steps_before = saddle, 0
        elif case.reason == CONVERGED:
            case.vibrations = self._frequencies(case)

    def _frequencies(self, case: _Case) -> Vibrations | None:
        atoms, level = case.final, self.level
        multiplicity = multiplicity_of(atoms, level.charge, level.multiplicity)

        def compute() -> dict[str, Any]:
            method, hessian = "analytic", None
            if hasattr(level, "hessian"):
                try:
                    hessian = self.pool.call(level.hessian, atoms)
                except HessianUnavailable:
                    hessian = None
            if hessian is None:
                method, hessian = "central differences", self._differences(case, multiplicity)
            frequencies, modes = normal_modes(atoms, hessian)
            return Vibrations(
                tuple(float(f) for f in frequencies), modes[0], method, level.name, level.charge, multiplicity
            ).as_plain()

        if len(atoms) < 2:
            return None
        found = self._step(case, {"kind": "frequencies"}, level, multiplicity, compute)
        self._tell(case, "frequencies", 1)
        return None if found is None else Vibrations.from_plain(found)

    def _differences(self, case: _Case, multiplicity: int) -> Any:
        level = self.level.but(conv_tol=min(self.level.conv_tol, 1e-9)) if hasattr(self.level, "but") else self.level
        source, total, taken = InLane(level, self.pool), 6 * len(case.final), 0

        def forces_at(atom: int, axis: int, sign: int, moved_atoms: Atoms) -> Any:
            nonlocal taken
            about = {"kind": "displacement", "atom": atom, "axis": axis, "sign": sign, "step": STEP}
            key = self._key(case, about, level, multiplicity)
            if (forces := self.steps.get(key)) is None:
                forces = source.label(moved_atoms).forces.tolist()
                self.steps.add(key, forces)
            taken += 1
            self._tell(case, f"frequencies, displacement {taken} of {total}")
            return np.array(forces)

        return central_differences(case.final, forces_at)

    def _multiplicities(self, case: _Case) -> list[int]:
        lowest = multiplicity_of(case.final, self.level.charge, self.level.multiplicity)
        higher = next_multiplicity(case.final, self.level.charge, lowest)
        wanted = self.checks is not None and self.checks.next_multiplicity and higher is not None
        return [lowest, *([higher] if wanted and higher is not None else [])]

    def _single_points(self, case: _Case, multiplicity: int) -> None:
        """In the relaxation's basis, then in the larger one from that solution."""
        stability = "none" if self.checks is None else self.checks.stability
        for k, level in enumerate(self.bases):
            checked = stability == "all" or (stability == "relaxation" and k == 0)
            start = self.bases[0] if k else None

            def compute(level=level, checked=checked, start=start) -> dict[str, Any]:
                check_start = stability != "none"
                return self.pool.call(state_of, level, case.final, multiplicity, checked, start, check_start).as_plain()

            about = {"kind": "state", "stability": stability}
            found = self._step(case, about, level.but(multiplicity=multiplicity), multiplicity, compute)
            if found is not None:
                state = ElectronicState.from_plain(found)
                case.states[k, multiplicity] = state
                self._tell(case, f"multiplicity {multiplicity}, {state.basis}: {state.energy:.3f} eV", 1)

    def _step(
        self, case: _Case, about: dict[str, Any], level: Any, multiplicity: int, compute: Callable[[], dict[str, Any]]
    ) -> dict[str, Any] | None:
        """From the store, or computed and stored; None where it failed, which is remembered too."""
        key = self._key(case, about, level, multiplicity)
        result = self.steps.get(key)
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

    def _key(self, case: _Case, about: dict[str, Any], level: Any, multiplicity: int) -> dict[str, Any]:
        return {
            **about,
            "structure": start_name(case.final),
            "level": level.name,
            "charge": level.charge,
            "multiplicity": multiplicity,
        }

    def _evaluated(self, case: _Case, n: int, energy: float, force: float) -> None:
        self._tell(case, f"evaluation {n}: {energy:.3f} eV, largest force {force:.3f} eV/Å")

    def _tell(self, case: _Case, text: str, steps: int = 0) -> None:
        with self._lock:
            self.done += steps
            if self.callback is not None:
                self.callback(Step(min(self.done, self.total), self.total, case.model_rank, text))

    def _result(self, case: _Case) -> Confirmed:
        charge = self.level.charge
        multiplicity = multiplicity_of(case.start, charge, self.level.multiplicity)
        frames = case.relaxation.frames
        if not frames:
            return Confirmed(
                case.model_rank,
                None,
                case.start.copy(),
                charge,
                multiplicity,
                None,
                None,
                None,
                0,
                0.0,
                None,
                case.reason,
            )
        label = frames[-1].label
        final = case.final.copy()
        final.calc = SinglePointCalculator(final, energy=label.energy, forces=label.forces)
        return Confirmed(
            case.model_rank,
            None,
            final,
            charge,
            multiplicity,
            label.energy,
            None,
            largest_force(label),
            case.steps_before + len(frames),
            moved(case.start, final),
            case.same_as,
            self._reason(case),
            tuple(case.states[key] for key in sorted(case.states)),
            case.vibrations,
            case.left_saddle,
            tuple(case.failures),
        )

    def _reason(self, case: _Case) -> str:
        """Where a check that ranks is missing, that is why it ends unranked."""
        if self.checks is None or case.reason not in RELAXED or case.same_as is not None:
            return case.reason
        last = len(self.bases) - 1
        if not any(k == last for k, _ in case.states):
            return INTERRUPTED if not case.failures else case.failures[-1]
        expected = len(self.bases) * len(self._multiplicities(case))
        expected += int(self.checks.frequencies and len(case.start) > 1)
        there = len(case.states) + int(case.vibrations is not None) + len(case.failures)
        return INTERRUPTED if self.pool.stopped and there < expected else case.reason
