"""The page of all results: the findings in README.md, the tables behind them in tables.md, all from the CSVs."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iia_calc.reproduce import baseline as constants
from iia_calc.reproduce import boxes, budget, convergence, figures, findings, sections, supplement
from iia_calc.reproduce import label_quality as doubts
from iia_calc.reproduce.experiments import EXPERIMENTS, Plan
from iia_calc.reproduce.results import Line, read_curves, read_results
from iia_calc.reproduce.sets import TREATMENTS
from iia_calc.reproduce.train import applies
from iia_calc.reproduce.verdicts import verdicts

FINDINGS, TABLES = "README.md", "tables.md"
HEAD = """# The SchNet-IIA paper, recomputed

J. Chem. Inf. Model. 2025, 65, 92-100, on the files its authors published. `iia reproduce page` makes this page from the
CSVs beside it. Two readings stand side by side:

- **as published**: every structure, the numbers of the files, the settings of Table 1, a random 8:1:1 split;
- **as corrected**: failed SCF solutions left out, copies kept in one part of the split, settings that converge.

The paper trains 100 epochs, 3 seeds, all structures; what was spent instead is said once for each table. A gain
**holds** where its 90 % interval over seeds lies above zero, **doesn't hold** where that reaches to zero and not up to
what is printed (5 % where nothing is), and **can't be told** otherwise. "A constant" is one number for all structures,
the median of the training part. How all was done, every table, figure and CSV: [tables](tables.md).
{absent}"""
METHOD = """# The tables and figures of the SchNet-IIA paper, recomputed

The [findings](README.md) in full. `iia reproduce page` makes both from the CSVs beside them.

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

Gains are means over seeds of the logarithm of the ratio of two errors on equal splits, with the 90 % interval of
Student's t, shown as 1 - ratio; one seed tells nothing of a gain.
"""
BETWEEN = tuple(
    f"{name}, {form} attention" for name in ("IIA + TL", "IIA + SMU") for form in ("smooth", "hard", "untrained")
)
"""Rows of Table 3 that no claim compares; they are in the tables."""


@dataclass(frozen=True)
class Experiment:
    """One experiment under one treatment, as far as its CSV goes. rows : as many as it has in full."""

    name: str
    treatment: str
    title: str
    lines: list[Line]
    rows: int


def make_page(results: Path, folder: Path) -> Path:
    """README.md, tables.md and the figures in `folder`, from the CSVs in `results`, which are copied there.

    Raises
    ------
    FileNotFoundError : there are no results.
    """
    wanted = (*(f"*-{treatment}.csv" for treatment in TREATMENTS), "fig5.csv", "doubts.csv")
    if not any(path for pattern in wanted for path in results.glob(pattern)):
        raise FileNotFoundError(f"there are no results in {results}; iia reproduce table3 --out {results} makes some")
    folder.mkdir(parents=True, exist_ok=True)
    if results.resolve() != folder.resolve():
        for path in (*results.glob("*.csv"), *results.glob("*.csv.gz"), *results.glob("fig5.png")):
            shutil.copy(path, folder / path.name)
    found = read_experiments(folder)
    (folder / TABLES).write_text(tables_text(folder, found), encoding="utf-8")
    page = folder / FINDINGS
    page.write_text(findings_text(folder, found), encoding="utf-8")
    return page


def read_experiments(folder: Path) -> list[Experiment]:
    """Those that have results in `folder`."""
    found = []
    for name, make in EXPERIMENTS.items():
        experiment = make(Plan("corrected"))
        for treatment in TREATMENTS:
            if lines := read_results(folder / f"{name}-{treatment}.csv"):
                found.append(Experiment(name, treatment, experiment.title, lines, len(experiment.rows)))
    return found


def findings_text(folder: Path, found: Sequence[Experiment]) -> str:
    """What holds and what doesn't, in two screens."""
    groups = claim_groups(folder, found)
    of = {(e.name, e.treatment): e.lines for e in found}
    both = [[*of.get(("table2", t), []), *of.get(("table3", t), [])[1:]] for t in TREATMENTS]
    speeds = [
        speed
        for e in found
        for speed in convergence.speeds(e.name, e.lines, read_curves(folder / f"{e.name}-{e.treatment}-curves.csv"))
    ]
    speeds.sort(key=lambda speed: [claim for _, claim, *_ in convergence.CLAIMS].index(speed.claim))
    errors = findings.errors(both[0], both[1], BETWEEN)
    parts = [findings.summary(groups), findings.table(groups), errors, convergence.section(speeds)]
    text = "\n".join([HEAD.format(absent=absent(folder)), *filter(None, [*parts, supplement.summary(folder)])])
    return text.rstrip("\n") + "\n"


def claim_groups(folder: Path, found: Sequence[Experiment]) -> list[findings.Group]:
    """The verdicts by table and figure."""
    whole = "all structures, nothing trained"
    groups = []
    if in_boxes := boxes.verdicts(boxes.read(folder / "fig5.csv")):
        title = "Energies of SeB_n and SeB_n-O (Fig. 5, S1-S7)"
        groups.append(findings.Group(title, {"published": whole}, {"published": in_boxes}))
    if in_constants := constants.verdicts(constants.read(folder / "constants-published.csv")):
        title = "What one number for all structures gets"
        groups.append(findings.Group(title, {"published": whole}, {"published": in_constants}))
    for title in dict.fromkeys(e.title for e in found):
        group = findings.Group(title)
        for e in found:
            if e.title == title and (judged := verdicts(e.name, e.lines)):
                group.run[e.treatment] = findings.budget(e.lines)
                group.verdicts[e.treatment] = judged
        if group.verdicts:
            groups.append(group)
    return groups


def tables_text(folder: Path, found: Sequence[Experiment]) -> str:
    """Every table and figure, what was run for it, and where its numbers lie."""
    counts = {
        treatment: {
            row["target"]: int(row["structures"]) for row in constants.read(folder / f"constants-{treatment}.csv")
        }
        for treatment in TREATMENTS
    }
    parts = [METHOD, budget.section([(e.name, e.treatment, e.lines, e.rows) for e in found], counts)]
    for e in found:
        stem = f"{e.name}-{e.treatment}"
        curves = read_curves(folder / f"{stem}-curves.csv")
        drawn = figures.draw(e.name, e.treatment, e.lines, curves, folder)
        note = sections.NOTES.get((e.name, e.treatment), "")
        files = [path for path in (folder / f"{stem}.csv", folder / f"{stem}-curves.csv") if path.exists()]
        parts.append(sections.section(f"{e.title}, as {e.treatment}", e.lines, drawn, note, files))
    for treatment in TREATMENTS:
        parts.append(sections.constants_section(constants.read(folder / f"constants-{treatment}.csv"), treatment))
        parts.append(sections.search_section(folder / f"table1-{treatment}.csv", treatment))
    parts.append(doubts.section(doubts.read(folder / "doubts.csv"), doubts.read(folder / "doubts-dft.csv")))
    parts.append(boxes.section(boxes.read(folder / "fig5.csv")))
    parts.append(sections.tuples_section(folder / "tableS2.csv"))
    parts.append(supplement.section(supplement.read(folder)))
    return "\n".join(filter(None, parts)).rstrip("\n") + "\n"


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
