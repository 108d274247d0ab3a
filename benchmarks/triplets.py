"""How often a triplet lies below the singlet that the labels hold: even electrons, at most ten atoms, PBE0/3-21G.

python benchmarks/triplets.py --lowest 6 --others 4      # an hour on one core; what is done is in --out

Of each formula of B_n and SeB_n its lowest minima among the labels, and wells that xTB found. Singlets are the
labels' (restricted), triplets unrestricted at the same geometry, instabilities followed.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LabelFailed
from iia_calc.labels.store import LabelledStructure
from iia_calc.training.build import read_labels
from iia_calc.training.evaluate import largest_force, new_structures
from search.geometry.composition import Composition

LABELS = Path(__file__).parents[1] / "models/labels"
MINIMUM, APART = 0.4, 0.08
"""eV/Å below which a label is a minimum, and Å by which two minima differ (as in `new_structures`)."""
WELLS = ("independent-wells", "foreign-wells")


def sample(lowest: int, others: int) -> Iterator[tuple[str, LabelledStructure]]:
    """(kind, label) of each well, kinds in turn, small ones first."""
    minima: dict[str, list[LabelledStructure]] = defaultdict(list)
    wells: dict[str, list[LabelledStructure]] = defaultdict(list)
    for item in read_labels([LABELS / "pbe0-3-21g.npz.xz", LABELS / "pbe0-3-21g-held-out.npz.xz"])[1]:
        composition = Composition.parse(item.atoms)
        if item.multiplicity == 1 and 4 <= len(item.atoms) <= 10 and composition.dopants in ([], ["Se"]):
            if item.batch in WELLS:
                wells[composition.formula].append(item)
            elif largest_force(item) < MINIMUM:
                minima[composition.formula].append(item)
    chosen = [("well of xTB", rank, item) for items in wells.values() for rank, item in enumerate(items[:others])]
    for items in minima.values():
        kept: list[LabelledStructure] = []
        for item in sorted(items, key=lambda item: item.label.energy):
            if len(kept) < lowest and new_structures([item], kept, APART):
                chosen.append(("low minimum", len(kept), item))
                kept.append(item)
    yield from ((kind, item) for kind, _, item in sorted(chosen, key=lambda c: (c[1], len(c[2].atoms), c[0])))


def gap(item: LabelledStructure) -> float | None:
    """Triplet minus singlet, eV; None where the triplet doesn't converge."""
    try:
        return DFTLevel(multiplicity=3, threads=1).energy(item.atoms) - item.label.energy
    except LabelFailed:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lowest", type=int, default=6, help="minima of each formula")
    parser.add_argument("--others", type=int, default=4, help="wells of xTB of each formula")
    parser.add_argument("--out", type=Path, default=Path("triplets.jsonl"))
    options = parser.parse_args()
    known = {}
    if options.out.exists():
        known = {row["key"]: row for row in map(json.loads, options.out.read_text().splitlines())}
    for kind, item in sample(options.lowest, options.others):
        formula = Composition.parse(item.atoms).formula
        key = f"{kind} {formula} {item.start} {item.label.energy:.4f}"
        if key not in known:
            known[key] = {"key": key, "kind": kind, "formula": formula, "gap": gap(item)}
            with options.out.open("a") as out:
                out.write(json.dumps(known[key]) + "\n")
            print(key, known[key]["gap"], flush=True)
    print("\n| wells | formula | triplet lower | triplet minus singlet, eV |\n|---|---|---|---|")
    gaps: dict[tuple[str, str], list[float]] = defaultdict(list)
    for row in known.values():
        if row["gap"] is not None:
            gaps[row["kind"], row["formula"]].append(row["gap"])
    for (kind, formula), values in sorted(gaps.items()):
        lower = sum(value < 0 for value in values)
        print(f"| {kind} | {formula} | {lower} of {len(values)} | {', '.join(f'{v:+.2f}' for v in sorted(values))} |")


if __name__ == "__main__":
    main()
