"""Label databases of several machines or runs into one, each label once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from iia_calc.labels.level import level_key, same_level
from iia_calc.labels.npz import FINE_STEPS, SUFFIX, open_labels, write_packed
from iia_calc.labels.store import LabelledStructure, LabelStore
from search.errors import InputError

SAME = 1e-4
"""Å; packed labels are rounded to 1e-5."""


def join(sources: Sequence[Path], out: Path, without: Iterable[Path] = (), split: str = "", batch: str = "") -> int:
    """Add to the database or packed file `out` what `sources` hold and neither it nor `without` does.

    Returns how many labels were added.

    split, batch : of those added; "" keeps what the sources say.

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
    levels = {level_key(store.level): store.level for store in reversed(opened)}
    if len(levels) > 1:
        raise InputError(f"labels of different levels of theory can't be joined: {'; '.join(sorted(levels.values()))}")
    target = LabelStore(out, opened[0].level) if not out.name.endswith(SUFFIX) else None
    before = open_labels(out) if target is None and out.exists() else target
    if before is not None and not same_level(before.level, opened[0].level):
        raise InputError(f"{out} holds labels of {before.level!r}; labels of {opened[0].level!r} need another file")
    known = _Known()
    for store in (*others, *([] if before is None else [before])):
        for item in store.read():
            known.add(item)
    new = [
        replace(item, split=split or item.split, batch=batch or item.batch)
        for store in opened
        for item in known.new(store.read())
    ]
    energies = {} if before is None else before.element_energies
    for store in opened:
        energies = store.element_energies | energies
    if target is not None:
        target.add_element_energies(energies)
        return target.add(new)
    write_packed(out, opened[0].level, energies, [*([] if before is None else before.read()), *new], FINE_STEPS)
    return len(new)


class _Known:
    """Structures met so far, found by a sum of coordinates: no step of a rounding can part two that are the same."""

    def __init__(self) -> None:
        self._cells: dict[tuple[Any, int], list[np.ndarray]] = defaultdict(list)

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
