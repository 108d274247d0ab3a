"""What moves have done: how often they were accepted and paid, and step sizes that follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRIOR_RATE, PRIOR_TRIES, MEMORY = 0.05, 40.0, 400.0
"""Improvements per try and tries that a move is taken to have had; tries after which what was is halved."""


@dataclass
class MoveCount:
    """What a move has done: tries, how many were accepted, how many gave a walker or source a new best."""

    tries: int = 0
    accepted: int = 0
    improved: int = 0


@dataclass
class Step:
    """A step size that follows the acceptance: shorter when too little is accepted, longer when too much."""

    size: float
    tries: int = 0
    accepted: int = 0

    def record(self, accepted: bool, target: float, interval: int, largest: float) -> None:
        """One more try; after every `interval` tries the size follows the share that was accepted."""
        self.tries += 1
        self.accepted += accepted
        if self.tries >= interval:
            self.size *= 0.9 if self.accepted < target * self.tries else 1.0 / 0.9
            self.size = float(np.clip(self.size, 0.02, largest))
            self.tries = self.accepted = 0


@dataclass
class Payoff:
    """How often a move has paid of late: tries and improvements, both halved now and then."""

    tries: float = 0.0
    improved: float = 0.0

    @property
    def rate(self) -> float:
        """Improvements per try; a move that was hardly tried is taken for a good one."""
        return (self.improved + PRIOR_RATE * PRIOR_TRIES) / (self.tries + PRIOR_TRIES)

    def record(self, improved: bool) -> None:
        """One more try."""
        self.tries += 1.0
        self.improved += improved
        if self.tries >= MEMORY:
            self.tries *= 0.5
            self.improved *= 0.5
