"""The search methods by name."""

from __future__ import annotations

from search.errors import InputError, InputTypeError, quote
from search.searchers.base import Searcher
from search.searchers.basin_hopping import BasinHopping
from search.searchers.bee_colony import BeeColony

METHODS: dict[str, type[Searcher]] = {method.name: method for method in (BasinHopping, BeeColony)}


def find_method(method: str | type[Searcher]) -> type[Searcher]:
    """The searcher of this name; a class of one's own is passed on.

    Raises
    ------
    ValueError : an unknown name; the known ones are listed. TypeError : neither a name nor a class of `Searcher`.
    """
    if isinstance(method, type) and issubclass(method, Searcher):
        return method
    if not isinstance(method, str):
        hint = f"; give the class itself, {type(method).__name__}" if isinstance(method, Searcher) else ""
        raise InputTypeError(
            f"method is {quote(method)}, neither a name nor a class derived from search.Searcher{hint}"
        )
    if method not in METHODS:
        raise InputError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")
    return METHODS[method]
