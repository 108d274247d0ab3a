"""An audit: every test on every set, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from iia_calc.data.columns import Wanted
from iia_calc.data.duplicates import Copies, find_copies
from iia_calc.data.energy_outliers import judge_energies
from iia_calc.data.findings import Finding, findings_of
from iia_calc.data.flags import AuditedSet
from iia_calc.data.geometry import Geometry
from iia_calc.data.readers import read_path
from iia_calc.data.relaxedness import relaxedness
from iia_calc.data.sets import StructureSet
from search.errors import InputError


@dataclass(frozen=True)
class Audit:
    """What is known of all sets.

    sets : each with what every test says. findings : sentences, the gravest first. copies : groups of equal structures.
    """

    sets: list[AuditedSet]
    findings: list[Finding]
    copies: Copies


def audit_paths(
    paths: Sequence[Path],
    unit: str = "auto",
    geometry: str = "last",
    callback: Callable[[int, int], None] | None = None,
    wanted: Wanted = Wanted(),
) -> Audit:
    """Read everything, then audit it; what can't be read is a finding.

    Parameters
    ----------
    unit, geometry, wanted : as for `readers.read_path`.
    callback : called with the sets done and all sets.

    Raises
    ------
    FileNotFoundError : no such file or folder.
    InputError : nothing can be read; nothing was computed by then.
    """
    if not paths:
        raise InputError("there is nothing to audit; name files or folders")
    sets: list[StructureSet] = []
    notes: list[str] = []
    failed: list[InputError] = []
    seen: set[Path] = set()
    for path in paths:
        try:
            found = read_path(path, unit, geometry, wanted)
        except InputError as error:
            failed.append(error)
            notes.append(f"{path} was left out: {error}")
            continue
        notes += found.notes()
        sets += [item for item in found.sets if item.source.resolve() not in seen]
        seen |= {item.source.resolve() for item in sets}
    if not sets:
        raise failed[0]
    audit = audit_sets(sets, callback)
    return replace(audit, findings=[*(Finding("unread", (), note) for note in dict.fromkeys(notes)), *audit.findings])


def audit_sets(sets: Sequence[StructureSet], callback: Callable[[int, int], None] | None = None) -> Audit:
    """All tests on sets whose units are settled."""
    copies = find_copies(sets)
    repeated = _later_copies(sets, copies)
    audited = []
    for k, item in enumerate(sets):
        geometry = Geometry.of(item.numbers, item.positions)
        energy = judge_energies(item.numbers, item.positions, item.energies_in("eV"))
        audited.append(AuditedSet(item, geometry, energy, relaxedness(item, geometry), repeated[k]))
        if callback:
            callback(k + 1, len(sets))
    return Audit(audited, findings_of(audited, copies), copies)


def _later_copies(sets: Sequence[StructureSet], copies: Copies) -> list[np.ndarray]:
    """Per set, [n] bool: another of its group is kept, the one of lowest energy or else the first."""
    group = np.concatenate(copies.group)
    energies = np.concatenate([item.energies_in("eV") for item in sets]).round(6)
    order = np.lexsort((np.arange(len(group)), np.where(np.isfinite(energies), energies, np.inf)))
    kept = order[np.unique(group[order], return_index=True)[1]]
    repeated = np.ones(len(group), dtype=bool)
    repeated[kept] = False
    return np.split(repeated, np.cumsum([len(item) for item in sets])[:-1])
