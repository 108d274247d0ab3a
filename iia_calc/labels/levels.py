"""Levels of theory by name: those shipped, and any class of yours as MODULE:CLASS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from iia_calc.common.imports import import_class, is_class_path
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LevelOfTheory, checked_level
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
    if name not in LEVELS and not is_class_path(name):
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
    make = import_class(name, "level")
    try:
        level: LevelOfTheory = make(charge=options.charge, multiplicity=options.multiplicity)
    except TypeError as error:
        raise InputError(f"level {name!r} must be called with charge and multiplicity: {error}") from error
    checked = checked_level(level, f"level {name!r}")
    for field, asked in (("charge", options.charge), ("multiplicity", options.multiplicity)):
        if (has := getattr(checked, field)) != asked:
            raise InputError(f"level {name!r} was made with {field} {asked} and says that its {field} is {has}")
    return checked
