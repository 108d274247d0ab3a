"""Relax random starts of SeB_n on a potential: how many end converged or flagged, and does any collapse?

python benchmarks/robustness.py --starts 500 --smallest 6 --largest 20
python benchmarks/robustness.py --starts 500 --watched    # as a search relaxes: the committee ends what it disagrees on
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
from ase.io import write

from iia_calc.model import storage
from iia_calc.relax.batch import PotentialRelaxer, forces_std_limit
from search.geometry.composition import Composition
from search.geometry.seeds import random_cluster


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="name or folder; by default the shipped one")
    parser.add_argument("--starts", type=int, default=500)
    parser.add_argument("--smallest", type=int, default=6, help="n of SeB_n")
    parser.add_argument("--largest", type=int, default=20)
    parser.add_argument("--fmax", type=float, default=0.02, help="eV/Å")
    parser.add_argument("--max-steps", type=int, default=500)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--watched", action="store_true", help="end what exceeds the card's limit as uncertain")
    parser.add_argument("--write", default=None, help="file for what the starts became, shortest pairs first")
    options = parser.parse_args()

    rng = np.random.default_rng(options.seed)
    sizes = range(options.smallest, options.largest + 1)
    starts = [random_cluster(Composition.parse(f"SeB{sizes[k % len(sizes)]}"), rng) for k in range(options.starts)]
    model = storage.load(options.model)
    limit = forces_std_limit(model) if options.watched else None
    relaxer = PotentialRelaxer(model, options.fmax, options.max_steps, forces_std_limit=limit)
    results = relaxer.relax(starts)

    shortest = []
    for result in results:
        distance = result.atoms.get_all_distances()
        shortest.append(distance[distance > 0].min() if np.isfinite(distance).all() else np.nan)
    reasons = Counter(r.reason + (", in pieces" if r.fragmented else "") for r in results)
    print(f"{len(results)} random starts, SeB{sizes[0]}..SeB{sizes[-1]}, fmax {options.fmax} eV/Å")
    for reason, count in reasons.most_common():
        print(f"  {reason}: {count} ({100 * count / len(results):.1f} %)")
    print(f"steps: median {np.median([r.n_steps for r in results]):.0f}, largest {max(r.n_steps for r in results)}")
    print(
        f"shortest distance of any pair: {np.nanmin(shortest):.3f} Å; below 1.2 Å: {np.sum(np.array(shortest) < 1.2)}"
    )
    for k in np.argsort(shortest)[:5]:
        result = results[k]
        spread = "" if result.forces_std is None else f", the committee's forces differ by {result.forces_std:.1f} eV/Å"
        print(f"  {shortest[k]:.3f} Å in {result.atoms.get_chemical_formula()}, start {k}: {result.reason}{spread}")
    if options.write:
        write(options.write, [results[k].atoms for k in np.argsort(shortest)])


if __name__ == "__main__":
    main()
