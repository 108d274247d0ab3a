"""What CCSD(T) of small clusters costs, against what `iia properties` says before it begins.

python benchmarks/coupled_cluster_cost.py B3 SeB2 B4 SeB3

Of the lowest structure of each formula in models/lowest, one thread: basis functions, CPU seconds (the Hartree-Fock
solution and its test included), what was estimated, the largest memory of the process, and the T1 diagnostic. Each in
a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from ase import Atoms
from ase.io import read

from iia_calc.confirm.levels import basis_functions
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import multiplicity_of
from iia_calc.properties.coupled_cluster import (
    coupled_cluster,
    coupled_cluster_gigabytes,
    coupled_cluster_seconds,
    reference_level,
)
from search.geometry.composition import Composition

LOWEST = Path(__file__).parents[1] / "models/lowest/lowest.extxyz"


def cost(atoms: Atoms, basis: str) -> tuple[float, float, float]:
    """CPU seconds, GB at most, and T1 diagnostic."""
    level = reference_level(DFTLevel(basis=basis, threads=1, gpu=False))
    level.mean_field(Atoms("H"), 2)  # PySCF imported
    begin = time.process_time()
    found = coupled_cluster(level, atoms, multiplicity_of(atoms, 0, None))
    seconds = time.process_time() - begin
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, found["t1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formulas", nargs="+")
    parser.add_argument("--basis", default="def2-TZVP")
    options = parser.parse_args()
    lowest = {Composition.parse(atoms).formula: atoms for atoms in reversed(read(LOWEST, ":"))}
    if unknown := [name for name in options.formulas if Composition.parse(name).formula not in lowest]:
        parser.error(f"models/lowest has no {unknown[0]}")
    print("| cluster | basis functions | CPU s | estimated | GB at most | estimated | T1 |")
    print("|---|---|---|---|---|---|---|")
    for name in options.formulas:
        composition = Composition.parse(name)
        atoms = lowest[composition.formula]
        n_functions = basis_functions(composition, options.basis)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            seconds, memory, t1 = pool.submit(cost, Atoms(atoms.numbers, atoms.positions), options.basis).result()
        expected = coupled_cluster_seconds(atoms, n_functions), coupled_cluster_gigabytes(atoms, n_functions)
        row = f"{seconds:.0f} | {expected[0]:.0f} | {memory:.1f} | {expected[1]:.1f} | {t1:.3f}"
        print(f"| {name} | {n_functions} | {row} |", flush=True)


if __name__ == "__main__":
    main()
