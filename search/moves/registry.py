"""How the next trial is made from a minimum, and how the shares of the moves follow what has paid.

Each move takes positions [n_atoms, 3] (in the order of the composition) and gives new ones without
overlaps; the input is left as it was. Lengths come from the `LengthScale`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import numpy as np

from search.errors import InputError, InputTypeError, JobFailed, check_functions, finite, positive, quote, whole
from search.geometry.composition import Composition
from search.geometry.scale import LengthScale
from search.moves.counts import MoveCount, Payoff, Step
from search.moves.deform import mix, rattle, splice, swap, twist
from search.moves.surface import interior, refill, relocate, surface
from search.moves.symmetrise import symmetrise

DEFAULT_SHARES = {
    "rattle": 0.1,
    "surface": 0.1,
    "refill": 0.35,
    "interior": 0.05,
    "twist": 0.05,
    "splice": 0.05,
    "symmetrise": 0.3,
    "swap": 0.15,
    "relocate": 0.15,
}
"""Of the tries, to begin with; relative weights."""
BEE_SHARES = {**DEFAULT_SHARES, "mix": 0.3}
"""The same in a bee colony."""


def moves_without(names: Collection[str], shares: Mapping[str, float] = DEFAULT_SHARES) -> dict[str, float]:
    """`shares` but those of these names; symmetric starts need "symmetrise" too.

    Raises
    ------
    ValueError : one that isn't known, or nothing is left.
    """
    if unknown := sorted(set(names) - set(shares)):
        raise InputError(f"moves {', '.join(unknown)} are not known; choose among {', '.join(shares)}")
    left = {name: share for name, share in shares.items() if name not in names}
    check_shares(left)
    return left


Change = Callable[[np.ndarray, LengthScale, np.random.Generator, float], np.ndarray]
"""(positions, scale, rng, step) -> new positions [n_atoms, 3], which may overlap. The array given may be changed."""
Combine = Callable[[np.ndarray, np.ndarray, LengthScale, np.random.Generator], np.ndarray]
"""(positions, mate, scale, rng) -> new positions; mate [n_atoms, 3] is another minimum."""


@dataclass(frozen=True)
class Move:
    """One kind of move: a function that changes one minimum, or one that combines two.

    Attributes
    ----------
    name : as settings and results call it.
    change : (positions, scale, rng, step) -> new positions [n_atoms, 3], which may overlap.
    combine : (positions, mate, scale, rng) -> new positions, of two minima; in place of `change`.
    step : first step size (in bond lengths, or in half turns), adapted in a search; None where there is none.
    min_atoms, min_elements : what a composition must have for the move to make sense.

    Raises
    ------
    ValueError : neither `change` nor `combine` is given, or both are; a size that makes no sense. TypeError : the
        function takes other arguments.
    """

    name: str
    change: Change | None = None
    combine: Combine | None = None
    step: float | None = None
    min_atoms: int = 2
    min_elements: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputTypeError(f"a move's name is {quote(self.name)}; it must be a word")
        check_functions(change=self.change, combine=self.combine)
        if (self.change is None) == (self.combine is None):
            raise InputError(f"move {self.name!r} needs either change or combine")
        arguments = "(positions, scale, rng, step)" if self.combine is None else "(positions, mate, scale, rng)"
        try:
            signature(self.change or self.combine or print).bind(None, None, None, None)
        except TypeError as error:
            raise InputTypeError(f"the function of move {self.name!r} must take {arguments}: {error}") from error
        if self.step is not None:
            object.__setattr__(self, "step", positive(f"the step of move {self.name!r}", self.step))
        for name in ("min_atoms", "min_elements"):
            object.__setattr__(self, name, whole(f"{name} of move {self.name!r}", getattr(self, name), least=1))

    def applicable(self, composition: Composition) -> bool:
        """Whether the composition has the atoms and elements that the move needs."""
        return composition.n_atoms >= self.min_atoms and len(composition.counts) >= self.min_elements

    def __call__(
        self,
        positions: np.ndarray,
        scale: LengthScale,
        rng: np.random.Generator,
        step: float | None = None,
        mate: np.ndarray | None = None,
    ) -> np.ndarray:
        """New positions [n_atoms, 3] without overlaps; without a mate the structure is its own.

        Raises
        ------
        RuntimeError : the move's function failed. ValueError : it gave something else than finite positions.
        """
        try:
            if self.combine is not None:
                given = self.combine(positions.copy(), positions if mate is None else mate, scale, rng)
            else:
                assert self.change is not None  # checked when it was made
                given = self.change(positions.copy(), scale, rng, (self.step or 0.0) if step is None else step)
            moved = np.asarray(given, dtype=float)
        except Exception as error:
            raise JobFailed(f"move {self.name!r} failed: {type(error).__name__}: {error}") from error
        if moved.shape != positions.shape:
            raise InputError(
                f"move {self.name!r} gives positions of shape {list(moved.shape)} for {len(positions)} atoms"
            )
        if not np.isfinite(moved).all():
            raise InputError(f"move {self.name!r} gives positions that are not finite")
        return scale.push_apart(moved)


FLOOR = 0.25
"""Part of its first share that no move loses, however little it pays."""


@dataclass
class MoveSet:
    """The moves of one search, with their shares, step sizes and counts.

    `shares` are those that the search began with (a sum of 1), `current` follows what has paid.
    """

    shares: dict[str, float]
    counts: dict[str, MoveCount] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    payoffs: dict[str, Payoff] = field(default_factory=dict)
    adapt: bool = True

    @classmethod
    def of(cls, composition: Composition, shares: dict[str, float], adapt: bool = True) -> MoveSet:
        """Moves of `shares` (name -> weight) that apply to `composition`, weights brought to a sum of 1.

        Raises
        ------
        ValueError : an unknown move, a negative weight, or nothing left.
        """
        check_shares(shares)
        usable = {name: share for name, share in shares.items() if share > 0 and MOVES[name].applicable(composition)}
        total = sum(usable.values())
        usable = {name: share / total for name, share in usable.items()}
        steps = {name: Step(size) for name in usable if (size := MOVES[name].step) is not None}
        return cls(usable, {name: MoveCount() for name in usable}, steps, {name: Payoff() for name in usable}, adapt)

    @property
    def current(self) -> dict[str, float]:
        """Name -> share now, a sum of 1."""
        if not self.adapt:
            return self.shares
        paid = {name: share * self.payoffs[name].rate for name, share in self.shares.items()}
        total = sum(paid.values())
        return {name: FLOOR * share + (1.0 - FLOOR) * paid[name] / total for name, share in self.shares.items()}

    def draw(self, rng: np.random.Generator) -> str | None:
        """Name of a move by its share; None where no move applies (a single atom)."""
        if not self.shares:
            return None
        current = self.current
        ticket = float(rng.random())
        for name, share in current.items():
            ticket -= share
            if ticket < 0:
                return name
        return next(reversed(current))  # by rounding

    def apply(
        self,
        name: str | None,
        positions: np.ndarray,
        scale: LengthScale,
        rng: np.random.Generator,
        mate: np.ndarray | None = None,
    ) -> np.ndarray:
        """mate : another minimum [n_atoms, 3], for moves that mix two."""
        if name is None:
            return positions.copy()
        step = self.steps[name].size if name in self.steps else None
        return MOVES[name](positions, scale, rng, step, mate)

    def mixes(self, name: str | None) -> bool:
        """Whether a move takes a second minimum."""
        return name in MOVES and MOVES[name].combine is not None

    def record(
        self,
        name: str,
        accepted: bool,
        improved: bool,
        target: float = 0.5,
        interval: int = 50,
        largest: float = 0.8,
    ) -> None:
        """One more try of move `name`; target, interval, largest : how its step adapts (see `Step`)."""
        count = self.counts.setdefault(name, MoveCount())
        count.tries += 1
        count.accepted += bool(accepted)
        count.improved += bool(improved)
        if name in self.payoffs:
            self.payoffs[name].record(bool(improved))
        if name in self.steps:
            self.steps[name].record(accepted, target, interval, largest)

    def statistics(self) -> dict[str, dict[str, float]]:
        """Move -> tries, accepted, improved, and share now."""
        shares = self.current
        return {name: {**vars(count), "share": shares.get(name, 0.0)} for name, count in self.counts.items()}

    def state(self) -> dict[str, Any]:
        """Plain data that `restore` goes on from."""
        return {
            "counts": {name: dict(vars(count)) for name, count in self.counts.items()},
            "steps": {name: dict(vars(step)) for name, step in self.steps.items()},
            "payoffs": {name: dict(vars(payoff)) for name, payoff in self.payoffs.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.counts = {name: MoveCount(**count) for name, count in state["counts"].items()}
        self.steps = {name: Step(**step) for name, step in state["steps"].items()}
        self.payoffs = {name: Payoff(**payoff) for name, payoff in state["payoffs"].items()}


def check_shares(shares: Mapping[str, float]) -> None:
    """Raise a ValueError that names the moves there are, unless `shares` is a weight per move."""
    if not isinstance(shares, Mapping):
        raise InputTypeError(f'moves is {quote(shares)}; give shares by name, for example {{"symmetrise": 0.1}}')
    unknown = sorted(str(name) for name in set(shares) - set(MOVES))
    if unknown:
        raise InputError(f"moves {', '.join(unknown)} are not known; choose among {', '.join(MOVES)}")
    values = [finite(f"the share of move {name}", share) for name, share in shares.items()]
    if any(share < 0 for share in values) or not sum(shares.values()) > 0:
        raise InputError(f"move shares are {shares}; they must be 0 or above, and not all 0")
    if all(MOVES[name].min_elements > 1 for name, share in shares.items() if share > 0):
        raise InputError(f"move shares are {shares}; at least one must suit a single element, such as rattle")


MOVES = {
    move.name: move
    for move in (
        Move("rattle", rattle, step=0.36, min_atoms=2),
        Move("surface", surface, min_atoms=3),
        Move("refill", refill, min_atoms=5),
        Move("interior", interior, min_atoms=5),
        Move("twist", twist, step=0.5, min_atoms=4),
        Move("splice", combine=splice, min_atoms=6),
        Move("mix", combine=mix, min_atoms=2),
        Move("symmetrise", symmetrise, min_atoms=5),
        Move("swap", swap, min_elements=2),
        Move("relocate", relocate, min_atoms=3, min_elements=2),
    )
}
"""All moves by name. Add one with `register_move`."""


def register_move(move: Move) -> Move:
    """Make `move` known, so that settings can give it a share: `BasinHoppingSettings(moves={..., move.name: 0.2})`.

    Where a search runs in several processes, register it in the module that the relaxer is made in: the workers import
    that.

    Raises
    ------
    ValueError : another move has this name.
    """
    if not isinstance(move, Move):
        raise InputTypeError(f"{quote(move)} is no move; give Move(name, change)")
    known = MOVES.get(move.name)
    if known is not None and known != move:
        raise InputError(f"there is a move {move.name!r} already; choose another name")
    MOVES[move.name] = move
    return move
