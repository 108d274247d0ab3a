"""What a JSON file has to hold for those who read it, so that a damaged one is told in a line that names the place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from search.errors import InputError, quote


class Kind(Protocol):
    """What a value has to be."""

    def check(self, value: Any, where: str) -> None:
        """Raise an InputError unless the value is of this kind. where : "FILE:", or "FILE: the.place" of a part."""


@dataclass(frozen=True)
class Single:
    """One value that isn't made of others. words : what it must be. accepts : whether it is."""

    words: str
    accepts: Callable[[Any], bool]

    def check(self, value: Any, where: str) -> None:
        """See `Kind`."""
        if not self.accepts(value):
            raise InputError(f"{where} is {quote(value)}; it must be {self.words}")


@dataclass(frozen=True)
class OrNull:
    """A value of a kind, or null."""

    kind: Kind

    def check(self, value: Any, where: str) -> None:
        """See `Kind`."""
        if value is not None:
            self.kind.check(value, where)


@dataclass(frozen=True)
class ListOf:
    """A list of values of one kind."""

    kind: Kind

    def check(self, value: Any, where: str) -> None:
        """See `Kind`."""
        if not isinstance(value, list):
            raise InputError(f"{where} is {quote(value)}; it must be a list")
        for k, item in enumerate(value):
            self.kind.check(item, f"{where}[{k}]")


@dataclass(frozen=True)
class ByName:
    """Values of one kind under names of any sort."""

    kind: Kind

    def check(self, value: Any, where: str) -> None:
        """See `Kind`."""
        for name, item in _as_mapping(value, where).items():
            self.kind.check(item, _inside(where, name))


@dataclass(frozen=True)
class Parts:
    """Values under names that are known; others are let pass.

    kinds : of each name. needed : names that may not be missing.
    """

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    needed: tuple[str, ...] = ()

    def check(self, value: Any, where: str) -> None:
        """See `Kind`."""
        named = _as_mapping(value, where)
        for name in self.needed:
            if name not in named:
                raise InputError(f"{where.rstrip(':')} has no {name!r}")
        for name, kind in self.kinds.items():
            if name in named:
                kind.check(named[name], _inside(where, name))


def _as_mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where.rstrip(':')} is {quote(value)}; it must hold values by name")
    return value


def _inside(where: str, name: str) -> str:
    return f"{where} {name}" if where.endswith(":") else f"{where}.{name}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_whole(value: Any, least: int | None = None) -> bool:
    return isinstance(value, int) and _is_number(value) and (least is None or value >= least)


LARGEST = 1e15
"""No energy, count or time in a file is larger; neither NaN nor infinity is a number here."""
TEXT = Single("text", lambda value: isinstance(value, str))
FLAG = Single("true or false", lambda value: isinstance(value, bool))
NUMBER = Single("a number", _is_number)
MAYBE_NAN = Single("a number", lambda value: _is_number(value) or (isinstance(value, float) and math.isnan(value)))
WHOLE = Single("a whole number", _is_whole)
COUNT = Single("a whole number from 0", lambda value: _is_whole(value, 0))
PLACE = Single("a whole number from 1", lambda value: _is_whole(value, 1))
