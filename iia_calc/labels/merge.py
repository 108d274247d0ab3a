"""Label databases of several machines or runs into one, each label once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from iia_calc.labels.npz import open_labels
from iia_calc.labels.store import LabelledStructure, LabelStore
from search.errors import InputError

SAME = 1e-4
"""Å; packed labels are rounded to 1e-5."""


def join(sources: Sequence[Path], out: Path, without: Iterable[Path] = ()) -> int:
    """Add to the database `out` what `sources` hold and neither it nor `without` does; returns how many labels.

    Two labels are the same where positions (to 1e-4 Å, atoms in one order), charge and multiplicity are; the first
    one met is kept.

    Raises
    ------
    ValueError : databases of different levels of theory, or none to join.
    """
    if not sources:
        raise InputError("give the label databases that are to be joined")
    if out.resolve() in {path.resolve() for path in sources}:
        raise InputError(f"{out} is one of the databases to be joined; give another file with --out")
    opened, others = [open_labels(path) for path in sources], [open_labels(path) for path in without]
    if len(levels := sorted({store.level for store in opened})) > 1:
        raise InputError(f"labels of different levels of theory can't be joined: {'; '.join(levels)}")
    target = LabelStore(out, opened[0].level)
    known = _Known()
    for store in (*others, target):
        for item in store.read():
            known.add(item)
    count = 0
    for store in opened:
        target.add_element_energies(store.element_energies)
        count += target.add(known.new(store.read()))
    return count


class _Known:
    """Structures met so far, found by a sum of coordinates: no step of a rounding can part two that are the same."""

    def __init__(self) -> None:
        self._cells: dict[tuple, list[np.ndarray]] = defaultdict(list)

    def add(self, item: LabelledStructure) -> bool:
        """Whether it wasn't known; it is now."""
        kind = item.atoms.numbers.tobytes(), item.charge, item.multiplicity
        positions = item.atoms.positions
        width = 10 * SAME * len(positions)
        cell = int(np.floor(positions.sum() / width))
        for near in (cell - 1, cell, cell + 1):
            if any(np.abs(positions - other).max() < SAME for other in self._cells.get((kind, near), ())):
                return False
        self._cells[kind, cell].append(positions)
        return True

    def new(self, items: Iterable[LabelledStructure]) -> Iterator[LabelledStructure]:
        return (item for item in items if self.add(item))
