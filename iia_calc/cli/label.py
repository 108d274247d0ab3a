"""`iia label`: energies and forces from xTB or DFT into an ASE database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command("label")(label)


def label(
    formulas: Annotated[
        list[str] | None,
        typer.Argument(help="Formulas whose random starts are sampled, e.g. SeB8 B12; by default SeB3..24 and B3..24."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="ASE database; the same command goes on where it was.")
    ] = Path("labels.db"),
    level: Annotated[str, typer.Option(help="gfn1, gfn2, dft, or MODULE:CLASS of a level of your own.")] = "gfn1",
    n_labels: Annotated[int, typer.Option("--n-labels", "-n", help="How many labels the database is to hold.")] = 1000,
    structures: Annotated[
        Path | None, typer.Option(help="Label the structures of this file (anything ASE reads) instead.")
    ] = None,
    minima_of: Annotated[
        str | None,
        typer.Option(help="Label what random starts of FORMULAS relax to on this model: the error a search meets."),
    ] = None,
    lowest: Annotated[
        int | None, typer.Option(help="With --minima-of: of N starts, only so many of each formula, the lowest.")
    ] = None,
    rattle: Annotated[
        float, typer.Option(help="With --minima-of: label a copy of each, rattled by this much, too. Å")
    ] = 0.0,
    steps: Annotated[
        int | None, typer.Option(help="Of the relaxation of a random start; by default 45, and 4 with DFT.", min=0)
    ] = None,
    walls: Annotated[
        bool,
        typer.Option("--walls", help="Label compressed and pressed-together random starts: what keeps atoms apart."),
    ] = False,
    recheck: Annotated[
        str | None,
        typer.Option(
            help="Make no labels: test the SCF stability of OUT's, open-shell or all, and lower those that can be."
        ),
    ] = None,
    largest: Annotated[
        int | None, typer.Option(help="With --recheck: leave out clusters of more atoms; small ones come first.", min=1)
    ] = None,
    functional: Annotated[str, typer.Option(help="With --level dft.")] = "PBE0",
    basis: Annotated[str, typer.Option(help="With --level dft.")] = "3-21G",
    charge: Annotated[
        int | None, typer.Option(help="Total charge, e; by default that of formulas (B12-) or structures, else 0.")
    ] = None,
    multiplicity: Annotated[int | None, typer.Option(help="2S+1; by default the lowest possible.")] = None,
    temperature: Annotated[float, typer.Option(help="Electronic temperature of xTB, K.")] = 1500.0,
    seed: Annotated[int, typer.Option(help="Seed of the random starts.")] = 0,
    workers: Annotated[int, typer.Option("--workers", "-j", help="Processes.")] = 1,
) -> None:
    """Make labels: energies and forces of structures, into an ASE database.

    Random starts are relaxed, and their path, their minimum and distorted copies are labelled. DFT
    starts are relaxed with GFN1-xTB first, so that the costly labels lie near minima. A killed job
    goes on where it was, and several jobs on one database share the work; an SCF that does not converge is
    noted in LABELS.failed.jsonl and is never a label. Of given structures those that aren't sound clusters,
    or declare another charge or multiplicity, are set aside with the reason; what OUT holds is not made again.

        iia label -n 50000 -o xtb.db -j 2                     # for pretraining

        iia label SeB6 SeB8 B8 --level dft -n 200 -o dft.db   # PBE0/3-21G

        iia label SeB8 --level dft --minima-of seb-10 -n 20 -o check.db

        iia label SeB8 SeB10 --level dft --minima-of seb-10 -n 40 --lowest 3 -o more.db    # what a search finds

        iia label --recheck open-shell --level dft -o old.db -j 2    # labels made before instabilities were followed
    """
    from time import monotonic

    from iia_calc.cli.streams import exit_code
    from iia_calc.cli.views.console import Live, remarks
    from iia_calc.labels.request import LabelRequest
    from iia_calc.labels.run import run_labels, run_recheck

    request = LabelRequest(
        formulas=tuple(formulas or ()),
        out=out,
        level=level,
        n_labels=n_labels,
        structures=structures,
        minima_of=minima_of,
        lowest=lowest,
        rattle=rattle,
        steps=steps,
        walls=walls,
        recheck=recheck,
        largest=largest,
        functional=functional,
        basis=basis,
        charge=charge,
        multiplicity=multiplicity,
        temperature=temperature,
        seed=seed,
        workers=workers,
    )
    began = monotonic()
    with Live("recheck" if recheck else "label", None) as live:

        def show(done: int, wanted: int) -> None:
            live.update(done, f"{done} of {wanted} labels", monotonic() - began, wanted)

        if recheck:
            typer.echo(run_recheck(request, show).line())
            return
        outcome = run_labels(request, show, remarks().print)
    typer.echo(outcome.line())
    if outcome.interrupted:
        raise typer.Exit(exit_code())
