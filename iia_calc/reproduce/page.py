"""The page of all results: printed beside obtained, in both units, with a verdict for each claim."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase.units import Hartree

from iia_calc.reproduce import baseline as constants
from iia_calc.reproduce import boxes, budget, figures
from iia_calc.reproduce import label_quality as doubts
from iia_calc.reproduce.experiments import EXPERIMENTS, Plan
from iia_calc.reproduce.results import Line, read_curves, read_results
from iia_calc.reproduce.sets import TREATMENTS
from iia_calc.reproduce.train import applies
from iia_calc.reproduce.verdicts import Verdict, verdicts

HEAD = """# The paper's tables and figures, recomputed

SchNet-IIA, J. Chem. Inf. Model. 2025, 65, 92-100, on the files its authors published. This page is made by
`iia reproduce page` from the CSVs beside it; every number has the budget it was obtained with.

- **as published**: every structure, the files' numbers as they are, Table 1's settings (AdamW, a constant rate of
  1e-5, batches of 20, squared error), random 8:1:1 split.
- **as corrected**: eV, failed SCF solutions left out, copies kept in one part of the split, one-cycle schedule up to
  1e-3, a loss that is linear beyond 10 meV/atom. Left out is what the audit takes for failed
  (`iia_calc/data/energy_outliers.py`) and, in sets of boron and selenium, what is more than 0.25 eV/atom above
  GFN1-xTB after the set's shift (`iia_calc/data/xtb_filter.py`). The sets of AlC_n and Ta2N_n- only pass the audit.
  No model of this project has a say in it.

The printed numbers are shown as printed and, read as hartree, in eV. "Constant" is the error of one number for all
structures, the median of the training part: whoever doesn't do better has learnt nothing. Errors are means over
seeds ± their standard deviation; a seed sets the split, the first weights and the order of batches, and is the same
for all rows of a table and for the source of a transfer. A table of embeddings that is carried over thus differs
from the target's own first one by what the source's training changed, and by nothing else.

A claim about a gain **holds** where the 90 % interval of the relative gain over seeds (Student's t) lies above zero,
**doesn't hold** where it reaches down to zero and not up to the printed gain (5 % where none is printed), and
**can't be told** otherwise; one seed tells nothing of a gain.

The paper trains 100 epochs and 3 seeds on all structures. Every table below says with how many epochs, seeds and
training structures its numbers were obtained: what is less was cut for time, equally for all rows that are compared.
{absent}"""
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


def make_page(results: Path, folder: Path) -> Path:
    """README.md and the figures in `folder`, from the CSVs in `results`, which are copied there.

    Raises
    ------
    FileNotFoundError : there are no results.
    """
    wanted = (*(f"*-{treatment}.csv" for treatment in TREATMENTS), "fig5.csv", "doubts.csv")
    if not any(path for pattern in wanted for path in results.glob(pattern)):
        raise FileNotFoundError(f"there are no results in {results}; iia reproduce table3 --out {results} makes some")
    folder.mkdir(parents=True, exist_ok=True)
    if results.resolve() != folder.resolve():
        for path in (*results.glob("*.csv"), *results.glob("fig5.png")):
            shutil.copy(path, folder / path.name)
    parts, judged, spent = [], [], []
    found_boxes = boxes.read(folder / "fig5.csv")
    judged += [("Fig. 5, S1-S7, published", verdict) for verdict in boxes.verdicts(found_boxes)]
    for name, make in EXPERIMENTS.items():
        experiment = make(Plan("corrected"))
        title = experiment.title
        for treatment in TREATMENTS:
            lines = read_results(folder / f"{name}-{treatment}.csv")
            if not lines:
                continue
            spent.append((name, treatment, lines, len(experiment.rows)))
            found = verdicts(name, lines)
            where = (
                f"{title.split(' (')[-1].rstrip(')')}, {treatment}, {budget.spread([r.epochs for r in lines])} epochs"
            )
            judged += [(where, verdict) for verdict in found]
            curves = read_curves(folder / f"{name}-{treatment}-curves.csv")
            drawn = figures.draw(name, treatment, lines, curves, folder)
            note = NOTES.get((name, treatment), "")
            parts.append(section(f"{title}, as {treatment}", lines, drawn, note))
    for treatment in TREATMENTS:
        rows = constants.read(folder / f"constants-{treatment}.csv")
        judged += [(f"constants, {treatment}", verdict) for verdict in constants.verdicts(rows)]
        parts.append(constants_section(rows, treatment))
        parts.append(search_section(folder / f"table1-{treatment}.csv", treatment))
    parts.append(doubts.section(doubts.read(folder / "doubts.csv"), doubts.read(folder / "doubts-dft.csv")))
    parts.append(boxes.section(found_boxes))
    parts.append(tuples_section(folder / "tableS2.csv"))
    counts = {
        treatment: {
            row["target"]: int(row["structures"]) for row in constants.read(folder / f"constants-{treatment}.csv")
        }
        for treatment in TREATMENTS
    }
    head = HEAD.format(absent=absent(folder))
    text = "\n".join([head, summary(judged), budget.section(spent, counts), *filter(None, parts)])
    page = folder / "README.md"
    page.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
    return page


def absent(folder: Path) -> str:
    """Which experiments have no results yet, and the command that makes them."""
    missing = [
        f"{name} as {treatment}"
        for treatment in TREATMENTS
        for name in (*EXPERIMENTS, "table1")
        if not (folder / f"{name}-{treatment}.csv").exists() and applies(name, treatment)
    ]
    if not missing:
        return ""
    return (
        f"\n**Not run yet**: {', '.join(missing)}. `iia reproduce NAME --as ... --data FOLDER` runs one; "
        "finished trainings aren't repeated.\n"
    )


def summary(judged: Sequence[tuple[str, Verdict]]) -> str:
    """All verdicts in one table."""
    lines = ["## Verdicts", "", "| where | claim | printed | obtained | verdict |", "|---|---|---|---|---|"]
    lines += [f"| {where} | {v.claim} | {v.printed} | {v.obtained} | **{v.verdict}** |" for where, v in judged]
    return "\n".join([*lines, ""])


def section(title: str, lines: Sequence[Line], drawn: Sequence[Path], note: str = "") -> str:
    """One experiment under one treatment: table, note and figures."""
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
