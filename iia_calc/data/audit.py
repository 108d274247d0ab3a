"""An audit: every test on every set, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iia_calc.data.duplicates import Copies, find_copies
from iia_calc.data.energy_outliers import judge_energies
from iia_calc.data.findings import Finding, findings_of
from iia_calc.data.flags import AuditedSet
from iia_calc.data.geometry import Geometry
from iia_calc.data.readers import read_sets
from iia_calc.data.relaxedness import relaxedness
from iia_calc.data.sets import StructureSet
from search.errors import InputError


@dataclass(frozen=True)
class Audit:
    sets: list[AuditedSet]
    findings: list[Finding]
    copies: Copies


def audit_paths(
    paths: Sequence[Path],
    unit: str = "auto",
    geometry: str = "last",
    callback: Callable[[int, int], None] | None = None,
) -> Audit:
    """Read everything, then audit it.

    callback : called with the sets done and all sets.

    Raises
    ------
    FileNotFoundError, ValueError : something can't be read (`readers.read_sets`); nothing was computed by then.
    """
    if not paths:
        raise InputError("there is nothing to audit; name files or folders")
    sets: list[StructureSet] = []
    seen: set[Path] = set()
    for path in paths:
        for item in read_sets(path, unit, geometry):
            if item.source.resolve() not in seen:
                sets.append(item)
        seen |= {item.source.resolve() for item in sets}
    return audit_sets(sets, callback)


def audit_sets(sets: Sequence[StructureSet], callback: Callable[[int, int], None] | None = None) -> Audit:
    """All tests on sets whose units are settled."""
    copies = find_copies(sets)
    repeated = _repeated(sets, copies)
    audited = []
    for k, item in enumerate(sets):
        geometry = Geometry.of(item.numbers, item.positions)
        energy = judge_energies(item.numbers, item.positions, item.energies_in("eV"))
        audited.append(AuditedSet(item, geometry, energy, relaxedness(item, geometry), repeated[k]))
        if callback:
            callback(k + 1, len(sets))
    return Audit(audited, findings_of(audited, copies), copies)


def _repeated(sets: Sequence[StructureSet], copies: Copies) -> list[np.ndarray]:
    """Per set, [n] bool: another of its group is kept, the one of lowest energy or else the first."""
    group = np.concatenate(copies.group)
    energies = np.concatenate([item.energies_in("eV") for item in sets]).round(6)
    order = np.lexsort((np.arange(len(group)), np.where(np.isfinite(energies), energies, np.inf)))
    kept = order[np.unique(group[order], return_index=True)[1]]
    repeated = np.ones(len(group), dtype=bool)
    repeated[kept] = False
    return np.split(repeated, np.cumsum([len(item) for item in sets])[:-1])
