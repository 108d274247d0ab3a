"""`iia info`: what a model is, or which there are."""

from __future__ import annotations

from typing import Annotated

import typer

from iia_calc.cli import options as o
from iia_calc.cli.command import add_command

EXAMPLES = """
iia info
iia info models/mine
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "info", info, EXAMPLES)


def info(
    model: Annotated[str | None, typer.Argument(help="A shipped model's name or a model's folder.")] = None,
    as_json: o.Json = False,
) -> None:
    """Show a model's card: elements, level of theory, labels, held-out errors.

    Without MODEL, list the shipped ones.
    """
    from dataclasses import asdict

    from iia_calc.cli.views import card as card_text
    from iia_calc.cli.views.console import output, print_json
    from iia_calc.model import storage

    if model is not None:
        card = storage.read_card(storage.find(model))
        if as_json:
            print_json(asdict(card))
            return
        for part in card_text.describe(card):
            output().print(part)
        return
    names = storage.shipped_models()
    if as_json:
        print_json({"models": names, "folder": str(storage.models_folder())})
    elif names:
        output().print(card_text.listing(names))
    else:
        output().print(f"no models in {storage.models_folder()}; train one with iia train")
