"""`iia export`: isomers for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command, build, refuse_given

EXAMPLES = """
iia export SeB12-search --format xyz
iia export SeB12-search --format orca --lowest 3 --functional PBE0 \\
    --basis def2-TZVP
iia export SeB12-search --format gaussian --charge -1 --task opt
iia export SeB12-search --format csv --out tables
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "export", export, EXAMPLES)


def export(
    source: o.SearchOrFile,
    kind: Annotated[str, typer.Option("--format", "-f", help="xyz, gaussian, orca, pyscf or csv.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder. [default: one called FORMAT]")] = None,
    lowest: Annotated[int | None, typer.Option(help="How many isomers. [default: 10; of csv all]")] = None,
    geometry: Annotated[
        str, typer.Option(help="best: DFT's where there is one; potential: always the potential's.")
    ] = "best",
    functional: Annotated[
        str | None, typer.Option(help="Of inputs. [default: DFT's here, else that of the potential's labels]")
    ] = None,
    basis: Annotated[str | None, typer.Option(help="Of inputs. [default: as the functional]")] = None,
    charge: Annotated[int | None, typer.Option(help="Of inputs, e. [default: DFT's here, else 0]")] = None,
    multiplicity: Annotated[
        int | None, typer.Option(help="Of inputs, 2S+1. [default: DFT's here, else the lowest possible]")
    ] = None,
    task: Annotated[str, typer.Option(help="Of inputs: energy, opt or opt-freq.")] = "opt-freq",
) -> None:
    """Write the isomers of a search as xyz, as inputs of Gaussian, ORCA or PySCF, one file each, or as a table.

    They come in the order that counts: DFT's where there is one. Files are named by the rank of the potential, as
    everywhere; each says in a line whose geometry it has.
    """
    options = locals()
    from iia_calc.cli.views.console import output, remarks
    from iia_calc.report.export import ExportRequest
    from iia_calc.report.export import export as write_export
    from iia_calc.report.findings import read_findings

    request = build(ExportRequest, options)
    if kind in ("xyz", "csv"):
        refuse_given(f"of inputs; {kind} has none", "functional", "basis", "charge", "multiplicity", "task")
    folder = out or (source if source.is_dir() else source.parent) / kind
    findings = read_findings(source)
    for line in findings.remarks:
        remarks().print(line)
    written = write_export(findings, request, folder)
    names = ", ".join(path.name for path in written)
    output().print(f"{len(written)} file{'s' if len(written) > 1 else ''} in {folder}: {names}")
