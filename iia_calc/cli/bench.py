"""`iia bench`: how fast the search finds what is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iia_calc.cli.options import Json
from search.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from search.first_hit import Figure, FirstHits, Run


def register(app: typer.Typer) -> None:
    bench = typer.Typer(no_args_is_help=True, help="Measure the search on problems whose answer is known.")
    bench.command("lj")(lj)
    bench.callback()(lambda: None)
    app.add_typer(bench, name="bench")


def lj(
    sizes: Annotated[str, typer.Option(help="Numbers of atoms, with commas: 13,19,38.")] = "38",
    runs: Annotated[int, typer.Option(help="Independent runs per size.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the first run; the others follow.")] = 0,
    method: Annotated[str, typer.Option(help="basin-hopping or bee-colony.")] = "basin-hopping",
    max_quenches: Annotated[int, typer.Option(help="A run that takes longer is given up, and counted so.")] = 10_000,
    without: Annotated[str, typer.Option(help="Moves to leave out, with commas: symmetrise,refill.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder. [default: lj-METHOD]")] = None,
    workers: Annotated[int, typer.Option(help="Processes that share the runs.")] = 1,
    as_json: Json = False,
) -> None:
    """Quenches and calls of the potential until a Lennard-Jones cluster's lowest minimum is found first.

    Reference energies of 2 to 110 atoms: Cambridge Cluster Database. The folder receives runs.csv (a
    line per run, as it ends), first_hits.csv, first_hits.png (the share of runs that have hit, over
    quenches) and settings.json. The same command goes on where it was stopped.

        iia bench lj --sizes 38 --runs 100

        iia bench lj --sizes 13,19,38,55 --runs 20 --method bee-colony

        iia bench lj --runs 100 --without symmetrise -o lj38-without
    """
    from contextlib import nullcontext
    from dataclasses import asdict

    from iia_calc.cli.views.console import Live, output, print_json, stdout_kept_clean
    from search.first_hit import FirstHits, lennard_jones_runs
    from search.islands.pool import processes
    from search.searchers.methods import METHODS

    try:
        chosen = [int(word) for word in sizes.split(",")]
    except ValueError:
        raise InputError(f"--sizes is {sizes!r}; write numbers of atoms with commas, such as 13,19,38") from None
    if workers < 1:
        raise InputError(f"--workers is {workers}; it must be at least 1")
    left_out = [name.strip() for name in without.split(",") if name.strip()]
    settings = METHODS[method].Settings.without(left_out) if left_out and method in METHODS else None
    folder = out or Path("-".join([f"lj-{method}", *(f"no-{name}" for name in left_out)]))
    with stdout_kept_clean(as_json), Live("LJ", runs * len(chosen)) as live:
        spent = 0.0

        def show(run: Run, done: int, total: int) -> None:
            nonlocal spent
            spent += run.seconds
            end = f"found after {run.quenches}" if run.hit else f"not found in {run.quenches}"
            live.update(done, f"{done} of {total} runs; {run.n_atoms} atoms, seed {run.seed}: {end} quenches", spent)

        with nullcontext() if workers == 1 else processes(workers) as executor:
            found = lennard_jones_runs(
                folder, chosen, runs, seed, method, max_quenches, settings, executor=executor, callback=show
            )
    results = {}
    for n in chosen:
        mine = [run for run in found if run.n_atoms == n]
        hit = [run.hit for run in mine]
        results[n] = {
            "quenches": FirstHits.of([run.quenches for run in mine], hit),
            "evaluations": FirstHits.of([run.evaluations for run in mine], hit),
        }
    _write_table(folder / "first_hits.csv", results)
    _draw(folder / "first_hits.png", found, chosen, method)
    if as_json:
        finite = {n: {unit: _finite(asdict(hits)) for unit, hits in units.items()} for n, units in results.items()}
        print_json({"method": method, "max_quenches": max_quenches, "folder": str(folder), "sizes": finite})
        return
    console = output()
    console.print(_table(results))
    console.print(
        "95 % intervals by bootstrap over runs. Runs that did not hit are censored: quantiles by Kaplan–Meier, "
        f"mean by exponential maximum likelihood.\n{folder}: runs.csv, first_hits.csv, first_hits.png"
    )


def _table(results: dict[int, dict[str, FirstHits]]) -> Table:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("atoms", justify="right")
    table.add_column("hits", justify="right")
    table.add_column("in")
    for heading in ("mean", "median", "90 %"):
        table.add_column(heading, justify="right")
    for n, units in results.items():
        for unit, hits in units.items():
            table.add_row(
                str(n),
                f"{hits.n_hits}/{hits.n_runs}",
                "calls" if unit == "evaluations" else unit,
                *(_text(figure) for figure in (hits.mean, hits.median, hits.quantile_90)),
            )
    return table


def _text(figure: Figure) -> str:
    value, low, high = ("∞" if x == float("inf") else f"{x:.0f}" for x in (figure.value, figure.low, figure.high))
    return f"{value} ({low}–{high})"


def _finite(data: object) -> object:
    """JSON has no infinity: null."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    return None if data == float("inf") else data


def _write_table(path: Path, results: dict[int, dict[str, FirstHits]]) -> None:
    import csv

    names = ("mean", "median", "quantile_90")
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        bounds = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
        writer.writerow(["n_atoms", "unit", "runs", "hits", *bounds])
        for n, units in results.items():
            for unit, hits in units.items():
                figures = [getattr(hits, name) for name in names]
                values = [f"{x:.6g}" for figure in figures for x in (figure.value, figure.low, figure.high)]
                writer.writerow([n, unit, hits.n_runs, hits.n_hits, *values])


def _draw(path: Path, found: list[Run], sizes: list[int], method: str) -> None:
    """Share of runs that have hit, over quenches; ticks where runs were given up."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from search.first_hit import kaplan_meier

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
