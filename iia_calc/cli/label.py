"""`iia label`: energies and forces from xTB or DFT into an ASE database."""

from __future__ import annotations

from pathlib import Path

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command, build, refuse_given, save_settings
from iia_calc.cli.streams import exit_code

EXAMPLES = """
iia label -n 50000 -o xtb.db -j 2                     # for pretraining
iia label SeB6 SeB8 B8 --level dft -n 200 -o dft.db   # PBE0/3-21G
iia label SeB8- --level dft -n 50 -o anions.db
iia label SeB8 --level dft --minima-of seb-3-21g -n 20 -o check.db
# what a search finds
iia label SeB8 SeB10 --level dft --minima-of seb-3-21g -n 40 \\
    --lowest 3 -o more.db
# labels made before instabilities were followed
iia label --recheck open-shell --level dft -o old.db -j 2
# labels whose instability was followed one way only
iia label --recheck followed --level dft -o old.db
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "label", label, EXAMPLES)


def label(
    formulas: o.LabelFormulas = None,
    out: o.LabelStoreFile = Path("labels.db"),
    level: o.LevelName = "gfn1",
    n_labels: o.LabelCount = None,
    structures: o.LabelStructures = None,
    minima_of: o.MinimaOf = None,
    lowest: o.LowestOf = None,
    rattle: o.Rattle = 0.0,
    steps: o.RelaxationSteps = None,
    walls: o.Walls = False,
    recheck: o.Recheck = None,
    largest: o.RecheckLargest = None,
    functional: o.LabelFunctional = None,
    basis: o.LabelBasis = None,
    charge: o.LabelCharge = None,
    multiplicity: o.Multiplicity = None,
    temperature: o.ElectronicTemperature = None,
    seed: o.Seed = 0,
    workers: o.Workers = 1,
) -> None:
    """Make labels: energies and forces of structures, into an ASE database.

    Random starts are relaxed, and their path, their minimum and distorted copies are labelled. DFT starts are relaxed
    with GFN1-xTB first, so that the costly labels lie near minima. A killed job goes on where it was, and several jobs
    on one database share the work; an SCF that doesn't converge is noted in LABELS.failed.jsonl and is never a label.
    Of given structures those that aren't sound clusters, or declare another charge or multiplicity, are set aside with
    the reason; what OUT holds is not made again.
    """
    options = locals()
    if structures is not None:
        refuse_given("of random starts; the structures are those of --structures", "seed")
    if recheck is not None:
        refuse_given("of labels that are made, and --recheck makes none", "seed", "steps", "rattle", "lowest")
    from iia_calc.cli.views.console import Live, output, remarks
    from iia_calc.labels.request import LabelRequest
    from iia_calc.labels.run import run_labels, run_recheck

    request = build(LabelRequest, options, formulas=tuple(formulas or ()))
    with Live("recheck" if recheck else "label", None) as live:

        def show(done: int, wanted: int) -> None:
            live.update(done, f"{done} of {wanted} labels", live.elapsed, wanted)

        if recheck:
            output().print(run_recheck(request, show).line())
            return
        outcome = run_labels(request, show, remarks().print)
    save_settings(out)
    output().print(outcome.line())
    if outcome.interrupted:
        raise typer.Exit(exit_code())
    if outcome.failed and not outcome.made:
        raise typer.Exit(1)
