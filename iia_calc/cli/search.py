"""`iia search`: from a formula to ranked isomers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import OF_TABLE, add_command, build, refuse_given, save_settings
from iia_calc.cli.streams import exit_code
from search.errors import InputError

if TYPE_CHECKING:
    from iia_calc.confirm.result import Confirmed
    from iia_calc.confirm.settings import ConfirmRequest
    from iia_calc.confirm.workflow import Step
    from iia_calc.isomers.search import IsomerSearch
    from search.result import Progress

EXAMPLES = """
iia search SeB16
iia search SeB12 --method bee-colony --quenches 2000 --seed 1 --out bees
iia search SeB16 --starts mine.xyz      # relaxed first and gone on from
iia search SeB16 --no-known             # as if never searched before
iia search SeB16 --until-found 5        # five starts led to the lowest
iia search SeB8 --time 5m --dft 5       # the five lowest by DFT, too
iia search SeB18 --dft 4 --dft-shapes   # one of each shape, too
iia search SeB8 --dft 5 --frequencies --dft-basis none
iia search "SeB10-" --dft 8             # its isomers relaxed as anions
iia search SeB16 --islands 4 -j 2       # four islands on two processes
iia search SeB16 --islands 8 --dask tcp://host:8786 --time 1h
iia search B12 --json | jq '.isomers[0].relative_energy'
iia search SeB16 --move symmetrise=0    # without this move
iia search Al13 --calculator ase.calculators.emt:EMT
iia search AlC4 --calculator tblite.ase:TBLite --set method=GFN2-xTB
iia search --config SeB16-search/config.yml --seed 1 --out again
"""
OF_DFT = {
    "dft_shapes": "each_shape",
    "functional": "functional",
    "basis": "basis",
    "dft_basis": "ranking_basis",
    "dft_relax": "relax",
    "stability": "stability",
    "frequencies": "frequencies",
    "descend": "descend",
    "dft_workers": "workers",
    "charge": "charge",
    "multiplicity": "multiplicity",
}
"""Options that need --dft, and the fields of a `ConfirmRequest` that they are."""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "search", search, EXAMPLES)


def search(
    formula: o.Formula,
    time: o.SearchTime = None,
    quenches: o.Quenches = None,
    until_found: o.UntilFound = None,
    method: o.Method = None,
    moves: o.Moves = None,
    seed: o.Seed = 0,
    starts: o.Starts = None,
    known: o.Known = True,
    out: o.SearchFolder = None,
    model: o.Model = None,
    calculator: o.AseCalculator = None,
    settings: o.CalculatorSettings = None,
    device: o.Device = None,
    batch_size: o.BatchSize = None,
    threads: o.Threads = 1,
    fmax: o.Fmax = 0.005,
    islands: o.Islands = 1,
    workers: o.IslandWorkers = None,
    dask: o.Dask = None,
    asynchronous: o.Asynchronous = False,
    extrapolate: o.Extrapolate = False,
    dft: o.Dft = 0,
    dft_shapes: o.DftShapes = False,
    functional: o.DftFunctional = None,
    basis: o.DftBasis = None,
    dft_basis: o.RankingBasis = None,
    dft_relax: o.DftRelax = None,
    stability: o.Stability = None,
    frequencies: o.Frequencies = False,
    descend: o.Descend = False,
    dft_workers: o.DftWorkers = None,
    charge: o.DftCharge = None,
    multiplicity: o.DftMultiplicity = None,
    show: o.Show = 20,
    as_json: o.Json = False,
) -> None:
    """Find the low-lying isomers of a cluster, and rank them.

    The shipped potential knows boron and selenium; with --calculator any elements can be searched.

    The folder receives report.html (a page to look at), isomers.extxyz (lowest first), isomers.png (energy ladder and
    structures), archive.db (every minimum, as it is found), run.json (settings, versions, weights) and config.yml (to
    repeat it). The same command on the same folder goes on; Ctrl-C ends the search and still shows what was found.
    """
    options = locals()
    if as_json:
        refuse_given(OF_TABLE, "show")
    from iia_calc.cli.views.console import stdout_kept_clean

    with stdout_kept_clean(as_json):
        found, confirmed = _run(options)
    from iia_calc.cli.views.search import show_search

    show_search(found, confirmed, show, as_json)
    if found.interrupted or any(c.reason in ("interrupted", "not started") for c in confirmed or ()):
        raise typer.Exit(exit_code())
    if not found.isomers or (confirmed is not None and not any(c.rank for c in confirmed)):
        raise typer.Exit(1)


def _run(options: Mapping[str, Any]) -> tuple[IsomerSearch, list[Confirmed] | None]:
    """Requests from the options, the search, and its confirmation where one is asked for."""
    from iia_calc.cli.duration import parse_time
    from iia_calc.cli.views.console import Live, search_line
    from iia_calc.confirm.api import confirm_isomers
    from iia_calc.confirm.plan import plan_confirmation
    from iia_calc.isomers.calculator import read_settings
    from iia_calc.isomers.method import read_moves
    from iia_calc.isomers.request import SearchRequest
    from iia_calc.isomers.search import search_isomers
    from iia_calc.model.storage import find, read_card
    from search.geometry.composition import parse_formula_and_charge

    composition, charge = parse_formula_and_charge(options["formula"])
    formula = composition.formula
    confirmation = _confirmation(options, charge)
    limit = None if options["time"] is None else parse_time(options["time"])
    keywords = read_settings(options["settings"] or ())
    moves = read_moves(options["moves"] or ())
    request = build(
        SearchRequest, options, formula=formula, time_limit=limit, calculator_settings=keywords, moves=moves
    )
    expected = None
    if confirmation is not None:  # what can't be done, and how long the rest takes, is said before the search
        level = None if request.calculator else read_card(find(request.model)).level_of_theory
        expected = plan_confirmation(formula, level, confirmation).announce(confirmation.n_lowest)
    total = request.time_limit if request.quenches is None else request.quenches
    with Live(formula, total, limit=request.time_limit) as live:
        if expected is not None:
            live.console.print(expected)

        def show_progress(progress: Progress) -> None:
            done = progress.seconds if request.quenches is None else progress.n_quenches
            live.update(done, search_line(progress), progress.seconds)

        found = search_isomers(request, callback=show_progress, say=live.console.print)
    save_settings(found.folder)
    if confirmation is None or found.interrupted or not found.isomers:
        return found, None
    with Live("DFT", None) as live:

        def show_step(step: Step) -> None:
            live.update(step.done, f"isomer {step.model_rank}, {step.text}", total=step.total)

        return found, confirm_isomers(found, confirmation, callback=show_step, say=live.console.print)


def _confirmation(options: Mapping[str, Any], charge: int) -> ConfirmRequest | None:
    """What --dft and its options ask for; None without --dft. charge : of the formula.

    Raises
    ------
    InputError : options of DFT without --dft, or two charges.
    """
    from iia_calc.confirm.settings import ConfirmRequest

    given = {name: options[name] for name in OF_DFT if options[name] is not None and options[name] is not False}
    if not options["dft"]:
        if charge:
            raise InputError(
                f"{options['formula']} is charged, and the potential knows neutral clusters only: add --dft K to "
                "relax the neutral's K lowest isomers at that charge"
            )
        if given:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise InputError(f"{names}: of the DFT confirmation; add --dft K")
        return None
    if charge and given.setdefault("charge", charge) != charge:
        raise InputError(f"{options['formula']} says charge {charge:+d}, --charge {given['charge']:+d}; give one")
    fields = {OF_DFT[name]: value for name, value in given.items()}
    return ConfirmRequest(options["dft"], **fields, gpu=False if options["device"] == "cpu" else None)
