"""`iia paper`: the supporting information of confirmed searches."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command

EXAMPLES = """
iia paper SeB8                     # of the folder SeB8-search
iia paper SeB8-search SeB8-anion --out supporting
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "paper", paper, EXAMPLES)


def paper(
    sources: Annotated[list[str], typer.Argument(metavar="FOLDER|FORMULA...", help="Searches that DFT has confirmed.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder.")] = Path("paper"),
    tolerance: Annotated[float, typer.Option(help="Of point groups, Å.")] = 0.2,
    as_json: o.Json = False,
) -> None:
    """Write the supporting information of searches that DFT has confirmed.

    Tables of point groups, states, energies, zero-point energies, lowest frequencies and ⟨S²⟩ in Markdown and LaTeX,
    structures as xyz, figures as SVG and PDF, a paragraph of methods with every setting, and a BibTeX file of what
    to cite. Nothing is computed but point groups.
    """
    from iia_calc.cli.views.console import output, print_json, remarks, stdout_kept_clean

    with stdout_kept_clean(as_json):
        from iia_calc.report.paper.api import write_paper

        done = write_paper(sources, out, tolerance)
    for line in done.remarks:
        remarks().print(line)
    if as_json:
        print_json({"folder": str(done.folder), "files": list(done.files), "remarks": list(done.remarks)})
    else:
        output().print(f"{done.folder}: {', '.join(done.files)}")
