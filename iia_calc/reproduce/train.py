"""From a folder of published sets to finished trainings: what is missing is said before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from iia_calc.reproduce import baseline as constants
from iia_calc.reproduce import boxes, tuples
from iia_calc.reproduce import label_quality as doubts
from iia_calc.reproduce.experiments import EXPERIMENTS, SIZES, Plan
from iia_calc.reproduce.results import Show, run_experiment
from iia_calc.reproduce.runner import Runner
from iia_calc.reproduce.sets import Library
from iia_calc.reproduce.table1 import search
from search.errors import InputError

CACHE = "cache"
"""Below the folder of results: what was computed of single published structures, never part of a page."""
UNTRAINED = ("fig5", "doubts", "tableS2")
"""What is read off the files alone."""


def tabulate(name: str, data: Path | None, out: Path, show: Show | None = None, recomputed: int = 0) -> list[Path]:
    """Write those of `UNTRAINED` that `name` stands for; without `data` only what needs none.

    recomputed : of doubts, so many of either kind are recomputed by DFT.

    Raises
    ------
    FileNotFoundError, ValueError : a set that is wanted is missing or unsound.
    ImportError : doubts are wanted, and tblite or PySCF isn't installed.
    """
    written = []
    if name in ("fig5", "all") and data is not None:
        written.append(boxes.write(data, out))
    if name == "doubts" and data is not None:
        written.append(doubts.write(data, out, out / CACHE, show))
        if recomputed:
            written.append(doubts.recompute(data, out, out / CACHE, recomputed, show))
    if name in ("tableS2", "all"):
        written.append(tuples.write(out))
    return written


def chosen_names(name: str, treatment: str) -> list[str]:
    """The experiments with trainings that `name` stands for, "all" for all that make sense under a treatment.

    Raises
    ------
    ValueError : this project's own model is asked for as published.
    """
    if not applies(name, treatment):
        raise InputError("best is this project's own model, for the corrected data: --as corrected")
    known = [known for known in ("constants", *EXPERIMENTS, "table1") if applies(known, treatment)]
    return known if name == "all" else [name]


def applies(name: str, treatment: str) -> bool:
    """Whether an experiment makes sense under a treatment."""
    return name != "best" or treatment == "corrected"


def train(
    names: Sequence[str],
    data: Path,
    plan: Plan,
    out: Path,
    show: Show,
    part: str | None = None,
    trials: int = 28,
    method: str = "grid",
) -> None:
    """Train what is missing of the experiments `names` and write their CSVs to `out`.

    data : folder of the published sets. part : only rows whose key contains it.
    trials, method : of Table 1's search.

    Raises
    ------
    FileNotFoundError, ValueError : a set that is wanted is missing or unsound; no row contains `part`.
    ImportError : as corrected, tblite isn't installed.
    """
    library = Library(data, plan.treatment, plan.limit, out / CACHE)
    experiments = {name: EXPERIMENTS[name](plan) for name in names if name in EXPERIMENTS}
    rows = [row for experiment in experiments.values() for row in experiment.only(part).rows]
    wanted = {name for row in rows for run in row.runs for name in run.sets()}
    wanted |= {"SeB20"} if "table1" in names else set()
    wanted |= {f"SeB{n}" for n in SIZES} if "constants" in names else set()
    for done, name in enumerate(sorted(wanted)):
        library.tell = partial(show, done, len(wanted))
        library.structures(name)
    runner = Runner(library, out)
    for name in names:

        def tell(done: int, total: int, text: str, name: str = name) -> None:
            show(done, total, f"{name}: {text}" if len(names) > 1 else text)

        if name == "constants":
            constants.write(library, out)
        elif name == "table1":
            search(library, plan, out, trials, method, tell)
        else:
            run_experiment(experiments[name], plan.treatment, runner, out, tell, part)
