"""`iia reproduce`: the paper's tables and figures on its published files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from iia_calc.cli.command import add_command, refuse_given, save_settings
from search.errors import InputError

NAMES = "table1, table2, table3, fig4, fig5, continuous, tableS2, tableS3, best, doubts, constants, all, page"


EXAMPLES = """
iia reproduce table3 --as published --data published --quick
iia reproduce table2 --as corrected --data published --epochs 20 --seeds 3
iia reproduce all --as published --data published
iia reproduce page --page examples/paper
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "reproduce", reproduce, EXAMPLES)


def reproduce(
    experiment: Annotated[str, typer.Argument(help=f"{NAMES}; fig2, fig6, fig7, tableS4, tableS5 are parts of these.")],
    data: Annotated[Path | None, typer.Option(help="Folder of the published sets: SeBn, Bn, SeBn-O, ...")] = None,
    treatment: Annotated[
        str,
        typer.Option(
            "--as",
            help="published: raw, the paper's settings. corrected: eV, failed SCF left out, settings that converge.",
        ),
    ] = "corrected",
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of runs and results.")] = Path("runs/paper"),
    epochs: Annotated[int, typer.Option(help="Of every training; the paper's are 100.")] = 100,
    seeds: Annotated[int, typer.Option(help="Trainings of every row; the paper's are 3.")] = 3,
    limit: Annotated[int | None, typer.Option(help="Structures of a set at most, at random. [default: all]")] = None,
    rows: Annotated[str | None, typer.Option(help="Only rows whose name contains this.")] = None,
    trials: Annotated[int, typer.Option(help="Of table1.")] = 28,
    method: Annotated[str, typer.Option(help="Of table1: grid (one value changed at a time) or tpe.")] = "grid",
    check: Annotated[
        int, typer.Option(help="Of doubts: recompute N energies that GFN1-xTB rejects and N it keeps by DFT.")
    ] = 0,
    page: Annotated[Path | None, typer.Option(help="Folder of the page. [default: OUT]")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny network, few structures, 2 epochs.")] = False,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 1,
) -> None:
    """Repeat a table or figure of the SchNet-IIA paper, as printed or as corrected.

    Finished trainings are never repeated: the same command goes on after Ctrl-C, and tables share what they
    have in common. As corrected, GFN1-xTB judges the energies first (tblite: pip install '.[xtb]'), once,
    some minutes in all. OUT receives a CSV per table, PNGs and README.md, in which printed and obtained values and
    a verdict on each claim stand side by side.
    """
    options = locals()
    from iia_calc.cli.views.console import output
    from iia_calc.reproduce.page import make_page

    written = _compute(options)
    if written:
        output().print(f"wrote {', '.join(map(str, written))}")
    if experiment != "tableS2":
        output().print(f"wrote {make_page(out, page or out)}")
    save_settings(out)


def _check_options(options: Mapping[str, Any], chosen: str) -> None:
    """InputError for options that don't apply to the experiment."""
    from iia_calc.reproduce.train import UNTRAINED

    if chosen not in ("table1", "all"):
        refuse_given("of table1", "trials", "method")
    if chosen != "doubts":
        refuse_given("of doubts", "check")
    if options["quick"]:
        refuse_given("--quick chooses it; leave out one", "epochs", "seeds", "limit", "trials")
    if chosen == "page" or chosen in UNTRAINED:
        refuse_given(f"of trainings, and {chosen} has none", "epochs", "seeds", "limit", "rows", "quick")
    if chosen == "page":
        refuse_given("of experiments; page writes what is there", "data")


def _compute(options: Mapping[str, Any]) -> list[Path]:
    """Train what is missing and tabulate it, with a bar; the files written.

    Raises
    ------
    InputError : an unknown experiment, or one whose data isn't given.
    """
    import torch

    from iia_calc.cli.views.console import Live
    from iia_calc.reproduce.experiments import ALIASES, EXPERIMENTS, Plan
    from iia_calc.reproduce.train import UNTRAINED, chosen_names, tabulate, train

    treatment, data, check, quick = (options[name] for name in ("treatment", "data", "check", "quick"))
    chosen = ALIASES.get(options["experiment"], options["experiment"])
    if chosen not in [*EXPERIMENTS, "table1", "constants", "all", "page", *UNTRAINED]:
        known = f"{NAMES}, {', '.join(ALIASES)}"
        raise InputError(f"there is no experiment {options['experiment']!r}; choose one of {known}")
    plan = Plan.smoke(treatment) if quick else Plan(treatment, options["epochs"], options["seeds"], options["limit"])
    _check_options(options, chosen)
    if check < 0:
        raise InputError(f"--check is {check}; it must be at least 0")
    if data is None and chosen not in ("page", "tableS2"):
        raise InputError("say where the published sets lie: --data FOLDER, with SeBn, Bn, SeBn-O, ... in it")
    torch.set_num_threads(options["threads"])
    title = chosen if chosen in ("page", *UNTRAINED) else f"{chosen}, as {treatment}"
    with Live(title, 1, every=0.0) as bar:

        def show(done: int, total: int, text: str) -> None:
            bar.update(done, f"{done} of {total}; {text}", total=total)

        try:
            if data is not None and chosen not in ("page", *UNTRAINED):
                names, trials = chosen_names(chosen, treatment), 2 if quick else options["trials"]
                train(names, data, plan, options["out"], show, options["rows"], trials, options["method"])
            return tabulate(chosen, data, options["out"], show, check)
        except KeyboardInterrupt:
            typer.echo("stopped; the same command goes on where it was", err=True)
            raise
