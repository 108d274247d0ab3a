"""`iia bench`: how fast the search finds what is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command, save_settings
from search.errors import InputError

if TYPE_CHECKING:
    from iia_calc.isomers.first_hits import FirstHitRequest, FormulaHits, FormulaRun
    from search.first_hit import Run

EXAMPLES = """
iia bench lj --sizes 38 --runs 100
iia bench lj --sizes 13,19,38,55 --runs 20 --method bee-colony
iia bench lj --runs 100 --without symmetrise -o lj38-without
"""
INTERVALS = (
    "95 % intervals by bootstrap over runs. Runs that did not hit are censored: quantiles by Kaplan–Meier, mean by "
    "exponential maximum likelihood."
)
OF_FORMULAS = """
iia bench SeB8 --runs 20
iia bench SeB10 --method basin-hopping --walkers 1,8,64
iia bench Cu13 --calculator ase.calculators.emt:EMT \\
    --target icosahedron.xyz
"""


class Benchmarks(TyperGroup):
    """What is no benchmark's name is a formula: `iia bench SeB8` is `iia bench formula SeB8`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of the first word."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["formula", *args]
        return super().resolve_command(ctx, args)


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    bench = typer.Typer(
        cls=Benchmarks,
        no_args_is_help=True,
        rich_markup_mode=None,
        help="Measure the search on problems whose answer is known: iia bench lj, iia bench SeB8.",
    )
    add_command(bench, "lj", lj, EXAMPLES)
    add_command(bench, "formula", formula, OF_FORMULAS)
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

    chosen = _numbers(sizes, "--sizes")
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
    output().print(f"{INTERVALS}\n{folder}: runs.csv, first_hits.csv, first_hits.png")


def formula(
    formula: Annotated[str, typer.Argument(help="For example SeB8. The word formula before it may be left out.")],
    runs: Annotated[int, typer.Option(help="Independent runs of each method and number of walkers.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the first run; the others follow.")] = 0,
    method: Annotated[str, typer.Option(help="Methods, with commas.")] = "basin-hopping,bee-colony",
    walkers: Annotated[
        str, typer.Option(help="How many walkers or sources, with commas: 8,64. [default: the method's own]")
    ] = "",
    max_quenches: Annotated[int, typer.Option(help="A run that takes longer is given up, and counted so.")] = 1000,
    target: Annotated[
        str | None,
        typer.Option(help="An energy, eV, or a file whose first structure is relaxed. [default: the known minima]"),
    ] = None,
    model: o.Model = None,
    device: o.Device = None,
    calculator: o.AseCalculator = None,
    settings: o.CalculatorSettings = None,
    threads: o.Threads = 1,
    fmax: o.Fmax = 0.005,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder. [default: bench-FORMULA]")] = None,
    as_json: o.Json = False,
) -> None:
    """Quenches and calls of the potential until a formula's lowest known minimum is found first, from random starts.

    The target is the lowest of the shipped known minima of FORMULA, relaxed on the potential, or that of --target. The
    folder receives runs.jsonl (a line per run, as it ends). The same command goes on where it was stopped.
    """
    from iia_calc.cli.views.console import Live, stdout_kept_clean
    from iia_calc.isomers.calculator import read_settings
    from iia_calc.isomers.first_hits import FirstHitRequest, measure_first_hits

    request = FirstHitRequest(
        formula,
        runs=runs,
        seed=seed,
        methods=tuple(name.strip() for name in method.split(",") if name.strip()),
        walkers=tuple(_numbers(walkers, "--walkers")) if walkers else (),
        max_quenches=max_quenches,
        target=target,
        model=model,
        device=device,
        calculator=calculator,
        calculator_settings=read_settings(settings or ()),
        threads=threads,
        fmax=fmax,
        out=out,
    )
    with stdout_kept_clean(as_json), Live(request.formula, runs * len(list(request.cases()))) as live:

        def show(run: FormulaRun, done: int, total: int) -> None:
            end = f"found after {run.quenches}" if run.hit else f"not found in {run.quenches}"
            text = f"{done} of {total} runs; {run.method}, {run.walkers} walkers, seed {run.seed}: {end} quenches"
            live.update(done, text, live.elapsed)

        found = measure_first_hits(request, show)
    save_settings(request.folder)
    _print_hits(request, found, as_json)


def _print_hits(request: FirstHitRequest, found: FormulaHits, as_json: bool) -> None:
    """The table of a formula, or JSON."""
    from dataclasses import asdict

    from iia_calc.cli.views.bench import formula_table
    from iia_calc.cli.views.console import output, print_json

    results = found.statistics()
    if as_json:
        cases: list[dict[str, Any]] = [
            {"method": name, "walkers": n, **{unit: _finite(asdict(hits)) for unit, hits in units.items()}}
            for (name, n), units in results.items()
        ]
        about = {"formula": request.formula, "target": asdict(found.target), "max_quenches": request.max_quenches}
        print_json({**about, "lower": found.lower, "folder": str(request.folder), "cases": cases})
        return
    output().print(formula_table(results))
    output().print(f"Target: {found.target.energy:.4f} eV ({found.target.source}). {INTERVALS}")
    if found.lower is not None:
        output().print(
            f"{found.target.energy - found.lower:.3f} eV below the target lies another minimum of this potential, "
            "which counts as a hit, too."
        )
    output().print(f"{request.folder}: runs.jsonl")


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


def _numbers(text: str, option: str) -> list[int]:
    """Whole numbers, as written with commas."""
    try:
        return [int(word) for word in text.split(",")]
    except ValueError:
        raise InputError(f"{option} is {text!r}; write whole numbers with commas, such as 13,19,38") from None


def _finite(data: object) -> object:
    """JSON has no infinity: null."""
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    return None if data == float("inf") else data
