"""`iia report`: the page of a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command

EXAMPLES = """
iia report SeB12-search
# one file: send it, open it anywhere
iia report SeB12-search --out SeB12.html
iia report SeB12-search --live             # beside a search that runs
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "report", report, EXAMPLES)


def report(
    source: o.SearchOrFile,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The page. [default: report.html in FOLDER]")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Write it again every few seconds until the search has ended.")
    ] = False,
) -> None:
    """Write the page of a search: which isomer is lowest, how sure, all in 3-D, how to repeat and cite it.

    One HTML file that opens in any browser and needs no network. A search writes it at its end; this writes it anew, or
    with --live while the search runs: the page then loads itself again. Structures of a file make a page, too.
    """
    from iia_calc.cli.views.console import output, remarks
    from iia_calc.report.live import follow
    from iia_calc.report.page import page_path, write_report
    from iia_calc.report.viewer import MISSING, viewer_script

    if viewer_script() is None:
        remarks().print(f"the page is without 3-D and map: {MISSING}")
    if live:
        remarks().print(f"open {out or page_path(source)}; Ctrl-C ends this, not the search")
    path = follow(source, out) if live else write_report(source, out, say=remarks().print)
    output().print(str(path))
