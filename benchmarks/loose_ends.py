"""What the potentials' errors come from: wells with a loose end (a boron atom with one neighbour, nearer than 1.5 Å).

python benchmarks/loose_ends.py --gaps 6

Errors of the shipped potentials at independent wells with and without such an end. --gaps N: of N wells with one, even
electrons and at most ten atoms, how far the triplet lies below the restricted singlet that labels are (PBE0/3-21G).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.model import storage
from iia_calc.training.build import read_labels
from iia_calc.training.evaluate import held_out_errors
from search import Composition

LABELS = Path(__file__).parents[1] / "models/labels"
HELD_OUT = {"seb-def2-tzvp": "pbe0-def2-tzvp-held-out.npz.xz", "seb-3-21g": "pbe0-3-21g-held-out.npz.xz"}
BONDED, SHORT = 2.0, 1.5
"""Å: atoms nearer than the first are neighbours; below the second a bond is a loose end's."""


def has_loose_end(atoms: Atoms) -> bool:
    """Whether a boron atom has one neighbour, of boron, nearer than `SHORT`."""
    distances = atoms.get_all_distances() + 9.0 * np.eye(len(atoms))
    nearest = distances.argmin(1)
    alone = ((distances < BONDED).sum(1) == 1) & (distances.min(1) < SHORT)
    return bool((alone & (atoms.numbers == 5) & (atoms.numbers[nearest] == 5)).any())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gaps", type=int, default=0, help="wells whose triplet is computed")
    options = parser.parse_args()
    print("| independent wells | how many | meV/atom | eV/Å |\n|---|---|---|---|")
    for model, file in HELD_OUT.items():
        leader = storage.load(storage.find(model), device="cpu").leader
        wells = [item for item in read_labels([LABELS / file])[1] if item.batch == "independent-wells"]
        for name, wanted in (("with a loose end", True), ("without", False)):
            chosen = [item for item in wells if has_loose_end(item.atoms) == wanted]
            errors = held_out_errors(leader, chosen, near_minimum=None)["all"]
            print(f"| {model}, {name} | {errors.count} | {errors.energy:.1f} | {errors.forces:.3f} |", flush=True)
    small = [item for item in wells if has_loose_end(item.atoms) and item.multiplicity == 1 and len(item.atoms) <= 10]
    for item in small[: options.gaps]:
        triplet = DFTLevel(multiplicity=3, threads=1).energy(item.atoms)
        formula = Composition.parse(item.atoms).formula
        print(
            f"{formula} ({item.start}): triplet minus restricted singlet {triplet - item.label.energy:+.2f} eV",
            flush=True,
        )


if __name__ == "__main__":
    main()
