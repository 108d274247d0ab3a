"""Who finds the lower minimum in the same time: `iia search --dft 4`, or ASE's basin hopping on GFN2-xTB?

python benchmarks/minima.py SeB8 SeB10 SeB12 B12 --minutes 20 --out runs/minima

Both search for the same wall time, one core each, two at a time; the 4 best distinct minima of each are then
relaxed with the same PySCF settings (PBE0/3-21G; both with the help of our potential's curvature). Prints the lowest
DFT energy of each and the times, for the whole search time and a tenth of it for us. What is done is kept in OUT, and
the same command goes on; every frame of the DFT relaxations is a label in OUT/*.db.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read, write
from ase.io.trajectory import Trajectory
from ase.optimize import LBFGS
from ase.optimize.basin import BasinHopping

from iia_calc.confirm.api import confirm
from iia_calc.isomers.search import search_isomers
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LabelFailed, LevelCalculator
from iia_calc.labels.xtb import XTBLevel
from iia_calc.model import storage
from iia_calc.model.hessian import second_derivatives
from search.archive.archive import Archive
from search.geometry.composition import Composition
from search.geometry.seeds import random_cluster
from search.islands.pool import processes
from search.relaxers.base import Relaxed

KEPT = 4


STEPS = 300
"""Of one relaxation on GFN2-xTB: without a limit one that doesn't converge takes the rest of the search's time."""


class TimeIsOver(Exception):
    pass


class Limited(LBFGS):
    def run(self, fmax: float = 0.05, steps: int = STEPS) -> bool:
        return super().run(fmax=fmax, steps=steps)


class Hopping(BasinHopping):
    def get_energy(self, positions):
        """None, after which ASE draws another hop, where GFN2-xTB finds no energy."""
        try:
            return super().get_energy(positions)
        except LabelFailed:
            return None


def search_xtb(formula: str, seconds: float, seed: int, folder: Path) -> list[Atoms]:
    """ASE's BasinHopping on GFN2-xTB (steps of 0.4 Å, kT 0.8 eV as ours) from a random start, until time is over."""
    composition = Composition.parse(formula)
    end = time.monotonic() + seconds

    class Timed(LevelCalculator):
        def calculate(self, *args, **kwargs):
            if time.monotonic() > end:
                raise TimeIsOver
            super().calculate(*args, **kwargs)

    np.random.seed(seed)  # noqa: NPY002  (what ASE draws from)
    atoms = random_cluster(composition, np.random.default_rng(seed))
    atoms.calc = Timed(XTBLevel("GFN2-xTB"))
    trajectory = folder / f"{formula}-xtb.traj"
    try:
        hopping = Hopping(
            atoms,
            temperature=0.8,
            dr=0.4,
            fmax=0.05,
            optimizer=Limited,
            optimizer_logfile=None,
            logfile=None,
            trajectory=str(folder / f"{formula}-lowest.traj"),
            local_minima_trajectory=str(trajectory),
        )
        hopping.run(10**9)
    except TimeIsOver:
        pass
    archive = Archive(None, composition)
    with Trajectory(str(trajectory)) as frames:
        for k in range(len(frames)):
            found = frames[k]
            archive.add(
                Relaxed(Atoms(found.numbers, found.positions), found.get_potential_energy(), 0.05, True, 1, 1), k
            )
    return [minimum.atoms for minimum in archive][:KEPT]


def search_ours(formula: str, seconds: float, seed: int, folder: Path, model: str | None) -> list[Atoms]:
    found = search_isomers(
        formula, out=folder / f"{formula}-{seconds:.0f}s", time_limit=seconds, seed=seed, model=model, known=False
    )
    return [isomer.atoms for isomer in found.isomers[:KEPT]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formulas", nargs="+")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--model", default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/minima"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with processes(2) as pool:
        compete_all(options, pool)


def compete_all(options: argparse.Namespace, pool: Executor) -> None:
    """Two jobs at a time, the whole time of ours last."""
    seconds, other = 60 * options.minutes, "ASE on GFN2-xTB"
    jobs: dict[str, list[Future[dict]]] = {formula: [] for formula in options.formulas}
    for formula, found in jobs.items():
        found.append(pool.submit(compete, formula, "ours, a tenth", seconds / 10, options))
        found.append(pool.submit(compete, formula, other, seconds, options))
    for formula, found in jobs.items():
        found.append(pool.submit(compete, formula, "ours", seconds, options))
    print(
        "| formula | who | search, s | DFT, s | lowest PBE0/3-21G energy, eV | above the lowest of all, meV "
        "| that on GFN2-xTB, eV |"
    )
    print("|---|---|---|---|---|---|---|", flush=True)
    for formula, found in jobs.items():
        rows = [job.result() for job in found]
        lowest = min(row["energy"] for row in rows)
        for row in rows:
            print(
                f"| {formula} | {row['who']} | {row['search']:.0f} | {row['dft']:.0f} | {row['energy']:.4f} | "
                f"{1e3 * (row['energy'] - lowest):.0f} | {row['gfn2']:.3f} |",
                flush=True,
            )


def compete(formula: str, who: str, limit: float, options: argparse.Namespace) -> dict:
    """One search and its DFT relaxations; kept as JSON."""
    stem = f"{formula}-{who.replace(' ', '-').replace(',', '')}"
    path, starts = options.out / f"{stem}.json", options.out / f"{stem}.extxyz"
    if path.exists():
        return json.loads(path.read_text())
    if not starts.exists():
        begin = time.monotonic()
        found = (
            search_ours(formula, limit, options.seed, options.out, options.model)
            if who.startswith("ours")
            else search_xtb(formula, limit, options.seed, options.out)
        )
        for atoms in found:
            atoms.info["search_seconds"] = time.monotonic() - begin
        write(starts, found, format="extxyz")
    minima = read(starts, index=":")
    begin = time.monotonic()
    # Ours share a store: what both found is relaxed once.
    store = options.out / f"{formula}-{'ours' if who.startswith('ours') else 'xtb'}.db"
    curvature = partial(second_derivatives, storage.load(options.model))
    confirmed = confirm(minima, DFTLevel(threads=1), store, curvature=curvature)
    best = min(confirmed, key=lambda c: float("inf") if c.energy is None else c.energy)
    row = {
        "who": who,
        "search": minima[0].info["search_seconds"],
        "dft": time.monotonic() - begin,
        "energy": float("inf") if best.energy is None else best.energy,
        "gfn2": relaxed_by_xtb(best.atoms),
    }
    path.write_text(json.dumps(row))
    return row


def relaxed_by_xtb(atoms: Atoms) -> float:
    """eV: what ASE's search would have made of it. Lower than what it found: it missed it; higher: xTB misleads."""
    atoms = Atoms(atoms.numbers, atoms.positions)
    atoms.calc = LevelCalculator(XTBLevel("GFN2-xTB"))
    Limited(atoms, logfile=None).run()
    return atoms.get_potential_energy()


if __name__ == "__main__":
    main()
