"""`iia improve`: search, label, train, again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli.options import Device, Json
from search.errors import InputError


def register(app: typer.Typer) -> None:
    app.command("improve")(improve)


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
    time: Annotated[str | None, typer.Option("--time", "-t", help="Stop after so long: 30m, 8h.")] = None,
    labels: Annotated[list[Path] | None, typer.Option(help="Labels to train on beside the loop's own.")] = None,
    test: Annotated[list[Path] | None, typer.Option(help="Held-out labels. [default: the loop makes some]")] = None,
    level: Annotated[str, typer.Option(help="dft, gfn1 or gfn2: what the labels are.")] = "dft",
    functional: Annotated[str, typer.Option(help="With --level dft.")] = "PBE0",
    basis: Annotated[str, typer.Option(help="With --level dft.")] = "3-21G",
    charge: Annotated[int, typer.Option(help="Total charge, e.")] = 0,
    multiplicity: Annotated[int | None, typer.Option(help="2S+1; by default the lowest possible.")] = None,
    labels_per_round: Annotated[int, typer.Option(help="New labels of a round, over all formulas.")] = 100,
    quenches: Annotated[int, typer.Option(help="Of the search of each formula and round.")] = 320,
    members: Annotated[int, typer.Option(help="Of the committee.")] = 3,
    seed: Annotated[int, typer.Option()] = 0,
    settings: Annotated[
        Path | None, typer.Option(help="JSON of all loop settings (as OUT/improve.json); instead of the options above.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", "-j", help="Processes for labels and fits.")] = 1,
    device: Device = None,
    as_json: Json = False,
) -> None:
    """Make a potential better where its searches go: search, label by DFT, train, and again.

    Each round searches FORMULAS with the present potential, beginning with the lowest structures labelled
    so far, labels the lowest minima it found, the states its members disagree about and what differs most
    from all that is labelled, trains the committee on, and measures it: on the minima its own search took
    for the lowest, before it is trained on them, and on held-out labels. Everything is on disk after every
    step; a stopped or killed loop goes on where it was.

        iia improve SeB6 SeB8 SeB10 --from seb-10 --labels models/labels/pbe0-3-21g.npz.xz --rounds 3 -o loop -j 2

        iia improve AlC4 AlC5 AlC6 --time 2h -o alc      # from no model at all: xTB first, then DFT

        iia improve -o alc --time 8h                     # goes on
    """
    from iia_calc.cli.duration import parse_time
    from iia_calc.cli.views.console import Live, output, print_json, stdout_kept_clean
    from search.geometry.composition import Composition

    if rounds is None and time is None:
        raise InputError("nothing says when to stop: give --rounds or --time")
    limit = None if time is None else parse_time(time)
    names = tuple(Composition.parse(formula).formula for formula in formulas or ())
    with stdout_kept_clean(as_json):
        import time as clock

        from iia_calc.improve import Loop, LoopSettings, report

        wanted: LoopSettings | None = None
        if settings is not None:
            if names:
                raise InputError("the formulas are in the settings; give one or the other")
            wanted = LoopSettings.read(settings)
        elif names:
            wanted = LoopSettings(
                formulas=names,
                level=level,
                functional=functional,
                basis=basis,
                charge=charge,
                multiplicity=multiplicity,
                start_from=start_from,
                labels=tuple(map(str, labels or ())),
                test=tuple(map(str, test or ())),
                quenches=quenches,
                labels_per_round=labels_per_round,
                members=members,
                seed=seed,
            )
        with Live("labels", None) as live:
            began = clock.monotonic()

            def show_labels(done: int, wanted: int) -> None:
                live.update(done, f"{done} of {wanted}", clock.monotonic() - began)

            loop = Loop(out, wanted, workers=workers, device=device, say=live.console.print, on_labels=show_labels)
            reports = loop.run(rounds, limit)
        report.save(reports, out)
    if as_json:
        print_json({"rounds": [r.as_plain() for r in reports], "model": str(loop.model) if loop.model else None})
    else:
        output().print(report.table(reports))
        if loop.model:
            output().print(f"potential: {loop.model}; figure: {out / 'progress.png'}")
