"""What an audit leaves: a database of the structures that passed, and a list of those that didn't, with reasons."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from iia_calc.data.audit import Audit
from iia_calc.data.audit_report import file_of
from iia_calc.data.flags import FAILED, FLAGS
from iia_calc.data.write import check_target, write_sets
from search.errors import InputError

DROPPED = (*FAILED, "copy")
"""Flags that make a structure useless to any fit; fragments and unrelaxed structures are sound data."""


def check_flags(names: Sequence[str]) -> tuple[str, ...]:
    """Raises ValueError where a flag isn't one of `FLAGS`."""
    unknown = [name for name in names if name not in FLAGS]
    if unknown:
        raise InputError(f"{', '.join(unknown)} is no flag; choose from {', '.join(FLAGS)}")
    return tuple(names)


def dropped_path(target: Path) -> Path:
    """The table of what was left out of `target`, beside it."""
    return target.with_name(f"{target.stem}.dropped.csv")


def write_clean(audit: Audit, target: Path, drop: Sequence[str] = DROPPED) -> tuple[int, Counter[str]]:
    """Structures without any flag of `drop` to `target` (an ASE database), the others to TARGET.dropped.csv.

    Returns
    -------
    How many were kept, and how many were dropped for each reason (a structure can have several).

    Raises
    ------
    ValueError : an unknown flag, another kind of file, or nothing is left. FileExistsError : `target` exists.
    """
    names = check_flags(drop)
    check_target(target, (".db",))
    kept, reasons = [], Counter[str]()
    rows = []
    for a in audit.sets:
        bad = np.any([a.flags[name] for name in names], axis=0) if names else np.zeros(len(a.item), dtype=bool)
        if not bad.all():
            kept.append(a.item.select(~bad))
        energies = a.item.energies_in("eV")
        for k in np.flatnonzero(bad):
            why = a.reasons(int(k), names)
            reasons.update(why)
            rows.append(
                [
                    file_of(a, int(k)),
                    int(a.item.indices[k]),
                    a.item.formula,
                    f"{energies[k]:.6f}",
                    " ".join(why),
                    "; ".join(FLAGS[name] for name in why),
                ]
            )
    if not kept:
        raise InputError(f"every structure is {', '.join(names)}: nothing is left to write")
    count = write_sets(kept, target)
    with dropped_path(target).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", "source_index", "formula", "energy", "flags", "why"])
        writer.writerows(rows)
    return count, reasons
