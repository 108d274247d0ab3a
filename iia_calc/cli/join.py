"""`iia join`: label databases into one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iia_calc.cli.command import add_command, save_settings

EXAMPLES = """
iia join runs/*/dft.db -o confirmations.db \\
    --without models/labels/pbe0-3-21g.npz.xz
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "join", join, EXAMPLES)


def join(
    sources: Annotated[list[Path], typer.Argument(help="Label databases (.db) or packed labels (.npz.xz).")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="ASE database (.db) or packed file (.npz.xz) that receives what it doesn't hold yet."
        ),
    ],
    without: Annotated[
        list[Path] | None, typer.Option(help="Leave out what this file holds, too; may be given often.")
    ] = None,
    split: Annotated[str, typer.Option(help="Note of those added: training or held-out.")] = "",
    batch: Annotated[str, typer.Option(help="Note of those added what they were made for, e.g. double-rings.")] = "",
) -> None:
    """Join label databases of one level of theory, each label once.

    The DFT relaxations of searches (FOLDER/dft.db) are labels like any others: joined, they are what the next potential
    is fitted to.
    """
    from iia_calc.labels.merge import join as join_labels
    from iia_calc.labels.npz import open_labels

    added = join_labels(sources, out, without or (), split, batch)
    save_settings(out)
    typer.echo(f"{added} labels added to {out}, which holds {len(open_labels(out))}")
