"""`iia atlas`: the known minima as a small site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command

EXAMPLES = """
iia atlas
iia atlas SeB6 B8 --out two
# of a folder that benchmarks/lowest_minima.py made
iia atlas --from runs/lowest
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "atlas", atlas, EXAMPLES)


def atlas(
    formulas: Annotated[list[str] | None, typer.Argument(help="Only these. [default: all]")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the site.")] = Path("atlas"),
    source: Annotated[
        Path | None, typer.Option("--from", help="Folder with lowest.extxyz. [default: the minima that are shipped]")
    ] = None,
    as_json: o.Json = False,
) -> None:
    """Write the atlas: a site of the lowest minima known, one page a formula, which needs no network.

    Of each structure its level of theory, energy above the lowest, point group, frequencies where they were computed,
    other multiplicities where they were tested, what it was found in, and what the potential says; in 3-D, and as xyz,
    csv and json. Open index.html in any browser, on a phone too.
    """
    from iia_calc.cli.views.console import output, print_json, remarks, stdout_kept_clean

    with stdout_kept_clean(as_json):
        from iia_calc.report.atlas.site import write_atlas

        done = write_atlas(out, source, formulas or ())
    for line in done.remarks:
        remarks().print(line)
    if as_json:
        print_json({"index": str(done.index), "n_formulas": done.n_formulas, "n_minima": done.n_minima})
    else:
        output().print(f"{done.index}: {done.n_minima} structures of {done.n_formulas} formulas")
