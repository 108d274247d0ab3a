"""Find the minima of a cluster with any relaxer: seeds, moves, archive, basin hopping, bee colony."""

from search.archive import Archive
from search.ase_relaxer import ASERelaxer
from search.basin_hopping import BasinHopping, BasinHoppingSettings
from search.bee_colony import BeeColony, BeeColonySettings
from search.campaign import METHODS, find_minima
from search.composition import Composition
from search.convergence import Convergence
from search.fingerprint import Sameness
from search.islands import Island, IslandsResult, find_minima_on_islands
from search.lennard_jones import LennardJones
from search.minimum import Minimum
from search.relaxer import Relaxed, Relaxer
from search.result import Progress, SearchResult

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
