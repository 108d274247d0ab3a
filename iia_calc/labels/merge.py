"""Label databases of several machines or runs into one, each label once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from iia_calc.labels.identity import KnownStructures
from iia_calc.labels.level import level_key, same_level
from iia_calc.labels.npz import FINE_STEPS, SUFFIX, open_labels, write_packed
from iia_calc.labels.store import LabelStore
from search.errors import InputError


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
    known = KnownStructures(item for store in (*others, *([] if before is None else [before])) for item in store.read())
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
