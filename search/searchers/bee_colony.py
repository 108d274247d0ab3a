"""Artificial bee colony over minima: parents are aligned before they are mixed, and mixing is one move of many.

Karaboga, TR06, Erciyes University 2005; for clusters Zhang & Dolg, PCCP 2015, 17, 24173.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms

from search.archive.minimum import sound
from search.errors import check_flags
from search.geometry.composition import Composition
from search.geometry.fingerprint import Fingerprint, Sameness, same
from search.geometry.scale import LengthScale
from search.moves.registry import BEE_SHARES, check_shares, moves_without
from search.relaxers.base import Relaxed
from search.searchers.base import check_at_least
from search.searchers.walks import Ticket, Walk, WalkSearcher

IMPROVED_BY = 1e-6


@dataclass(frozen=True)
class BeeColonySettings:
    """Settings of the bee colony.

    Attributes
    ----------
    sources : minima the colony works on.
    limit : trials in a row that did not improve a source after which it is left and a scout sets out.
    selection : how strongly onlookers prefer low sources; weights exp(−selection × relative energy).
    moves : weights of the moves to begin with, Karaboga's "mix" among them; those that don't apply to the
        composition are left out.
    adapt : whether the shares follow what has paid; each keeps a quarter of its first share.
    """

    sources: int = 16
    limit: int = 12
    selection: float = 3.0
    adapt: bool = True
    moves: dict[str, float] = field(default_factory=BEE_SHARES.copy)

    def __post_init__(self) -> None:
        check_at_least(self, {"sources": 2, "limit": 1, "selection": 0.0})
        check_flags(adapt=self.adapt)
        check_shares(self.moves)

    @classmethod
    def without(cls, moves: Collection[str]) -> BeeColonySettings:
        """The default settings, but for these moves (ValueError if one isn't known, or none is left)."""
        return cls(moves=moves_without(moves, BEE_SHARES))


@dataclass
class Source(Walk):
    """A minimum being worked on; no positions while a scout is to find one.

    Attributes
    ----------
    failures : trials in a row that did not improve it.
    """

    failures: int = 0


class BeeColony(WalkSearcher[Source]):
    """An employed bee tries a move on each source, onlookers on the good ones, scouts replace the spent.

    A trial that ends in a minimum the colony already has counts as a failure, so sources stay distinct.
    """

    name = "bee-colony"
    Settings = BeeColonySettings

    def __init__(
        self,
        composition: str | Composition | LengthScale,
        settings: BeeColonySettings | None = None,
        seed: int = 0,
        shape: Callable[[Atoms], str] | None = None,
    ) -> None:
        super().__init__(composition, settings, seed, shape)
        self.walks = [Source() for _ in range(self.settings.sources)]
        self._jobs: list[int] = []

    def propose(self) -> tuple[Ticket, np.ndarray]:
        """The next trial of the cycle, on the source that is its turn."""
        if not self._jobs:
            self._plan()
        return self.propose_for(self._jobs.pop(0))

    def learn(self, ticket: Ticket, relaxed: Relaxed) -> None:
        """A better minimum replaces the source; a source that failed too often is left."""
        k, move, mate = ticket
        source = self.walks[k]
        positions, energy = relaxed.atoms.positions, float(relaxed.energy)
        if sound(relaxed):
            self.lowest.record(energy, k, mate)
        usable = sound(relaxed) and not self._has(energy, positions)
        home = usable and self.in_niche(k, relaxed.atoms)
        if source.positions is None:
            if usable:
                self.begin_walk(k, positions.copy(), energy, home)
            return
        arrived = home and not source.home
        improved = arrived or (usable and home == source.home and energy < source.energy - IMPROVED_BY)
        if improved:
            self.begin_walk(k, positions.copy(), energy, home)
            if mate is not None:
                self.lowest.mix(k, mate)
        else:
            source.failures += 1
            if source.failures >= self.settings.limit:
                self.walks[k] = Source()
                self.lowest.restart(k)
        if move is not None:
            self.moves.record(move, improved, improved)

    def begin_walk(self, k: int, positions: np.ndarray, energy: float, home: bool) -> None:
        """Source k is this minimum."""
        self.walks[k] = Source(positions, energy, home)

    def own_state(self) -> dict[str, Any]:
        """Moves, sources, and what is left of the cycle."""
        sources = [source.as_plain() for source in self.walks]
        return {"moves": self.moves.state(), "sources": sources, "jobs": list(self._jobs)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.moves.restore(state["moves"])
        self.walks = [Source.from_plain(source) for source in state["sources"]]
        self._jobs = list(state["jobs"])

    def _plan(self) -> None:
        """One cycle: a scout per empty source, an employed bee per source, as many onlookers by fitness."""
        empty = [k for k, source in enumerate(self.walks) if source.positions is None]
        filled = [k for k, source in enumerate(self.walks) if source.positions is not None]
        self._jobs = empty + filled
        if filled:
            energies = np.array([self.walks[k].energy for k in filled])
            relative = (energies - energies.min()) / max(np.ptp(energies), 1e-12)
            weights = np.exp(-self.settings.selection * relative)
            chosen = self.rng.choice(filled, size=len(filled), p=weights / weights.sum())
            self._jobs += [int(k) for k in chosen]

    def _has(self, energy: float, positions: np.ndarray) -> bool:
        """Whether some source is this minimum."""
        sameness = Sameness()
        near = [s for s in self.walks if abs(s.energy - energy) < sameness.energy_tolerance]
        numbers = self.scale.numbers
        return any(
            same(Fingerprint(s.positions, numbers), Fingerprint(positions, numbers), self.scale.bond, sameness)
            for s in near
            if s.positions is not None
        )
