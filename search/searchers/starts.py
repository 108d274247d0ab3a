"""Structures that a search is given to begin with: relaxed before anything else, and gone on from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from ase import Atoms

from search.errors import InputError, InputTypeError, quote
from search.geometry.composition import Composition
from search.geometry.sites import squared_distances
from search.relaxers.base import Relaxed, Relaxer, relax_each
from search.searchers.base import Searcher
from search.searchers.exchange import Bests, note_bests, welcome

TOO_CLOSE = 1e-3
"""Å, or the unit of a model system: what coincides has no forces."""


def in_order(starts: Sequence[Atoms], composition: Composition) -> list[Atoms]:
    """The structures with their atoms in the order of `composition.symbols`, and nothing else of theirs.

    Raises
    ------
    ValueError : one is of another composition, periodic, not finite, or has two atoms in one place; which one is said.
    TypeError : no list of Atoms.
    """
    result = []
    if isinstance(starts, Atoms | str | os.PathLike) or not isinstance(starts, Iterable):
        raise InputTypeError(f"starts is {quote(starts)}; give a list of ASE Atoms")
    for number, atoms in enumerate(starts, 1):
        where = f"starting structure {number}"
        if not isinstance(atoms, Atoms):
            raise InputTypeError(f"{where} is {quote(atoms)}; give ASE Atoms")
        if not composition.matches(atoms):
            raise InputError(f"{where} is {Composition.parse(atoms)}; the search is for {composition}")
        if atoms.pbc.any():
            raise InputError(f"{where} is periodic; clusters only (set pbc to False if it is one)")
        if not np.isfinite(atoms.positions).all():
            raise InputError(f"{where}: positions are not finite")
        apart = squared_distances(atoms.positions, atoms.positions) + np.diag(np.full(len(atoms), np.inf))
        if (apart < TOO_CLOSE**2).any():
            raise InputError(f"{where} has two atoms in one place")
        numbers, order = composition.numbers, np.empty(len(atoms), dtype=int)
        for z in np.unique(numbers):
            order[numbers == z] = np.flatnonzero(atoms.numbers == z)
        result.append(Atoms(numbers, atoms.positions[order]))
    return result


def fingerprint(starts: Sequence[Atoms]) -> str:
    """Ties an archive to the structures its search began with."""
    digest = hashlib.sha256()
    for atoms in starts:
        digest.update(atoms.positions.round(6).tobytes())
    return digest.hexdigest()[:16]


def begin(
    searcher: Searcher,
    relaxer: Relaxer,
    starts: Sequence[Atoms],
    bests: Bests,
    shape: Callable[[Atoms], str] | None,
) -> list[Relaxed]:
    """Relax `starts` at once and let `searcher` go on from the lowest, and from the lowest of each shape.

    Each of these takes the place of one walker or source; the others begin at random. None counts as an independent
    start that led to the lowest minimum. `bests` learns of them.
    """
    results = relax_each(relaxer, starts)
    found: Bests = {}
    note_bests(found, results, shape)
    welcome(searcher, bests, found)
    return results
