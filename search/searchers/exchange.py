"""What islands pass on: the best minimum of each, over all and of each shape.

An island gives its table of bests to the next one of the ring. That takes from it what is lower than its
own, so each minimum goes around once and comes into one walk of an island at a time: the others keep to
where they are, and the islands stay different.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ase import Atoms

from search.archive.encoding import packed, unpacked
from search.archive.minimum import sound
from search.convergence import COPY_WITHIN
from search.errors import InputTypeError
from search.relaxers.base import Relaxed
from search.searchers.base import Searcher
from search.searchers.basin_hopping import BasinHopping, Walker
from search.searchers.bee_colony import BeeColony, Source

LOWEST = "lowest"
Bests = dict[str, dict[str, Any]]
"""By kind, `LOWEST` or a shape: {"energy": eV or the model's unit, "positions": packed [n_atoms, 3]}. Plain data."""


def note_bests(bests: Bests, results: Sequence[Relaxed], shape: Callable[[Atoms], str] | None) -> None:
    """Enter into `bests` what is lower among `results`."""
    for relaxed in results:
        if not sound(relaxed):
            continue
        kinds = [LOWEST] if shape is None else [LOWEST, shape(relaxed.atoms)]
        for kind in kinds:
            if kind not in bests or relaxed.energy < bests[kind]["energy"]:
                bests[kind] = {"energy": float(relaxed.energy), "positions": packed(relaxed.atoms.positions)}


def welcome(searcher: Searcher, bests: Bests, guests: Mapping[str, Mapping[str, Any]]) -> int:
    """Let `searcher` go on from those of `guests` that are lower than its `bests`, which learn of them.

    The lowest takes the place of the free walker or source that stands highest, the best of a shape that of
    the highest one that keeps to the shape. For the count of independent starts (`search.convergence`) these
    walks have been wherever the guests' island had been. Returned: how many were taken.
    """
    taken = []
    for kind, guest in guests.items():
        if kind in bests and guest["energy"] >= bests[kind]["energy"] - COPY_WITHIN:
            continue
        bests[kind] = dict(guest)
        if (k := _place(searcher, kind)) is not None:
            _settle(searcher, k, guest, home=kind != LOWEST)
            taken.append(k)
    lowest = searcher.lowest
    if LOWEST in guests and guests[LOWEST]["energy"] < lowest.energy - COPY_WITHIN:
        lowest.energy, lowest.times, lowest.reached = float(guests[LOWEST]["energy"]), 0, []
    if LOWEST in guests and guests[LOWEST]["energy"] <= lowest.energy + COPY_WITHIN:
        lowest.reached += [k for k in dict.fromkeys(taken) if k not in lowest.reached]
    return len(taken)


def _walks(searcher: Searcher) -> list[Any]:
    """Walkers or sources: what has positions and an energy."""
    if isinstance(searcher, BasinHopping):
        return searcher.walkers
    if isinstance(searcher, BeeColony):
        return searcher.sources
    raise InputTypeError(f"nothing can be passed on to a {type(searcher).__name__}")


def _place(searcher: Searcher, kind: str) -> int | None:
    """The walk whose place a guest takes; one about to begin anew is left to its random start if others are there."""
    walks = _walks(searcher)
    niche = None if kind == LOWEST else kind
    mine = [k for k in range(len(walks)) if searcher.niche(k) == niche]
    begun = [k for k in mine if walks[k].positions is not None]
    return max(begun or mine, key=lambda k: walks[k].energy, default=None)


def _settle(searcher: Searcher, k: int, guest: Mapping[str, Any], home: bool) -> None:
    positions, energy = unpacked(guest["positions"], -1, 3), float(guest["energy"])
    if isinstance(searcher, BasinHopping):
        starts = searcher.walkers[k].starts
        searcher.walkers[k] = Walker(positions, energy, best=energy, starts=starts, home=home)
    elif isinstance(searcher, BeeColony):
        searcher.sources[k] = Source(positions, energy, home=home)
