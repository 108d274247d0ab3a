"""Which structures are one: by elements and coordinates, never by the name of a file or its row."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from ase import Atoms

from iia_calc.labels.store import LabelledStructure
from search.geometry.composition import Composition

SAME = 1e-4
"""Å within which all coordinates of one structure agree; packed labels are rounded to 1e-5."""


def content_name(atoms: Atoms) -> str:
    """A start's name from formula and coordinates (relative to their mean, to 1e-4 Å): SeB8-1c9a0e52b7f3."""
    centred = (atoms.positions - atoms.positions.mean(0)).round(4) + 0.0  # no minus zeros
    digest = hashlib.sha256(atoms.numbers.astype("<i8").tobytes() + centred.astype("<f8").tobytes())
    return f"{Composition.parse(atoms).formula}-{digest.hexdigest()[:12]}"


class KnownStructures:
    """Structures met so far, atoms in one order, wherever in space they stand.

    They are found by a sum of coordinates in cells far wider than `SAME`, so no step of a rounding can part two that
    are the same.
    """

    def __init__(self, items: Iterable[LabelledStructure] = ()) -> None:
        self._cells: dict[tuple[bytes, int, int, int], list[np.ndarray]] = defaultdict(list)
        for item in items:
            self.add(item.atoms, item.charge, item.multiplicity)

    def add(self, atoms: Atoms, charge: int, multiplicity: int) -> bool:
        """Whether it wasn't known with this charge and multiplicity; it is now."""
        centred = atoms.positions - atoms.positions.mean(0)  # [n_atoms, 3]
        width = 10 * SAME * len(centred)
        cell = int(np.floor(np.abs(centred).sum() / width))
        for near in (cell - 1, cell, cell + 1):
            known = self._cells.get((atoms.numbers.tobytes(), charge, multiplicity, near), ())
            if any(np.abs(centred - other).max() < SAME for other in known):
                return False
        self._cells[atoms.numbers.tobytes(), charge, multiplicity, cell].append(centred)
        return True

    def new(self, items: Iterable[LabelledStructure]) -> Iterator[LabelledStructure]:
        """Those that weren't known, each once."""
        return (item for item in items if self.add(item.atoms, item.charge, item.multiplicity))
