"""`iia bench`: how fast the search finds what is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command, save_settings
from search.errors import InputError

if TYPE_CHECKING:
    from search.first_hit import Run

EXAMPLES = """
iia bench lj --sizes 38 --runs 100
iia bench lj --sizes 13,19,38,55 --runs 20 --method bee-colony
iia bench lj --runs 100 --without symmetrise -o lj38-without
"""


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    bench = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Measure the search on problems whose answer is known."
    )
    add_command(bench, "lj", lj, EXAMPLES)
    bench.callback()(lambda: None)
    app.add_typer(bench, name="bench")


def lj(
    sizes: Annotated[str, typer.Option(help="Numbers of atoms, with commas: 13,19,38.")] = "38",
    runs: Annotated[int, typer.Option(help="Independent runs per size.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the first run; the others follow.")] = 0,
    method: o.MethodName = "basin-hopping",
    max_quenches: Annotated[int, typer.Option(help="A run that takes longer is given up, and counted so.")] = 10_000,
    without: Annotated[str, typer.Option(help="Moves to leave out, with commas: symmetrise,refill.")] = "",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder. [default: lj-METHOD]")] = None,
    workers: o.Workers = 1,
    as_json: o.Json = False,
) -> None:
    """Quenches and calls of the potential until a Lennard-Jones cluster's lowest minimum is found first.

    Reference energies of 2 to 110 atoms: Cambridge Cluster Database. The folder receives runs.csv (a line per run, as
    it ends), first_hits.csv, first_hits.png (the share of runs that have hit, over quenches) and settings.json. The
    same command goes on where it was stopped.
    """
    from dataclasses import asdict

    from iia_calc.cli.views.bench import first_hit_table
    from iia_calc.cli.views.console import output, print_json, stdout_kept_clean
    from iia_calc.report.first_hits import draw_first_hits, first_hits_by_size, write_first_hits
    from search.searchers.methods import find_method

    chosen = _numbers(sizes)
    if workers < 1:
        raise InputError(f"--workers is {workers}; it must be at least 1")
    left_out = [name.strip() for name in without.split(",") if name.strip()]
    settings = find_method(method).Settings.without(left_out) if left_out else None
    folder = out or Path("-".join([f"lj-{method}", *(f"no-{name}" for name in left_out)]))
    with stdout_kept_clean(as_json):
        found = _run(folder, chosen, runs, seed, method, max_quenches, settings, workers)
    results = first_hits_by_size(found, chosen)
    write_first_hits(folder / "first_hits.csv", results)
    draw_first_hits(folder / "first_hits.png", found, chosen, method)
    save_settings(folder)
    if as_json:
        finite = {n: {unit: _finite(asdict(hits)) for unit, hits in units.items()} for n, units in results.items()}
        print_json({"method": method, "max_quenches": max_quenches, "folder": str(folder), "sizes": finite})
        return
    output().print(first_hit_table(results))
    output().print(
        "95 % intervals by bootstrap over runs. Runs that did not hit are censored: quantiles by Kaplan–Meier, "
        f"mean by exponential maximum likelihood.\n{folder}: runs.csv, first_hits.csv, first_hits.png"
    )


def _run(
    folder: Path,
    sizes: list[int],
    runs: int,
    seed: int,
    method: str,
    max_quenches: int,
    settings: Any,
    workers: int,
) -> list[Run]:
    """The runs that are there and those still missing, with a bar."""
    from contextlib import nullcontext

    from iia_calc.cli.views.console import Live
    from search.first_hit import lennard_jones_runs
    from search.islands.pool import processes

    with Live("LJ", runs * len(sizes)) as live:

        def show(run: Run, done: int, total: int) -> None:
            end = f"found after {run.quenches}" if run.hit else f"not found in {run.quenches}"
            text = f"{done} of {total} runs; {run.n_atoms} atoms, seed {run.seed}: {end} quenches"
            live.update(done, text, live.elapsed)

        with nullcontext() if workers == 1 else processes(workers) as executor:
            return lennard_jones_runs(
                folder, sizes, runs, seed, method, max_quenches, settings, executor=executor, callback=show
            )


def _numbers(sizes: str) -> list[int]:
    """Of atoms, as written with commas."""
    try:
        return [int(word) for word in sizes.split(",")]
    except ValueError:
        raise InputError(f"--sizes is {sizes!r}; write numbers of atoms with commas, such as 13,19,38") from None


def _finite(data: object) -> object:
    """JSON has no infinity: null."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    return None if data == float("inf") else data
