"""What became of a search's isomers at a better level: energies, states, vibrations, ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms

from iia_calc.common.files import write_frames
from iia_calc.confirm.relaxation import CONVERGED, GRADIENT_LIMIT, SAME, STEP_LIMIT, alike
from iia_calc.confirm.vibrations import Vibrations
from iia_calc.labels.dft.electronic import ElectronicState
from iia_calc.labels.level import FOLLOWED, UNCHECKED, UNSTABLE
from search.geometry.fingerprint import kabsch

CONTAMINATED = 0.1
"""⟨S²⟩ above S(S+1) by more than this is said."""


@dataclass(frozen=True)
class Confirmed:
    """One isomer after relaxation at the better level.

    Attributes
    ----------
    model_rank : its rank in the search; 1 is the lowest.
    rank : at the better level, by `final_energy`; None where it failed, isn't converged or is a saddle.
    atoms : the relaxed structure, its energy (eV) on it where there is one.
    charge, multiplicity : of the state that was relaxed.
    energy : eV, of the relaxation's level; None where it failed.
    relative : eV above the lowest, of `final_energy`; None where there is none.
    fmax : eV/Å at the end. steps : evaluations in all, those of earlier calls included.
    rmsd : Å, how far it moved from the model's minimum, after superposition.
    same_as : model rank of the lower isomer that it became, if it did.
    reason : "converged", "gradient limit" (relaxed as far as asked), "step limit", "interrupted", "not started", or why
        it failed.
    states : single points at the relaxed structure, by basis and multiplicity; the last basis ranks.
    vibrations : of the relaxed state; None where they weren't asked for.
    left_saddle : cm⁻¹ (negative) of the mode along which it was pushed off a saddle, if it was.
    failures : checks that could not be made, and why.
    jumps : eV, of steps of the relaxation whose energy changed by more than forces explain.
    """

    model_rank: int
    rank: int | None
    atoms: Atoms
    charge: int
    multiplicity: int
    energy: float | None
    relative: float | None
    fmax: float | None
    steps: int
    rmsd: float
    same_as: int | None
    reason: str
    states: tuple[ElectronicState, ...] = ()
    vibrations: Vibrations | None = None
    left_saddle: float | None = None
    failures: tuple[str, ...] = ()
    jumps: tuple[float, ...] = ()

    @property
    def converged(self) -> bool:
        """Whether the forces fell below what was asked for."""
        return self.reason == CONVERGED

    @property
    def relaxed(self) -> bool:
        """Whether it is as relaxed as was asked for, so that it can be ranked."""
        return self.reason in (CONVERGED, GRADIENT_LIMIT)

    @property
    def is_saddle(self) -> bool:
        """Whether it has an imaginary frequency; False where none were computed."""
        return self.vibrations is not None and self.vibrations.n_imaginary > 0

    @property
    def state(self) -> ElectronicState | None:
        """The state that ranks: the lowest in the last basis, whatever its multiplicity."""
        last = [s for s in self.states if s.basis == self.states[-1].basis]
        return min(last, key=lambda s: s.energy, default=None)

    @property
    def final_energy(self) -> float | None:
        """Energy that ranks, eV: of the lowest state where there are single points, else of the relaxation."""
        return self.energy if self.state is None else self.state.energy

    @property
    def stability(self) -> str | None:
        """Of the state that ranks, or in the relaxation's basis where only that is checked.

        "instability followed" where that happened in either: the larger basis starts from what was found.
        """
        if self.state is None:
            return None
        found = [s.stability for s in self.states if s.multiplicity == self.state.multiplicity]
        found = [s for s in found if s != UNCHECKED] or [UNCHECKED]
        return FOLLOWED if FOLLOWED in found and found[-1] != UNSTABLE else found[-1]

    @property
    def gap(self) -> float | None:
        """eV from the relaxed multiplicity up to the next one, in the last basis; negative where that is lower."""
        last = {s.multiplicity: s.energy for s in self.states if s.basis == self.states[-1].basis}
        higher = [m for m in last if m != self.multiplicity]
        return last[higher[0]] - last[self.multiplicity] if higher and self.multiplicity in last else None

    @property
    def spin_contamination(self) -> float | None:
        """⟨S²⟩ of the state that ranks above S(S+1), where that is more than 0.1; else None."""
        if self.state is None or self.state.s_squared is None:
            return None
        excess = self.state.s_squared - self.state.ideal_s_squared
        return excess if excess > CONTAMINATED else None

    @property
    def notes(self) -> list[str]:
        """What a reader must not miss, in words."""
        found = [] if self.relaxed else [self.reason]
        if self.reason == STEP_LIMIT and self.fmax is not None:
            found = [f"not relaxed by {self.steps} gradients: a force of {self.fmax:.2f} eV/Å remains"]
        if self.jumps:
            found.append(self._jumps_in_words())
        if self.reason == GRADIENT_LIMIT and self.fmax is not None:
            found.append(f"relaxed by {self.steps} gradients only: a force of {self.fmax:.2f} eV/Å remains")
        if self.same_as is not None:
            found.append(f"became the same as model rank {self.same_as}")
        if self.gap is not None and self.gap < 0:
            found.append(
                f"multiplicity {self.multiplicity + 2} lies {-self.gap:.2f} eV lower than {self.multiplicity}, "
                "in which it was relaxed"
            )
        if self.spin_contamination is not None and self.state is not None:
            found.append(
                f"⟨S²⟩ is {self.state.s_squared:.2f} where {self.state.ideal_s_squared:.2f} is right: "
                "the state is contaminated by others, its energy less certain"
            )
        if self.is_saddle and self.vibrations is not None:
            found.append(f"a saddle, no isomer: {abs(self.vibrations.frequencies[0]):.0f}i cm⁻¹")
        if self.left_saddle is not None:
            found.append(f"was a saddle ({abs(self.left_saddle):.0f}i cm⁻¹), pushed off and relaxed again")
        return found + list(self.failures)

    def _jumps_in_words(self) -> str:
        times = "once" if len(self.jumps) == 1 else f"{len(self.jumps)} times"
        size = f"up to {max(self.jumps):.2f} eV more than forces explain"
        text = f"in its relaxation the energy jumped {times}, by {size}"
        if self.relaxed:
            return f"{text}: another SCF solution took over on the way"
        return f"{text}: two SCF solutions alternate, and neither structure nor energy is to be trusted"


class Correlation(NamedTuple):
    """Rank correlation of the model's order with the better level's, over `n` distinct isomers that have both."""

    n: int
    spearman: float
    kendall: float


def rank_correlation(confirmed: Sequence[Confirmed]) -> Correlation | None:
    """How far the two orders agree; None with fewer than three distinct isomers."""
    from scipy.stats import kendalltau, spearmanr  # slow to load, and workers never need them

    ranked = [c for c in confirmed if c.rank is not None]
    # Isomers that became one count as the best of them did in the model's order.
    best: dict[int, int] = {}
    for c in ranked:
        rank = c.rank or 0
        best[rank] = min(best.get(rank, c.model_rank), c.model_rank)
    if len(best) < 3:
        return None
    pairs = list(best), list(best.values())
    return Correlation(len(best), float(spearmanr(*pairs).statistic), float(kendalltau(*pairs).statistic))


def displacement(before: Atoms, after: Atoms) -> float:
    """Root mean square displacement, Å, after superposition; the atoms are in one order."""
    a, b = before.positions - before.positions.mean(0), after.positions - after.positions.mean(0)
    return float(np.sqrt(((a - b @ kabsch(a, b, mirror=False)) ** 2).sum(1).mean()))


def merge_alike(relaxed: Sequence[tuple[float, Atoms]]) -> list[int]:
    """For each (energy, structure) the index of the lowest one that is the same; its own where it is that."""
    representative = list(range(len(relaxed)))
    kept: list[int] = []
    for k in sorted(range(len(relaxed)), key=lambda k: relaxed[k][0]):
        energy, atoms = relaxed[k]
        twins = [r for r in kept if energy - relaxed[r][0] < SAME.energy_tolerance and alike(relaxed[r][1], atoms)]
        if twins:
            representative[k] = twins[0]
        else:
            kept.append(k)
    return representative


def rank_confirmed(found: Sequence[Confirmed]) -> list[Confirmed]:
    """Isomers by energy, each followed by what became the same; then saddles; then the others in the model's order."""
    minima = [c for c in found if c.same_as is None and c.relaxed and c.final_energy is not None]
    minima.sort(key=_final)
    isomers = [c for c in minima if not c.is_saddle]
    lowest = _final((isomers or minima)[0]) if minima else float("nan")
    result: list[Confirmed] = []
    for k, c in enumerate(isomers + [c for c in minima if c.is_saddle]):
        rank = k + 1 if k < len(isomers) else None
        result.append(replace(c, rank=rank, relative=_final(c) - lowest))
        for twin in (t for t in found if t.same_as == c.model_rank):
            above = (twin.energy or 0.0) - (c.energy or 0.0)
            result.append(replace(twin, rank=rank, relative=_final(c) + above - lowest))
    done = {c.model_rank for c in result}
    return result + [c for c in found if c.model_rank not in done]


def _final(c: Confirmed) -> float:
    return float("nan") if c.final_energy is None else c.final_energy


def describe_confirmed(c: Confirmed) -> dict[str, Any]:
    """Everything about one isomer but its structure, as plain data; energies in eV, lengths in Å."""
    return {
        "rank": c.rank,
        "model_rank": c.model_rank,
        "charge": c.charge,
        "multiplicity": c.multiplicity,
        "energy": c.energy,
        "final_energy": c.final_energy,
        "relative_energy": c.relative,
        "final_multiplicity": None if c.state is None else c.state.multiplicity,
        "next_multiplicity_above": c.gap,
        "stability": c.stability,
        "s_squared": None if c.state is None else c.state.s_squared,
        "ideal_s_squared": None if c.state is None else c.state.ideal_s_squared,
        "spin_contamination": c.spin_contamination,
        "level_of_theory": None if c.state is None else c.state.level,
        "states": [state.as_plain() for state in c.states],
        "n_imaginary": None if c.vibrations is None else c.vibrations.n_imaginary,
        "vibrations": None if c.vibrations is None else c.vibrations.as_plain(),
        "left_saddle": c.left_saddle,
        "converged": c.converged,
        "reason": c.reason,
        "fmax": c.fmax,
        "energy_jumps": list(c.jumps),
        "steps": c.steps,
        "moved": c.rmsd,
        "same_as_model_rank": c.same_as,
        "notes": c.notes,
    }


def comment(c: Confirmed) -> dict[str, Any]:
    """The numbers of `described` that go on the comment line of an extended XYZ frame; what is None is left out."""
    plain = describe_confirmed(c)
    names = (
        "rank",
        "model_rank",
        "charge",
        "multiplicity",
        "final_energy",
        "relative_energy",
        "final_multiplicity",
        "next_multiplicity_above",
        "stability",
        "s_squared",
        "ideal_s_squared",
        "spin_contamination",
        "n_imaginary",
        "left_saddle",
        "converged",
        "moved",
        "same_as_model_rank",
    )
    found = {name: plain[name] for name in names if plain[name] is not None}
    for state in c.states:
        found[f"energy_{state.basis}_multiplicity_{state.multiplicity}"] = state.energy
    if c.vibrations is not None:
        found["frequencies"] = np.array(c.vibrations.frequencies)
    return found | ({"notes": "; ".join(c.notes)} if c.notes else {})


def write_confirmed(confirmed: Sequence[Confirmed], path: Path, level: str | None = None) -> None:
    """Write an extended XYZ file of the relaxed structures, with ranks, states and how far each moved.

    level : of theory of the relaxation, whose energy and forces each frame has; `final_energy` is of `final_level`.
    """
    frames = []
    for c in confirmed:
        if c.energy is not None:
            atoms = c.atoms.copy()
            atoms.calc = c.atoms.calc
            atoms.info.update(comment(c))
            if level is not None:
                atoms.info["level_of_theory"] = level
                atoms.info["final_level"] = level if c.state is None else c.state.level
            frames.append(atoms)
    write_frames(path, frames)
