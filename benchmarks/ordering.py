"""Whether a potential puts its lowest minima in the order that DFT has: its ten lowest of a formula, each labelled.

python benchmarks/ordering.py seb-def2-tzvp

The structures are those of `iia search FORMULA --quenches 300 --seed 7`, the ten lowest of each list, labelled at the
geometry of the potential (`iia label --level dft --basis def2-TZVP --structures FILE`); no fit had these labels.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np

from iia_calc.labels.npz import open_labels
from iia_calc.labels.store import LabelledStructure, in_batches
from iia_calc.model import storage
from iia_calc.training.evaluate import held_out_errors, predict
from search.geometry.composition import Composition

LABELS = Path(__file__).parents[1] / "models/labels/pbe0-def2-tzvp-held-out.npz.xz"
APART = 0.2
"""eV: pairs closer than this by DFT count as ties."""


def main() -> None:
    """Print a row a formula and one of all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="seb-def2-tzvp", help="(default: %(default)s)")
    parser.add_argument(
        "--labels", type=Path, default=LABELS, help="(default: the shipped held-out PBE0/def2-TZVP labels)"
    )
    parser.add_argument("--batch", default="own-minima-11", help="of the labels (default: %(default)s)")
    asked = parser.parse_args()
    model = storage.load(storage.find(asked.model))
    by_formula: dict[str, list[LabelledStructure]] = {}
    for item in in_batches(open_labels(asked.labels).read(), [asked.batch]):
        by_formula.setdefault(Composition.parse(item.atoms).formula, []).append(item)
    print("| formula | minima | pairs | in DFT's order | rank of DFT's lowest | meV/atom | eV/Å |")
    print("|---|---|---|---|---|---|---|")
    right = n_pairs = 0
    for formula, items in by_formula.items():
        predicted = list(predict(model, items))
        ours = np.array([p.energy for p in predicted])
        theirs = np.array([p.item.label.energy for p in predicted])
        pairs = [(i, j) for i, j in combinations(range(len(items)), 2) if abs(theirs[i] - theirs[j]) > APART]
        same = sum((ours[i] < ours[j]) == (theirs[i] < theirs[j]) for i, j in pairs)
        rank = 1 + int((ours < ours[theirs.argmin()]).sum())
        of = held_out_errors(model, items)["all"]
        print(f"| {formula} | {len(items)} | {len(pairs)} | {same} | {rank} | {of.energy:.1f} | {of.forces:.3f} |")
        right, n_pairs = right + same, n_pairs + len(pairs)
    share = f" ({right / n_pairs:.0%})" if n_pairs else ""
    print(f"\n{right} of {n_pairs} pairs that DFT puts more than {APART} eV apart are in its order{share}")


if __name__ == "__main__":
    main()
