"""How long searches took until they found what is known: a table as CSV, and a figure."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from search.first_hit import FirstHits, Run, kaplan_meier


def first_hits_by_size(runs: Sequence[Run], sizes: Sequence[int]) -> dict[int, dict[str, FirstHits]]:
    """Statistics of the runs of each size, in "quenches" and in "evaluations" of the potential."""
    results = {}
    for n in sizes:
        mine = [run for run in runs if run.n_atoms == n]
        hit = [run.hit for run in mine]
        results[n] = {
            "quenches": FirstHits.of([run.quenches for run in mine], hit),
            "evaluations": FirstHits.of([run.evaluations for run in mine], hit),
        }
    return results


def write_first_hits(path: Path, results: dict[int, dict[str, FirstHits]]) -> None:
    """Write means and quantiles with their 95 % intervals, a line per size and unit."""
    names = ("mean", "median", "quantile_90")
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        bounds = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
        writer.writerow(["n_atoms", "unit", "runs", "hits", *bounds])
        for n, units in results.items():
            for unit, hits in units.items():
                figures = (hits.mean, hits.median, hits.quantile_90)
                values = [f"{x:.6g}" for figure in figures for x in (figure.value, figure.low, figure.high)]
                writer.writerow([n, unit, hits.n_runs, hits.n_hits, *values])


def draw_first_hits(path: Path, found: Sequence[Run], sizes: Sequence[int], method: str) -> None:
    """Share of runs that have hit, over quenches; ticks where runs were given up."""
    figure = Figure(figsize=(5.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for n in sizes:
        costs = np.array([run.quenches for run in found if run.n_atoms == n], dtype=float)
        hit = np.array([run.hit for run in found if run.n_atoms == n])
        times, share = kaplan_meier(costs, hit)
        label = f"LJ{n}, {hit.sum()} of {len(hit)}"
        ends = [costs.min(), *times, costs.max()], [0.0, *share, share[-1] if len(share) else 0.0]
        (line,) = axes.step(*ends, where="post", label=label)
        given_up = costs[~hit]
        if len(given_up):
            height = share[-1] if len(share) else 0.0
            axes.plot(given_up, np.full(len(given_up), height), "|", color=line.get_color(), markersize=8)
    axes.set(xscale="log", xlabel="quenches", ylabel="share of runs that have hit", ylim=(0.0, 1.02))
    axes.set_title(method, fontsize="medium")
    axes.legend(frameon=False, fontsize="small")
    figure.savefig(path, dpi=200)
