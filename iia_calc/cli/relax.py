"""`iia relax`: relax the structures of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli.options import Device, Json, Model


def register(app: typer.Typer) -> None:
    app.command("relax")(relax)


def relax(
    file: Annotated[Path, typer.Argument(help="Anything ASE reads; every frame is relaxed.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Extended XYZ. [default: FILE-relaxed.extxyz]")
    ] = None,
    fmax: Annotated[float, typer.Option(help="Largest force on any atom of a relaxed structure, eV/Å.")] = 0.01,
    max_steps: Annotated[int, typer.Option(help="Evaluations per structure.")] = 500,
    model: Model = None,
    device: Device = None,
    batch_size: Annotated[int | None, typer.Option(help="Structures relaxed at once.")] = None,
    as_json: Json = False,
) -> None:
    """Relax structures, many at once, and say honestly what became of each.

    Structures that didn't converge, fell apart, or end where the committee's members disagree (uncertain:
    the energy means nothing there) are written too, with converged=F in their comment line, and the exit code is 1.

        iia relax clusters.xyz

        iia relax SeB16-search/isomers.extxyz --fmax 0.001 --out tight.extxyz
    """
    from iia_calc.cli.views.console import output, print_json, remarks, stdout_kept_clean

    with stdout_kept_clean(as_json):
        from iia_calc.relax import files as relaxation

        target = out or file.with_name(f"{file.stem}-relaxed.extxyz")
        results = relaxation.relax_file(
            file, target, model=model, device=device, fmax=fmax, max_steps=max_steps, batch_size=batch_size
        )
    if as_json:
        print_json(relaxation.as_plain(results))
    else:
        output().print(relaxation.table(results))
        remarks().print(f"written to {target}")
    if not all(result.converged for result in results):
        raise typer.Exit(1)
