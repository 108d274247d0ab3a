"""Results as CSV, one line per run and one per epoch of it: all that figures and the page are made of."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ase.units import Hartree

from iia_calc.common.files import replacing
from iia_calc.reproduce.runner import Outcome, Runner
from iia_calc.reproduce.runs import Experiment, Row
from search.errors import InputError

NUMBERS = (
    "seed",
    "mae_eV_per_atom",
    "rmse_eV_per_atom",
    "mae_hartree_per_atom",
    "rmse_hartree_per_atom",
    "constant_mae_eV_per_atom",
    "epochs",
    "best_epoch",
    "n_train",
    "n_validation",
    "n_test",
    "structures",
    "seconds",
    "cpu_seconds",
    "parameters",
    "embedding_shift",
    "printed_mae",
    "printed_rmse",
)
COLUMNS = ("experiment", "treatment", "key", "label", "target", "run", *NUMBERS)
CURVE_COLUMNS = ("experiment", "treatment", "key", "seed", "epoch", "loss", "energy_mae", "seconds")
Show = Callable[[int, int, str], object]
"""Told runs done, runs in all, and what is going on."""


@dataclass(frozen=True)
class Line:
    """A row of a table over its seeds; errors in eV/atom, [n_seeds] in the order of `seeds`.

    printed : (MAE, RMSE) as the paper has them; None where it has none.
    """

    experiment: str
    treatment: str
    key: str
    label: str
    target: str
    seeds: tuple[int, ...]
    mae: np.ndarray
    rmse: np.ndarray
    constant: np.ndarray
    best_epoch: np.ndarray
    epochs: int
    n_train: int
    structures: np.ndarray
    cpu_seconds: np.ndarray
    embedding_shift: np.ndarray
    printed: tuple[float, float] | None

    def pairs_with(self, other: Line, what: str = "mae") -> tuple[np.ndarray, np.ndarray]:
        """This line's and another's numbers of the seeds that both have, that is of equal splits."""
        shared = [seed for seed in self.seeds if seed in other.seeds]
        mine, theirs = getattr(self, what), getattr(other, what)
        return (
            np.array([mine[self.seeds.index(seed)] for seed in shared]),
            np.array([theirs[other.seeds.index(seed)] for seed in shared]),
        )


def run_experiment(
    experiment: Experiment, treatment: str, runner: Runner, folder: Path, show: Show, part: str | None = None
) -> None:
    """Train whatever is missing, and write the CSVs anew after each run.

    part : only rows whose key contains it are trained; finished ones of the others are written, too.
    show : called with runs done, runs in all, and what is going on.
    """
    rows = experiment.only(part).rows
    turns = range(max(len(row.runs) for row in rows))  # all rows with one seed before any with the next
    runs = [(row, row.runs[k]) for k in turns for row in rows if k < len(row.runs)]
    for done, (row, run) in enumerate(runs):

        def tell(text: str, done: int = done, label: str = row.label) -> None:
            show(done, len(runs), f"{label}: {text}")

        runner.tell = tell
        runner.run(run)
        write_results(experiment, treatment, runner, folder)
    show(len(runs), len(runs), "done")


def write_results(experiment: Experiment, treatment: str, runner: Runner, folder: Path) -> None:
    """Of the runs that are finished."""
    lines, curves = [], []
    for row in experiment.rows:
        for run in row.runs:
            if (found := runner.outcome(run)) is None:
                continue
            shared = {"experiment": experiment.name, "treatment": treatment, "key": row.key, "seed": run.seed}
            lines.append(shared | {"label": row.label, "target": run.target, "run": found.id} | _numbers(found, row))
            for point in runner.curve(run):
                curves.append(
                    shared
                    | {
                        "epoch": int(point["epoch"]) + 1,
                        "loss": f"{point['loss']:.6g}",
                        "energy_mae": f"{point['energy']:.6g}",
                        "seconds": f"{point['seconds']:.1f}",
                    }
                )
    _write(folder / f"{experiment.name}-{treatment}.csv", COLUMNS, lines)
    _write(folder / f"{experiment.name}-{treatment}-curves.csv", CURVE_COLUMNS, curves)


def _numbers(found: Outcome, row: Row) -> dict[str, object]:
    mae, rmse = row.printed or ("", "")
    return {
        "mae_eV_per_atom": f"{found.mae:.5f}",
        "rmse_eV_per_atom": f"{found.rmse:.5f}",
        "mae_hartree_per_atom": f"{found.mae / Hartree:.6f}",
        "rmse_hartree_per_atom": f"{found.rmse / Hartree:.6f}",
        "constant_mae_eV_per_atom": f"{found.constant_mae:.5f}",
        "printed_mae": mae,
        "printed_rmse": rmse,
        "seconds": f"{found.seconds:.1f}",
        "cpu_seconds": f"{found.cpu_seconds:.1f}",
        "embedding_shift": f"{found.embedding_shift:.5f}",
        **{
            name: str(getattr(found, name))
            for name in (
                "epochs",
                "best_epoch",
                "n_train",
                "n_validation",
                "n_test",
                "structures",
                "parameters",
            )
        },
    }


def _write(path: Path, columns: Sequence[str], rows: Sequence[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_results(path: Path) -> list[Line]:
    """The lines of one CSV, in its order; an absent one has none.

    Raises
    ------
    ValueError : it isn't such a table.
    """
    if not path.exists():
        return []
    rows = _read(path, COLUMNS)
    lines = []
    for key in dict.fromkeys(row["key"] for row in rows):
        mine = [row for row in rows if row["key"] == key]
        first = mine[0]

        column = partial(_column, mine)
        lines.append(
            Line(
                first["experiment"],
                first["treatment"],
                key,
                first["label"],
                first["target"],
                tuple(int(row["seed"]) for row in mine),
                column("mae_eV_per_atom"),
                column("rmse_eV_per_atom"),
                column("constant_mae_eV_per_atom"),
                column("best_epoch"),
                int(column("epochs").max()),
                int(first["n_train"]),
                column("structures"),
                column("cpu_seconds"),
                column("embedding_shift"),
                (float(first["printed_mae"]), float(first["printed_rmse"])) if first["printed_mae"] else None,
            )
        )
    return lines


def _column(rows: Sequence[dict[str, str]], name: str) -> np.ndarray:
    """The numbers of one column, [n_rows]."""
    return np.array([float(row[name]) for row in rows])


def read_curves(path: Path) -> dict[str, dict[int, np.ndarray]]:
    """Validation losses by key and seed: [n_epochs]."""
    curves: dict[str, dict[int, list[float]]] = {}
    for row in _read(path, CURVE_COLUMNS) if path.exists() else []:
        curves.setdefault(row["key"], {}).setdefault(int(row["seed"]), []).append(float(row["loss"]))
    return {key: {seed: np.array(values) for seed, values in of.items()} for key, of in curves.items()}


def _read(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if missing := set(columns) - set(reader.fieldnames or ()):
            raise InputError(f"{path} is no table of results: it lacks {', '.join(sorted(missing))}")
        return list(reader)
