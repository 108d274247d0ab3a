"""What a search costs besides its relaxations: overhead at LJ38, and the archive's part as it grows.

python benchmarks/search_overhead.py            # about three minutes

Overhead is all of the search's CPU time that isn't spent in the relaxer's `relax`: seeds, moves, learning, duplicates,
the database with what was found, the state to go on from, and the result. CPU time, so that a busy machine changes
little. Beside our Lennard-Jones relaxer, which relaxes a batch at once, and beside ASE's calculator, which does so one
by one.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.lj import LennardJones as ASELennardJones

from search import Archive, Composition, LennardJones, Relaxed, find_minima
from search.geometry.scale import LengthScale
from search.relaxers.ase import ASERelaxer
from search.relaxers.base import Relaxer


class Timed:
    """A relaxer with the CPU seconds it has taken."""

    def __init__(self, relaxer: Relaxer) -> None:
        self.relaxer, self.seconds = relaxer, 0.0
        self.signature, self.bond_length = relaxer.signature, relaxer.bond_length

    def relax(self, structures: Sequence[Atoms]) -> list[Relaxed]:
        start = time.process_time()
        results = self.relaxer.relax(structures)
        self.seconds += time.process_time() - start
        return results


def overhead(n_atoms: int, relaxer: Relaxer, quenches: int, seed: int) -> tuple[float, float, float]:
    """(share of the time outside the relaxer, ms per quench outside it, ms per quench in all), stored on disk."""
    timed, start = Timed(relaxer), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        find_minima(f"Ar{n_atoms}", timed, quenches=quenches, seed=seed, archive=folder)
    total = time.process_time() - start
    rest = total - timed.seconds
    return rest / total, 1e3 * rest / quenches, 1e3 * total / quenches


def storing(n_atoms: int, sizes: list[int], quenches: int = 800, batch: int = 8) -> dict[int, float]:
    """ms per quench to look up, enter and commit, half of the quenches copies of known minima, at archive sizes."""
    rng = np.random.default_rng(0)
    scale = LengthScale.of(Composition.parse(f"Ar{n_atoms}"), LennardJones())
    state = {"searcher": {"positions": rng.normal(size=(16, n_atoms, 3)).tolist()}}
    quench, costs = 0, {}
    with tempfile.TemporaryDirectory() as folder, Archive(Path(folder), scale.composition) as archive:

        def made(energy: float, positions: np.ndarray) -> Relaxed:
            return Relaxed(scale.atoms(positions), energy, 0.0, True, 1, 1)

        def new() -> Relaxed:
            return made(float(rng.uniform(-174.0, -100.0)), rng.normal(scale=1.5, size=(n_atoms, 3)))

        for size in sizes:
            while len(archive) < size:
                archive.enter(new(), quench := quench + 1)
                if quench % 1000 == 0:
                    archive.commit()
            archive.commit(state)
            known = list(archive)
            start = time.process_time()
            for _ in range(quenches // batch):
                for k in range(batch):
                    entry = known[int(rng.integers(len(known)))]
                    turned = entry.positions[:, [1, 2, 0]]
                    archive.enter(made(entry.energy, turned) if k % 2 else new(), quench := quench + 1)
                archive.commit(state)
            costs[size] = 1e3 * (time.process_time() - start) / quenches
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atoms", type=int, default=38)
    parser.add_argument("--quenches", type=int, default=800)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--minima", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="archive sizes")
    arguments = parser.parse_args()
    own = LennardJones()
    ase = ASERelaxer(ASELennardJones(rc=1e4), fmax=own.fmax, bond_length=own.bond_length)
    for name, relaxer, quenches in (("ours", own, arguments.quenches), ("ASE's", ase, arguments.quenches // 20)):
        found = [overhead(arguments.atoms, relaxer, quenches, seed) for seed in range(arguments.runs)]
        share, rest, total = np.median(found, axis=0)
        print(
            f"LJ{arguments.atoms}, relaxer {name}: {100 * share:.1f} % of the time outside it "
            f"({rest:.2f} of {total:.2f} ms per quench)",
            flush=True,
        )
    for size, cost in storing(arguments.atoms, sorted(arguments.minima)).items():
        print(f"archive of {size} minima: {cost:.2f} ms per quench to look up, enter and commit")


if __name__ == "__main__":
    main()
