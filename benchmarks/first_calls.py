"""Calls of the potential until a Lennard-Jones cluster's lowest minimum is found first: ours, and what ASE has.

python benchmarks/first_calls.py --sizes 19 --runs 10 --limit 50000

All begin with random compact clusters. ASE's searches run at settings in the model's units, and end at the first call
within 0.02 ε of the lowest known energy, be it in the midst of a relaxation; ours are counted to the end of the batch.
Runs of more than `--limit` calls are given up and counted so: the mean is calls of all runs over hits.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import chdir, suppress
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import LBFGS
from ase.optimize.basin import BasinHopping
from ase.optimize.minimahopping import MinimaHopping

from search import Composition, LennardJones, find_minima
from search.first_hit import FirstHits, lennard_jones_energies
from search.geometry.scale import LengthScale

NEAR = 0.02
"""ε above the lowest energy: no other minimum lies so near."""


class Ended(Exception):
    """The lowest minimum was found, or the calls are spent."""


class Counted(Calculator):
    """Lennard-Jones that counts its calls and ends the search."""

    implemented_properties = ("energy", "forces")

    def __init__(self, target: float, limit: int) -> None:
        super().__init__()
        self.target, self.limit = target, limit
        self.calls, self.hit, self.own = 0, False, LennardJones()

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        energy, forces = self.own.evaluate(self.atoms.positions[None])
        self.results = {"energy": float(energy[0]), "forces": forces[0]}
        self.calls += 1
        self.hit = self.results["energy"] <= self.target + NEAR
        if self.hit or self.calls >= self.limit:
            raise Ended


def basin_hopping(atoms: Atoms) -> None:
    """kT = 0.8 ε and steps of 0.4 σ, as GMIN's examples have them."""
    quiet = {"logfile": None, "optimizer_logfile": None, "trajectory": None, "local_minima_trajectory": None}
    BasinHopping(atoms, temperature=0.8, dr=0.4, fmax=0.01, optimizer=LBFGS, **quiet).run(10**9)


def minima_hopping(atoms: Atoms) -> None:
    """ASE's own settings, the temperature and the lengths in the model's units."""
    MinimaHopping(atoms, T0=0.4 / units.kB, fmax=0.01, minima_threshold=0.15, timestep=2.0, optimizer=LBFGS)()


def peer(search: Callable[[Atoms], None], n: int, seed: int, limit: int) -> tuple[int, bool]:
    """Calls, and whether the lowest was found."""
    np.random.seed(seed)  # noqa: NPY002  (what ASE draws from)
    scale = LengthScale.of(Composition.parse(f"Ar{n}"), LennardJones())
    atoms = scale.atoms(scale.seed(np.random.default_rng(seed), "compact"))
    atoms.calc = counted = Counted(lennard_jones_energies()[n], limit)
    with tempfile.TemporaryDirectory() as folder, chdir(folder), suppress(Ended):
        search(atoms)
    return counted.calls, counted.hit


def ours(method: str, n: int, seed: int, limit: int) -> tuple[int, bool]:
    """The same; `limit` by some 50 calls a quench, no fewer than which a relaxation takes."""
    target, quenches = lennard_jones_energies()[n], max(limit // 50, 1)
    result = find_minima(f"Ar{n}", LennardJones(), method, quenches=quenches, seed=seed, target_energy=target)
    return result.n_evaluations, result.first_hit is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[19])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--limit", type=int, default=50_000, help="calls of a run")
    options = parser.parse_args()
    searches: dict[str, Callable[[int, int], tuple[int, bool]]] = {
        "ours, basin hopping": lambda n, seed: ours("basin-hopping", n, seed, options.limit),
        "ours, bee colony": lambda n, seed: ours("bee-colony", n, seed, options.limit),
        "ASE's BasinHopping": lambda n, seed: peer(basin_hopping, n, seed, options.limit),
        "ASE's MinimaHopping": lambda n, seed: peer(minima_hopping, n, seed, options.limit),
    }
    print("| cluster | search | hits | calls, mean (95 %) | median |\n|---|---|---|---|---|", flush=True)
    for n in options.sizes:
        for name, search in searches.items():
            calls, hits = zip(*(search(n, seed) for seed in range(options.runs)), strict=True)
            found = FirstHits.of(calls, hits)
            mean, low, high, median = (
                f"{x:,.0f}" for x in (found.mean.value, found.mean.low, found.mean.high, found.median.value)
            )
            row = f"LJ{n} | {name} | {found.n_hits} of {found.n_runs} | {mean} ({low}–{high}) | {median}"
            print(f"| {row} |", flush=True)


if __name__ == "__main__":
    main()
