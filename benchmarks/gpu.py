"""The GPU beside the CPU: the potential's predictions and its calculator, and labels by gpu4pyscf.

python benchmarks/gpu.py [--model seb-10] [--labels 8]

1  Energies and forces of the held-out structures on both, in double and single precision: the largest differences,
   and the seconds that all of them take at once. One molecular-dynamics step's worth of `IIACalculator`.
2  Where gpu4pyscf is installed: labels of stored structures made again on the GPU, the smallest clusters first, how
   far they are from the stored ones (made on CPUs), and seconds, SCF stability and forces included.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from ase import Atoms

from iia_calc.calculator import IIACalculator
from iia_calc.labels.dft import gpu
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.store import LabelledStructure, in_batches
from iia_calc.model import storage
from iia_calc.training.build import read_labels
from iia_calc.training.evaluate import Predicted, predict
from search.geometry.composition import Composition

LABELS = storage.models_folder() / "labels"
CALLS = 20


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def potentials(name: str | None, items: list[LabelledStructure]) -> None:
    print(f"| precision | energies, meV | forces, meV/Å | {len(items)} structures, CPU, s | GPU, s |")
    print("|---|---|---|---|---|")
    for dtype in (torch.float64, torch.float32):
        found: dict[str, list[Predicted]] = {}
        spent = {}
        for device in ("cpu", "cuda"):
            model = storage.load(name, dtype=dtype, device=device)
            found[device] = list(predict(model, items))  # kernels are chosen at the first call
            spent[device] = seconds(lambda model=model: list(predict(model, items)))
        pairs = list(zip(found["cpu"], found["cuda"], strict=True))
        energy = max(abs(a.energy - b.energy) for a, b in pairs)
        forces = max(np.abs(a.forces - b.forces).max() for a, b in pairs)
        print(
            f"| {str(dtype).removeprefix('torch.')} | {1e3 * energy:.2g} | {1e3 * forces:.2g} | {spent['cpu']:.2f} "
            f"| {spent['cuda']:.2f} |",
            flush=True,
        )
    largest = max(items, key=lambda item: len(item.atoms)).atoms
    for device in ("cpu", "cuda"):
        atoms = largest.copy()
        atoms.calc = IIACalculator(name, device=device)
        atoms.get_forces()
        spent_here = seconds(lambda atoms=atoms: [step(atoms) for _ in range(CALLS)]) / CALLS
        print(f"\nIIACalculator, {Composition.parse(atoms).formula}, {device}: {1e3 * spent_here:.1f} ms a call")


def step(atoms: Atoms) -> None:
    atoms.positions[0, 0] += 1e-4
    atoms.get_forces()


def labels(items: list[LabelledStructure], count: int) -> None:
    """One structure of each formula, sizes spread evenly."""
    by_formula: dict[str, LabelledStructure] = {}
    for item in sorted(items, key=lambda item: len(item.atoms)):
        if item.label.stability or item.multiplicity == 1:  # others may lie on another solution
            by_formula.setdefault(Composition.parse(item.atoms).formula, item)
    names = list(by_formula)
    chosen = [names[k] for k in np.unique(np.linspace(0, len(names) - 1, count).round().astype(int))]
    level = DFTLevel(threads=1)
    level.label(by_formula[chosen[0]].atoms)  # kernels are compiled at the first call
    print("\n| formula | energy, meV | forces, meV/Å | SCF solution | s |\n|---|---|---|---|---|")
    for name in chosen:
        item = by_formula[name]
        begin = time.perf_counter()
        label = level.label(item.atoms)
        spent = time.perf_counter() - begin
        energy, forces = label.energy - item.label.energy, np.abs(label.forces - item.label.forces).max()
        print(
            f"| {name} | {1e3 * energy:.3f} | {1e3 * forces:.1f} | {label.stability} | {spent:.1f} |",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--labels", type=int, default=8, help="structures labelled again")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    if not torch.cuda.is_available():
        sys.exit("CUDA sees no device: there is nothing to compare with the CPU")
    items = in_batches(read_labels([LABELS / "pbe0-3-21g-held-out.npz.xz"])[1], ["held-out", "held-out-large"])
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, one CPU thread\n")
    torch.set_num_threads(1)
    potentials(options.model, items)
    if gpu.available():
        labels(items, options.labels)
    else:
        print("\ngpu4pyscf isn't installed: no labels")


if __name__ == "__main__":
    main()
