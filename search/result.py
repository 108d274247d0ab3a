"""What a search tells: while it runs, and when it has ended."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ase import Atoms

from search.archive.minimum import sound
from search.convergence import Convergence
from search.relaxers.base import Relaxed


@dataclass(frozen=True)
class Progress:
    """What a callback sees after each batch: everything in it is stored already."""

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
    stopped_by : "quenches", "time", "target", "found" (see `until_found`) or "interrupted".
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
        return self.minima[0].get_potential_energy() if self.minima else None


@dataclass
class Tally:
    """Counts that are stored with the searcher's state."""

    n_quenches: int = 0
    n_evaluations: int = 0
    n_failed: int = 0
    n_unconverged: int = 0
    n_uncertain: int = 0
    n_fragmented: int = 0
    hits: dict[str, int] = field(default_factory=dict)  # target energy -> quench
    growth: list[list[int]] = field(default_factory=list)  # [quenches, distinct minima]

    def count(self, relaxed: Relaxed) -> None:
        """One more quench, by what became of it."""
        self.n_quenches += 1
        self.n_evaluations += relaxed.n_evaluations
        if sound(relaxed):
            return
        if not math.isfinite(relaxed.energy) or relaxed.reason.startswith("failed"):
            self.n_failed += 1
        elif relaxed.fragmented:
            self.n_fragmented += 1
        elif relaxed.reason == "uncertain":
            self.n_uncertain += 1
        else:
            self.n_unconverged += 1

    @property
    def n_sound(self) -> int:
        """Quenches that ended in a minimum."""
        return self.n_quenches - self.n_failed - self.n_unconverged - self.n_fragmented - self.n_uncertain
