"""The command `iia`: parses, calls, prints. Each command is a module; what it does lives elsewhere.

Nothing heavy is imported before a command runs, so `iia --help` is there at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from iia_calc.cli import (
    atlas,
    audit,
    bench,
    convert,
    evaluate,
    export,
    improve,
    info,
    join,
    label,
    md,
    paper,
    properties,
    relax,
    report,
    reproduce,
    search,
    train,
    view,
)
from iia_calc.cli.errors import FriendlyGroup
from iia_calc.cli.streams import exit_code, prepare_signals, prepare_streams, silence_libraries

app = typer.Typer(
    cls=FriendlyGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # at 80 columns Rich cuts the names of options and hides their defaults
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for command in (search, report, view, export, properties, paper, atlas, relax, md, label, join):
    command.register(app)
for command in (train, evaluate, improve, info, audit, convert, reproduce, bench):
    command.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from iia_calc import __version__

        typer.echo(f"schnet-iia {__version__}")
        raise typer.Exit


@app.callback()
def iia(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from (in any place).")] = False,
) -> None:
    """SchNet-IIA: a neural-network potential for doped boron clusters, and the search for their minima.

    \b
      iia search SeB16                # two minutes: a table and SeB16-search/
      iia search SeB16 --dft 5        # and the five lowest relaxed by DFT
      iia view SeB16-search           # look at it: isomers in 3-D, how sure
      iia properties SeB16-search     # point groups, free energies, populations
      iia paper SeB16                 # supporting information of it
      iia atlas                       # the minima known already, as a small site
      iia relax clusters.xyz          # relax any structures
      iia md SeB16 --temperature 500  # molecular dynamics
      iia improve SeB8 --from seb-3-21g  # search, label by DFT, train, again
      iia info                        # the models there are
    """


def main() -> None:
    """Entry point."""
    prepare_streams()
    prepare_signals()
    silence_libraries()
    try:
        app(prog_name="iia")
    except KeyboardInterrupt:  # before a command was found, which says so itself
        typer.echo("interrupted", err=True)
        sys.exit(exit_code())
