"""Calls of the potential until a cluster's lowest minimum is found first: ours, and what else one can install.

python benchmarks/first_calls.py LJ19 LJ38 --runs 10 --limit 100000 --agox /where/its/environment/is/bin/python
python benchmarks/first_calls.py SeB10 --runs 10 --limit 10000

All begin with random compact clusters, on one potential: Lennard-Jones, or the default one (`--model`). The others'
searches end at the first call near the lowest known energy, be it in the midst of a relaxation; ours are counted to the
end of the batch. Runs of more than `--limit` calls are given up; the mean is calls of all runs over hits.
ase-ga is a package of its own (pip install ase-ga). AGOX runs as a separate program, by the Python of an environment
that has it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import chdir, suppress
from pathlib import Path

import numpy as np
from ase import units
from ase.data import covalent_radii
from peer_searches import PEERS, Counted, Ended, Surface

from iia_calc import IIACalculator
from iia_calc.isomers.first_hits import FirstHitRequest
from iia_calc.isomers.relaxer import RequestRelaxer
from iia_calc.isomers.target import find_target
from search import Composition, LennardJones, Relaxer, find_minima
from search.first_hit import FirstHits, lennard_jones_energies
from search.geometry.scale import LengthScale
from search.geometry.seeds import random_cluster

Search = Callable[[int], tuple[int, bool]]
"""Seed -> calls, and whether the lowest minimum was found."""
CALLS = 50
"""No relaxation of ours takes fewer: so many quenches stand for a limit in calls."""


def lennard_jones(n: int) -> tuple[Surface, Relaxer]:
    """In units of ε and σ: kT = 0.8 ε and steps of 0.4 σ, as GMIN's examples have them."""
    relaxer = LennardJones()
    scale = LengthScale.of(Composition.parse(f"Ar{n}"), relaxer)

    def evaluate(atoms):
        energy, forces = relaxer.evaluate(atoms.positions[None])
        return float(energy[0]), forces[0]

    return (
        Surface(
            f"Ar{n}",
            lennard_jones_energies()[n],
            near=0.02,  # no other minimum lies so near
            start=lambda seed: scale.atoms(scale.seed(np.random.default_rng(seed), "compact")),
            evaluate=evaluate,
            kT=0.8,
            step=0.4,
            fmax=0.01,
            hot=0.4 / units.kB,
            timestep=2.0,
            apart=0.15,
            shortest=lambda a, b: 0.8,
        ),
        relaxer,
    )


def formula(text: str, model: str | None) -> tuple[Surface, Relaxer]:
    """In eV and Å, on a potential of ours: kT = 0.8 eV and steps of 0.4 Å; for the rest the peers' own settings."""
    request = FirstHitRequest(text, model=model)
    chosen = RequestRelaxer.of(request.search)
    calculator = IIACalculator(model)
    composition = Composition.parse(request.formula)

    def evaluate(atoms):
        calculator.calculate(atoms, ["energy", "forces"])
        return calculator.results["energy"], calculator.results["forces"]

    return (
        Surface(
            request.formula,
            find_target(request, chosen.relaxer, chosen.described["model"]["level_of_theory"]).energy,
            near=0.01,
            start=lambda seed: random_cluster(composition, np.random.default_rng(seed), "compact"),
            evaluate=evaluate,
            kT=0.8,
            step=0.4,
            fmax=0.02,
            hot=1000.0,
            timestep=1.0,
            apart=0.5,
            shortest=lambda a, b: 0.7 * (covalent_radii[a] + covalent_radii[b]),
        ),
        chosen.relaxer,
    )


def ours(surface: Surface, relaxer: Relaxer, method: str, limit: int) -> Search:
    """Our search, counted to the end of the batch of the hit."""

    def search(seed: int) -> tuple[int, bool]:
        quenches, target = max(limit // CALLS, 1), surface.target + surface.near
        result = find_minima(surface.name, relaxer, method, quenches=quenches, seed=seed, target_energy=target)
        return result.n_evaluations, result.first_hit is not None

    return search


def peer(surface: Surface, run: Callable[[Surface, Counted, int], None], limit: int) -> Search:
    """A search of others."""

    def search(seed: int) -> tuple[int, bool]:
        np.random.seed(seed)  # noqa: NPY002  (what ASE draws from)
        counted = Counted(surface, limit)
        with tempfile.TemporaryDirectory() as folder, chdir(folder), suppress(Ended):
            run(surface, counted, seed)
        return counted.calls, counted.hit

    return search


def agox(python: str, surface: Surface, limit: int) -> Search:
    """AGOX's basin hopping on ASE's Lennard-Jones, in a process of its own."""
    script = Path(__file__).with_name("agox_search.py")

    def search(seed: int) -> tuple[int, bool]:
        given = {"formula": surface.name, "target": surface.target, "near": surface.near, "limit": limit, "seed": seed}
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [python, str(script), json.dumps(given)], cwd=folder, check=True, capture_output=True, text=True
            )
        found = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
        return found["calls"], found["hit"]

    return search


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clusters", nargs="+", help="LJ38, SeB10, ...")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--limit", type=int, default=50_000, help="calls of a run")
    parser.add_argument("--model", default=None, help="for formulas; the default potential without")
    parser.add_argument("--only", nargs="+", default=[], help="parts of names of the searches that run")
    parser.add_argument(
        "--agox", default=None, metavar="PYTHON", help="of an environment with AGOX; Lennard-Jones only"
    )
    options = parser.parse_args()
    known = {f"LJ{n}" for n in lennard_jones_energies()}
    for cluster in options.clusters:
        if cluster.startswith("LJ") and cluster not in known:
            parser.error(f"{cluster} has no known lowest energy; give LJ2 to LJ110, or a formula")
    print("| cluster | search | hits | calls, mean (95 %) | median |\n|---|---|---|---|---|", flush=True)
    for cluster in options.clusters:
        is_model = cluster.startswith("LJ")
        surface, relaxer = lennard_jones(int(cluster[2:])) if is_model else formula(cluster, options.model)
        searches: dict[str, Search] = {
            "ours, basin hopping": ours(surface, relaxer, "basin-hopping", options.limit),
            "ours, bee colony": ours(surface, relaxer, "bee-colony", options.limit),
            **{name: peer(surface, run, options.limit) for name, run in PEERS.items()},
        }
        if options.agox and is_model:
            searches["AGOX's basin hopping"] = agox(options.agox, surface, options.limit)
        for name, search in searches.items():
            if options.only and not any(part.lower() in name.lower() for part in options.only):
                continue
            calls, hits = zip(*(search(seed) for seed in range(options.runs)), strict=True)
            found = FirstHits.of(calls, hits)
            mean, low, high, median = (
                f"{x:,.0f}" for x in (found.mean.value, found.mean.low, found.mean.high, found.median.value)
            )
            print(
                f"| {cluster} | {name} | {found.n_hits} of {found.n_runs} | {mean} ({low}–{high}) | {median} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
