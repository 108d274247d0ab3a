"""Basin hopping: many walkers in step, each a Metropolis walk over minima.

Wales & Doye, J. Phys. Chem. A 1997, 101, 5111.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms

from search.archive.minimum import sound
from search.errors import InputError, check_flags, finite
from search.geometry.composition import Composition
from search.geometry.packing import packing_of
from search.geometry.scale import LengthScale
from search.moves.registry import DEFAULT_SHARES, check_shares, moves_without
from search.relaxers.base import Relaxed
from search.searchers.base import check_at_least
from search.searchers.returns import LowestOfPackings
from search.searchers.walks import Ticket, Walk, WalkSearcher

IMPROVED_BY, HOTTER = 1e-6, 4.0
NICHE, PLAIN = 4, 12
"""How many times as patient walkers are that keep to a shape, and those without symmetric starts."""
SEEDS = 4
"""Random starts of a walker that keeps to a shape; it goes on from the lowest, for most seeds of a shape are bad."""


@dataclass(frozen=True)
class BasinHoppingSettings:
    """Settings of basin hopping.

    Attributes
    ----------
    walkers : how many walk in step; one batch is one trial of each.
    temperature : of the Metropolis rule, as an energy (kT), eV or the model's unit.
    target_acceptance : what step sizes adapt to. interval : tries of a move between two adaptions.
    largest_step : upper limit of the step sizes (bond lengths; half turns for twist).
    patience : trials without a new best of its own after which a walker starts again: from a random seed or, half of
        the time, from the lowest minimum of some kind of packing (see `search.searchers.returns`). Few are enough from
        symmetric starts; walkers that get none take more, 4 times as many in a niche and 12 times without that move,
        and never return.
    moves : weights of the moves to begin with; those that don't apply to the composition are left out.
    adapt : whether the shares follow what has paid; each keeps a quarter of its first share.
    """

    walkers: int = 8
    temperature: float = 0.3
    target_acceptance: float = 0.5
    interval: int = 50
    largest_step: float = 0.8
    patience: int = 8
    adapt: bool = True
    moves: dict[str, float] = field(default_factory=DEFAULT_SHARES.copy)

    def __post_init__(self) -> None:
        check_at_least(self, {"walkers": 1, "temperature": 0.0, "interval": 1, "largest_step": 0.02, "patience": 1})
        if not 0 < finite("target_acceptance", self.target_acceptance, "a number between 0 and 1") < 1:
            raise InputError(f"target_acceptance is {self.target_acceptance!r}; it must be between 0 and 1")
        check_flags(adapt=self.adapt)
        check_shares(self.moves)

    @classmethod
    def without(cls, moves: Collection[str]) -> BasinHoppingSettings:
        """The default settings, but for these moves.

        Without symmetrising, walks must cross from funnel to funnel by themselves: they are four times as hot
        (GMIN's plain walks on LJ38 are at 1.0 ε, these at 1.2), and rattling gets that move's share.

        Raises
        ------
        ValueError : a move that isn't known, or none is left.
        """
        shares = moves_without(moves)
        if "symmetrise" in shares:
            return cls(moves=shares)
        if "rattle" in shares:
            shares["rattle"] += DEFAULT_SHARES["symmetrise"]
        return cls(temperature=HOTTER * cls.temperature, moves=shares)


@dataclass
class Walker(Walk):
    """Where one walk stands.

    Attributes
    ----------
    best : its lowest energy since its random start. stalled : trials without a lower one. starts : how often it began.
    seeds : random starts that it is still to try before it moves.
    """

    best: float = float("inf")
    stalled: int = 0
    starts: int = 0
    seeds: int = 0


class BasinHopping(WalkSearcher[Walker]):
    """Walkers that move, are relaxed together, and accept by Metropolis; failed quenches are refused."""

    name = "basin-hopping"
    Settings = BasinHoppingSettings

    def __init__(
        self,
        composition: str | Composition | LengthScale,
        settings: BasinHoppingSettings | None = None,
        seed: int = 0,
        shape: Callable[[Atoms], str] | None = None,
    ) -> None:
        super().__init__(composition, settings, seed, shape)
        self.walks = [self._new_walker(k, 0) for k in range(self.settings.walkers)]
        self.packings = LowestOfPackings()
        self._next = 0

    def propose(self) -> tuple[Ticket, np.ndarray]:
        """A trial of the next walker in turn."""
        k, self._next = self._next, (self._next + 1) % len(self.walks)
        return ((k, None, None), self.random_start(k)) if self.walks[k].seeds else self.propose_for(k)

    def learn(self, ticket: Ticket, relaxed: Relaxed) -> None:
        """Accept or refuse; a walker that has stalled begins anew."""
        k, move, mate = ticket
        walker = self.walks[k]
        if move is None:  # of several random starts the lowest is kept
            walker.seeds = max(walker.seeds - 1, 0)
            accepted = sound(relaxed) and relaxed.energy < walker.energy
        else:
            accepted = sound(relaxed) and self._accepts(walker, relaxed.energy)
        home = sound(relaxed) and self.in_niche(k, relaxed.atoms)
        if home and not walker.home:  # arrived, at whatever height
            accepted, walker.best = True, float("inf")
        elif walker.home and not home:
            accepted = False
        improved = accepted and relaxed.energy < walker.best - IMPROVED_BY
        if sound(relaxed):
            self.lowest.record(float(relaxed.energy), k, mate)
            if self.starts_symmetric(k):
                x = relaxed.atoms.positions
                self.packings.record(packing_of(x, self.scale), float(relaxed.energy), x, IMPROVED_BY)
        if accepted:
            walker.positions, walker.energy = relaxed.atoms.positions.copy(), float(relaxed.energy)
            walker.home = home
            if mate is not None:
                self.lowest.mix(k, mate)
        walker.stalled = 0 if improved or walker.seeds else walker.stalled + 1
        walker.best = min(walker.best, walker.energy)
        if move is not None:
            settings = self.settings
            self.moves.record(
                move, accepted, improved, settings.target_acceptance, settings.interval, settings.largest_step
            )
        if walker.stalled >= self.settings.patience * self._patience(k):
            self._restart(k)

    def _patience(self, k: int) -> int:
        """Times the setting of that name."""
        if self.niche(k) is not None:
            return NICHE
        return 1 if self.starts_symmetric(k) else PLAIN

    def _restart(self, k: int) -> None:
        """Walker k begins anew, from a random start or where a packing is lowest."""
        self.walks[k] = self._new_walker(k, self.walks[k].starts + 1)
        self.lowest.restart(k)
        if self.starts_symmetric(k) and (chosen := self.packings.choose(self.rng)) is not None:
            self.begin_walk(k, *chosen, home=False)
            self.lowest.follow(k)

    def _new_walker(self, k: int, starts: int) -> Walker:
        """Walker k before its first structure."""
        return Walker(starts=starts, seeds=0 if self.niche(k) is None else SEEDS)

    def begin_walk(self, k: int, positions: np.ndarray, energy: float, home: bool) -> None:
        """Walker k goes on from this minimum, as patient as after a random start."""
        self.walks[k] = Walker(positions, energy, home, best=energy, starts=self.walks[k].starts)

    def own_state(self) -> dict[str, Any]:
        """Moves, walkers, the lowest of each packing, and whose turn it is."""
        walkers = [walker.as_plain() for walker in self.walks]
        packings = self.packings.state()
        return {"moves": self.moves.state(), "walkers": walkers, "packings": packings, "next": self._next}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.moves.restore(state["moves"])
        self.walks = [Walker.from_plain(walker) for walker in state["walkers"]]
        self.packings.restore(state.get("packings", {}))  # archives of earlier versions have none
        self._next = state["next"]

    def _accepts(self, walker: Walker, energy: float) -> bool:
        """Metropolis; no random number where the energy falls."""
        rise = energy - walker.energy
        if walker.positions is None or rise <= 0:
            return True
        temperature = self.settings.temperature
        return temperature > 0 and bool(self.rng.random() < np.exp(-rise / temperature))
