"""`iia evaluate`: the errors of a potential on label databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from search.errors import InputError


def register(app: typer.Typer) -> None:
    app.command("evaluate")(evaluate)


def evaluate(
    labels: Annotated[list[Path], typer.Argument(help="Label databases of the model's level of theory.")],
    model: Annotated[str | None, typer.Option(help="Name or folder; by default the shipped one.")] = None,
    largest: Annotated[int | None, typer.Option(help="Count clusters of at most this many atoms.")] = None,
    fmax: Annotated[
        float | None, typer.Option(help="Count structures whose largest labelled force is below, eV/Å; 0 for all.")
    ] = 2.0,
    known: Annotated[
        list[Path] | None,
        typer.Option(help="Labels the model was fitted to: count only structures 0.1 Å or more from all of them."),
    ] = None,
    batch: Annotated[
        list[str] | None, typer.Option(help="Count labels of this batch, e.g. held-out-more; may be given often.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Mean absolute errors of energy and forces against labels, by formula; of a committee how many of them it foresaw.

    Labels far from a minimum are left out (--fmax), and it is said how many.

    iia evaluate models/labels/pbe0-3-21g-held-out.npz.xz --batch held-out-more

    iia evaluate check.db --fmax 0        # all, however far from a minimum

    iia evaluate held-out.db --known fitted.db    # without structures that fitted.db holds by chance too
    """
    from iia_calc.labels.store import in_batches
    from iia_calc.model import storage
    from iia_calc.model.committee import Committee
    from iia_calc.training.build import read_labels
    from iia_calc.training.calibrate import coverage
    from iia_calc.training.evaluate import held_out_errors, is_near_minimum, new_structures, print_errors

    card = storage.read_card(storage.find(model))
    levels, items = read_labels(labels)
    if levels != {card.level_of_theory}:
        raise InputError(f"the model is fitted to {card.level_of_theory}; these are {'; '.join(sorted(levels))}")
    loaded = storage.load(model)
    potential = loaded.leader if isinstance(loaded, Committee) else loaded
    items = in_batches(items, batch or ())
    n_all = len(items)
    items = [item for item in items if largest is None or len(item.atoms) <= largest]
    left_out = {f"of more than {largest} atoms": n_all - len(items)}
    if known:
        n_before, items = len(items), new_structures(items, read_labels(known)[1])
        if not items:
            raise InputError(f"all {n_before} structures are near a known one: nothing is left to compare with")
        if not as_json:
            typer.echo(f"{n_before - len(items)} of {n_before} structures are near a known one and left out")
        left_out["near a known one"] = n_before - len(items)
    counted = [item for item in items if not fmax or is_near_minimum(item, fmax)]
    left_out[f"with a force of {fmax or 0:g} eV/Å or more"] = len(items) - len(counted)
    errors = held_out_errors(potential, counted, None)
    foreseen: dict[str, tuple[float, float]] = {}
    if isinstance(loaded, Committee) and card.calibration:
        factors = card.calibration["energy_factor"], card.calibration["forces_factor"]
        foreseen = dict(zip(("energies", "forces"), coverage(loaded, counted, *factors), strict=True))
    if as_json:
        plain = {formula: error.as_dict() for formula, error in errors.items()}
        typer.echo(json.dumps(plain | ({"within_1_and_2_deviations": foreseen} if foreseen else {})))
        return
    print_errors(errors, f"{card.name} against {len(counted)} labels")
    if len(counted) < n_all:
        why = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
        typer.echo(f"{len(counted)} of {n_all} labels counted; left out: {why}")
    for name, (one, two) in foreseen.items():
        typer.echo(f"{name}: {one:.0%} within one calibrated deviation of the committee, {two:.0%} within two")
