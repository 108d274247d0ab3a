"""Errors a user can do something about, as one message instead of a traceback."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

USER_ERRORS = (ValueError, TypeError, OSError, ImportError, RuntimeError)


class FriendlyGroup(TyperGroup):
    """Ends with exit code 2 and a message on standard error; `--debug`, in any place, shows the traceback."""

    debug = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = args[: args.index("--")] if "--" in args else args
        self.debug = "--debug" in words
        if self.debug:
            args = [word for word in words if word != "--debug"] + args[len(words) :]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(130) from None
        except USER_ERRORS as error:
            # Exit, Abort and usage errors are RuntimeErrors or click's own; they know what to do.
            if self.debug or type(error).__module__.split(".")[0] in ("click", "typer"):
                raise
            name = "" if isinstance(error, ValueError | OSError | ImportError) else f"{type(error).__name__}: "
            typer.echo(f"error: {name}{error}", err=True)
            raise typer.Exit(2) from error
