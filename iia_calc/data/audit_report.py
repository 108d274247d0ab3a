"""An audit as a table for people, as CSV for spreadsheets, as plain data for programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from iia_calc.data.audit import Audit
from iia_calc.data.flags import FLAGS, AuditedSet, display_name
from iia_calc.data.names import formula_in_name

FILES = ("audit.csv", "structures.csv", "audit.json", "audit.png")


def summary(a: AuditedSet) -> dict[str, Any]:
    """What is known of one set; energies in eV above its lowest usable one, distances in Å, counts of structures."""
    energies = a.item.energies_in("eV")
    usable = energies[~a.failed]
    lowest = float(usable.min()) if len(usable) else float("nan")
    quartiles = np.nanquantile(energies - lowest, [0.25, 0.5, 0.75]) if np.isfinite(lowest) else [np.nan] * 3
    return {
        "name": a.item.name,
        "source": str(a.item.source),
        "holds": a.item.formula,
        "name_says": formula_in_name(a.item.source),
        "structures": len(a.item),
        "unit": a.item.unit,
        "unit_labelled": a.item.labelled,
        "unit_from": a.item.unit_origin,
        "charge": a.item.charge,
        "multiplicity": a.item.multiplicity,
        "level": a.item.level,
        "lowest_energy": lowest,
        "quartile_1": float(quartiles[0]),
        "median": float(quartiles[1]),
        "quartile_3": float(quartiles[2]),
        "highest": float(np.nanmax(energies) - lowest) if np.isfinite(lowest) else float("nan"),
        "scatter": a.energy.scatter,
        "free_atoms": a.energy.free_atoms - lowest,
        "failed": int(a.failed.sum()),
        **{name.replace("-", "_"): int(mask.sum()) for name, mask in a.flags.items()},
        "planar": int(a.geometry.planar.sum()),
        "exactly_planar": int(a.geometry.flat.sum()),
        "shortest_distance": float(a.geometry.shortest.min()),
    }


def as_plain(audit: Audit) -> dict[str, Any]:
    """For JSON: sets, findings, and what the flags mean; what isn't a number is null."""
    sets = [{key: _plain(value) for key, value in summary(a).items()} for a in audit.sets]
    return {"sets": sets, "findings": [asdict(finding) for finding in audit.findings], "flags": dict(FLAGS)}


LEGEND = (
    "n: structures. median, highest: above the set's lowest usable energy. failed: energies that can't be used.\n"
    "> atoms: above what the atoms apart would have. copies: of structures in this or an earlier set.\n"
    "planar: quasi-planar included."
)


def write(audit: Audit, folder: Path) -> None:
    """`FILES` into `folder`: a line per set, a line per structure, everything, and the figure."""
    from iia_calc.data.audit_figure import draw_audit

    folder.mkdir(parents=True, exist_ok=True)
    lines = [summary(a) for a in audit.sets]
    with (folder / "audit.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(lines[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _short(value) for key, value in line.items()} for line in lines)
    _write_structures(audit, folder / "structures.csv")
    text = json.dumps(as_plain(audit), ensure_ascii=False, allow_nan=False, indent=1)
    (folder / "audit.json").write_text(text + "\n", encoding="utf-8")
    draw_audit(audit.sets, folder / "audit.png")


def _write_structures(audit: Audit, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["set", "file", "index", "formula", "energy", "excess", "fragments", "shortest_distance", "group", "flags"]
        )
        for a, group in zip(audit.sets, audit.copies.group, strict=True):
            energies = a.item.energies_in("eV")
            for k in range(len(a.item)):
                writer.writerow(
                    [
                        a.item.name,
                        file_of(a, k),
                        a.item.indices[k],
                        a.item.formula,
                        _short(energies[k]),
                        _short(a.energy.excess[k]),
                        a.geometry.fragments[k],
                        f"{a.geometry.shortest[k]:.4f}",
                        group[k],
                        " ".join(a.reasons(k)),
                    ]
                )


def file_of(a: AuditedSet, k: int) -> str:
    """The file that structure `k` of the set came from."""
    return a.item.files[k] if a.item.files else str(a.item.source)


def findings(audit: Audit) -> list[str]:
    """One sentence each."""
    return [finding.text for finding in audit.findings]


def summary_line(audit: Audit, dropped: Sequence[str]) -> str:
    """How much there is and how much of it can be used."""
    total = sum(len(a.item) for a in audit.sets)
    bad = sum(int(np.any([a.flags[name] for name in dropped], axis=0).sum()) for a in audit.sets)
    files = len({display_name(a.item).split(" (")[0] for a in audit.sets})
    return f"{total} structures from {files} source(s); {total - bad} are neither copies nor of unusable energy"


def share(count: int, total: int) -> str:
    """A share in words for a table: 3.4%, 37%, or a dash for none."""
    if not count:
        return "–"
    return f"{count / total:.1%}" if count < 0.1 * total else f"{count / total:.0%}"


def _short(value: Any) -> Any:
    if isinstance(value, float | np.floating):
        return f"{value:.6f}" if np.isfinite(value) else ""
    return value


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value
