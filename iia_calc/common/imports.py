"""A class named in the shell, MODULE:CLASS, imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from search.errors import InputError


def is_class_path(text: str) -> bool:
    """Whether `text` has the form MODULE:CLASS."""
    module, colon, attribute = text.partition(":")
    return bool(colon and module) and attribute.isidentifier()


def import_class(text: str, what: str) -> Callable[..., Any]:
    """What MODULE:CLASS names; modules of the current folder are found, too.

    what : how errors call it, for example "level".

    Raises
    ------
    InputError : not of that form, no such module, or nothing of that name in it.
    """
    if not is_class_path(text):
        raise InputError(f"{what} {text!r} is not of the form MODULE:CLASS")
    module, _, attribute = text.partition(":")
    if "" not in sys.path:
        sys.path.append("")  # the current folder, for worker processes as well
    try:
        found: Callable[..., Any] = getattr(import_module(module), attribute)
    except ImportError as error:
        raise InputError(f"{what} {text!r}: module {module!r} can't be imported: {error}") from error
    except AttributeError as error:
        raise InputError(f"{what} {text!r}: module {module!r} has no {attribute}") from error
    return found
