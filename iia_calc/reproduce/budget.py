"""What of the paper's budget was spent on each table: epochs, seeds, structures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from iia_calc.reproduce import printed
from iia_calc.reproduce.results import Line


def section(tables: Iterable[tuple[str, str, Sequence[Line], int]]) -> str:
    """tables : (name, treatment, lines, rows that the experiment has) of each that was run."""
    text = ["## What was run", ""]
    text += [
        f"In full is {printed.EPOCHS} epochs, {printed.SEEDS} seeds, all rows, four fifths of all structures. Less "
        "than that was cut for time, equally for all rows that a verdict compares.",
        "",
        "| `iia reproduce` | rows | epochs | seeds | training structures | CPU minutes | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, treatment, lines, rows in tables:
        epochs = spread([line.epochs for line in lines])
        seeds = spread([len(line.seeds) for line in lines])
        trained = spread([line.n_train for line in lines])
        minutes = sum(float(line.cpu_seconds.sum()) for line in lines) / 60
        full = (
            len(lines) == rows
            and min(line.epochs for line in lines) >= printed.EPOCHS
            and min(len(line.seeds) for line in lines) >= printed.SEEDS
        )
        text.append(
            f"| `{name} --as {treatment}` | {len(lines)} of {rows} | {epochs} | {seeds} | {trained} | {minutes:.0f} | "
            f"{'in full' if full else 'cut'} |"
        )
    return "\n".join([*text, ""])


def spread(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"
