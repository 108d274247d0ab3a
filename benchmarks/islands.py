"""Strong scaling of islands: a fixed number of quenches on 1, 2, ... processes of this machine.

python benchmarks/islands.py                                # LJ38 and SeB12, 1 and 2 processes
python benchmarks/islands.py --systems LJ38 --workers 1 2 4 8 --islands 8 --quenches 4096

The second table says what islands lose by waiting for one another, apart from this machine's cores and load:
the epochs' measured CPU times laid out on so many equal workers, each epoch beginning as soon as it may.
"""

from __future__ import annotations

import argparse
import heapq
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from iia_calc.isomers.parallel import ModelRelaxer
from iia_calc.model import storage
from search import LennardJones
from search.geometry.shape import shape_of
from search.islands.pool import end, worker_pool
from search.islands.run import find_minima_on_islands
from search.islands.state import LAG

Costs = dict[tuple[int, int], float]
"""CPU seconds by (epoch, island)."""


class Noting(Executor):
    """Another executor, and what each of its epochs cost."""

    def __init__(self, executor: Executor) -> None:
        self.executor, self.costs = executor, Costs()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = self.executor.submit(fn, *args, **kwargs)
        future.add_done_callback(self._note)
        return future

    def _note(self, future: Future[Any]) -> None:
        if not future.cancelled() and future.exception() is None:
            result = future.result()
            self.costs[result["number"], result["island"]] = result["seconds_cpu"]


def measured(system: str, workers: int, options: argparse.Namespace) -> tuple[float, float, Costs]:
    """(seconds of the search, CPU seconds of the leading process, what each epoch cost); processes are up before."""
    if system.startswith("LJ"):
        formula, make, shape = f"Ar{system[2:]}", LennardJones, None
    else:
        formula, shape = system, shape_of
        make = ModelRelaxer(system, options.model or storage.find(None).name, "cpu", 0.005)  # type: ignore[assignment]
    pool = worker_pool(workers)
    try:
        warm = [pool.submit(time.sleep, 0.5) for _ in range(workers)]
        for future in warm:
            future.result()
        noting = Noting(pool)
        cpu = time.process_time()
        result = find_minima_on_islands(
            formula,
            make,
            options.islands,
            quenches=options.quenches,
            seed=options.seed,
            executor=noting,
            workers=workers,
            shape=shape,
            in_step=not options.asynchronous,
        )
        return result.seconds, time.process_time() - cpu, noting.costs
    finally:
        end(pool)


def laid_out(costs: Costs, workers: int, in_step: bool) -> float:
    """Seconds that epochs of these costs take on `workers` equal workers."""
    islands = 1 + max(k for _, k in costs)
    last = {k: max(number for number, other in costs if other == k) for k in range(islands)}
    finished = dict.fromkeys(range(islands), 0)
    running: list[tuple[float, int]] = []  # (when it ends, island)
    now = 0.0
    while True:
        busy = {k for _, k in running}
        for k in sorted(finished, key=lambda k: (finished[k], k)):
            before = (k - 1) % islands
            fed = finished[before] >= min(finished[k] + 1 - LAG, last[before])
            if len(running) < workers and k not in busy and finished[k] < last[k] and (fed or not in_step):
                heapq.heappush(running, (now + costs[finished[k] + 1, k], k))
        if not running:
            return now
        now, k = heapq.heappop(running)
        finished[k] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", default=["LJ38", "SeB12"], help="LJn, or a formula of the model")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--islands", type=int, default=4)
    parser.add_argument("--quenches", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model")
    parser.add_argument("--asynchronous", action="store_true")
    options = parser.parse_args()
    print(f"{options.islands} islands, {options.quenches} quenches, load of the machine {os.getloadavg()[0]:.1f}\n")
    print("| system | processes | s | speedup | efficiency | leading process, ms/quench |\n|---|---|---|---|---|---|")
    costs: dict[str, Costs] = {}
    for system in options.systems:
        first = 0.0
        for workers in options.workers:
            seconds, leading, costs[system] = measured(system, workers, options)
            first = first or seconds * workers
            gain = first / seconds
            print(
                f"| {system} | {workers} | {seconds:.1f} | {gain:.2f} | {gain / workers:.0%} | "
                f"{1e3 * leading / options.quenches:.2f} |",
                flush=True,
            )
    print("\n| system | workers | efficiency in step | asynchronous | ms per quench |\n|---|---|---|---|---|")
    for system, table in costs.items():
        total = sum(table.values())
        for workers in sorted({1, 2, 4, 8, 16, options.islands} & set(range(options.islands + 1))):
            one, other = (total / laid_out(table, workers, step) / workers for step in (True, False))
            print(f"| {system} | {workers} | {one:.0%} | {other:.0%} | {1e3 * total / options.quenches:.1f} |")


if __name__ == "__main__":
    main()
