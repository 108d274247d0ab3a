"""The learning curve of a fit: a row for each validation, as a table and a picture."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from iia_calc.common.files import replacing


def read_curve(path: Path) -> list[dict[str, float]]:
    """Rows of `curve.csv`: epoch, loss, energy (eV/atom), forces (eV/Å; NaN without), seconds since the start.

    Of a fit to several levels the three are means over the levels, and each level has its own: energy_0, forces_0, ...
    """
    if not path.exists():
        return []
    with path.open() as lines:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]


def write_curve(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write a learning curve as CSV, a row an epoch, whole or not at all: the best epoch is chosen by it."""
    with replacing(path) as part, part.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def draw_curve(curve: Path, picture: Path) -> None:
    """Validation errors against epochs."""
    from matplotlib.figure import Figure

    rows = read_curve(curve)
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    left = figure.subplots()
    epochs = [row["epoch"] + 1 for row in rows]
    left.semilogy(epochs, [1e3 * row["energy"] for row in rows], "C0.-", label="energy")
    left.set(xlabel="epoch", ylabel="energy MAE, meV/atom")
    if not any(math.isnan(row["forces"]) for row in rows):
        right = left.twinx()
        right.semilogy(epochs, [row["forces"] for row in rows], "C1.-", label="forces")
        right.set_ylabel("force MAE, eV/Å")
    figure.legend(loc="outside upper right", ncols=2)
    figure.savefig(picture, dpi=150)
