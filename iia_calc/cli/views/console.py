"""Where things are printed: results on standard output, progress and remarks on standard error."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Column

from iia_calc.cli.duration import format_time
from iia_calc.common.files import builtin
from search.islands.scheduler import IslandProgress
from search.result import Progress as SearchProgress

UNWRAPPED = 100_000
"""Columns where nobody looks at them: a line of a file or a pipe stays one, to be searched and cut."""


def output() -> Console:
    """Standard output, for results."""
    return _console(sys.stdout, stderr=False)


def remarks() -> Console:
    """Standard error, for progress and remarks."""
    return _console(sys.stderr, stderr=True)


def _console(stream: TextIO, stderr: bool) -> Console:
    width = None if stream.isatty() else UNWRAPPED
    return Console(stderr=stderr, width=width, highlight=False, markup=False, emoji=False, soft_wrap=width is not None)


@contextmanager
def stdout_kept_clean(wanted: bool) -> Iterator[None]:
    """While inside, whatever a library prints goes to standard error, so that JSON stands alone."""
    if not wanted:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def print_json(data: object) -> None:
    """One line of JSON on standard output."""
    unicode = (sys.stdout.encoding or "").lower().replace("-", "") in ("utf8", "")
    sys.stdout.write(json.dumps(data, ensure_ascii=not unicode, allow_nan=False, default=builtin) + "\n")


class Live:
    """A bar with clock and text on a terminal; in a log, the text alone now and then.

    Parameters
    ----------
    title : what is under way.
    total : what full is; None where it isn't known.
    every : seconds between two lines of a log.
    limit : seconds after which it ends, where a time was given: the clock shows how many are left.
    """

    def __init__(self, title: str, total: float | None, every: float = 15.0, limit: float | None = None) -> None:
        self.console, self.title, self.every, self.limit = remarks(), title, every, limit
        text = TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1))
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=10, table_column=Column(min_width=10)),
            TextColumn("{task.fields[clock]}", markup=False, table_column=Column(no_wrap=True)),
            text,
            console=self.console,
            transient=True,
            expand=True,
        )
        self.task = self.progress.add_task(title, total=total, text="", clock="")
        self._spoken, self._began = 0.0, time.monotonic()

    def __enter__(self) -> Live:
        if self.console.is_terminal:
            self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.console.is_terminal:
            self.progress.stop()

    def update(self, completed: float, text: str, seconds: float | None = None, total: float | None = None) -> None:
        """Show how far it is. seconds : since the start, for a line in a log every so often. total : if it changed."""
        clock = self.clock(self.elapsed if seconds is None else seconds, completed)
        self.progress.update(self.task, completed=completed, text=text, total=total, clock=clock)
        if not self.console.is_terminal and (seconds is None or seconds - self._spoken >= self.every):
            self._spoken = seconds or 0.0
            self.console.print(f"{self.title}  {text}" + ("" if seconds is None else f"  {clock}"))

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.monotonic() - self._began

    def clock(self, seconds: float, completed: float) -> str:
        """0:35, 1:25 left: by the time limit, or from the pace so far where the number of steps is known."""
        total, left = self.progress.tasks[0].total, None
        if self.limit is not None:
            left = max(0.0, self.limit - seconds)
        elif total and 0 < completed <= total and seconds > 1.0:
            left = seconds * (total - completed) / completed
        return format_time(seconds) + ("" if left is None else f", {format_time(left)} left")


def search_line(progress: SearchProgress) -> str:
    """best −11.123 eV from 3 starts · 57 minima, 12 % unseen · 320 quenches · 4.1/s"""
    best = "no minimum yet" if progress.best_energy is None else f"best {progress.best_energy:.3f} eV"
    convergence = progress.convergence
    if convergence.lowest_found > 1:
        best += f" from {convergence.lowest_found} starts"
    unseen = "" if convergence.unseen is None else f", {convergence.unseen:.0%} unseen"
    return (
        f"{best} · {progress.n_quenches} quenches · {progress.n_minima} minima{unseen} · "
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
