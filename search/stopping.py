"""What ends a search: limits, and signals, which wait until what was found is stored."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Self

from search.errors import InputError, finite, positive, whole_or_none

ENDING_SIGNALS = tuple(s for s in signal.Signals if s.name in ("SIGINT", "SIGTERM", "SIGHUP"))
"""Ctrl-C, the end of a batch job's time, a terminal that was closed. Windows has no SIGHUP."""


@dataclass(frozen=True)
class Limits:
    """When a search ends, whichever comes first.

    Attributes
    ----------
    quenches : relaxations in total, those of earlier calls included.
    time_limit : seconds of this call.
    target_energy : a minimum of this energy, eV or the model's unit, or below.
    until_found : independent starts from which the lowest minimum was reached.

    Raises
    ------
    ValueError : none is given, or one makes no sense.
    """

    quenches: int | None = None
    time_limit: float | None = None
    target_energy: float | None = None
    until_found: int | None = None

    def __post_init__(self) -> None:
        if self.quenches is self.time_limit is self.target_energy is self.until_found is None:
            raise InputError(
                "nothing says when to stop: give quenches, time_limit (seconds), target_energy or until_found"
            )
        for name in ("quenches", "until_found"):
            object.__setattr__(self, name, whole_or_none(name, getattr(self, name), least=1))
        if self.time_limit is not None:
            limit = positive("time_limit", self.time_limit, "a number of seconds")
            object.__setattr__(self, "time_limit", limit)
        if self.target_energy is not None:
            object.__setattr__(self, "target_energy", finite("target_energy", self.target_energy, "a finite energy"))

    def limit_reached(self, hit: int | None, lowest_found: int, n_quenches: int, seconds: float) -> str:
        """Which limit is reached: "target", "found", "quenches" or "time"; an empty text if none is."""
        if hit is not None:
            return "target"
        if self.until_found is not None and lowest_found >= self.until_found:
            return "found"
        if self.quenches is not None and n_quenches >= self.quenches:
            return "quenches"
        return "time" if self.time_limit is not None and seconds >= self.time_limit else ""


class Interrupts:
    """While entered, SIGINT, SIGTERM and SIGHUP raise KeyboardInterrupt, but not inside a `held` block.

    So whatever asks the process to end, a search stores what it has and returns. Signals that are ignored (as SIGHUP
    under nohup) stay so, and handlers of the caller's own are called as they would be. Outside the main thread, where
    no signal arrives, nothing is changed.
    """

    def __init__(self) -> None:
        self._previous: dict[int, Callable[[int, FrameType | None], Any] | signal.Handlers] = {}
        self._waiting: list[tuple[int, FrameType | None]] = []
        self._held = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in ENDING_SIGNALS:
                previous = signal.getsignal(number)
                if previous is not None and previous != signal.SIG_IGN:
                    self._previous[number] = previous  # type: ignore[assignment]
                    signal.signal(number, self._receive)
        return self

    def __exit__(self, *error: object) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        self._previous.clear()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """A signal waits until the block is through."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        waiting, self._waiting = self._waiting, []
        for number, frame in waiting:
            self._pass_on(number, frame)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._held:
            self._waiting.append((number, frame))
        else:
            self._pass_on(number, frame)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        previous = self._previous[number]
        if callable(previous) and not isinstance(previous, signal.Handlers):
            previous(number, frame)
        else:
            raise KeyboardInterrupt
