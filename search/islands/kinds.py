"""What islands a search has: their methods and settings, which differ so that not all fall into one funnel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from search.errors import whole
from search.moves.registry import DEFAULT_SHARES
from search.searchers.base import Searcher
from search.searchers.basin_hopping import BasinHopping, BasinHoppingSettings
from search.searchers.bee_colony import BeeColony, BeeColonySettings
from search.searchers.methods import find_method


@dataclass(frozen=True)
class Island:
    """Method (a name or a `Searcher` class) and settings (what differs from the method's defaults) of an island."""

    method: str | type[Searcher] = BasinHopping.name
    settings: Mapping[str, Any] = field(default_factory=dict)


def default_islands(n: int, method: str | None = None) -> list[Island]:
    """`n` islands that differ: basin hopping as it is, hot and bold, cold and patient, and a bee colony.

    method : only islands of this method.

    Raises
    ------
    ValueError : n is below 1, or an unknown method.
    """
    n = whole("islands", n, least=1)
    if method is not None:
        find_method(method)
    hop, bees = BasinHoppingSettings(), BeeColonySettings()
    bold = {"symmetrise": DEFAULT_SHARES["symmetrise"] / 3}
    hoppers = [
        Island(),
        Island(settings={"temperature": 2 * hop.temperature, "moves": {**hop.moves, **bold}}),
        Island(settings={"temperature": hop.temperature / 2, "patience": 2 * hop.patience}),
    ]
    colonies = [
        Island(BeeColony.name),
        Island(BeeColony.name, {"limit": 2 * bees.limit, "selection": bees.selection / 2}),
        Island(BeeColony.name, {"limit": max(1, bees.limit // 2), "moves": {**bees.moves, **bold}}),
    ]
    kinds = {None: [*hoppers, colonies[0]], BasinHopping.name: hoppers, BeeColony.name: colonies}[method]
    return [kinds[k % len(kinds)] for k in range(n)]
