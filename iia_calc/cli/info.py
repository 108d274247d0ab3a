"""`iia info`: what a model is, or which there are."""

from __future__ import annotations

from typing import Annotated

import typer

from iia_calc.cli.options import Json


def register(app: typer.Typer) -> None:
    app.command("info")(info)


def info(
    model: Annotated[str | None, typer.Argument(help="A shipped model's name or a model's folder.")] = None,
    as_json: Json = False,
) -> None:
    """Show a model's card: elements, level of theory, labels, held-out errors. Without MODEL, list the shipped ones.

    iia info

    iia info models/mine
    """
    from iia_calc.cli.views.console import output, print_json, stdout_kept_clean

    with stdout_kept_clean(as_json):
        from dataclasses import asdict

        from iia_calc.cli.views import card as card_text
        from iia_calc.model import storage

        card = None if model is None else storage.read_card(storage.find(model))
    if card is not None:
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
