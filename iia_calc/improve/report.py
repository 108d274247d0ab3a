"""How a loop is doing: a table, a CSV and a figure of the errors against the number of labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from rich.table import Table

from iia_calc.improve.measure import RoundReport


def table(reports: Sequence[RoundReport]) -> Table:
    """A line per round."""
    made = Table(
        "round",
        "labels",
        "new",
        "own lowest minima, meV/atom",
        "eV/Å",
        "held out, meV/atom",
        "eV/Å",
        "minutes",
        title="errors of the potential: on what its own search found, before training on it; on held-out starts, after",
    )
    for r in reports:
        made.add_row(
            str(r.number),
            str(r.n_labels),
            str(r.n_new),
            f"{r.found_energy:.1f}",
            f"{r.found_forces:.3f}",
            f"{r.held_out_energy:.1f}",
            f"{r.held_out_forces:.3f}",
            f"{r.seconds / 60:.1f}",
        )
    return made


def save(reports: Sequence[RoundReport], folder: Path) -> None:
    """`progress.csv` and `progress.png` in `folder`."""
    with (folder / "progress.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, [field.name for field in fields(RoundReport)])
        writer.writeheader()
        writer.writerows(asdict(report) for report in reports)
    if reports:
        draw(reports, folder / "progress.png")


def draw(reports: Sequence[RoundReport], picture: Path) -> None:
    """Both errors against the number of labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    labels = [report.n_labels for report in reports]
    for axes, kind, unit in zip(figure.subplots(1, 2), ("energy", "forces"), ("meV/atom", "eV/Å"), strict=True):
        axes.plot(labels, [getattr(r, f"found_{kind}") for r in reports], "o-", label="own lowest minima")
        axes.plot(labels, [getattr(r, f"held_out_{kind}") for r in reports], "s-", label="held-out starts")
        axes.set(xlabel="labels", ylabel=f"{kind} MAE, {unit}", ylim=(0, None))
        axes.legend()
    figure.savefig(picture, dpi=150)
