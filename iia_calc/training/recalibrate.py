"""What the expected errors of a committee are worth: measured after a fit, and anew on other labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from iia_calc.labels.store import LabelledStructure
from iia_calc.model import storage
from iia_calc.model.card import ModelError
from iia_calc.model.committee import Committee
from iia_calc.model.label_distance import LabelDistance
from iia_calc.model.potential import Potential
from iia_calc.training.calibrate import STARTS, calibrate, unlikelihood
from iia_calc.training.distances import label_distance
from iia_calc.training.evaluate import held_out_errors


def calibrate_members(
    members: Sequence[Potential],
    held_out: Sequence[LabelledStructure],
    levels: Mapping[str, Sequence[LabelledStructure]],
) -> tuple[Committee, str] | None:
    """The committee with its calibration and the distance from its labels; None for one member or too few starts.

    levels : the labels it was fitted to, by level of theory. Distances are from the labels of one level, the one that
        makes the errors on `held_out` most likely; its name comes second.
    """
    if len(members) < 2 or len({item.start for item in held_out}) < STARTS:
        return None
    best: tuple[float, Committee, str] | None = None
    for name, labelled in levels.items():
        distance: LabelDistance = label_distance(members[0], labelled)
        found = Committee(members, calibrate(Committee(members, distance=distance), held_out), distance)
        score = unlikelihood(found, held_out)
        if best is None or score < best[0]:
            best = score, found, name
    return None if best is None else best[1:]


def recalibrate(
    path: Path, target: str, levels: Mapping[str, Sequence[LabelledStructure]], held_out: Sequence[LabelledStructure]
) -> None:
    """Measure a saved committee anew; its weights stay, its card says the new calibration and errors, of all held-out.

    target : level of theory of `held_out`.

    Raises
    ------
    ModelError : a model of another level, one member, or held-out labels of too few starts.
    """
    card = storage.read_card(path)
    if card.level_of_theory != target:
        raise ModelError(f"{path} is of {card.level_of_theory}; the labels to measure it on are of {target}")
    model = storage.load(path)
    found = calibrate_members(model.members, held_out, levels)
    if found is None:
        raise ModelError(f"a calibration needs two members or more and held-out labels of {STARTS} starts (--test)")
    committee, level = found
    errors = held_out_errors(model.leader, held_out, None)
    by_formula = {formula: error.as_dict() for formula, error in errors.items()}
    storage.save_calibration(path, {"held_out_errors": by_formula}, committee, level)
