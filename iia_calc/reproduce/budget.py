"""What of the paper's budget was spent on each table: epochs, seeds, structures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from iia_calc.reproduce import paper_values as printed
from iia_calc.reproduce.results import Line
from iia_calc.reproduce.sets import SHARES


def command(name: str, treatment: str, lines: Sequence[Line], counts: Mapping[str, int]) -> str:
    """The command that gives these lines; counts : structures of a set under this treatment, where known."""
    totals = {line.target: round(line.n_train / SHARES[0]) for line in lines}
    cut = any(total < 0.95 * counts[target] for target, total in totals.items() if target in counts)
    cut = cut or (len(totals) > 1 and len(set(totals.values())) == 1)  # sets of different sizes cut to one
    epochs, seeds = max(line.epochs for line in lines), max(len(line.seeds) for line in lines)
    limit = f" --limit {max(totals.values())}" if cut else ""
    return f"iia reproduce {name} --as {treatment} --epochs {epochs} --seeds {seeds}{limit} --data published"


def section(
    tables: Iterable[tuple[str, str, Sequence[Line], int]], counts: Mapping[str, Mapping[str, int]] | None = None
) -> str:
    """tables : (name, treatment, lines, rows that the experiment has) of each that was run.

    counts : for each treatment, structures of a set, where known.
    """
    text = ["## What was run", ""]
    text += [
        f"In full is {printed.EPOCHS} epochs, {printed.SEEDS} seeds, all rows, four fifths of all structures. Less "
        "than that was cut for time, equally for all rows that a verdict compares.",
        "",
        "| command | rows | epochs | seeds | training structures | CPU minutes | |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, treatment, lines, rows in tables:
        epochs = spread([line.epochs for line in lines])
        seeds = spread([len(line.seeds) for line in lines])
        trained = spread([line.n_train for line in lines])
        minutes = sum(float(line.cpu_seconds.sum()) for line in lines) / 60
        given = command(name, treatment, lines, (counts or {}).get(treatment, {}))
        full = (
            "--limit" not in given
            and len(lines) == rows
            and min(line.epochs for line in lines) >= printed.EPOCHS
            and min(len(line.seeds) for line in lines) >= printed.SEEDS
        )
        text.append(
            f"| `{given}` | {len(lines)} of {rows} | {epochs} | {seeds} | {trained} | {minutes:.0f} | "
            f"{'in full' if full else 'cut'} |"
        )
    return "\n".join([*text, ""])


def spread(values: Sequence[int]) -> str:
    """ "3", or "3 to 5" where the values differ."""
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"
