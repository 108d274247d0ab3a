"""What a round was worth: its errors, on what its own search found and on held-out labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from iia_calc.labels.store import LabelledStructure
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.training.evaluate import Errors, held_out_errors


@dataclass(frozen=True)
class RoundReport:
    """One round's figures: mean absolute errors, energy in meV/atom and forces in eV/Å.

    n_labels : trained on. found_* : of the round's first potential on the minima its own search found
    lowest, before it was trained on them; foreign_* : of the same on wells that other methods found;
    held_out_* : of the potential the round ended with.
    """

    number: int
    n_labels: int
    n_new: int
    found_energy: float
    found_forces: float
    held_out_energy: float
    held_out_forces: float
    seconds: float
    foreign_energy: float = float("nan")
    foreign_forces: float = float("nan")

    def as_plain(self) -> dict[str, float | None]:
        """For JSON, which has no NaN: None where nothing was there to measure on."""
        return {key: None if value != value else value for key, value in asdict(self).items()}


def totals(errors: dict[str, Errors]) -> tuple[float, float]:
    """Of all formulas together: energy, meV/atom, and forces, eV/Å; NaN where there is nothing."""
    total = errors.get("all")
    return (float("nan"), float("nan")) if total is None else (total.energy, total.forces)


def plain(errors: dict[str, Errors]) -> dict[str, dict[str, float]]:
    """For JSON, by formula."""
    return {formula: error.as_dict() for formula, error in errors.items()}


def leader_errors(model: str | Path, items: Sequence[LabelledStructure]) -> dict[str, Errors]:
    """Of the leader, on which searches run; nothing where there is nothing to measure on."""
    potential = storage.load(model)
    leader = potential.leader if isinstance(potential, Committee) else potential
    return held_out_errors(leader, items, None) if items else {}
