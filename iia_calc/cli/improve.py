"""`iia improve`: search, label, train, again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command, build, refuse_given, save_settings
from search.errors import InputError

if TYPE_CHECKING:
    from iia_calc.improve import LoopSettings

EXAMPLES = """
iia improve SeB6 SeB8 SeB10 --from seb-3-21g \\
    --labels models/labels/pbe0-3-21g.npz.xz --rounds 3 -o loop -j 2
# from no model at all: xTB first, then DFT
iia improve AlC4 AlC5 AlC6 --time 2h -o alc
iia improve -o alc --time 8h                     # goes on
"""
OF_LOOP = (
    "start_from",
    "labels",
    "test",
    "level",
    "functional",
    "basis",
    "charge",
    "multiplicity",
    "labels_per_round",
    "sources",
    "quenches",
    "members",
    "seed",
)
"""Options that are settings of a loop, which stay as they were when it began."""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "improve", improve, EXAMPLES)


def improve(
    formulas: Annotated[
        list[str] | None, typer.Argument(help="Formulas searched in every round; not needed to go on with OUT.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the loop; the same command goes on.")] = Path(
        "improve"
    ),
    start_from: Annotated[
        str | None, typer.Option("--from", help="Model (name or folder) to go on from. [default: from nothing]")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Stop after so many rounds, earlier ones included.")] = None,
    time: o.Time = None,
    labels: Annotated[list[Path] | None, typer.Option(help="Labels to train on beside the loop's own.")] = None,
    test: Annotated[list[Path] | None, typer.Option(help="Held-out labels. [default: the loop makes some]")] = None,
    level: Annotated[str, typer.Option(help="dft, gfn1 or gfn2: what the labels are.")] = "dft",
    functional: o.Functional = "PBE0",
    basis: o.Basis = "3-21G",
    charge: o.LabelCharge = None,
    multiplicity: o.Multiplicity = None,
    labels_per_round: Annotated[int, typer.Option(help="New labels of a round, over all formulas.")] = 100,
    sources: Annotated[
        str,
        typer.Option(
            help="Who else finds wells to label: xtb (its minima of random starts), shapes (of the literature), "
            "hopping, neighbours, homotops, with commas; none for the potential's own searches alone."
        ),
    ] = "xtb,shapes",
    quenches: Annotated[int, typer.Option(help="Of the search of each formula and round.")] = 320,
    members: Annotated[int, typer.Option(help="Of the committee.")] = 3,
    seed: o.Seed = 0,
    settings: Annotated[
        Path | None, typer.Option(help="JSON of all loop settings (as OUT/improve.json); instead of the options above.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-j", help="Processes for labels and fits.")] = 1,
    device: o.Device = None,
    as_json: o.Json = False,
) -> None:
    """Make a potential better where its searches go: search, label by DFT, train, and again.

    Each round searches FORMULAS with the present potential, beginning with the lowest structures labelled so far;
    labels the lowest minima it found, the states its members disagree about, what differs most from all labels, and
    wells that xTB finds by itself, as no search sees what its potential holds for too high; trains the committee on;
    and measures it, on the minima that its own search took for the lowest and on the wells of others, before it is
    trained on them, and on held-out labels. A stopped or killed loop goes on where it was.
    """
    wanted, limit = _settings(locals())
    from iia_calc.cli.streams import exit_code
    from iia_calc.cli.views.console import Live, output, print_json, stdout_kept_clean
    from iia_calc.cli.views.improve import round_table, rounds_in_words
    from iia_calc.improve import Loop, report

    with stdout_kept_clean(as_json), Live("labels", None) as live:
        loop = Loop(
            out,
            wanted,
            workers=workers,
            device=device,
            say=live.console.print,
            on_labels=lambda done, total: live.update(done, f"{done} of {total}", live.elapsed, total),
        )
        save_settings(out)
        reports = loop.run(rounds, limit)
        report.save(reports, out)
    if as_json:
        print_json({"rounds": [r.as_plain() for r in reports], "model": str(loop.model) if loop.model else None})
        return
    if reports:
        output().print(round_table(reports))
    output().print(rounds_in_words(reports, loop.model, out / "progress.png"))
    if loop.interrupted:
        raise typer.Exit(exit_code())


def _settings(options: Mapping[str, Any]) -> tuple[LoopSettings | None, float | None]:
    """Settings of the loop, None to go on with those of OUT, and its time limit, s.

    Raises
    ------
    InputError : nothing says when to stop, or settings stand in two places.
    """
    from iia_calc.cli.duration import parse_time
    from iia_calc.common.electrons import charge_of_formulas
    from iia_calc.improve import LoopSettings
    from search.geometry.composition import parse_formula_and_charge

    if options["rounds"] is None and options["time"] is None:
        raise InputError("nothing says when to stop: give --rounds or --time")
    limit = None if options["time"] is None else parse_time(options["time"])
    formulas = options["formulas"] or ()
    names = tuple(parse_formula_and_charge(formula)[0].formula for formula in formulas)
    charge = charge_of_formulas(formulas, options["charge"]) or 0
    if options["settings"] is not None:
        refuse_given("is in the file of --settings; give one or the other", "formulas", *OF_LOOP)
        return LoopSettings.read(options["settings"]), limit
    if not names:
        refuse_given("OUT goes on with the settings that it began with; leave it out, or give formulas", *OF_LOOP)
        return None, limit
    files = {name: tuple(map(str, options[name] or ())) for name in ("labels", "test")}
    chosen = options["sources"]
    sources = () if chosen == "none" else tuple(name.strip() for name in chosen.split(","))
    return build(LoopSettings, options, formulas=names, sources=sources, charge=charge, **files), limit
