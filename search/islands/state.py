"""Where all islands of a search stand, and their one archive: what each may do next, what is merged when.

Epochs arrive in any order and are stored as they arrive, but enter the archive in one order, epoch by epoch
and island by island, so that the archive depends on the seed alone and not on who was faster. What waits
for its turn lies in the archive's state, from which a killed search takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from search.archive.archive import Archive
from search.convergence import COPY_WITHIN, Convergence
from search.islands.task import unpack_results
from search.relaxers.base import Relaxed
from search.result import FailureCount, Tally
from search.searchers.exchange import Bests

LAG = 2
"""Epoch e takes what the island before had after its epoch e − LAG. With 1 all would wait for the slowest each time."""


@dataclass
class Standing:
    """How far one island is.

    Attributes
    ----------
    finished, quenches : its epochs that are stored, and the quenches in them. merged : epochs in the archive.
    state : of its searcher. bests : after the last epochs, by their number.
    lowest : (energy, independent starts that reached it), of what is merged.
    guests : minima taken over. moves : name -> tries, accepted, improved, share.
    seconds, seconds_relaxing : of work.
    """

    finished: int = 0
    merged: int = 0
    quenches: int = 0
    state: dict[str, Any] | None = None
    bests: dict[str, Bests] = field(default_factory=dict)
    lowest: tuple[float, int] = (float("inf"), 0)
    guests: int = 0
    moves: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    seconds_relaxing: float = 0.0


class Archipelago:
    """The islands of one search.

    Parameters
    ----------
    archive : bound to this search; its state is gone on from.
    n_islands, epoch : how many, and the quenches of an epoch.
    in_step : whether what is passed on depends on the epochs' numbers alone (or on who is faster).
    target : energy whose first hit is counted.
    uncertain : called with quenches that ended where the relaxer doesn't trust itself, before they are counted.
    """

    def __init__(
        self,
        archive: Archive,
        n_islands: int,
        epoch: int,
        in_step: bool = True,
        target: float | None = None,
        uncertain: Callable[[Sequence[Relaxed]], object] | None = None,
    ) -> None:
        self.archive, self.epoch, self.in_step = archive, epoch, in_step
        self.target, self.uncertain = target, uncertain
        stored: Mapping[str, Any] = archive.state or {}
        self.standings = [Standing(**one) for one in stored.get("islands", [{}] * n_islands)]
        self.waiting = {(number, k): plain for number, k, plain in stored.get("waiting", [])}
        self.tally = Tally(**stored.get("tally", {}))
        self.given_up: dict[int, str] = {}  # island -> why, in this call
        self.failures = FailureCount()
        self.tally.look_up_target(target, archive)

    @property
    def hit(self) -> int | None:
        """The quench at which the target was reached."""
        return self.tally.hit(self.target)

    @property
    def lowest_found(self) -> int:
        """Independent starts, of all islands, from which the lowest was reached; what was passed on is none."""
        lowest = min(standing.lowest[0] for standing in self.standings)
        times = [s.lowest[1] for s in self.standings if s.lowest[0] <= lowest + COPY_WITHIN]
        return max(sum(times), 1) if np.isfinite(lowest) else 0

    def quenches_left(self, k: int, quenches: int | None) -> int:
        """How many quenches the next epoch of island k has, of `quenches` for all islands together."""
        if quenches is None:
            return self.epoch
        share = quenches // len(self.standings) + (k < quenches % len(self.standings))
        return max(0, min(self.epoch, share - self.standings[k].quenches))

    def ready(self, quenches: int | None, busy: set[int]) -> list[int]:
        """Islands that can begin an epoch, those that are behind first; busy : islands with one under way."""
        islands = [
            k
            for k in range(len(self.standings))
            if k not in busy
            and k not in self.given_up
            and self.quenches_left(k, quenches)
            and self._is_fed(k, quenches)
        ]
        return sorted(islands, key=lambda k: (self.standings[k].finished, k))

    def guests(self, k: int) -> Bests:
        """What island k gets for its next epoch: the bests of the one before it in the ring."""
        if len(self.standings) == 1:
            return {}
        bests = self.standings[k - 1].bests
        wanted = self.standings[k].finished + 1 - LAG
        numbers = [int(number) for number in bests if not self.in_step or int(number) <= wanted]
        return bests[str(max(numbers))] if numbers else {}

    def store(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Take results of epochs (`run_epoch`), merge what has its turn, and make it all durable at once."""
        for result in results:
            k, number = result["island"], result["number"]
            standing = self.standings[k]
            plain = result["results"]
            standing.finished, standing.state, standing.moves = number, result["state"], result["moves"]
            standing.quenches += len(plain["energy"])
            standing.guests += result["guests"]
            standing.seconds += result["seconds"]
            standing.seconds_relaxing += result["seconds_relaxing"]
            standing.bests[str(number)] = result["bests"]
            self.waiting[number, k] = {"results": plain, "lowest": result["lowest"]}
        self._forget_bests()

    def merge(self, quenches: int | None, everything: bool = False) -> None:
        """Enter into the archive what has its turn (or all there is), and commit that and all else.

        Raises
        ------
        RuntimeError : the relaxer failed for each of the first structures.
        """
        for number, k in sorted(self.waiting):
            if not everything and self.in_step and self._before(number, k, quenches):
                break
            self._enter(k, number, self.waiting.pop((number, k)))
        self.archive.commit(
            {
                "islands": [asdict(standing) for standing in self.standings],
                "waiting": [[number, k, plain] for (number, k), plain in sorted(self.waiting.items())],
                "tally": asdict(self.tally),
            }
        )

    def convergence(self) -> Convergence:
        """What can be said about minima not seen."""
        return self.tally.convergence(self.archive, self.lowest_found)

    def moves(self) -> dict[str, dict[str, float]]:
        """Tries, accepted and improved of all islands; share: the mean."""
        total: dict[str, dict[str, float]] = {}
        for standing in self.standings:
            for name, counts in standing.moves.items():
                into = total.setdefault(name, dict.fromkeys(counts, 0.0 if name == "share" else 0))
                for key, value in counts.items():
                    into[key] += value / len(self.standings) if key == "share" else value
        return {name: {**counts, "share": round(counts["share"], 4)} for name, counts in total.items()}

    def _is_fed(self, k: int, quenches: int | None) -> bool:
        """Whether the island before k is far enough to say what it passes on (or will not get there)."""
        if not self.in_step or len(self.standings) == 1:
            return True
        before = (k - 1) % len(self.standings)
        far_enough = self.standings[before].finished >= self.standings[k].finished + 1 - LAG
        return far_enough or before in self.given_up or not self.quenches_left(before, quenches)

    def _before(self, number: int, k: int, quenches: int | None) -> bool:
        """Whether some epoch is to be merged before this one."""
        for other, standing in enumerate(self.standings):
            due = standing.merged + 1
            coming = due <= standing.finished or (self.quenches_left(other, quenches) and other not in self.given_up)
            if coming and (due, other) < (number, k):
                return True
        return False

    def _enter(self, k: int, number: int, plain: Mapping[str, Any]) -> None:
        results = unpack_results(plain["results"], self.archive.scale.numbers)
        if self.uncertain is not None and (strayed := [r for r in results if r.reason == "uncertain"]):
            self.uncertain(strayed)
        self.tally.enter(results, self.archive, self.target)
        self.failures.check(results, self.tally.n_quenches)
        self.standings[k].merged = number
        energy, times = plain["lowest"]
        self.standings[k].lowest = (energy, times)

    def _forget_bests(self) -> None:
        """Keep what the next island of the ring may still ask for, and the last."""
        for k, standing in enumerate(self.standings):
            wanted = self.standings[(k + 1) % len(self.standings)].finished + 1 - LAG
            numbers = sorted(map(int, standing.bests))
            older = [number for number in numbers if number <= wanted]
            keep = set(numbers) - set(older[:-1])
            standing.bests = {str(number): standing.bests[str(number)] for number in sorted(keep | set(numbers[-1:]))}
