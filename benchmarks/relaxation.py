"""Evaluations per relaxation: random starts, and the trials of searches as they are relaxed there.

    python benchmarks/relaxation.py [--model seb-10] [--seeds 3] [--starts 64]

Counts, not times: what a machine does beside this changes nothing. Three sets of structures, made anew for each
seed: random starts of SeB20 relaxed to 0.05 eV/Å (as in speed.py), and the trials that basin hopping makes on its way
through SeB12 and SeB16 (moves from minima), relaxed to 0.005 eV/Å as `iia search` does. Each is relaxed by L-BFGS that
begins with the model Hessian, and by one that begins with a number.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
import torch
from ase import Atoms

from iia_calc.model import storage
from iia_calc.relax import lbfgs
from iia_calc.relax.batch import PotentialRelaxer
from search import BasinHopping, Composition
from search.geometry.seeds import seed_structures
from search.relaxers.base import Relaxed, Relaxer

RANDOM, SEARCHED = "SeB20", ("SeB12", "SeB16")
BURN_IN = 6  # batches of a search whose trials are not counted: most are random starts


def trials(formula: str, n: int, seed: int, relaxer: Relaxer) -> list[Atoms]:
    """What a search asks for once its walkers have minima."""
    searcher, found = BasinHopping(formula, seed=seed), list[Atoms]()
    batch = 0
    while len(found) < n:
        asked = searcher.ask(searcher.batch_size)
        searcher.tell(relaxer.relax(asked))
        batch += 1
        if batch > BURN_IN:
            found += asked
    return found[:n]


def sets(n: int, seed: int, relaxer: Relaxer) -> Iterator[tuple[str, float, list[Atoms]]]:
    """What is relaxed, to which fmax (eV/Å)."""
    random = seed_structures(Composition.parse(RANDOM), n, np.random.default_rng(seed))
    yield f"random {RANDOM}", 0.05, random
    for formula in SEARCHED:
        yield f"trials of a search of {formula}", 0.005, trials(formula, n, seed, relaxer)


def row(name: str, fmax: float, results: list[Relaxed]) -> str:
    """Mean, median and 90 % of the evaluations, how the relaxations ended, and the mean energy."""
    counts = np.array([r.n_evaluations for r in results])
    converged = sum(r.converged for r in results)
    energies = np.array([r.energy for r in results if r.converged])
    ends = f"{converged} | {len(results) - converged}"
    mean = f"{energies.mean():.3f} ± {energies.std() / len(energies) ** 0.5:.3f}"
    spread = f"{counts.mean():.1f} ± {counts.std() / len(counts) ** 0.5:.1f}"
    return (
        f"| {name} | {fmax} | {spread} | {np.median(counts):.0f} | {np.quantile(counts, 0.9):.0f} | {ends} | {mean} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--starts", type=int, default=64, help="structures of each set and seed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    leader = storage.load(storage.find(options.model), device="cpu").leader
    largest = lbfgs.LARGEST
    found: dict[tuple[str, str, float], list[Relaxed]] = {}
    for seed in range(options.seeds):
        for name, fmax, structures in sets(options.starts, seed, PotentialRelaxer(leader, fmax=0.005)):
            for first, lbfgs.LARGEST in (("a number", 0), ("model Hessian", largest)):
                results = PotentialRelaxer(leader, fmax=fmax).relax(structures)
                found.setdefault((name, first, fmax), []).extend(results)
            lbfgs.LARGEST = largest
    print("| | first matrix | fmax, eV/Å | evaluations | median | 90 % | converged | not | mean energy of those, eV |")
    print("|---|---|---|---|---|---|---|---|---|")
    for (name, first, fmax), results in found.items():
        print(row(f"{name} | {first}", fmax, results))


if __name__ == "__main__":
    main()
