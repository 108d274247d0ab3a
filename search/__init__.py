"""Find the minima of a cluster with any relaxer: seeds, moves, archive, basin hopping, bee colony.

Names are loaded when first asked for, so that importing the package does no work.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from search.archive.archive import Archive
    from search.archive.minimum import Minimum
    from search.convergence import Convergence
    from search.geometry.composition import Composition, parse_formula_and_charge
    from search.geometry.fingerprint import Sameness
    from search.islands.kinds import Island
    from search.islands.run import IslandsResult, find_minima_on_islands
    from search.moves.registry import MOVES, Move, register_move
    from search.relaxers.ase import ASERelaxer
    from search.relaxers.base import Relaxed, Relaxer
    from search.relaxers.lennard_jones import LennardJones
    from search.result import Progress, SearchResult
    from search.run import find_minima
    from search.searchers.base import Searcher
    from search.searchers.basin_hopping import BasinHopping, BasinHoppingSettings
    from search.searchers.bee_colony import BeeColony, BeeColonySettings
    from search.searchers.methods import METHODS

_HOMES = {
    "ASERelaxer": "search.relaxers.ase",
    "Archive": "search.archive.archive",
    "BasinHopping": "search.searchers.basin_hopping",
    "BasinHoppingSettings": "search.searchers.basin_hopping",
    "BeeColony": "search.searchers.bee_colony",
    "BeeColonySettings": "search.searchers.bee_colony",
    "Composition": "search.geometry.composition",
    "Convergence": "search.convergence",
    "Island": "search.islands.kinds",
    "IslandsResult": "search.islands.run",
    "LennardJones": "search.relaxers.lennard_jones",
    "METHODS": "search.searchers.methods",
    "MOVES": "search.moves.registry",
    "Minimum": "search.archive.minimum",
    "Move": "search.moves.registry",
    "Progress": "search.result",
    "Relaxed": "search.relaxers.base",
    "Relaxer": "search.relaxers.base",
    "Sameness": "search.geometry.fingerprint",
    "SearchResult": "search.result",
    "Searcher": "search.searchers.base",
    "find_minima": "search.run",
    "find_minima_on_islands": "search.islands.run",
    "parse_formula_and_charge": "search.geometry.composition",
    "register_move": "search.moves.registry",
}

__all__ = [
    "METHODS",
    "MOVES",
    "ASERelaxer",
    "Archive",
    "BasinHopping",
    "BasinHoppingSettings",
    "BeeColony",
    "BeeColonySettings",
    "Composition",
    "Convergence",
    "Island",
    "IslandsResult",
    "LennardJones",
    "Minimum",
    "Move",
    "Progress",
    "Relaxed",
    "Relaxer",
    "Sameness",
    "SearchResult",
    "Searcher",
    "find_minima",
    "find_minima_on_islands",
    "parse_formula_and_charge",
    "register_move",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'search' has no attribute {name!r}")
