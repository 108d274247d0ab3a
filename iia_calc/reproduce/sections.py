"""The tables behind the findings: one section for each experiment under each treatment, in Markdown."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.units import Hartree

from iia_calc.reproduce.results import Line

NOTES = {
    ("table2", "published"): (
        "Embeddings carried over give what no transfer gives, to four digits: the learning rate of 1e-5 hardly moves a "
        "row of the table, in the source as in the target, and rows are all that is carried."
    ),
    ("best", "corrected"): (
        "GFN1-xTB chose the structures, of the test part, too. The last two rows start from weights that were "
        "pretrained on GFN1-xTB labels (the last one then on PBE0/3-21G labels), which may favour them a little; plain "
        "SchNet and the row from nothing have no such start. No published energy is among those labels."
    ),
}
"""What a reader has to know of one table."""


def section(
    title: str, lines: Sequence[Line], drawn: Sequence[Path], note: str = "", files: Sequence[Path] = ()
) -> str:
    """One experiment under one treatment: table, note, links to its files, and figures."""
    text = [f"## {title}", ""]
    text += [
        "| | printed MAE | as hartree, eV/atom | MAE, eV/atom | hartree/atom | RMSE, eV/atom | constant, eV/atom "
        "| best epoch | epochs × seeds | trained on | CPU s per run |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for line in lines:
        given, ev = (f"{line.printed[0]:.3f}", f"{line.printed[0] * Hartree:.2f}") if line.printed else ("", "")
        text.append(
            f"| {line.label} | {given} | {ev} | {spread(line.mae)} | {spread(line.mae / Hartree, 4)} | "
            f"{spread(line.rmse)} | {line.constant.mean():.3f} | {spread(line.best_epoch, 0)} | "
            f"{line.epochs} × {len(line.seeds)} | {line.n_train} | {line.cpu_seconds.mean():.0f} |"
        )
    moved = [line for line in lines if "embeddings" in line.key or "TL" in line.key or line.key in ("none", "SchNet")]
    if moved:
        shift = max(float(line.embedding_shift.max()) for line in moved)
        text += ["", f"Training moved a row of the embedding table by at most {100 * shift:.2f} % of its length."]
    text += ["", note] if note else []
    if files:
        text += ["", ", ".join(f"[{path.name}]({path.name})" for path in files)]
    text += ["", *(f"![{path.stem}]({path.name})" for path in drawn), ""]
    return "\n".join(text)


def search_section(path: Path, treatment: str) -> str:
    """Table 1: best trials first."""
    if not path.exists():
        return ""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return ""
    names = [name for name in rows[0] if name not in ("trial", "bold")]
    text = [f"## Hyperparameters (Table 1), as {treatment}", ""]
    text += [f"{len(rows)} trials on SeB20, by validation error; the paper's choice in bold; pruned trials last.", ""]
    text += ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        mark = "**" if row["bold"] == "True" else ""
        text.append("| " + " | ".join(f"{mark}{row[name]}{mark}" for name in names) + " |")
    return "\n".join([*text, ""])


def constants_section(rows: Sequence[dict[str, str]], treatment: str) -> str:
    """What one number for all structures gets, as a table in Markdown; empty without rows."""
    if not rows:
        return ""
    text = [f"## What one number for all structures gets, as {treatment}", ""]
    text += ["| | structures | test MAE, eV/atom | hartree/atom | splits |", "|---|---|---|---|---|"]
    text += [
        f"| {row['target']} | {row['structures']} | {float(row['mae_eV_per_atom']):.3f} ± "
        f"{float(row['sd_eV_per_atom']):.3f} | {float(row['mae_hartree_per_atom']):.4f} | {row['splits']} |"
        for row in rows
    ]
    return "\n".join([*text, ""])


def tuples_section(path: Path) -> str:
    """Table S2 in Markdown; empty where there is no such file."""
    if not path.exists():
        return ""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    text = ["## Kernel-charge feature tuples (Table S2)", ""]
    text += ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    text += ["| " + " | ".join(row.values()) + " |" for row in rows]
    return "\n".join([*text, ""])


def spread(values: np.ndarray, digits: int = 3) -> str:
    """Mean, and standard deviation where there are several."""
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"
