"""Where a search may begin: the lowest minima known of its formula, and those of its neighbours made to fit.

As features carry over from SeB_n to SeB_(n+1), so do shapes: the lowest minimum of one size, with an atom more or
less, often lies near that of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.io import read

from iia_calc.model.storage import models_folder
from search.geometry.composition import Composition, bond_lengths
from search.geometry.pieces import NEIGHBOUR
from search.geometry.seeds import attached, push_apart

GROWN, SHRUNK = 6, 4
"""Structures made of each neighbour with one atom less, and of each with one more."""


def known_starts(composition: Composition, source: str | Path | None = None) -> list[Atoms]:
    """Structures of `composition` from a file of low minima; empty where it holds neither formula nor neighbours.

    source : of minima, anything ASE reads; None for the shipped `models/lowest`.
    """
    path = models_folder() / "lowest" / "lowest.extxyz" if source is None else Path(source)
    return starts_from(_minima(path), composition) if path.exists() else []


def starts_from(minima: Sequence[Atoms], composition: Composition) -> list[Atoms]:
    """What of `minima` a search of `composition` may begin with.

    Those of the formula itself, those of one atom less (of any element of `composition`) with one attached in several
    places, those of one more without one of the atoms with the fewest bonds. The same call gives the same.
    """
    rng = np.random.default_rng(0)
    wanted = dict(composition.counts)
    same: list[Atoms] = []
    made: list[Atoms] = []
    for atoms in minima:
        counts = dict(Composition.parse(atoms).counts)
        change = {s: wanted.get(s, 0) - counts.get(s, 0) for s in wanted.keys() | counts.keys()}
        change = {symbol: count for symbol, count in change.items() if count}
        if not change:
            same.append(atoms.copy())
        elif list(change.values()) == [1]:
            made += [_grown(atoms, next(iter(change)), rng) for _ in range(GROWN)]
        elif list(change.values()) == [-1]:
            made += _shrunk(atoms, next(iter(change)))
    return same + made


@cache
def _minima(path: Path) -> Sequence[Atoms]:
    return [Atoms(frame.numbers, frame.positions) for frame in read(path, index=":")]


def _grown(atoms: Atoms, symbol: str, rng: np.random.Generator) -> Atoms:
    """One atom attached from outside, to one to three of the others; at the rim of what is flat, half of the time."""
    numbers = np.append(atoms.numbers, atomic_numbers[symbol])
    centred = atoms.positions - atoms.positions.mean(0)
    axes = np.linalg.svd(centred, full_matrices=True)[2]  # the thinnest last, which becomes z
    positions = attached(centred @ axes.T, numbers, rng, planar=rng.random() < 0.5)
    return Atoms(numbers, push_apart(positions, numbers))


def _shrunk(atoms: Atoms, symbol: str) -> list[Atoms]:
    """Copies without one of the `symbol` atoms that have the fewest bonds."""
    limits = NEIGHBOUR * bond_lengths(atoms.numbers)
    bonds = (atoms.get_all_distances() < limits).sum(1) - 1
    places = [k for k in np.argsort(bonds, kind="stable") if atoms.symbols[k] == symbol][:SHRUNK]
    return [atoms[[j for j in range(len(atoms)) if j != k]] for k in places]
