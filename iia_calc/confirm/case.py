"""One isomer on its way through a confirmation, and what became of it at the end."""

from __future__ import annotations

from dataclasses import dataclass, field

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from iia_calc.confirm.relaxation import CONVERGED, GRADIENT_LIMIT, INTERRUPTED, StoredRelaxation, largest_force
from iia_calc.confirm.result import Confirmed, displacement
from iia_calc.confirm.vibrations import Vibrations
from iia_calc.labels.dft.electronic import ElectronicState

NOT_STARTED = "not started"
RELAXED = (CONVERGED, GRADIENT_LIMIT)


@dataclass
class Case:
    """One isomer.

    Attributes
    ----------
    model_rank : its rank in the search. start : its structure there.
    relaxation : its path so far. reason : why that ended.
    same_as : model rank of the lower isomer that it became.
    left_saddle : cm⁻¹ (negative) of the mode along which it was pushed off a saddle.
    vibrations : of the relaxed structure. states : single points, by number of the basis and multiplicity.
    failures : checks that could not be made. steps_before : evaluations on the way to a saddle that it left.
    """

    model_rank: int
    start: Atoms
    relaxation: StoredRelaxation
    reason: str = NOT_STARTED
    same_as: int | None = None
    left_saddle: float | None = None
    vibrations: Vibrations | None = None
    states: dict[tuple[int, int], ElectronicState] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    steps_before: int = 0

    @property
    def final(self) -> Atoms:
        """The last structure of its path."""
        return self.relaxation.frames[-1].atoms

    @property
    def is_relaxed(self) -> bool:
        """Whether it is as relaxed as was asked for."""
        return self.reason in RELAXED

    def end_reason(self, n_bases: int, expected: int, stopped: bool) -> str:
        """Why it ends; where a check that ranks is missing, that is why it ends unranked.

        Parameters
        ----------
        n_bases : bases of the single points, 0 without checks. expected : results of checks. stopped : by Ctrl-C.
        """
        if not n_bases or not self.is_relaxed or self.same_as is not None:
            return self.reason
        if not any(k == n_bases - 1 for k, _ in self.states):
            return self.failures[-1] if self.failures else INTERRUPTED
        there = len(self.states) + int(self.vibrations is not None) + len(self.failures)
        return INTERRUPTED if stopped and there < expected else self.reason

    def result(self, charge: int, multiplicity: int, reason: str) -> Confirmed:
        """What became of it. charge, multiplicity : that were relaxed. reason : as of `end_reason`."""
        frames = self.relaxation.frames
        if not frames:
            return Confirmed(
                model_rank=self.model_rank,
                rank=None,
                atoms=self.start.copy(),
                charge=charge,
                multiplicity=multiplicity,
                energy=None,
                relative=None,
                fmax=None,
                steps=0,
                rmsd=0.0,
                same_as=None,
                reason=self.reason,
            )
        label, final = frames[-1].label, self.final.copy()
        final.calc = SinglePointCalculator(final, energy=label.energy, forces=label.forces)
        return Confirmed(
            model_rank=self.model_rank,
            rank=None,
            atoms=final,
            charge=charge,
            multiplicity=multiplicity,
            energy=label.energy,
            relative=None,
            fmax=largest_force(label),
            steps=self.steps_before + len(frames),
            rmsd=displacement(self.start, final),
            same_as=self.same_as,
            reason=reason,
            states=tuple(self.states[key] for key in sorted(self.states)),
            vibrations=self.vibrations,
            left_saddle=self.left_saddle,
            failures=tuple(self.failures),
            jumps=self.relaxation.jumps,
        )
