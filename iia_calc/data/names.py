"""What a file's name says it holds: "SeBn/B=21.npz" SeB21, "Ta2N3-.npz" Ta2N3, "SeB16-start-3.log" SeB16."""

from __future__ import annotations

import re
from pathlib import Path

from ase.data import atomic_numbers

from search.geometry.composition import Composition

_FORMULA = re.compile(r"^(?:[A-Z][a-z]?\d*)+(?=$|[^A-Za-z0-9])")
_COUNT = re.compile(r"^([A-Z][a-z]?)\s*=\s*(\d+)(?=$|\D)")
_SERIES = re.compile(r"^((?:[A-Z][a-z]?\d*)*?)([A-Z][a-z]?)n(?=$|[^a-z])")


def formula_in_name(path: Path) -> str | None:
    """The formula that a file's name, with its folder's, promises; None where it promises none.

    A name like "B=21" counts the element that the folder leaves open ("SeBn", "SeBn-O"), or, where the
    folder names no series, can't be understood and promises nothing.
    """
    stem, folder = path.stem, path.resolve().parent.name
    counted = _COUNT.match(stem)
    if counted:
        series = _SERIES.match(folder)
        if series is None or series[2] != counted[1]:
            return None
        return _read(f"{series[1]}{counted[1]}{counted[2]}")
    named = _FORMULA.match(stem)
    # A number tells a formula from a word that happens to be spelt with symbols, such as "No" or "CON".
    return _read(named[0]) if named and any(letter.isdigit() for letter in named[0]) else None


def _read(formula: str) -> str | None:
    symbols = re.findall(r"[A-Z][a-z]?", formula)
    if not symbols or any(symbol not in atomic_numbers for symbol in symbols):
        return None
    try:
        return Composition.parse(formula).formula
    except ValueError:
        return None
