"""The search methods by name."""

from __future__ import annotations

from search.errors import InputError
from search.searchers.base import Searcher
from search.searchers.basin_hopping import BasinHopping
from search.searchers.bee_colony import BeeColony

METHODS: dict[str, type[Searcher]] = {method.name: method for method in (BasinHopping, BeeColony)}


def find_method(method: str | type[Searcher]) -> type[Searcher]:
    """The searcher of this name; a class of one's own is passed on.

    Raises
    ------
    ValueError : an unknown name; the known ones are listed.
    """
    if not isinstance(method, str):
        return method
    if method not in METHODS:
        raise InputError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")
    return METHODS[method]
