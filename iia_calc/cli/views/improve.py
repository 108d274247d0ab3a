"""What a loop of improvements tells its user."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from rich.table import Table

from iia_calc.cli.views.isomers import plain_table
from iia_calc.improve.measure import RoundReport


def round_table(reports: Sequence[RoundReport]) -> Table:
    """A line per round: errors on what its own search and other methods found, before training on it, and held out.

    Energies in meV/atom, forces in eV/Å.
    """
    table = plain_table("mean absolute errors")
    headings = (
        "\nround",
        "\nlabels",
        "\nnew",
        "own lowest minima\nmeV/atom",
        "\neV/Å",
        "wells of others\nmeV/atom",
        "\neV/Å",
        "held out, after\nmeV/atom",
        "\neV/Å",
        "\nminutes",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    for r in reports:
        table.add_row(
            str(r.number),
            str(r.n_labels),
            str(r.n_new),
            f"{r.found_energy:.1f}",
            f"{r.found_forces:.3f}",
            "–" if isnan(r.foreign_energy) else f"{r.foreign_energy:.1f}",
            "–" if isnan(r.foreign_forces) else f"{r.foreign_forces:.3f}",
            f"{r.held_out_energy:.1f}",
            f"{r.held_out_forces:.3f}",
            f"{r.seconds / 60:.1f}",
        )
    return table


def rounds_in_words(reports: Sequence[RoundReport], model: object, figure: object) -> str:
    """One line: what was made, and how good it is."""
    if not reports or model is None:
        return "no round is complete yet; the same command goes on"
    last = reports[-1]
    return (
        f"{model}: {len(reports)} round{'s' if len(reports) > 1 else ''}, {last.n_labels} labels, "
        f"{last.held_out_energy:.1f} meV/atom and {last.held_out_forces:.3f} eV/Å on held-out labels; figure: {figure}"
    )
