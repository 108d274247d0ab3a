"""What a PBE0/3-21G label costs, and what cheaper settings change: exact integrals, density fitting, coarser grids.

python benchmarks/label_cost.py models/labels/pbe0-3-21g.db --count 6

Each structure is labelled with every setting, one thread; CPU seconds and differences to the first setting.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from iia_calc.labels.dft import DFTLevel
from iia_calc.training.build import read_labels

SETTINGS = {
    "no fitting, grid 3": {"density_fit": False, "grid_level": 3},
    "density fitting, grid 3": {"grid_level": 3},
    "density fitting, grid 1 (the labels')": {},
    "density fitting, grid 0": {"grid_level": 0},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    items = read_labels([options.labels])[1]
    drawn = np.random.default_rng(options.seed).choice(len(items), options.count, replace=False)
    chosen = [items[k].atoms for k in drawn]
    print("structures:", ", ".join(atoms.get_chemical_formula() for atoms in chosen), flush=True)
    exact = None
    print(
        "| setting | s per label | energies against one another, meV/atom | forces, meV/Å (mean) |\n|---|---|---|---|"
    )
    for name, setting in SETTINGS.items():
        begin = time.process_time()
        labels = [DFTLevel(threads=1, gpu=False, **setting).label(atoms) for atoms in chosen]
        seconds = (time.process_time() - begin) / len(chosen)
        if exact is None:
            exact = labels
        # An offset per atom is nobody's error: what counts is how energies differ among structures.
        wrong = np.array([(a.energy - b.energy) / len(c) for a, b, c in zip(labels, exact, chosen, strict=True)])
        forces = np.mean([np.abs(a.forces - b.forces).mean() for a, b in zip(labels, exact, strict=True)])
        spread = np.abs(wrong - np.median(wrong)).mean()
        print(f"| {name} | {seconds:.1f} | {1e3 * spread:.2f} | {1e3 * forces:.1f} |", flush=True)


if __name__ == "__main__":
    main()
