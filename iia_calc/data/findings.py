"""What a person should know of audited sets, a sentence each, the gravest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from iia_calc.data.duplicates import Copies, content_hash
from iia_calc.data.flags import AuditedSet, display_name
from iia_calc.data.names import formula_in_name
from iia_calc.data.readers import contradicts_label
from iia_calc.data.sets import StructureSet

CONFLICT = 0.1
"""eV between copies from which on one of their energies must be wrong."""


@dataclass(frozen=True)
class Finding:
    """What a person should know.

    kind : unread, unit, name, same-file, overlap, copies, energy, unrelaxed, fragments, planar or source (a reader's
        remark).
    sets : names of the sets it is about. text : one sentence.
    """

    kind: str
    sets: tuple[str, ...]
    text: str


def findings_of(audited: Sequence[AuditedSet], copies: Copies) -> list[Finding]:
    """A sentence on each thing that a person should know of the sets, the gravest first."""
    found = _same_files(audited, copies) + _names(audited) + _units(audited)
    for a in audited:
        found += [Finding("source", (a.item.name,), f"{display_name(a.item)}: {remark}") for remark in a.item.remarks]
    found += _copies(audited, copies) + _energies(audited) + _shapes(audited)
    return found


def _same_files(audited: Sequence[AuditedSet], copies: Copies) -> list[Finding]:
    found, alike = [], defaultdict(list)
    for s, a in enumerate(audited):
        alike[content_hash(a.item)].append(s)
    same = {(s, t) for members in alike.values() for s in members for t in members}
    for members in alike.values():
        if len(members) > 1:
            items = [audited[s].item for s in members]
            names = _as_list([display_name(item) for item in items])
            files = [item.source for item in items]
            bytewise = all(file.is_file() for file in files) and len({file.read_bytes() for file in files}) == 1
            what = "are the same file" if bytewise else "hold the same structures and energies"
            found.append(Finding("same-file", tuple(item.name for item in items), f"{names} {what}"))
    for s, a in enumerate(audited):
        for t, b in enumerate(audited):
            shared = 0 if (s, t) in same or s == t else copies.count_common(s, t)
            if shared and (shared, t) >= (copies.count_common(t, s), s):
                found.append(
                    Finding(
                        "overlap",
                        (a.item.name, b.item.name),
                        f"{shared} of {len(a.item)} structures of {display_name(a.item)} are in "
                        f"{display_name(b.item)}, too",
                    )
                )
    return found


def _names(audited: Sequence[AuditedSet]) -> list[Finding]:
    found = []
    held = defaultdict(set)
    for a in audited:
        held[a.item.source].add(a.item.formula)
    for source, formulas in held.items():
        promised = formula_in_name(source)
        if promised is None or promised in formulas:
            continue
        mine = [a.item for a in audited if a.item.source == source]
        text = f"{display_name(mine[0]).split(' (')[0]} holds {_as_list(sorted(formulas))}, its name says {promised}"
        beside = [a.item for a in audited if a.item.source.parent == source.parent]
        if len(beside) > 1 and all(item.formula != promised for item in beside):
            text += f"; no file of that folder holds {promised}"
        found.append(Finding("name", tuple(item.name for item in mine), text))
    return found


def _units(audited: Sequence[AuditedSet]) -> list[Finding]:
    found = []
    for a in audited:
        contradiction = contradicts_label(a.item)
        if contradiction:
            found.append(Finding("unit", (a.item.name,), f"{display_name(a.item)}: {contradiction}"))
    for unit in ("hartree", "eV"):
        silent = [a.item for a in audited if a.item.unit_origin == "size" and a.item.labelled is None]
        silent = [item for item in silent if item.unit == unit]
        if silent:
            text = f"{_names_or_count(silent, len(audited))} give no unit; the size of the energies is that of {unit}"
            found.append(Finding("unit", tuple(item.name for item in silent), text))
    return found


def _copies(audited: Sequence[AuditedSet], copies: Copies) -> list[Finding]:
    found = []
    for s, a in enumerate(audited):
        repeated = copies.within(s)
        if not repeated.any():
            continue
        energies, group = a.item.energies_in("eV"), copies.group[s]
        spread = max(np.ptp(energies[group == g]) for g in np.unique(group[repeated]))
        structures = "1 structure" if repeated.sum() == 1 else f"{repeated.sum()} structures"
        text = f"{display_name(a.item)} holds {structures} more than once"
        if spread > CONFLICT:
            text += f", with energies up to {spread:.1f} eV apart: at most one of them is right"
        found.append(Finding("copies", (a.item.name,), text))
    return found


def _energies(audited: Sequence[AuditedSet]) -> list[Finding]:
    found = []
    for a in audited:
        failed, flags = int(a.failed.sum()), a.flags
        if not failed:
            continue
        parts = [
            f"{flags[name].sum()} {text}"
            for name, text in (
                ("too-high", "far above what their bonds explain"),
                ("above-free-atoms", "above the atoms apart"),
                ("too-low", "far below what their bonds explain"),
                ("unconverged", "not converged by their source's word"),
                ("no-energy", "missing"),
            )
            if flags[name].any()
        ]
        text = f"{display_name(a.item)}: {failed} of {len(a.item)} energies ({failed / len(a.item):.1%}) can't be used"
        found.append(Finding("energy", (a.item.name,), f"{text}: {', '.join(parts)}"))
    return found


def _shapes(audited: Sequence[AuditedSet]) -> list[Finding]:
    found = []
    floors = defaultdict(list)
    for a in audited:
        if a.relaxed.unrelaxed.mean() >= 0.95:
            floors[None if a.relaxed.floor is None else round(a.relaxed.floor, 2)].append(a)
    for floor, members in floors.items():
        items = [a.item for a in members]
        any_left = any(not a.relaxed.unrelaxed.all() for a in members)
        text = f"{'hardly any' if any_left else 'no'} structure of {_names_or_count(items, len(audited))} is relaxed"
        if floor is not None:
            text += f": the shortest distances begin sharply at {floor:.2f} Å, by a rule"
        found.append(Finding("unrelaxed", tuple(item.name for item in items), text))
    for kind, what, share in (
        ("fragments", "in pieces", [float((a.geometry.fragments > 1).mean()) for a in audited]),
        ("planar", "exactly planar", [float(a.geometry.flat.mean()) for a in audited]),
    ):
        many = [(a.item, part) for a, part in zip(audited, share, strict=True) if part >= 0.2]
        if many:
            low, high = min(part for _, part in many), max(part for _, part in many)
            between = f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"{low:.0%} to {high:.0%}"
            items = [item for item, _ in many]
            text = f"{between} of the structures of {_names_or_count(items, len(audited))} are {what}"
            found.append(Finding(kind, tuple(item.name for item in items), text))
    return found


def _names_or_count(items: Sequence[StructureSet], all_sets: int) -> str:
    """The sets' names where they are few, otherwise how many they are."""
    if len(items) <= 3:
        return _as_list([display_name(item) for item in items])
    return f"all {all_sets} sets" if len(items) == all_sets else f"{len(items)} of {all_sets} sets"


def _as_list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
