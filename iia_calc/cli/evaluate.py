"""`iia evaluate`: the errors of a potential on label databases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command

EXAMPLES = """
iia evaluate models/labels/pbe0-3-21g-held-out.npz.xz --batch held-out-more
# all, however far from a minimum
iia evaluate check.db --fmax 0
# without structures that fitted.db holds by chance too
iia evaluate held-out.db --known fitted.db
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "evaluate", evaluate, EXAMPLES)


def evaluate(
    labels: Annotated[list[Path], typer.Argument(help="Label databases of the model's level of theory.")],
    model: o.Model = None,
    largest: Annotated[int | None, typer.Option(help="Count clusters of at most this many atoms.")] = None,
    fmax: Annotated[
        float, typer.Option(help="Count structures whose largest labelled force is below, eV/Å; 0 for all.")
    ] = 2.0,
    known: Annotated[
        list[Path] | None,
        typer.Option(help="Labels the model was fitted to: count only structures 0.1 Å or more from all of them."),
    ] = None,
    batch: Annotated[
        list[str] | None, typer.Option(help="Count labels of this batch, e.g. held-out-more; may be given often.")
    ] = None,
    as_json: o.Json = False,
) -> None:
    """Mean absolute errors of energy and forces against labels, by formula; of a committee how many of them it foresaw.

    Labels far from a minimum are left out (--fmax), and it is said how many.
    """
    from iia_calc.cli.views.console import output, print_json
    from iia_calc.cli.views.errors import error_table, evaluation_remarks
    from iia_calc.training.evaluation import EvaluationRequest, evaluate_model

    found = evaluate_model(EvaluationRequest(labels, model, largest, fmax, known or (), batch or ()))
    if as_json:
        print_json(found.as_plain())
        return
    title = f"{found.model} against {found.n_counted} labels, {found.level_of_theory}"
    output().print(error_table(found.errors, title))
    for line in evaluation_remarks(found):
        output().print(line)
