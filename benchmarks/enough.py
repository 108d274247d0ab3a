"""When is it enough? How often the lowest had been found when a search said so, and how true its unseen share is.

python benchmarks/enough.py LJ38 LJ19 --searches 100 -o enough

Each search goes on until the lowest minimum that it knows was reached from `--until` independent starts, or for
`--limit` quenches. What it said after each batch is kept in OUT/SYSTEM.jsonl; the same command goes on where it was
stopped, prints the tables and draws OUT/enough.png. Systems are Lennard-Jones clusters (LJ38; truth: the Cambridge
Cluster Database) or formulas, on the default potential (truth: the lowest known minimum, relaxed on it, or the lowest
of all the searches).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from search import LennardJones, find_minima
from search.first_hit import lennard_jones_energies
from search.relaxers.base import Relaxer
from search.result import Progress

WITHIN = 2e-3
"""Energy, eV or ε, above the true lowest that counts as that."""
AHEAD = 3
"""Batches of which the share of new minima is compared with what was said before them."""
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.01)
"""Of the unseen shares that are put together."""


@dataclass(frozen=True)
class System:
    """What is searched. lowest : energy of its true lowest minimum as far as is known, eV or ε."""

    name: str
    formula: str
    relaxer: Relaxer
    lowest: float

    @classmethod
    def of(cls, name: str) -> System:
        """Of LJ38, or of a formula."""
        if name.startswith("LJ") and name[2:].isdigit():
            return cls(name, f"Ar{name[2:]}", LennardJones(), lennard_jones_energies()[int(name[2:])])
        from iia_calc.isomers.first_hits import FirstHitRequest
        from iia_calc.isomers.relaxer import RequestRelaxer
        from iia_calc.isomers.target import find_target

        request = FirstHitRequest(name)
        here = RequestRelaxer.of(request.search)
        target = find_target(request, here.relaxer, here.described["model"]["level_of_theory"])
        return cls(name, request.formula, here.relaxer, target.energy)


@dataclass(frozen=True)
class Said:
    """After a batch: quenches, distinct minima, of these found once, independent starts, and the lowest energy."""

    quenches: int
    minima: int
    once: int
    starts: int
    lowest: float

    @property
    def unseen(self) -> float:
        return self.once / self.quenches


def search(system: System, seed: int, until: int, limit: int) -> list[list[Any]]:
    """What one search says after each batch, as `Said` takes it."""
    said: list[list[Any]] = []

    def note(progress: Progress) -> None:
        found = progress.convergence
        if progress.best_energy is not None:
            counts = [found.n_quenches, found.n_minima, found.n_once, found.lowest_found]
            said.append([*counts, round(progress.best_energy, 5)])

    result = find_minima(system.formula, system.relaxer, quenches=limit, until_found=until, seed=seed, callback=note)
    if result.stopped_by == "interrupted":
        raise KeyboardInterrupt
    return said


def searches(system: System, count: int, until: int, limit: int, folder: Path) -> list[list[Said]]:
    """`count` of them; those that are there are read."""
    path = folder / f"{system.name}.jsonl"
    asked = {"until": until, "limit": limit, "relaxer": system.relaxer.signature}
    lines = (
        [json.loads(line) for line in path.read_text().splitlines(True) if line[-1] == "\n"] if path.exists() else []
    )
    if lines and lines[0] != asked:
        raise SystemExit(f"{path} is of searches with {lines[0]}, not {asked}; use another folder")
    lines = lines or [asked]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))  # without a line that a kill cut short
    known = {line["seed"]: line["said"] for line in lines[1:]}
    for seed in range(count):
        if seed not in known:
            known[seed] = search(system, seed, until, limit)
            with open(path, "a") as file:
                file.write(json.dumps({"seed": seed, "said": known[seed]}) + "\n")
    return [[Said(*values) for values in known[seed]] for seed in range(count)]


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    z, share = 1.96, hits / n
    middle, half = share + z * z / (2 * n), z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


def statements(runs: list[list[Said]], lowest: float, until: int) -> Iterator[tuple[int, int, int, float]]:
    """Starts said, searches that said so or more, of these right when they first did, and median quenches by then."""
    for starts in range(1, until + 1):
        first = [next((said for said in run if said.starts >= starts), None) for run in runs]
        made = [said for said in first if said is not None]
        if made:
            right = sum(said.lowest <= lowest + WITHIN for said in made)
            yield starts, len(made), right, float(np.median([said.quenches for said in made]))


def unseen_shares(runs: list[list[Said]]) -> Iterator[tuple[int, float, float]]:
    """Statements, mean share said and mean share of new minima in the next batches, by the share said."""
    pairs = np.array(
        [
            (said.unseen, (later.minima - said.minima) / (later.quenches - said.quenches))
            for run in runs
            for said, later in zip(run[:-AHEAD], run[AHEAD:], strict=True)
        ]
    )
    for low, high in pairwise(EDGES):
        inside = pairs[(pairs[:, 0] >= low) & (pairs[:, 0] < high)]
        if len(inside) >= 10:
            yield len(inside), *inside.mean(0).tolist()


def draw(
    results: dict[str, tuple[list[tuple[int, int, int, float]], list[tuple[int, float, float]]]], path: Path
) -> None:
    """Left how often the statement about starts was right, right the unseen share against what came."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    for k, (name, (said, shares)) in enumerate(results.items()):
        starts = np.array([row[0] for row in said]) + 0.06 * k
        share = np.array([row[2] / row[1] for row in said])
        bounds = np.array([wilson(row[2], row[1]) for row in said]).T
        errors = np.maximum([share - bounds[0], bounds[1] - share], 0.0)
        left.errorbar(starts, share, yerr=errors, fmt="o-", capsize=2, label=name)
        right.plot([row[1] for row in shares], [row[2] for row in shares], "o-", label=name)
    left.set(xlabel="independent starts said to have led to the lowest", ylabel="share right", ylim=(0.0, 1.03))
    right.plot([0, 1], [0, 1], "k:", linewidth=0.8)
    right.set(xlabel="unseen share said", ylabel="share of new minima that came", xlim=(0, 1), ylim=(0, 1))
    left.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="+", help="LJ38, or a formula")
    parser.add_argument("--searches", type=int, default=100, help="of each system")
    parser.add_argument("--until", type=int, default=5, help="independent starts after which a search ends")
    parser.add_argument("--limit", type=int, default=3000, help="quenches after which it is given up")
    parser.add_argument("-o", "--out", type=Path, default=Path("enough"), help="folder")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    results = {}
    for name in options.systems:
        system = System.of(name)
        runs = searches(system, options.searches, options.until, options.limit, options.out)
        lowest = min([system.lowest, *(run[-1].lowest for run in runs)])
        results[name] = list(statements(runs, lowest, options.until)), list(unseen_shares(runs))
    print("| system | starts said | searches that said so | right | 95 % | quenches by then, median |")
    print("|---|---|---|---|---|---|")
    for name, (said, _) in results.items():
        for starts, made, right, quenches in said:
            low, high = (round(100 * bound) for bound in wilson(right, made))
            print(f"| {name} | {starts} | {made} | {right} | {low}–{high} % | {quenches:.0f} |")
    print("\n| system | unseen share said, mean | statements | share of new minima that came |\n|---|---|---|---|")
    for name, (_, shares) in results.items():
        for count, mean, came in shares:
            print(f"| {name} | {100 * mean:.0f} % | {count} | {100 * came:.0f} % |")
    draw(results, options.out / "enough.png")


if __name__ == "__main__":
    main()
