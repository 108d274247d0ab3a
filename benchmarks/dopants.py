"""First hits on doped and binary clusters: our search, without its dopant moves, and ASE's basin hopping.

python benchmarks/dopants.py SeB8 SeB10 Se2B8 --runs 10
python benchmarks/dopants.py Cu6Au7 --calculator ase.calculators.emt:EMT

The target is the lowest minimum of the potential that a longer search (`--reference` quenches, another seed) or any of
the runs knows; all are on one potential. Runs that don't reach it in `--limit` quenches (hops of ASE) are censored: the
mean is quenches over hits.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from ase.optimize import LBFGS
from ase.optimize.basin import BasinHopping

from iia_calc import IIACalculator
from iia_calc.isomers.relaxer import RequestRelaxer
from iia_calc.isomers.request import SearchRequest
from search import Composition, Relaxer, find_minima
from search.first_hit import FirstHits
from search.geometry.seeds import random_cluster
from search.searchers.basin_hopping import BasinHopping as OurBasinHopping

WITHIN = 0.01
"""eV in all: the runs' relaxations end at residual forces, the target's too."""
DOPANT_MOVES = ("swap", "relocate")


class Run(NamedTuple):
    """energies [quenches] : lowest so far after each quench, eV."""

    who: str
    energies: np.ndarray

    def hit(self, target: float) -> tuple[int, bool]:
        """Quenches to the target or to the end, and whether it was reached."""
        places = np.flatnonzero(self.energies <= target + WITHIN)
        return (int(places[0]) + 1, True) if len(places) else (len(self.energies), False)


def ours(formula: str, relaxer: Relaxer, seed: int, limit: int, without: tuple[str, ...] = ()) -> np.ndarray:
    settings = OurBasinHopping.Settings.without(without) if without else None
    result = find_minima(formula, relaxer, quenches=limit, seed=seed, settings=settings)
    if result.stopped_by == "interrupted":
        raise KeyboardInterrupt
    lowest = np.full(limit, np.inf)
    for minimum in result.minima:
        lowest[minimum.info["first_quench"] - 1] = minimum.get_potential_energy()
    return np.minimum.accumulate(lowest)


class Noting(BasinHopping):
    """ASE's, with the energy of every hop kept; a hop that the potential refuses or that falls apart is no minimum."""

    def get_energy(self, positions):
        try:
            energy = super().get_energy(positions)
        except ValueError:
            energy = None
        self.found = [*getattr(self, "found", []), np.inf if energy is None else energy]
        return energy


class Limited(LBFGS):
    def run(self, fmax: float = 0.02, steps: int = 300) -> bool:
        return super().run(fmax=fmax, steps=steps)


def ase(request: SearchRequest, seed: int, limit: int) -> np.ndarray:
    """Steps of 0.4 Å, at our temperature."""
    np.random.seed(seed)  # noqa: NPY002  (what ASE draws from)
    atoms = random_cluster(Composition.parse(request.formula), np.random.default_rng(seed))
    choice = request.chosen_calculator
    atoms.calc = IIACalculator(request.model) if choice is None else choice.make()
    hopping = Noting(
        atoms,
        temperature=0.8,
        dr=0.4,
        fmax=0.02,
        optimizer=Limited,
        optimizer_logfile=None,
        logfile=None,
        trajectory=None,
        local_minima_trajectory=None,
    )
    hopping.run(limit - 1)
    return np.minimum.accumulate(hopping.found[:limit])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formulas", nargs="+")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--limit", type=int, default=160, help="quenches of a run")
    parser.add_argument("--reference", type=int, default=640, help="quenches of the search for the target")
    parser.add_argument("--model", default=None)
    parser.add_argument("--calculator", default=None, help="an ASE calculator in its place, MODULE:CLASS")
    parser.add_argument("--without-ase", action="store_true", help="our searches only")
    parser.add_argument("--csv", type=Path, default=None, help="every run's quenches")
    options = parser.parse_args()
    print("| formula | searcher | hits | quenches, mean (95 %) | median |\n|---|---|---|---|---|", flush=True)
    lines = ["formula,searcher,seed,quenches,hit"]
    for formula in options.formulas:
        request = SearchRequest(formula, model=options.model, calculator=options.calculator)
        relaxer = RequestRelaxer.of(request).relaxer
        target = float(ours(formula, relaxer, 10_000, options.reference)[-1])
        runs = []
        for seed in range(options.runs):
            runs.append(Run("ours", ours(formula, relaxer, seed, options.limit)))
            runs.append(Run("without swap and relocate", ours(formula, relaxer, seed, options.limit, DOPANT_MOVES)))
            if not options.without_ase:
                runs.append(Run("ASE's BasinHopping", ase(request, seed, options.limit)))
        target = min([target, *(float(run.energies[-1]) for run in runs)])
        for who in dict.fromkeys(run.who for run in runs):
            costs, hits = zip(*(run.hit(target) for run in runs if run.who == who), strict=True)
            found = FirstHits.of(costs, hits)
            lines += [f"{formula},{who},{k},{c},{h}" for k, (c, h) in enumerate(zip(costs, hits, strict=True))]
            print(
                f"| {formula} | {who} | {found.n_hits} of {found.n_runs} | {found.mean.value:.0f} "
                f"({found.mean.low:.0f}–{found.mean.high:.0f}) | {found.median.value:.0f} |",
                flush=True,
            )
    if options.csv:
        options.csv.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
