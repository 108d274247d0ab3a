"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Model = Annotated[
    str | None, typer.Option("--model", "-m", help="A shipped model's name or a model's folder; see `iia info`.")
]
Device = Annotated[str | None, typer.Option(help="cpu or cuda (cuda:1, ...); by default the GPU where there is one.")]
Seed = Annotated[int, typer.Option(help="The same seed gives the same result on one machine.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output, nothing else.")]
