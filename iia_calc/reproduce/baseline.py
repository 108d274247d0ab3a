"""What one number for all structures gets: the yardstick for every table, free of any training.

The constant is the median energy of the training part, its error that on the test part of the same split.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from ase.units import Hartree

from iia_calc.reproduce import paper_values as printed
from iia_calc.reproduce.experiments import SIZES
from iia_calc.reproduce.gains import FAILS, HOLDS, Verdict
from iia_calc.reproduce.sets import Library

COLUMNS = ("target", "treatment", "structures", "mae_eV_per_atom", "sd_eV_per_atom", "mae_hartree_per_atom", "splits")
SPLITS = 20


def constant_errors(library: Library, name: str, splits: int = SPLITS) -> np.ndarray:
    """Mean absolute test error [splits], eV/atom, of the training median."""
    errors = []
    for seed in range(splits):
        task = library.task(name, seed)
        middle = np.median([item.label.energy for item in task.train])
        n_atoms = len(task.test[0].atoms)
        errors.append(np.mean([abs(item.label.energy - middle) for item in task.test]) * task.ev_per_unit / n_atoms)
    return np.array(errors)


def write(library: Library, folder: Path, splits: int = SPLITS) -> Path:
    """constants-TREATMENT.csv of SeB16 to SeB23."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"constants-{library.treatment}.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name in (f"SeB{n}" for n in SIZES):
            errors = constant_errors(library, name, splits)
            mean, sd = errors.mean(), errors.std(ddof=1)
            count = len(library.structures(name))
            writer.writerow(
                [name, library.treatment, count, f"{mean:.4f}", f"{sd:.4f}", f"{mean / Hartree:.5f}", splits]
            )
    return path


def read(path: Path) -> list[dict[str, str]]:
    """The rows of such a CSV; an absent one has none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def verdicts(rows: list[dict[str, str]]) -> list[Verdict]:
    """What the constants alone say about the printed errors; of the published files only."""
    if not rows or rows[0]["treatment"] != "published":
        return []
    of = {row["target"]: float(row["mae_hartree_per_atom"]) for row in rows}
    given = printed.TABLE_2[None][0]
    rise = of["SeB20"] / of["SeB19"]
    return [
        Verdict(
            "the error of plain SchNet on SeB20 says something of the network",
            f"{given}",
            f"a constant gets {of['SeB20']:.3f} hartree/atom",
            FAILS if abs(of["SeB20"] / given - 1) < 0.15 else HOLDS,
            "one number for all structures, the median, has about that error"
            if abs(of["SeB20"] / given - 1) < 0.15
            else "one number for all structures has another error",
        ),
        Verdict(
            "its rise from SeB19 to SeB20 is the network's difficulty with larger clusters",
            "Fig. 4",
            f"a constant's error rises × {rise:.2f}, too",
            FAILS if rise > 1.2 else HOLDS,
            "the labels scatter more, and no network is needed to see it" if rise > 1.2 else "the labels scatter alike",
        ),
    ]
