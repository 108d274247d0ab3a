"""What islands pass on: the best minimum of each, over all and of each shape.

An island gives its table of bests to the next one of the ring. That takes from it what is lower than its own, so each
minimum goes around once and comes into one walk of an island at a time: the others keep to where they are, and the
islands stay different.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

from ase import Atoms

from search.archive.encoding import pack, unpack
from search.archive.minimum import sound
from search.convergence import COPY_WITHIN
from search.relaxers.base import Relaxed
from search.searchers.base import Searcher

LOWEST = "lowest"


class Best(TypedDict):
    """A minimum that is passed on: energy, eV or the model's unit; positions [n_atoms, 3], packed."""

    energy: float
    positions: str


Bests = dict[str, Best]
"""By kind, `LOWEST` or a shape. Plain data."""


def note_bests(bests: Bests, results: Sequence[Relaxed], shape: Callable[[Atoms], str] | None) -> None:
    """Enter into `bests` what is lower among `results`."""
    for relaxed in results:
        if not sound(relaxed):
            continue
        kinds = [LOWEST] if shape is None else [LOWEST, shape(relaxed.atoms)]
        for kind in kinds:
            if kind not in bests or relaxed.energy < bests[kind]["energy"]:
                bests[kind] = {"energy": float(relaxed.energy), "positions": pack(relaxed.atoms.positions)}


def welcome(searcher: Searcher, bests: Bests, guests: Mapping[str, Best]) -> int:
    """Let `searcher` go on from those of `guests` that are lower than its `bests`, which learn of them.

    For the count of independent starts (`search.convergence`) the walks that take one have been wherever the guests'
    island had been. Returned: how many were taken.
    """
    taken: list[int] = []
    for kind, guest in guests.items():
        if kind in bests and guest["energy"] >= bests[kind]["energy"] - COPY_WITHIN:
            continue
        bests[kind] = {**guest}
        positions = unpack(guest["positions"], -1, 3)
        walk = searcher.accept(positions, float(guest["energy"]), None if kind == LOWEST else kind)
        if walk is not None:
            taken.append(walk)
    lowest = searcher.lowest
    if LOWEST in guests and guests[LOWEST]["energy"] < lowest.energy - COPY_WITHIN:
        lowest.energy, lowest.times, lowest.reached = float(guests[LOWEST]["energy"]), 0, []
    if LOWEST in guests and guests[LOWEST]["energy"] <= lowest.energy + COPY_WITHIN:
        lowest.reached += [k for k in dict.fromkeys(taken) if k not in lowest.reached]
    return len(taken)
