"""Artificial bee colony over minima, parents aligned before they are mixed.

Karaboga, TR06, Erciyes University 2005; for clusters Zhang & Dolg, PCCP 2015, 17, 24173.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms

from search.fingerprint import Fingerprint, Sameness, align, same
from search.minimum import sound
from search.moves import DEFAULT_SHARES, check_shares
from search.packed import from_plain, to_plain
from search.relaxer import Relaxed
from search.searcher import Searcher, check_at_least

IMPROVED_BY = 1e-6
MIX = "mix"


@dataclass(frozen=True)
class BeeColonySettings:
    """Settings of the bee colony.

    Attributes
    ----------
    sources : minima the colony works on.
    limit : trials in a row that did not improve a source after which it is left and a scout sets out.
    selection : how strongly onlookers prefer low sources; weights exp(−selection × relative energy).
    move_share : share of onlooker trials that use one of `moves` on the source, not a second parent.
    moves : weights of those moves to begin with; ones that don't apply to the composition are left out.
    adapt : whether their shares follow what has paid; each keeps a quarter of its first share.
    """

    sources: int = 16
    limit: int = 12
    selection: float = 3.0
    move_share: float = 0.6
    adapt: bool = True
    moves: dict[str, float] = field(default_factory=DEFAULT_SHARES.copy)

    def __post_init__(self) -> None:
        check_at_least(self, {"sources": 2, "limit": 1, "selection": 0.0})
        if not 0 <= self.move_share <= 1:
            raise ValueError(f"move_share is {self.move_share!r}; it must be between 0 and 1")
        check_shares(self.moves)


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
    """Employed bees mix each source with another, onlookers work on the good ones, scouts replace the spent.

    A trial that ends in a minimum the colony already has counts as a failure, so sources stay distinct.
    """

    name = "bee-colony"
    Settings = BeeColonySettings

    def __init__(
        self, composition: Any, settings: BeeColonySettings | None = None, seed: int = 0,
        shape: Callable[[Atoms], str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(composition, settings, seed, shape)
        self.sources = [Source() for _ in range(self.settings.sources)]
        self._jobs: list[tuple[str, int]] = []

    @property
    def batch_size(self) -> int:
        return len(self.sources)

    def _propose(self) -> tuple[tuple[int, str | None, int | None], np.ndarray]:
        if not self._jobs:
            self._plan()
        kind, k = self._jobs.pop(0)
        source = self.sources[k]
        if source.positions is None:
            return (k, None, None), self._seed(k)
        others = [j for j, other in enumerate(self.sources) if j != k and other.positions is not None]
        move: str | None = MIX
        if not others or (kind == "onlooker" and self.rng.random() < self.settings.move_share):
            move = self.moves.draw(self.rng)
        mate = (
            others[int(self.rng.integers(len(others)))] if others and (move == MIX or self.moves.mixes(move)) else None
        )
        second = None if mate is None else self.sources[mate].positions
        if move == MIX and second is not None:
            return (k, move, mate), self._mix(source.positions, second)
        return (k, move, mate), self.moves.apply(move, source.positions, self.scale, self.rng, second)

    def _plan(self) -> None:
        """One cycle: a scout per empty source, an employed bee per source, as many onlookers by fitness."""
        empty = [k for k, source in enumerate(self.sources) if source.positions is None]
        filled = [k for k, source in enumerate(self.sources) if source.positions is not None]
        self._jobs = [("scout", k) for k in empty] + [("employed", k) for k in filled]
        if filled:
            energies = np.array([self.sources[k].energy for k in filled])
            relative = (energies - energies.min()) / max(np.ptp(energies), 1e-12)
            weights = np.exp(-self.settings.selection * relative)
            chosen = self.rng.choice(filled, size=len(filled), p=weights / weights.sum())
            self._jobs += [("onlooker", int(k)) for k in chosen]

    def _mix(self, x: np.ndarray, partner: np.ndarray) -> np.ndarray:
        """v = x + φ (x − y) with y the partner brought onto x, φ uniform in [−1, 1], one for each atom."""
        y = align(x, partner, self.scale.numbers)
        phi = self.rng.uniform(-1.0, 1.0, size=(len(x), 1))
        return self.scale.push_apart(x + phi * (x - y))

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
        lowest = min(other.energy for other in self.sources)
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
            self.moves.record(move, improved, improved and energy < lowest - IMPROVED_BY)

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
        return {"sources": sources, "jobs": [list(job) for job in self._jobs]}

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.sources = [Source(**{**s, "positions": from_plain(s["positions"])}) for s in state["sources"]]
        self._jobs = [(kind, k) for kind, k in state["jobs"]]
