"""What sets of structures are worth: every test on every set, and what a person should know, in plain words."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from iia_calc.data.duplicates import Copies, content_hash, find_copies
from iia_calc.data.expected import EnergyVerdict, judge_energies
from iia_calc.data.geometry import Geometry
from iia_calc.data.names import formula_in_name
from iia_calc.data.readers import contradicts_label, read_sets
from iia_calc.data.relaxedness import Relaxedness, relaxedness
from iia_calc.data.sets import StructureSet

FLAGS = {
    "unconverged": "the source says its SCF did not converge",
    "above-free-atoms": "its energy is above what the atoms apart would have",
    "too-high": "its energy is far above what its bonds explain: not the ground state",
    "too-low": "its energy is far below what its bonds explain",
    "no-energy": "it has no energy",
    "copy": "it is a copy of another structure",
    "fragments": "it is in pieces",
    "unrelaxed": "it is not relaxed",
}
FAILED = ("unconverged", "above-free-atoms", "too-high", "too-low", "no-energy")
CONFLICT = 0.1
"""eV between copies from which on one of their energies must be wrong."""


@dataclass(frozen=True)
class AuditedSet:
    """A set and what the tests say of each structure.

    copy : [n] bool, not the one of its group that is kept (the lowest, of all sets).
    """

    item: StructureSet
    geometry: Geometry
    energy: EnergyVerdict
    relaxed: Relaxedness
    copy: np.ndarray

    @cached_property
    def flags(self) -> dict[str, np.ndarray]:
        """[n] bool for each of `FLAGS`."""
        item = self.item
        nothing = np.zeros(len(item), dtype=bool)
        return {
            "unconverged": nothing if item.converged is None else ~np.asarray(item.converged, dtype=bool),
            "above-free-atoms": self.energy.above_free_atoms,
            "too-high": self.energy.too_high,
            "too-low": self.energy.too_low,
            "no-energy": ~np.isfinite(item.energies),
            "copy": self.copy,
            "fragments": self.geometry.fragments > 1,
            "unrelaxed": self.relaxed.unrelaxed,
        }

    @property
    def failed(self) -> np.ndarray:
        """[n] bool: the energy can't be used."""
        return np.any([self.flags[name] for name in FAILED], axis=0)

    def reasons(self, k: int, names: Sequence[str] = tuple(FLAGS)) -> list[str]:
        return [name for name in names if self.flags[name][k]]


@dataclass(frozen=True)
class Finding:
    """What a person should know.

    kind : unit, name, same-file, overlap, copies, energy, unrelaxed, fragments, planar or source (a reader's remark).
    sets : names of the sets it is about. text : one sentence.
    """

    kind: str
    sets: tuple[str, ...]
    text: str


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
        raise ValueError("there is nothing to audit; name files or folders")
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
    return Audit(audited, _findings(audited, copies), copies)


def display_name(item: StructureSet) -> str:
    """Folder and file, as findings name them: "SeBn/B=16.npz"."""
    source = item.source.resolve()
    name = f"{source.parent.name}{os.sep}{source.name}" if source.is_file() else f"{source.name}{os.sep}"
    return name + (f" ({item.formula})" if ":" in item.name else "")


def _repeated(sets: Sequence[StructureSet], copies: Copies) -> list[np.ndarray]:
    """Per set, [n] bool: another of its group is kept, the one of lowest energy or else the first."""
    group = np.concatenate(copies.group)
    energies = np.concatenate([item.energies_in("eV") for item in sets]).round(6)
    order = np.lexsort((np.arange(len(group)), np.where(np.isfinite(energies), energies, np.inf)))
    kept = order[np.unique(group[order], return_index=True)[1]]
    repeated = np.ones(len(group), dtype=bool)
    repeated[kept] = False
    return np.split(repeated, np.cumsum([len(item) for item in sets])[:-1])


def _findings(audited: Sequence[AuditedSet], copies: Copies) -> list[Finding]:
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
            names = _listed([display_name(item) for item in items])
            files = [item.source for item in items]
            bytewise = all(file.is_file() for file in files) and len({file.read_bytes() for file in files}) == 1
            what = "are the same file" if bytewise else "hold the same structures and energies"
            found.append(Finding("same-file", tuple(item.name for item in items), f"{names} {what}"))
    for s, a in enumerate(audited):
        for t, b in enumerate(audited):
            shared = 0 if (s, t) in same or s == t else copies.shared(s, t)
            if shared and (shared, t) >= (copies.shared(t, s), s):
                found.append(
                    Finding(
                        "overlap", (a.item.name, b.item.name),
                        f"{shared} of {len(a.item)} structures of {display_name(a.item)} are in "
                        f"{display_name(b.item)}, too",
                    )
                )  # fmt: skip
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
        text = f"{display_name(mine[0]).split(' (')[0]} holds {_listed(sorted(formulas))}, its name says {promised}"
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
        silent = [a.item for a in audited if a.item.labelled is None and a.item.unit == unit]
        if silent:
            text = f"{_counted(silent, len(audited))} give no unit; the size of the energies is that of {unit}"
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
        parts = [f"{flags[name].sum()} {text}" for name, text in (
            ("too-high", "far above what their bonds explain"), ("above-free-atoms", "above the atoms apart"),
            ("too-low", "far below what their bonds explain"), ("unconverged", "not converged by their source's word"),
            ("no-energy", "missing"),
        ) if flags[name].any()]  # fmt: skip
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
        text = f"{'hardly any' if any_left else 'no'} structure of {_counted(items, len(audited))} is relaxed"
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
            text = f"{between} of the structures of {_counted(items, len(audited))} are {what}"
            found.append(Finding(kind, tuple(item.name for item in items), text))
    return found


def _counted(items: Sequence[StructureSet], all_sets: int) -> str:
    """The sets' names where they are few, otherwise how many they are."""
    if len(items) <= 3:
        return _listed([display_name(item) for item in items])
    return f"all {all_sets} sets" if len(items) == all_sets else f"{len(items)} of {all_sets} sets"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
