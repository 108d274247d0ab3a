"""What basin hopping and the bee colony share: walks over minima by moves, some of which keep to a shape."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from ase import Atoms

from search.archive.encoding import from_plain, to_plain
from search.geometry.composition import Composition
from search.geometry.scale import LengthScale
from search.geometry.seeds import KINDS
from search.moves.registry import MoveSet
from search.moves.symmetric_start import symmetric_start
from search.searchers.base import Searcher

SYMMETRIC_SEEDS = 0.75
"""Share of the starts that are grown by orbits of a point group from a small core."""
Ticket = tuple[int, str | None, int | None]
"""Walk, move, and the walk whose minimum was mixed in; no move for a random start."""


@dataclass
class Walk:
    """Where one walk stands.

    Attributes
    ----------
    positions : [n_atoms, 3] of its minimum; None until its first.
    energy : of that minimum, eV or the model's unit.
    home : whether that minimum has the shape of the walk's niche.
    """

    positions: np.ndarray | None = None
    energy: float = float("inf")
    home: bool = False

    def as_plain(self) -> dict[str, Any]:
        """Plain data that `from_plain` goes on from."""
        return {**vars(self), "positions": to_plain(self.positions)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The walk again."""
        return cls(**{**plain, "positions": from_plain(plain["positions"])})


class WalkSearcher[W: Walk](Searcher):
    """Several walks over minima, each step a move drawn by its share.

    With `shape`, half of the walks are niches: each begins as one of `KINDS` in turn and, once there, goes on to
    minima of that shape only, because potentials and basis sets misjudge the order of the shapes more than that
    within one.

    The settings have `moves` (name -> weight) and `adapt` (whether the shares follow what has paid).
    """

    walks: list[W]

    def __init__(
        self,
        composition: str | Composition | LengthScale,
        settings: Any = None,
        seed: int = 0,
        shape: Callable[[Atoms], str] | None = None,
    ) -> None:
        super().__init__(composition, settings, seed, shape)
        self.moves = MoveSet.of(self.scale.composition, self.settings.moves, self.settings.adapt)

    @abstractmethod
    def begin_walk(self, k: int, positions: np.ndarray, energy: float, home: bool) -> None:
        """Let walk k go on from this minimum."""

    @property
    def batch_size(self) -> int:
        """One trial of each walk."""
        return len(self.walks)

    def accept(self, positions: np.ndarray, energy: float, shape: str | None) -> int | None:
        """The minimum takes the place of the highest walk that is free, or that keeps to this shape.

        A walk about to begin anew is left to its random start if others are there.
        """
        mine = [k for k in range(len(self.walks)) if self.niche(k) == shape]
        begun = [k for k in mine if self.walks[k].positions is not None]
        place = max(begun or mine, key=lambda k: self.walks[k].energy, default=None)
        if place is not None:
            self.begin_walk(place, positions, energy, home=shape is not None)
        return place

    def niche(self, k: int) -> str | None:
        """The shape that walk k keeps to; None where it is free."""
        return KINDS[k // 2 % len(KINDS)] if self.shape is not None and k % 2 else None

    def in_niche(self, k: int, atoms: Atoms) -> bool:
        """Whether `atoms` have the shape of walk k; False where it is free."""
        return self.shape is not None and self.niche(k) is not None and self.shape(atoms) == self.niche(k)

    def starts_symmetric(self, k: int) -> bool:
        """Whether walk k mostly has symmetric starts: it is free, and that move is in use."""
        return self.niche(k) is None and "symmetrise" in self.moves.shares

    def move_statistics(self) -> dict[str, dict[str, float]]:
        """Move -> tries, accepted, improved, and share, its part of the tries now."""
        return self.moves.statistics()

    def propose_for(self, k: int) -> tuple[Ticket, np.ndarray]:
        """A move from where walk k stands, or a random start: its ticket, and positions [n_atoms, 3]."""
        positions = self.walks[k].positions
        if positions is None:
            return (k, None, None), self.random_start(k)
        move = self.moves.draw(self.rng)
        others = self._others(k)
        mate = others[int(self.rng.integers(len(others)))] if self.moves.mixes(move) and others else None
        second = None if mate is None else self.walks[mate].positions
        return (k, move, mate), self.moves.apply(move, positions, self.scale, self.rng, second)

    def random_start(self, k: int) -> np.ndarray:
        """Positions [n_atoms, 3] of a random start for walk k.

        Three quarters of the free ones are grown symmetrically from their core, where that move is in use.
        """
        positions = self.scale.seed(self.rng, self.niche(k))
        if self.starts_symmetric(k) and self.rng.random() < SYMMETRIC_SEEDS:
            return symmetric_start(positions, self.scale, self.rng)
        return positions

    def _others(self, k: int) -> Sequence[int]:
        return [j for j, walk in enumerate(self.walks) if j != k and walk.positions is not None]
