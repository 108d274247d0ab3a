"""`iia view`: look at a search or at structures in the browser."""

from __future__ import annotations

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command

EXAMPLES = """
iia view SeB12-search
iia view clusters.xyz
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "view", view, EXAMPLES)


def view(source: o.SearchOrFile) -> None:
    """Write the page of a search or of a file of structures (see `iia report`) and open it in the browser."""
    import webbrowser

    from iia_calc.cli.views.console import output, remarks
    from iia_calc.report.page import write_report

    path = source if source.suffix == ".html" and source.is_file() else write_report(source, say=remarks().print)
    output().print(str(path))
    if not webbrowser.open(path.resolve().as_uri()):
        remarks().print("no browser could be opened here; open that file in one")
