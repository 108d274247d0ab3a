"""A model compared with labels: which of them count, how wrong it is, and how much of that its committee foresaw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from iia_calc.labels.store import in_batches
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.training.build import read_labels
from iia_calc.training.calibrate import Foreseen, foresee
from iia_calc.training.evaluate import Errors, held_out_errors, is_near_minimum, new_structures
from search.errors import InputError, finite, whole_or_none


@dataclass(frozen=True)
class EvaluationRequest:
    """Which labels a model is compared with.

    Attributes
    ----------
    labels : databases or packed files of the model's level of theory.
    model : name or folder; None is the default one.
    largest : count clusters of at most this many atoms. fmax : whose largest labelled force is below, eV/Å; 0 for all.
    known : labels the model was fitted to: structures near one of them don't count.
    batch : count labels of these batches; empty for all.
    """

    labels: Sequence[Path]
    model: str | None = None
    largest: int | None = None
    fmax: float = 2.0
    known: Sequence[Path] = ()
    batch: Sequence[str] = ()

    def __post_init__(self) -> None:
        whole_or_none("largest", self.largest, 1)
        if finite("fmax", self.fmax, "a force in eV/Å, 0 for all") < 0:
            raise InputError(f"fmax is {self.fmax!r} eV/Å; it must be a force above 0, or 0 for all")


@dataclass(frozen=True)
class Evaluation:
    """How a model does on labels.

    Attributes
    ----------
    model, level_of_theory : of the labels, too.
    n_all, n_counted : labels. left_out : how many for which reason.
    errors : by formula, "all" among them.
    foreseen : how much of its leader's errors a committee foresaw; None of one potential.
    """

    model: str
    level_of_theory: str
    n_all: int
    n_counted: int
    left_out: dict[str, int]
    errors: dict[str, Errors]
    foreseen: Foreseen | None

    def as_plain(self) -> dict[str, Any]:
        """For JSON: by formula, and how much was foreseen; a number that isn't finite is null."""
        plain: dict[str, Any] = {formula: error.as_dict() for formula, error in self.errors.items()}
        found: dict[str, Any] = _finite(plain | ({"foreseen": asdict(self.foreseen)} if self.foreseen else {}))
        return found


def _finite(value: Any) -> Any:
    """`value` without NaN and infinity, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def evaluate_model(request: EvaluationRequest) -> Evaluation:
    """Compare a model with labels.

    Raises
    ------
    InputError : labels of another level of theory, or none is left to compare with.
    """
    card = storage.read_card(storage.find(request.model))
    levels, items = read_labels(request.labels)
    if levels != {card.level_of_theory}:
        raise InputError(f"the model is fitted to {card.level_of_theory}; these are {'; '.join(sorted(levels))}")
    items = in_batches(items, request.batch)
    n_all, left_out = len(items), {}
    if request.largest is not None:
        kept = [item for item in items if len(item.atoms) <= request.largest]
        left_out[f"of more than {request.largest} atoms"], items = len(items) - len(kept), kept
    if request.known:
        new = new_structures(items, read_labels(request.known)[1])
        if not new:
            raise InputError(f"all {len(items)} structures are near a known one: nothing is left to compare with")
        left_out["near a known one"], items = len(items) - len(new), new
    counted = [item for item in items if not request.fmax or is_near_minimum(item, request.fmax)]
    left_out[f"with a force of {request.fmax:g} eV/Å or more"] = len(items) - len(counted)
    loaded = storage.load(request.model)
    errors = held_out_errors(loaded.leader, counted, None)
    told = foresee(loaded, counted) if isinstance(loaded, Committee) and card.calibration else None
    return Evaluation(card.name, card.level_of_theory, n_all, len(counted), left_out, errors, told)
