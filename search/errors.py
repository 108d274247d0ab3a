"""The exceptions of both packages, which a user can mend, and the checks of arguments that raise them."""

from __future__ import annotations

import math
import operator
import os
from pathlib import Path
from typing import Any

import numpy as np


class IIAError(Exception):
    """Base class of every exception that `search` and `iia_calc` raise on purpose.

    The command line prints one as a single line; anything else is a programming error and shows its traceback.
    """


class InputError(IIAError, ValueError):
    """An argument, setting, structure or file makes no sense; the message says what would be right."""


class InputTypeError(IIAError, TypeError):
    """An argument is of the wrong kind, for example a class where an instance is wanted."""


class JobFailed(IIAError, RuntimeError):
    """A long job could not go on or ended without a result; what was found before is kept."""


class MissingPackage(IIAError, ImportError):
    """An optional package is not installed; the message says how to install it."""


def finite(name: str, value: Any, what: str = "a finite number") -> float:
    """`value` as a Python float, whatever type of number it has; text is none.

    Raises
    ------
    InputError : not a finite number; `what` says what it must be.
    """
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not math.isfinite(value):
        raise InputError(f"{name} is {quote(value)}; it must be {what}")
    return float(value)


def within(name: str, value: Any, low: float, high: float, unit: str = "") -> float:
    """As `finite`, from `low` to `high`: beyond these a number of this `unit` makes no sense."""
    what = f"from {low:g} to {high:g} {unit}".rstrip()
    found = finite(name, value, what)
    if not low <= found <= high:
        raise InputError(f"{name} is {quote(value)}; it must be {what}")
    return found


TIGHTEST, LOOSEST = 1e-6, 1.0
"""eV/Å, least and largest force on an atom that a relaxation may be asked to end with: below is rounding."""


def positive(name: str, value: Any, what: str = "a number") -> float:
    """As `finite`, above 0."""
    found = finite(name, value, f"{what} above 0")
    if found <= 0:
        raise InputError(f"{name} is {quote(value)}; it must be {what} above 0")
    return found


def force_limit(name: str, value: Any) -> float:
    """As `positive`, eV/Å, between `TIGHTEST` and `LOOSEST`: what is pulled more strongly has not been relaxed."""
    found = positive(name, value, "a force in eV/Å")
    if found < TIGHTEST:
        raise InputError(f"{name} is {quote(value)} eV/Å; forces are not known so well: give at least {TIGHTEST:g}")
    if found > LOOSEST:
        raise InputError(
            f"{name} is {quote(value)} eV/Å; structures with such forces are no minima: give at most {LOOSEST:g}"
        )
    return found


MOST = 10**15
"""The largest whole number that is taken anywhere: more than anything that can be counted or drawn here."""


def whole(name: str, value: Any, least: int) -> int:
    """`value` as a Python integer, whatever integer type it has.

    Raises
    ------
    InputError : not a whole number, below `least` or above `MOST`.
    """
    try:
        found = operator.index(value)
    except TypeError:
        found = least - 1
    if isinstance(value, bool | np.bool_) or found < least:
        raise InputError(f"{name} is {quote(value)}; it must be a whole number of at least {least}")
    if found > MOST:
        raise InputError(f"{name} is {quote(value)}; it must be a whole number of at most {MOST}")
    return found


def whole_or_none(name: str, value: Any, least: int) -> int | None:
    """As `whole`; None stays None."""
    return None if value is None else whole(name, value, least)


def check_functions(**functions: Any) -> None:
    """InputTypeError for the first that is neither None nor can be called; by name."""
    for name, function in functions.items():
        if function is not None and not callable(function):
            raise InputTypeError(f"{name} is {quote(function)}; it must be a function, or None")


def check_flags(**flags: Any) -> None:
    """InputTypeError for the first that is neither True nor False; by name."""
    for name, flag in flags.items():
        if not isinstance(flag, bool | np.bool_):
            raise InputTypeError(f"{name} is {quote(flag)}; it must be True or False")


def check_kind(name: str, value: Any, *kinds: type[Any]) -> None:
    """InputTypeError where `value` is none of these kinds."""
    if not isinstance(value, kinds):
        names = [kind.__name__ for kind in kinds if kind is not type(None)]
        raise InputTypeError(f"{name} is {quote(value)}; it must be {' or '.join(names)}")


def checked_path(name: str, value: Any, what: str = "a path") -> Path:
    """`value` as a Path.

    Raises
    ------
    InputError, InputTypeError : neither text nor a path, or an empty text; `what` says what it must be.
    """
    if not isinstance(value, str | os.PathLike):
        raise InputTypeError(f"{name} is {quote(value)}; it must be {what}")
    if not (text := os.fspath(value)) or not isinstance(text, str) or "\0" in text:
        raise InputError(f"{name} is {quote(value)}; it must be {what}")
    return Path(text)


def quote(value: Any) -> str:
    """A value in one short line, NumPy's numbers as Python writes them."""
    plain = value.item() if isinstance(value, np.generic) else value
    text = " ".join(repr(plain).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
