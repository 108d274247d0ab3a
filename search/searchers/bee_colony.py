"""Artificial bee colony over minima: parents are aligned before they are mixed, and mixing is one move of many.

Karaboga, TR06, Erciyes University 2005; for clusters Zhang & Dolg, PCCP 2015, 17, 24173.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms

from search.archive.encoding import from_plain, to_plain
from search.archive.minimum import sound
from search.geometry.fingerprint import Fingerprint, Sameness, same
from search.moves.registry import BEE_SHARES, check_shares, moves_without
from search.relaxers.base import Relaxed
from search.searchers.base import Searcher, check_at_least

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
        check_shares(self.moves)

    @classmethod
    def without(cls, moves: Collection[str]) -> BeeColonySettings:
        """The default settings, but for these moves (ValueError if one isn't known, or none is left)."""
        return cls(moves=moves_without(moves, BEE_SHARES))


@dataclass
class Source:
    """A minimum being worked on; `positions` [n_atoms, 3] is None while a scout is to find one.

    home : whether it has the shape of the source's niche.
    """

    positions: np.ndarray | None = None
    energy: float = float("inf")
    failures: int = 0
    home: bool = False


class BeeColony(Searcher):
    """An employed bee tries a move on each source, onlookers on the good ones, scouts replace the spent.

    A trial that ends in a minimum the colony already has counts as a failure, so sources stay distinct.
    """

    name = "bee-colony"
    Settings = BeeColonySettings

    def __init__(
        self,
        composition: Any,
        settings: BeeColonySettings | None = None,
        seed: int = 0,
        shape: Callable[[Atoms], str] | None = None,
    ) -> None:
        super().__init__(composition, settings, seed, shape)
        self.sources = [Source() for _ in range(self.settings.sources)]
        self._jobs: list[int] = []

    @property
    def batch_size(self) -> int:
        return len(self.sources)

    def _propose(self) -> tuple[tuple[int, str | None, int | None], np.ndarray]:
        if not self._jobs:
            self._plan()
        k = self._jobs.pop(0)
        source = self.sources[k]
        if source.positions is None:
            return (k, None, None), self._seed(k)
        move = self.moves.draw(self.rng)
        others = [j for j, other in enumerate(self.sources) if j != k and other.positions is not None]
        mate = others[int(self.rng.integers(len(others)))] if self.moves.mixes(move) and others else None
        second = None if mate is None else self.sources[mate].positions
        return (k, move, mate), self.moves.apply(move, source.positions, self.scale, self.rng, second)

    def _plan(self) -> None:
        """One cycle: a scout per empty source, an employed bee per source, as many onlookers by fitness."""
        empty = [k for k, source in enumerate(self.sources) if source.positions is None]
        filled = [k for k, source in enumerate(self.sources) if source.positions is not None]
        self._jobs = empty + filled
        if filled:
            energies = np.array([self.sources[k].energy for k in filled])
            relative = (energies - energies.min()) / max(np.ptp(energies), 1e-12)
            weights = np.exp(-self.settings.selection * relative)
            chosen = self.rng.choice(filled, size=len(filled), p=weights / weights.sum())
            self._jobs += [int(k) for k in chosen]

    def _learn(self, ticket: tuple[int, str | None, int | None], relaxed: Relaxed) -> None:
        k, move, mate = ticket
        source = self.sources[k]
        positions, energy = relaxed.atoms.positions, float(relaxed.energy)
        if sound(relaxed):
            self.lowest.tell(energy, k, mate)
        usable = sound(relaxed) and not self._has(energy, positions)
        home = usable and self.in_niche(k, relaxed.atoms)
        if source.positions is None:
            if usable:
                self.sources[k] = Source(positions.copy(), energy, home=home)
            return
        arrived = home and not source.home
        improved = arrived or (usable and home == source.home and energy < source.energy - IMPROVED_BY)
        if improved:
            self.sources[k] = Source(positions.copy(), energy, home=home)
            if mate is not None:
                self.lowest.mixed(k, mate)
        else:
            source.failures += 1
            if source.failures >= self.settings.limit:
                self.sources[k] = Source()
                self.lowest.restarted(k)
        if move is not None:
            self.moves.record(move, improved, improved)

    def _has(self, energy: float, positions: np.ndarray) -> bool:
        """Whether some source is this minimum."""
        sameness = Sameness()
        near = [s for s in self.sources if abs(s.energy - energy) < sameness.energy_tolerance]
        numbers = self.scale.numbers
        return any(
            same(Fingerprint(s.positions, numbers), Fingerprint(positions, numbers), self.scale.bond, sameness)
            for s in near
            if s.positions is not None
        )

    def _own_state(self) -> dict:
        sources = [{**vars(source), "positions": to_plain(source.positions)} for source in self.sources]
        return {"sources": sources, "jobs": list(self._jobs)}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.sources = [Source(**{**s, "positions": from_plain(s["positions"])}) for s in state["sources"]]
        self._jobs = list(state["jobs"])
