"""Find the minima of a cluster with any relaxer: seeds, moves, archive, basin hopping, bee colony."""

from search.archive.archive import Archive
from search.archive.minimum import Minimum
from search.convergence import Convergence
from search.geometry.composition import Composition
from search.geometry.fingerprint import Sameness
from search.islands.run import Island, IslandsResult, find_minima_on_islands
from search.relaxers.ase import ASERelaxer
from search.relaxers.base import Relaxed, Relaxer
from search.relaxers.lennard_jones import LennardJones
from search.result import Progress, SearchResult
from search.run import METHODS, find_minima
from search.searchers.basin_hopping import BasinHopping, BasinHoppingSettings
from search.searchers.bee_colony import BeeColony, BeeColonySettings

__all__ = [
    "METHODS",
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
    "Progress",
    "Relaxed",
    "Relaxer",
    "Sameness",
    "SearchResult",
    "find_minima",
    "find_minima_on_islands",
]
