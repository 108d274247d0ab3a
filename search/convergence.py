"""When is it enough? What a search can say about the minima that it has not seen.

Unseen mass (Good & Turing; Good, Biometrika 1953, 40, 237): the chance that the next quench ends in a
minimum that is new is about the share of quenches whose minimum was found once only. It holds for the
search as it goes on, not for quenches from random structures, and says nothing about energies: a narrow
funnel can hide in a small mass. So the other count: from how many independent starts the lowest minimum
was reached. If a start leads f times as often to a minimum that is still lower, the chance that k starts in a row
led to the known one, of all that led to either, is (1 + f)⁻ᵏ: after k = 5 f is below 0.82 with 95 % confidence, after
k = 2 it may be 3.5. A walk counts once from its random start to its next one, and not at all if something of a
walk that had been there was mixed into it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

CONFIDENCE = 0.95
"""Of what is said about minima that lie lower and were missed."""
COPY_WITHIN = 1e-3
"""Energy, eV or the model's unit, within which a result counts as the lowest again."""
SPACING = 1.15


@dataclass(frozen=True)
class Convergence:
    """State of a search.

    Attributes
    ----------
    n_quenches : that ended in a minimum. n_minima : distinct ones. n_once : of these, found a single time.
    unseen : Good–Turing estimate of the chance that the next quench finds a new minimum; None before the first.
    lowest_found : independent starts from which the lowest was reached.
    growth : (quenches, distinct minima) along the way, at growing distances.
    """

    n_quenches: int = 0
    n_minima: int = 0
    n_once: int = 0
    lowest_found: int = 0
    growth: list[tuple[int, int]] = field(default_factory=list)

    @property
    def unseen(self) -> float | None:
        """Estimated chance that the next quench ends in a new minimum; None before the first."""
        return self.n_once / self.n_quenches if self.n_quenches else None

    @property
    def lower_at_most(self) -> float | None:
        """How many times as often as to the lowest a start may lead to a lower minimum, if there is one.

        An upper bound, with 95 % confidence; None before a start has led to the lowest.
        """
        return lower_at_most(self.lowest_found) if self.lowest_found else None

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        derived = {"unseen": self.unseen, "lower_at_most": self.lower_at_most}
        return {**asdict(self), **derived, "growth": [list(point) for point in self.growth]}


def lower_at_most(lowest_found: int) -> float:
    """The bound of `Convergence.lower_at_most` after so many independent starts, 1 or more, that reached the lowest."""
    result: float = (1.0 - CONFIDENCE) ** (-1.0 / lowest_found) - 1.0
    return result


@dataclass
class LowestCount:
    """Counts independent starts that reached the lowest energy so far.

    Attributes
    ----------
    energy : the lowest so far. times : independent starts that reached it.
    reached : walks (by number) that reached it, or into which one that had was mixed, since they started.
    following : walks that went on from a minimum of another walk. They count only for a new lowest energy.
    """

    energy: float = float("inf")
    times: int = 0
    reached: list[int] = field(default_factory=list)
    following: list[int] = field(default_factory=list)

    def record(self, energy: float, walk: int, mate: int | None) -> None:
        """A sound result of this energy by `walk`, from a mix with `mate` where that is not None."""
        if energy < self.energy - COPY_WITHIN:
            self.energy, self.times, self.reached = energy, 1, [walk]
            return
        if energy > self.energy + COPY_WITHIN:
            return
        self.energy = min(self.energy, energy)
        if walk in self.reached:
            return
        self.times += mate not in self.reached and walk not in self.following
        self.reached.append(walk)

    def mix(self, walk: int, mate: int) -> None:
        """`walk` goes on from a mix with `mate`."""
        if mate in self.reached and walk not in self.reached:
            self.reached.append(walk)

    def restart(self, walk: int) -> None:
        """`walk` begins anew from a random start."""
        for walks in (self.reached, self.following):
            if walk in walks:
                walks.remove(walk)

    def follow(self, walk: int) -> None:
        """`walk` goes on from a minimum that another walk, or an earlier one, had found."""
        self.following.append(walk)


def record_growth(growth: list[list[int]], n_quenches: int, n_minima: int) -> None:
    """Append to `growth`, when it is far enough from the last point, [quenches, minima]."""
    if not growth or n_quenches >= SPACING * growth[-1][0]:
        growth.append([n_quenches, n_minima])
