"""Evaluations per relaxation with ASE calculators: ASE's BFGS begun with the model Hessian, and with its own number.

python benchmarks/any_calculator.py [--starts 12]

Counts, not times. Random starts are relaxed to 0.02 eV/Å, as `iia search --calculator` does, and then, with every atom
shifted by up to 0.3 Å along each axis, their minima. EMT is ASE's; GFN2-xTB needs tblite.
"""

from __future__ import annotations

import argparse

import numpy as np
from ase import Atoms
from ase.calculators.emt import EMT
from tblite.ase import TBLite

from search import Composition
from search.geometry.seeds import random_cluster
from search.relaxers import ase as relaxers
from search.relaxers.base import Relaxed
from search.relaxers.model_hessian import model_hessian

SYSTEMS = {"Cu13": "EMT", "Au6Cu7": "EMT", "Al30": "EMT", "SeB8": "GFN2-xTB", "Si10": "GFN2-xTB"}
SHIFT = 0.3


def ase_number(positions: np.ndarray, bonds: np.ndarray, springs: object) -> np.ndarray:
    """What ASE begins with: 70 eV/Å² for every direction."""
    return 70.0 * np.eye(3 * positions.shape[1])[None]


def make(method: str) -> relaxers.ASERelaxer:
    return relaxers.ASERelaxer(EMT() if method == "EMT" else TBLite(method=method, verbosity=0))


def cell(results: list[Relaxed]) -> str:
    """Mean evaluations and their standard error, and the mean energy of those that converged."""
    counts = np.array([result.n_evaluations for result in results])
    energies = [result.energy for result in results if result.converged]
    return f"{counts.mean():.0f} ± {counts.std() / len(counts) ** 0.5:.0f} | {np.mean(energies):.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=12)
    options = parser.parse_args()
    print("| | begun with | random starts: evaluations | mean energy, eV | shifted minima: evaluations | eV |")
    print("|---|---|---|---|---|---|", flush=True)
    for formula, method in SYSTEMS.items():
        rng = np.random.default_rng(0)
        starts = [random_cluster(Composition.parse(formula), rng) for _ in range(options.starts)]
        shifted: list[Atoms] = []
        for name, first in (("ASE's number", ase_number), ("model Hessian", model_hessian)):
            relaxers.model_hessian = first
            ended = make(method).relax(starts)
            if not shifted:
                shifted = [result.atoms for result in ended if result.converged]
                for atoms in shifted:
                    atoms.positions += rng.uniform(-SHIFT, SHIFT, atoms.positions.shape)
            again = make(method).relax(shifted)
            print(f"| {formula}, {method} | {name} | {cell(ended)} | {cell(again)} |", flush=True)


if __name__ == "__main__":
    main()
