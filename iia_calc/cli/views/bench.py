"""What a benchmark tells its user."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from iia_calc.cli.views.isomers import plain_table
from search.first_hit import Figure, FirstHits


def first_hit_table(results: dict[int, dict[str, FirstHits]]) -> Table:
    """Mean, median and 90 % quantile with 95 % intervals, of quenches and of calls of the potential, by size."""
    return _table(["atoms"], {(str(n),): units for n, units in results.items()})


def formula_table(results: dict[tuple[str, int], dict[str, FirstHits]]) -> Table:
    """The same by method and number of walkers."""
    return _table(["method", "walkers"], {(method, str(n)): units for (method, n), units in results.items()})


def _table(headings: list[str], results: Mapping[tuple[str, ...], dict[str, FirstHits]]) -> Table:
    """Columns of these headings, which hold the keys, and of the statistics."""
    table = plain_table()
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "method" else "right")
    table.add_column("hits", justify="right")
    table.add_column("in")
    for heading in ("mean", "median", "90 %"):
        table.add_column(heading, justify="right")
    for key, units in results.items():
        for unit, hits in units.items():
            table.add_row(
                *key,
                f"{hits.n_hits}/{hits.n_runs}",
                "calls" if unit == "evaluations" else unit,
                *(_text(figure) for figure in (hits.mean, hits.median, hits.quantile_90)),
            )
    return table


def _text(figure: Figure) -> str:
    value, low, high = ("∞" if x == float("inf") else f"{x:.0f}" for x in (figure.value, figure.low, figure.high))
    return f"{value} ({low}–{high})"
