"""Errors of a model as a table."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from iia_calc.cli.views.isomers import plain_table
from iia_calc.training.evaluate import Errors
from iia_calc.training.evaluation import Evaluation


def error_table(errors: Mapping[str, Errors], title: str) -> Table:
    """Mean absolute errors, a row per formula."""
    table = plain_table(title)
    table.add_column("\nformula")
    for heading in ("\nstructures", "energy MAE\nmeV/atom", "force MAE\neV/Å"):
        table.add_column(heading, justify="right")
    for formula, error in errors.items():
        table.add_row(formula, str(error.count), f"{error.energy:.1f}", f"{error.forces:.3f}")
    return table


def evaluation_remarks(found: Evaluation) -> list[str]:
    """Which labels were left out and why, and how many of the errors the committee foresaw."""
    lines = []
    if found.n_counted < found.n_all:
        why = ", ".join(f"{count} {reason}" for reason, count in found.left_out.items() if count)
        lines.append(f"{found.n_counted} of {found.n_all} labels counted; left out: {why}")
    if (told := found.foreseen) is not None:
        for name, (one, two) in (("energies", told.energies), ("forces", told.forces)):
            lines.append(f"{name}: {one:.0%} within one expected error, {two:.0%} within two")
        lines.append(
            f"of the worst tenth of the energies {told.worst_in_third:.0%} are in the third of the largest expected "
            f"errors; {told.unknown:.0%} of all are outside the known region, and {told.unknown_right:.0%} of those "
            "that are right within 20 meV/atom"
        )
    return lines


def errors_in_words(errors: Mapping[str, Errors]) -> str:
    """Over all formulas, in one line; "no held-out labels" where none were given."""
    total = errors.get("all")
    if total is None:
        return "no held-out labels to measure it on (--test)"
    return f"{total.energy:.1f} meV/atom and {total.forces:.3f} eV/Å on {total.count} held-out structures"
