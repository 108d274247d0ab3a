"""How a loop is doing: a CSV and a figure of the errors against the number of labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

from iia_calc.improve.measure import RoundReport


def save(reports: Sequence[RoundReport], folder: Path) -> None:
    """`progress.csv` and `progress.png` in `folder`."""
    with (folder / "progress.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, [field.name for field in fields(RoundReport)])
        writer.writeheader()
        writer.writerows(asdict(report) for report in reports)
    if reports:
        draw(reports, folder / "progress.png")


def draw(reports: Sequence[RoundReport], picture: Path) -> None:
    """The errors against the number of labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    labels = [report.n_labels for report in reports]
    for axes, kind, unit in zip(figure.subplots(1, 2), ("energy", "forces"), ("meV/atom", "eV/Å"), strict=True):
        axes.plot(labels, [getattr(r, f"found_{kind}") for r in reports], "o-", label="own lowest minima")
        axes.plot(labels, [getattr(r, f"foreign_{kind}") for r in reports], "^-", label="wells of others")
        axes.plot(labels, [getattr(r, f"held_out_{kind}") for r in reports], "s-", label="held-out starts")
        axes.set(xlabel="labels", ylabel=f"{kind} MAE, {unit}", ylim=(0, None))
        axes.legend()
    figure.savefig(picture, dpi=150)
