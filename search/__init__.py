"""Find the minima of a cluster with any relaxer: seeds, moves, archive, basin hopping, bee colony."""

from search.archive import Archive, Minimum
from search.ase_relaxer import ASERelaxer
from search.basin_hopping import BasinHopping, BasinHoppingSettings
from search.bee_colony import BeeColony, BeeColonySettings
from search.campaign import METHODS, Progress, SearchResult, find_minima
from search.composition import Composition
from search.fingerprint import Sameness
from search.lennard_jones import LennardJones
from search.relaxer import Relaxed, Relaxer

__all__ = [
    "METHODS",
    "ASERelaxer",
    "Archive",
    "BasinHopping",
    "BasinHoppingSettings",
    "BeeColony",
    "BeeColonySettings",
    "Composition",
    "LennardJones",
    "Minimum",
    "Progress",
    "Relaxed",
    "Relaxer",
    "Sameness",
    "SearchResult",
    "find_minima",
]
