"""`iia relax`: relax the structures of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command, save_settings

EXAMPLES = """
iia relax clusters.xyz
iia relax SeB16-search/isomers.extxyz --fmax 0.001 --out tight.extxyz
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "relax", relax, EXAMPLES)


def relax(
    file: Annotated[Path, typer.Argument(help="Anything ASE reads; every frame is relaxed.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Extended XYZ. [default: FILE-relaxed.extxyz]")
    ] = None,
    fmax: o.Fmax = 0.01,
    max_steps: Annotated[int, typer.Option(help="Evaluations per structure.")] = 500,
    model: o.Model = None,
    device: o.Device = None,
    batch_size: o.BatchSize = None,
    as_json: o.Json = False,
) -> None:
    """Relax structures, many at once, and say honestly what became of each.

    Structures that didn't converge, fell apart, or end where the committee's members disagree (uncertain: the energy
    means nothing there) are written too, with converged=F in their comment line, and the exit code is 1. What isn't a
    sound cluster of known elements is set aside, with the reason.
    """
    from iia_calc.cli.views.console import output, print_json, remarks, stdout_kept_clean

    target = out or file.parent / f"{file.stem}-relaxed.extxyz"
    with stdout_kept_clean(as_json):
        from iia_calc.relax.files import as_plain, relax_file

        relaxed = relax_file(
            file, target, model=model, device=device, fmax=fmax, max_steps=max_steps, batch_size=batch_size
        )
    save_settings(target)
    for line in relaxed.remarks:
        remarks().print(line)
    if as_json:
        print_json(as_plain(relaxed))
    else:
        from iia_calc.cli.views.relaxed import relaxed_summary, relaxed_table

        output().print(relaxed_table(relaxed))
        remarks().print(f"{relaxed_summary(relaxed)}; written to {target}")
    if not relaxed.complete:
        raise typer.Exit(1)
