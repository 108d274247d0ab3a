"""A class named in the shell, MODULE:CLASS, imported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
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
    imported = import_here(module, f"{what} {text!r}")
    try:
        found: Callable[..., Any] = getattr(imported, attribute)
    except AttributeError as error:
        raise InputError(f"{what} {text!r}: module {module!r} has no {attribute}") from error
    return found


def import_here(module: str, what: str) -> ModuleType:
    """The module of that name; those of the current folder are found, too.

    what : how errors call it.

    Raises
    ------
    InputError : there is none, or it raises an error as it is imported.
    """
    if "" not in sys.path:
        sys.path.append("")  # the current folder, for worker processes as well
    try:
        return import_module(module)
    except Exception as error:  # whatever stands in somebody's module
        reason = " ".join(str(error).split())
        kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
        raise InputError(f"{what}: module {module!r} can't be imported: {kind}{reason}") from error
