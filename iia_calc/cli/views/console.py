"""Where things are printed: results on standard output, progress and remarks on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from iia_calc.cli.duration import format_time
from search import Progress as SearchProgress
from search.islands.scheduler import IslandProgress


def output() -> Console:
    """Standard output; tables keep their width when they go to a file."""
    return Console(width=None if sys.stdout.isatty() else 120, highlight=False)


def remarks() -> Console:
    return Console(stderr=True, highlight=False)


@contextmanager
def stdout_kept_clean(wanted: bool) -> Iterator[None]:
    """While inside, whatever a library prints goes to standard error, so that JSON stands alone."""
    if not wanted:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def print_json(data: object) -> None:
    sys.stdout.write(json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n")


class Live:
    """A bar with a line of text on a terminal; in a log, the text alone now and then.

    total : what full is; None where it isn't known.
    every : steps' time between two lines of a log, s.
    """

    def __init__(self, title: str, total: float | None, every: float = 15.0) -> None:
        self.console, self.title, self.every = remarks(), title, every
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
        )
        self.task = self.progress.add_task(title, total=total, text="")
        self._spoken = 0.0

    def __enter__(self) -> Live:
        if self.console.is_terminal:
            self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self.progress.stop()

    def update(self, completed: float, text: str, seconds: float | None = None, total: float | None = None) -> None:
        """seconds : since the start; where given, a log gets a line every so often. total : where it changed."""
        self.progress.update(self.task, completed=completed, text=text, total=total)
        if not self.console.is_terminal and (seconds is None or seconds - self._spoken >= self.every):
            self._spoken = seconds or 0.0
            self.console.print(f"{self.title}  {text}" + ("" if seconds is None else f"  {format_time(seconds)}"))


def search_line(progress: SearchProgress) -> str:
    """best −11.123 eV from 3 starts · 57 minima, 12 % unseen · 320 quenches · 4.1/s"""
    best = "no minimum yet" if progress.best_energy is None else f"best {progress.best_energy:.3f} eV"
    convergence = progress.convergence
    if convergence.lowest_found > 1:
        best += f" from {convergence.lowest_found} starts"
    unseen = "" if convergence.unseen is None else f", {convergence.unseen:.0%} unseen"
    return (
        f"{best} · {progress.n_minima} minima{unseen} · {progress.n_quenches} quenches · "
        f"{progress.quenches_per_second:.1f} quenches/s{islands_text(progress)}"
    )


def islands_text(progress: SearchProgress) -> str:
    """· 4 islands in epoch 3, 2 running on 2 workers; nothing for a search without islands."""
    if not isinstance(progress, IslandProgress):
        return ""
    first, last = (done + 1 for done in progress.epochs)
    text = f" · {progress.n_islands} islands in epoch {first if first == last else f'{first}–{last}'}"
    if progress.n_workers is not None:
        running = min(progress.n_running, progress.n_workers)
        text += f", {running} running on {progress.n_workers} workers" if progress.n_workers else ", no worker yet"
    if progress.retries:
        text += f", {progress.retries} sent out again"
    return text + (f", {progress.n_given_up} given up" if progress.n_given_up else "")
