"""How a search of isomers chooses what to relax next: a method by name or of one's own, and the shares of its moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from iia_calc.common.imports import import_class, import_here, is_class_path
from search.errors import InputError, InputTypeError
from search.islands.kinds import Island, default_islands
from search.moves.registry import check_shares
from search.relaxers.ase import ASECalculator
from search.relaxers.base import Relaxer
from search.searchers.base import Searcher
from search.searchers.methods import METHODS, find_method

GPU_WALKERS = 256
EXAMPLE = "symmetrise=0.1, or MODULE:NAME=SHARE of a move that MODULE registers"


def check_method(method: str) -> None:
    """InputError unless `method` is a known name or has the form MODULE:CLASS."""
    if method not in METHODS and not is_class_path(method):
        raise InputError(
            f"method {method!r} is not known; choose one of {', '.join(METHODS)}, or MODULE:CLASS of your own searcher"
        )


def searcher_class(method: str) -> type[Searcher]:
    """The searcher of that name, or the class at MODULE:CLASS.

    Raises
    ------
    InputError, InputTypeError : no such method, module or class, or it isn't derived from `search.Searcher`.
    """
    check_method(method)
    if method in METHODS:
        return METHODS[method]
    found: Any = import_class(method, "method")
    return find_method(found)


def walkers_on(device: str, kind: type[Searcher]) -> dict[str, Any]:
    """Settings of a searcher on that device: a GPU relaxes hundreds of clusters in the time of ten."""
    if device.startswith("cuda") and "walkers" in [field.name for field in fields(kind.Settings)]:
        return {"walkers": GPU_WALKERS}
    return {}


def settings_with(kind: type[Searcher], settings: Mapping[str, Any], moves: Mapping[str, float]) -> dict[str, Any]:
    """`settings` of a searcher with the shares `moves` in place of its own, those of the others as they were.

    moves : NAME, or MODULE:NAME of a move that MODULE registers, -> share.

    Raises
    ------
    InputError : the method has no moves, a move isn't known, or nothing is left.
    """
    if not moves:
        return dict(settings)
    if "moves" not in [field.name for field in fields(kind.Settings)]:
        raise InputError(f"the method {kind.name} has no moves (--move) to choose among")
    for module in modules_of(moves):
        import_here(module, "move")
    shares = {**settings.get("moves", kind.Settings().moves), **{name_of(move): share for move, share in moves.items()}}
    check_shares(shares)
    return {**settings, "moves": shares}


def islands_of(n: int, method: str | None, moves: Mapping[str, float]) -> list[Island]:
    """`n` islands: a mixture, or all of one method, with these shares of moves.

    Raises
    ------
    InputError, InputTypeError : as `searcher_class` and `settings_with`.
    """
    if method is not None and method not in METHODS:
        islands = [Island(searcher_class(method))] * n  # they differ in their seeds
    else:
        islands = default_islands(n, method)
    return [
        Island(island.method, settings_with(find_method(island.method), island.settings, moves)) for island in islands
    ]


def read_moves(given: Sequence[str]) -> dict[str, float]:
    """Shares of moves from NAME=SHARE texts.

    Raises
    ------
    InputError : not of that form, or a move given twice.
    """
    moves: dict[str, float] = {}
    for text in given:
        name, equals, value = text.rpartition("=")
        try:
            share = float(value)
        except ValueError:
            share = math.nan
        if not equals or not name.strip() or not (math.isfinite(share) and share >= 0):
            raise InputError(f"--move {text!r} is not of the form NAME=SHARE; write for example {EXAMPLE}")
        if name.strip() in moves:
            raise InputError(f"--move gives {name.strip()} twice")
        moves[name.strip()] = share
    return moves


def plain_shares(moves: object) -> dict[str, float]:
    """`moves` of a request as a dictionary of numbers.

    Raises
    ------
    InputError, InputTypeError : no mapping of names to shares of 0 or more.
    """
    if not isinstance(moves, Mapping):
        raise InputTypeError(f'moves is {moves!r}; give shares by name, for example {{"symmetrise": 0.1}}')
    for name, share in moves.items():
        number = isinstance(share, int | float | np.number) and not isinstance(share, bool)
        if not (isinstance(name, str) and number and math.isfinite(share) and share >= 0):
            raise InputError(f"moves has {name!r}: {share!r}; a share is a number of 0 or more")
    return {name: float(share) for name, share in moves.items()}


def name_of(move: str) -> str:
    """What a move is registered as: NAME of MODULE:NAME."""
    return move.rpartition(":")[2]


def modules_of(moves: Mapping[str, float]) -> tuple[str, ...]:
    """The modules that register them; empty where all are of the package."""
    return tuple(dict.fromkeys(module for move in moves if (module := move.rpartition(":")[0])))


@dataclass(frozen=True)
class WithMoves:
    """Makes a relaxer on a worker where the moves of `modules` are known."""

    make: Callable[[], Relaxer | ASECalculator]
    modules: tuple[str, ...]

    def __call__(self) -> Relaxer | ASECalculator:
        for module in self.modules:
            import_here(module, "move")
        return self.make()
