"""Levels of theory by name: those shipped, and any class of yours as MODULE:CLASS."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LevelOfTheory
from iia_calc.labels.xtb import XTBLevel
from search.errors import InputError


@dataclass(frozen=True)
class LevelOptions:
    """What `iia label` lets a user say of a level; each level takes what concerns it.

    charge : e. multiplicity : 2S+1, None for the lowest. functional, basis : of DFT. temperature : K, electronic,
    of xTB.
    """

    charge: int = 0
    multiplicity: int | None = None
    functional: str = "PBE0"
    basis: str = "3-21G"
    temperature: float = 1500.0


def _xtb(method: str) -> Callable[[LevelOptions], LevelOfTheory]:
    return lambda options: XTBLevel(method, options.temperature, options.charge, options.multiplicity)


LEVELS: dict[str, Callable[[LevelOptions], LevelOfTheory]] = {
    "gfn1": _xtb("GFN1-xTB"),
    "gfn2": _xtb("GFN2-xTB"),
    "dft": lambda options: DFTLevel(options.functional, options.basis, options.charge, options.multiplicity, threads=1),
}
"""Name, as `--level` takes it: what makes the level of a user's options. A program may add its own."""

CHEAP = ("gfn1", "gfn2")
"""Levels of which many labels are made from each start; of any other a few near minima."""


def check_level(name: str) -> None:
    """InputError unless `name` is among `LEVELS` or has the form MODULE:CLASS."""
    module, colon, attribute = name.partition(":")
    if name not in LEVELS and not (colon and module and attribute.isidentifier()):
        *some, last = LEVELS
        raise InputError(
            f"level {name!r} is not known; choose {', '.join(some)} or {last}, or MODULE:CLASS of a level of your own"
        )


def make_level(name: str, options: LevelOptions = LevelOptions()) -> LevelOfTheory:
    """The level of that name.

    MODULE:CLASS is imported, also from the current folder, and called with `charge` and `multiplicity`; what it
    gives must keep to `LevelOfTheory`.

    Raises
    ------
    InputError : no such level, module or class, or it doesn't take charge and multiplicity.
    """
    check_level(name)
    if name in LEVELS:
        return LEVELS[name](options)
    module, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.append("")  # the current folder, for worker processes as well
    try:
        make = getattr(import_module(module), attribute)
    except ImportError as error:
        raise InputError(f"level {name!r}: module {module!r} can't be imported: {error}") from error
    except AttributeError as error:
        raise InputError(f"level {name!r}: module {module!r} has no {attribute}") from error
    try:
        level: LevelOfTheory = make(charge=options.charge, multiplicity=options.multiplicity)
    except TypeError as error:
        raise InputError(f"level {name!r} must be called with charge and multiplicity: {error}") from error
    return level
