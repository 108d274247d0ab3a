"""What a PBE0/3-21G label costs, and what changes with settings: integrals, grids, and the kernels of PySCF's OpenBLAS.

python benchmarks/label_cost.py models/labels/pbe0-3-21g-held-out.npz.xz --count 6

Each structure is labelled with every setting, one thread; CPU seconds, and differences to the first setting. The
last row is the labels' settings as PySCF's wheel runs them on a processor newer than its OpenBLAS (of 2018).
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from ase import Atoms

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.dft.pyscf_import import CORE
from iia_calc.labels.level import Label
from iia_calc.training.build import read_labels

SETTINGS: dict[str, dict] = {
    "no fitting, grid 3": {"density_fit": False, "grid_level": 3},
    "density fitting, grid 3": {"grid_level": 3},
    "density fitting, grid 1 (the labels')": {},
    "density fitting, grid 0": {"grid_level": 0},
    "the labels', kernels without AVX": {},
}


def labels(structures: list[Atoms], setting: dict) -> tuple[list[Label], float]:
    """Labels, and CPU seconds per label."""
    DFTLevel(threads=1, gpu=False, **setting).element_energy("B")  # PySCF imported, element energies known
    begin = time.process_time()
    made = [DFTLevel(threads=1, gpu=False, **setting).label(atoms) for atoms in structures]
    return made, (time.process_time() - begin) / len(structures)


def in_a_new_process(structures: list[Atoms], name: str) -> tuple[list[Label], float]:
    """Which kernels OpenBLAS takes is decided when it is loaded."""
    if name.endswith("without AVX"):  # the last one
        os.environ[CORE] = "Barcelona"
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(labels, structures, SETTINGS[name]).result()


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
    exact: list[Label] | None = None
    print("| setting | CPU s per label | energies against one another, meV/atom | forces, meV/Å (mean) |")
    print("|---|---|---|---|")
    for name in SETTINGS:
        made, seconds = in_a_new_process(chosen, name)
        if exact is None:
            exact = made
        # An offset per atom is nobody's error: what counts is how energies differ among structures.
        wrong = np.array([(a.energy - b.energy) / len(c) for a, b, c in zip(made, exact, chosen, strict=True)])
        forces = np.mean([np.abs(a.forces - b.forces).mean() for a, b in zip(made, exact, strict=True)])
        spread = np.abs(wrong - np.median(wrong)).mean()
        print(f"| {name} | {seconds:.1f} | {1e3 * spread:.2f} | {1e3 * forces:.1f} |", flush=True)


if __name__ == "__main__":
    main()
