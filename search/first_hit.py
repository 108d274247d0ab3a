"""How many quenches until the known lowest minimum is found first: independent runs and their statistics.

A run that did not find it within its limit is censored: all that is known is that it takes longer.
Quantiles come from the Kaplan–Meier estimate of the distribution. The mean is the exponential
maximum-likelihood estimate, quenches of all runs over the number of hits; without censored runs
that is the plain mean. Intervals are 95 % percentile intervals of a bootstrap over runs.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from search.errors import InputError
from search.relaxers.lennard_jones import LennardJones
from search.run import find_minima
from search.searchers.base import settings_from
from search.searchers.methods import METHODS

RESAMPLES = 2000


@cache
def lennard_jones_energies() -> dict[int, float]:
    """Lowest known energies, ε, of 2 to 110 atoms: Cambridge Cluster Database (Wales, Doye et al.)."""
    path = Path(__file__).parent / "relaxers" / "reference" / "lennard_jones.csv"
    with open(path, newline="", encoding="utf-8") as file:
        return {int(row["n_atoms"]): float(row["energy_epsilon"]) for row in csv.DictReader(file)}


@dataclass(frozen=True)
class Run:
    """One independent run.

    Attributes
    ----------
    n_atoms, seed : of the run.
    hit : whether the lowest minimum was found.
    quenches : until then, or all that were done.
    evaluations : calls of the potential, to the end of the batch in which it was found.
    seconds, seconds_relaxing : of the run, and the part of them spent in the relaxer.
    """

    n_atoms: int
    seed: int
    hit: bool
    quenches: int
    evaluations: int
    seconds: float
    seconds_relaxing: float


def lennard_jones_run(n_atoms: int, seed: int, method: str, max_quenches: int, settings: Any = None) -> Run:
    """From a random start to the lowest known minimum of n_atoms, or to `max_quenches`.

    Raises
    ------
    KeyboardInterrupt : a signal ended it before.
    """
    result = find_minima(
        f"Ar{n_atoms}",
        LennardJones(),
        method,
        quenches=max_quenches,
        seed=seed,
        settings=settings,
        target_energy=lennard_jones_energies()[n_atoms],
    )
    if result.stopped_by == "interrupted":  # such a run says nothing, and is done again
        raise KeyboardInterrupt
    return Run(
        n_atoms,
        seed,
        result.first_hit is not None,
        result.first_hit or result.n_quenches,
        result.n_evaluations,
        round(result.seconds, 3),
        round(result.seconds_relaxing, 3),
    )


def lennard_jones_runs(
    folder: str | Path,
    sizes: Sequence[int],
    n_runs: int,
    seed: int = 0,
    method: str = "basin-hopping",
    max_quenches: int = 10_000,
    settings: Any = None,
    executor: Executor | None = None,
    callback: Callable[[Run, int, int], object] | None = None,
) -> list[Run]:
    """Runs with seeds seed, seed + 1, ... for each size, each stored in folder/runs.csv as it ends.

    Called again with the same settings it goes on with the runs that lack.

    Parameters
    ----------
    executor : where the runs go, one task each; None does them here, one after another.
    callback : called with each new run, the number of runs done and that of all.

    Raises
    ------
    ValueError : a size without a known minimum, or a folder of other settings.
    """
    known = lennard_jones_energies()
    for n in sizes:
        if n not in known:
            raise InputError(f"size {n} has no reference energy; choose from {min(known)} to {max(known)}")
    if not sizes or n_runs < 1 or max_quenches < 1:
        raise InputError("give at least one size, one run and one quench")
    if method not in METHODS:
        raise InputError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")
    chosen = asdict(settings_from(METHODS[method].Settings, settings))
    folder = Path(folder)
    _claim(folder, {"method": method, "max_quenches": max_quenches, "settings": chosen})
    wanted = [(n, s) for n in sizes for s in range(seed, seed + n_runs)]
    done = {(run.n_atoms, run.seed): run for run in read_runs(folder / "runs.csv")}
    missing = [key for key in wanted if key not in done]
    finished = len(wanted) - len(missing)
    for run in _compute(missing, method, max_quenches, settings, executor):
        _append(folder / "runs.csv", run)
        done[run.n_atoms, run.seed] = run
        finished += 1
        if callback is not None:
            callback(run, finished, len(wanted))
    return [done[key] for key in wanted]


def read_runs(path: Path) -> list[Run]:
    """The runs of a runs.csv; none where there is no such file. A line cut short by a kill is left out."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        lines = [line for line in file if line.endswith("\n")]
    names = [item.name for item in fields(Run)]
    runs = []
    for row in csv.DictReader(lines):
        run = Run(
            int(row["n_atoms"]),
            int(row["seed"]),
            row["hit"] == "True",
            int(row["quenches"]),
            int(row["evaluations"]),
            float(row["seconds"]),
            float(row["seconds_relaxing"]),
        )
        runs.append(run)
    return runs if lines and lines[0].strip().split(",") == names else []


@dataclass(frozen=True)
class Figure:
    """An estimate with its 95 % interval; infinite where the runs don't reach that far."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class FirstHits:
    """Statistics of the runs of one size, in quenches or in calls of the potential."""

    n_runs: int
    n_hits: int
    mean: Figure
    median: Figure
    quantile_90: Figure

    @classmethod
    def of(cls, costs: ArrayLike, hit: ArrayLike, seed: int = 0) -> FirstHits:
        """costs [runs] : cost of each run, to its hit or to its end. hit [runs] : bool."""
        costs, hit = np.asarray(costs, dtype=float), np.asarray(hit, dtype=bool)
        rng = np.random.default_rng(seed)
        picks = rng.integers(len(costs), size=(RESAMPLES, len(costs)))
        estimates = np.array([_estimates(costs[p], hit[p]) for p in picks])  # [resamples, 3]
        figures = []
        for value, sample in zip(_estimates(costs, hit), estimates.T, strict=True):
            low, high = (float(np.quantile(sample, q, method="inverted_cdf")) for q in (0.025, 0.975))
            figures.append(Figure(value, low, high))
        return cls(len(costs), int(hit.sum()), *figures)


def kaplan_meier(costs: np.ndarray, hit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Costs [k] of the hits, ascending, and the share [k] of runs that have hit by then."""
    # scipy.stats.ecdf gives the same (see the tests) in fifty times the time; the bootstrap needs thousands of these.
    times = np.unique(costs[hit])
    at_risk = (costs[None, :] >= times[:, None]).sum(1)
    hits = ((costs[None, :] == times[:, None]) & hit[None, :]).sum(1)
    share: np.ndarray = 1.0 - np.cumprod(1.0 - hits / np.maximum(at_risk, 1))
    return times, share


def _estimates(costs: np.ndarray, hit: np.ndarray) -> tuple[float, float, float]:
    """Mean, median and 90 % quantile."""
    times, share = kaplan_meier(costs, hit)
    mean = costs.sum() / hit.sum() if hit.any() else np.inf
    places = [int(np.searchsorted(share, q - 1e-12)) for q in (0.5, 0.9)]
    median, ninety = (float(times[k]) if k < len(times) else np.inf for k in places)
    return float(mean), median, ninety


def _compute(
    missing: Iterable[tuple[int, int]], method: str, max_quenches: int, settings: Any, executor: Executor | None
) -> Iterable[Run]:
    if executor is None:
        return (lennard_jones_run(n, s, method, max_quenches, settings) for n, s in missing)
    tasks: list[Future[Run]] = [
        executor.submit(lennard_jones_run, n, s, method, max_quenches, settings) for n, s in missing
    ]
    return (task.result() for task in as_completed(tasks))


def _claim(folder: Path, asked: dict[str, Any]) -> None:
    """Tie a folder to what is asked for, or check that it belongs to it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.json"
    if path.exists():
        if (known := json.loads(path.read_text(encoding="utf-8"))) != asked:
            raise InputError(f"{folder} holds runs with {known}, not with {asked}; use another folder")
        return
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")
    os.replace(partial, path)


def _append(path: Path, run: Run) -> None:
    """One line; a last line without its end, from a process that was killed, is cut off first."""
    if path.exists() and not (text := path.read_bytes()).endswith(b"\n"):
        path.write_bytes(text[: text.rfind(b"\n") + 1])
    new = not path.exists() or not path.stat().st_size
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow([item.name for item in fields(Run)])
        writer.writerow(list(asdict(run).values()))
