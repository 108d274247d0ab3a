"""What a search reports: while it runs, and when it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ase import Atoms

from search.archive.archive import Archive
from search.archive.minimum import sound
from search.convergence import Convergence, record_growth
from search.errors import JobFailed
from search.relaxers.base import Relaxed

TARGET_WITHIN = 1e-4
"""eV or the model's unit: a minimum so little above the target has hit it."""
FAILED_AT_FIRST, FAILED_IN_A_ROW = 10, 50
"""Quenches that fail one after another, at the very start or at any time, until a search ends: the potential is
broken, or its device is gone."""


@dataclass(frozen=True)
class Progress:
    """What a callback sees after each batch: everything in it is stored already.

    Attributes
    ----------
    n_quenches, n_evaluations : so far, earlier calls included.
    best_energy : of the lowest minimum, eV or the model's unit; None before the first.
    n_minima : distinct ones. quenches_per_second, seconds : of this call.
    convergence : what can be said about minima not seen.
    """

    n_quenches: int
    n_evaluations: int
    best_energy: float | None
    n_minima: int
    quenches_per_second: float
    seconds: float
    convergence: Convergence = field(default_factory=Convergence)


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes
    ----------
    minima : ASE Atoms, lowest first, energy on each; times_found, first_quench, energy_std in `info`.
    n_quenches, n_evaluations : over all continuations of this search.
    n_failed, n_unconverged, n_fragmented, n_uncertain : quenches that gave no minimum: the potential failed
        or gave no finite number; the step limit came first; the cluster fell apart; the relaxer ended it
        where it doesn't trust itself.
    first_hit : 1-based quench at which `target_energy` was reached within 1e-4, else None.
    stopped_by : "quenches", "time", "target", "found" (see `until_found`) or "interrupted" (Ctrl-C, SIGTERM, SIGHUP).
    moves : name -> tries, accepted, improved, and share, the part of the tries it has at the end.
    convergence : what can be said about minima not seen.
    seconds, seconds_relaxing : of this call, and the part of them spent in the relaxer.
    """

    minima: list[Atoms]
    formula: str
    method: str
    seed: int
    stopped_by: str
    n_quenches: int
    n_evaluations: int
    n_failed: int
    n_unconverged: int
    n_fragmented: int
    n_uncertain: int
    first_hit: int | None
    moves: dict[str, dict[str, float]]
    seconds: float
    seconds_relaxing: float
    convergence: Convergence = field(default_factory=Convergence)

    @property
    def best_energy(self) -> float | None:
        """Of the lowest minimum, eV or the model's unit; None where there is none."""
        return float(self.minima[0].get_potential_energy()) if self.minima else None


@dataclass
class Tally:
    """Counts that are stored with the searcher's state.

    Attributes
    ----------
    n_quenches ... n_fragmented : as in `SearchResult`.
    hits : target energy -> quench at which it was reached. growth : [quenches, distinct minima] along the way.
    """

    n_quenches: int = 0
    n_evaluations: int = 0
    n_failed: int = 0
    n_unconverged: int = 0
    n_uncertain: int = 0
    n_fragmented: int = 0
    hits: dict[str, int] = field(default_factory=dict)
    growth: list[list[int]] = field(default_factory=list)

    def enter(self, results: Sequence[Relaxed], archive: Archive, target: float | None) -> None:
        """Count the quenches and enter their minima into `archive`, which commits them later."""
        for relaxed in results:
            self.count(relaxed)
            archive.enter(relaxed, self.n_quenches)
            if target is not None and sound(relaxed) and relaxed.energy <= target + TARGET_WITHIN:
                self.hits.setdefault(str(target), self.n_quenches)
        record_growth(self.growth, self.n_sound, len(archive))

    def count(self, relaxed: Relaxed) -> None:
        """One more quench, by what became of it."""
        self.n_quenches += 1
        self.n_evaluations += int(relaxed.n_evaluations)
        if sound(relaxed):
            return
        if relaxed.failed:
            self.n_failed += 1
        elif relaxed.fragmented:
            self.n_fragmented += 1
        elif relaxed.reason == "uncertain":
            self.n_uncertain += 1
        else:
            self.n_unconverged += 1

    def hit(self, target: float | None) -> int | None:
        """The quench at which the target was reached."""
        return None if target is None else self.hits.get(str(target))

    def look_up_target(self, target: float | None, archive: Archive) -> None:
        """Whether a target that is new to this search was reached before it was asked for."""
        if target is not None and self.hit(target) is None:
            reached = [m.first_quench for m in archive if m.energy <= target + TARGET_WITHIN]
            if reached:
                self.hits[str(target)] = min(reached)

    @property
    def n_sound(self) -> int:
        """Quenches that ended in a minimum."""
        return self.n_quenches - self.n_failed - self.n_unconverged - self.n_fragmented - self.n_uncertain

    def convergence(self, archive: Archive, lowest_found: int) -> Convergence:
        """What can be said about minima not seen. lowest_found : independent starts that reached the lowest."""
        growth = [(quenches, minima) for quenches, minima in self.growth]
        return Convergence(self.n_sound, len(archive), archive.n_once, lowest_found, growth)


class FailureCount:
    """Quenches that failed one after another, up to now."""

    def __init__(self) -> None:
        self.in_a_row, self.last = 0, ""

    def check(self, results: Sequence[Relaxed], n_quenches: int) -> None:
        """Take in a batch, up to quench `n_quenches` of the search.

        Raises
        ------
        JobFailed : all of the first ten, or fifty in a row, have failed.
        """
        for relaxed in results:
            self.in_a_row, self.last = (self.in_a_row + 1, relaxed.reason) if relaxed.failed else (0, "")
        first = self.in_a_row == n_quenches
        if self.in_a_row >= (FAILED_AT_FIRST if first else FAILED_IN_A_ROW):
            which = "first" if first else "last"
            raise JobFailed(
                f"the relaxer failed for each of the {which} {self.in_a_row} structures; "
                f"the last: {self.last}. What was found before is kept, and the same call goes on from there"
            )

    def check_end(self, n_quenches: int) -> None:
        """A search of `n_quenches` has ended.

        Raises
        ------
        JobFailed : all of them have failed, however few there were.
        """
        if n_quenches and self.in_a_row == n_quenches:
            raise JobFailed(f"the relaxer failed for each of the {n_quenches} structures; the last: {self.last}")
