"""Errors of shipped potentials on the shipped DFT labels: the table in README, and every formula's worst.

python benchmarks/errors.py seb-10

Where a potential was fitted to a row's labels the row says so; "new" rows leave out what lies near a label of the
last potential named (`iia evaluate --known`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from iia_calc.labels.store import LabelledStructure, in_batches
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.potential import Potential
from iia_calc.training.build import read_labels
from iia_calc.training.evaluate import NEAR_MINIMUM, Errors, held_out_errors, new_structures

LABELS = Path(__file__).parents[1] / "models/labels"
LARGEST, BAR = 17, 45.0
"""Atoms, and meV/atom: no formula up to SeB16 is to be worse."""

FITTED_SINCE = {  # the first shipped potential that was fitted to a batch; in order
    "seb-4": ["first", "relaxations"],
    "seb-5": ["own-minima", "own-minima-4", "walls"],
    "seb-6": ["own-minima-5", "walls-large", "starts"],
    "seb-7": ["own-minima-6"],
    "seb-8": ["own-minima-7", "confirmations", "smallest"],
    "seb-9": [
        "own-minima-8",
        "confirmations-8",
        "confirmations-large",
        "confirmations-known",
        "round-9",
        "double-rings",
    ],
    "seb-10": [
        "own-minima-9",
        "double-ring-24",
        "confirmations-9",
        "confirmations-10",
        "confirmations-11",
        "starts-10",
    ],
    "seb-3-21g": ["foreign-wells", "own-minima-10"],
}
HELD_OUT = ["held-out", "held-out-more", "held-out-b7", "independent-wells"]


@dataclass(frozen=True)
class Row:
    """batches : per potential where there are several, else of all. new : leave out what lies near a known label."""

    title: str
    batches: str | dict[str, str]
    near_minimum: bool = False
    new: bool = False

    def batch(self, model: str) -> str | None:
        return self.batches if isinstance(self.batches, str) else self.batches.get(model)


ROWS = [
    Row("minima of xTB at its geometry, none near a label", "independent-wells"),
    Row("near minima, 72 random starts", "held-out", near_minimum=True),
    Row("near minima, 12 further starts", "held-out-more", near_minimum=True),
    Row("near minima, five further starts of B7", "held-out-b7", near_minimum=True),
    Row("the first, without what is near a label", "held-out", near_minimum=True, new=True),
    Row("SeB17 to SeB20, four starts", "held-out-large"),
    Row("its own lowest minima", {f"seb-{n}": f"own-minima-{n}" for n in range(4, 11)}),
    Row("the lowest of each shape, B13 to B20, SeB13 to SeB20", "round-9"),
    Row("double rings of B16 to B22, bare and with Se", "double-rings"),
    Row("the double ring of B24", "double-ring-24"),
    Row("frames of relaxations of B12", "confirmations-9"),
    Row("frames of relaxations of SeB16 and SeB22", "confirmations-10"),
    Row("frames of relaxations of SeB16 and SeB24", "confirmations-12"),
]


def main(models: Sequence[str]) -> None:
    potentials = {model: _leader(model) for model in models}
    known = [item for batch in fitted_to(models[-1]) for item in labels(batch)]
    print(f"| batch of `models/labels/pbe0-3-21g*.npz.xz` | structures | {' | '.join(models)} |")
    print("|---" * (2 + len(models)) + "|")
    for row in ROWS:
        counts, cells = [], []
        for model, potential in potentials.items():
            batch = row.batch(model)
            errors = None if batch is None else _errors(potential, row, labels(batch), known)
            counts += [] if errors is None else [errors.count]
            fitted = batch in fitted_to(model)
            cells.append("" if errors is None else f"{errors.energy:.1f}, {errors.forces:.3f}" + " (fitted)" * fitted)
        batches = row.batches if isinstance(row.batches, str) else ", ".join(filter(None, map(row.batch, models)))
        number = ", ".join(map(str, dict.fromkeys(counts) if isinstance(row.batches, str) else counts))
        print(f"| `{batches}`: {row.title} | {number} | {' | '.join(cells)} |")
    print("\nmeV/atom and eV/Å; rows of starts count structures whose largest force is below 2 eV/Å.")
    held_out = [item for batch in HELD_OUT for item in labels(batch) if len(item.atoms) <= LARGEST]
    for model, potential in potentials.items():
        of = held_out_errors(potential, held_out, NEAR_MINIMUM)
        bad = [f"{name} {e.energy:.1f} ({e.count})" for name, e in of.items() if name != "all" and e.energy > BAR]
        print(f"{model}, formulas of {' and '.join(HELD_OUT)} above {BAR:.0f} meV/atom: {', '.join(bad) or 'none'}")


def fitted_to(model: str) -> list[str]:
    """Batches of labels behind a potential."""
    names = list(FITTED_SINCE)
    return [batch for name in names[: names.index(model) + 1] for batch in FITTED_SINCE[name]]


@cache
def labels(batch: str) -> list[LabelledStructure]:
    return in_batches(_all_labels(), [batch])


@cache
def _all_labels() -> list[LabelledStructure]:
    return read_labels([LABELS / f"pbe0-3-21g{part}.npz.xz" for part in ("", "-held-out")])[1]


def _errors(potential: Potential, row: Row, items: list[LabelledStructure], known: list[LabelledStructure]) -> Errors:
    items = new_structures(items, known) if row.new else items
    return held_out_errors(potential, items, NEAR_MINIMUM if row.near_minimum else None)["all"]


def _leader(model: str) -> Potential:
    loaded = storage.load(model)
    return loaded.leader if isinstance(loaded, Committee) else loaded


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", choices=list(FITTED_SINCE), metavar="MODEL")
    main(parser.parse_args().models)
