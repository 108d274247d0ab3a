"""Errors a user can do something about, as one message instead of a traceback."""

from __future__ import annotations

import errno
import re
import sqlite3
from typing import Any

import typer
from typer.core import TyperGroup

from iia_calc.cli.streams import exit_code
from search.errors import IIAError

USER_ERRORS = (IIAError, OSError, sqlite3.OperationalError)
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
IN_WORDS = {
    errno.ENOENT: "there is no file or folder {}",
    errno.EACCES: "there is no permission to read or write {}",
    errno.EPERM: "there is no permission to read or write {}",
    errno.EROFS: "{} can't be written: nothing there can be",
    errno.EEXIST: "{} exists and is no folder; name another",
    errno.ENOTDIR: "{} can't be opened: a part of this path is a file, not a folder",
    errno.EISDIR: "{} is a folder; name a file",
    errno.ELOOP: "{} can't be opened: its links lead in a circle",
    errno.ENAMETOOLONG: "{} is too long for a name",
}
PART = re.compile(r"\.([^/]+?)(?:\.\d+\.new|\.part)(\.\w+)?$")
"""What a file is called while it is written."""
GO_ON = "What was stored before is kept: make room, then give the same command again"


class FriendlyGroup(TyperGroup):
    """Ends with exit code 2 and a message on standard error; `--debug`, in any place, shows the traceback."""

    debug = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take --debug out of the arguments, wherever it stands, before the others are parsed."""
        if any(not word.strip() or (word.startswith("--") and word.endswith("=")) for word in args):
            raise typer.BadParameter("an argument is empty; in a script, look for a variable that isn't set")
        words = args[: args.index("--")] if "--" in args else args
        self.debug = "--debug" in words
        if self.debug:
            args = [word for word in words if word != "--debug"] + args[len(words) :]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error that a user can mend ends it with one line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(exit_code()) from None
        except BrokenPipeError:
            raise  # click ends quietly: `iia info | head`
        except USER_ERRORS as error:
            if self.debug:
                raise
            typer.echo(f"error: {describe(error)}", err=True)
            raise typer.Exit(2) from error


def describe(error: BaseException) -> str:
    """What went wrong, and on a full disk what to do."""
    if isinstance(error, sqlite3.OperationalError):
        if "readonly" in str(error) or "unable to open" in str(error):
            return f"a database cannot be written ({error}). What was stored before is kept"
        return f"a database cannot be written ({error}). {GO_ON}"
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return f"{error.strerror}: {error.filename or 'a file'} cannot be written. {GO_ON}"
    if isinstance(error, OSError) and error.errno in IN_WORDS and error.filename is not None:
        return IN_WORDS[error.errno].format(PART.sub(r"\1\2", str(error.filename)))
    return str(error)
