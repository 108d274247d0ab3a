"""What basin hopping and the bee colony share: ask and tell, the random generator, the state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, ClassVar, Self

import numpy as np
from ase import Atoms

from search.convergence import LowestCount
from search.errors import InputError, InputTypeError
from search.geometry.composition import Composition
from search.geometry.scale import LengthScale
from search.geometry.seeds import KINDS
from search.moves.registry import MoveSet
from search.moves.symmetrise import GROWN, symmetrise
from search.relaxers.base import Relaxed

SYMMETRIC_SEEDS = 0.75
"""Share of the starts that are grown by orbits of a point group from a small core."""


class Searcher(ABC):
    """Proposes structures to relax and learns from the results.

    `ask(n)` gives n structures, `tell` takes their results in the same order. The searcher owns its
    random generator, so the same seed and the same results give the same search. Between a `tell`
    and the next `ask`, `state()` is all there is to know, as plain data; `from_state` goes on from it.

    Parameters
    ----------
    composition : what to search, or the `LengthScale` of it.
    settings : of the subclass's `Settings`; by default those.
    seed : of the random generator.
    shape : gives an Atoms one of `search.geometry.seeds.KINDS`. Then half of the walkers or sources are niches: each
        begins as one of these kinds in turn and, once there, goes on to minima of that shape only, because
        potentials and basis sets misjudge the order of the shapes more than that within one.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[Any]]

    def __init__(
        self,
        composition: str | Composition | LengthScale,
        settings: Any = None,
        seed: int = 0,
        shape: Callable[[Atoms], str] | None = None,
    ) -> None:
        if not isinstance(composition, LengthScale):
            composition = LengthScale.of(Composition.parse(composition))
        settings = self.Settings() if settings is None else settings
        if not isinstance(settings, self.Settings):
            raise InputTypeError(f"{self.name} takes {self.Settings.__name__}, not {type(settings).__name__}")
        self.scale = composition
        self.settings: Any = settings
        self._plain_settings = asdict(settings)
        self.shape = shape
        self.rng = np.random.default_rng(seed)
        self.moves = MoveSet.of(self.scale.composition, settings.moves, settings.adapt)
        self.lowest = LowestCount()
        self._pending: list[Any] = []

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """How many structures suit one `ask`."""

    def ask(self, n: int) -> list[Atoms]:
        """`n` structures to relax, atoms in the order of `composition.symbols`.

        Raises
        ------
        ValueError : n is below 1. RuntimeError : the last ones were not told yet.
        """
        if n < 1:
            raise InputError(f"ask({n}): at least 1 structure must be asked for")
        if self._pending:
            raise RuntimeError(f"tell the {len(self._pending)} results that were asked for before asking again")
        trials = [self._propose() for _ in range(n)]
        self._pending = [ticket for ticket, _ in trials]
        return [self.scale.atoms(positions) for _, positions in trials]

    def tell(self, results: Sequence[Relaxed]) -> None:
        """Results of the last `ask`, in its order.

        Raises
        ------
        RuntimeError : nothing was asked. ValueError : the number or the atoms' order is another.
        """
        if not self._pending:
            raise RuntimeError("ask for structures before telling results")
        if len(results) != len(self._pending):
            raise InputError(f"{len(self._pending)} structures were asked for, {len(results)} results were told")
        numbers = self.scale.numbers
        for relaxed in results:
            if len(relaxed.atoms) != len(numbers) or (relaxed.atoms.numbers != numbers).any():
                raise InputError(
                    f"a result is {relaxed.atoms.get_chemical_formula('reduce')}, its atoms must be "
                    f"those of {self.scale.composition} in the order in which they were asked"
                )
        pending, self._pending = self._pending, []
        for ticket, relaxed in zip(pending, results, strict=True):
            self._learn(ticket, relaxed)

    def state(self) -> dict:
        """Plain data that `from_state` goes on from, bit for bit.

        Raises
        ------
        RuntimeError : between `ask` and `tell`.
        """
        if self._pending:
            raise RuntimeError(f"tell the {len(self._pending)} results that were asked for before taking the state")
        return {
            "method": self.name,
            "settings": self._plain_settings,
            "rng": self.rng.bit_generator.state,
            "moves": self.moves.state(),
            "lowest": asdict(self.lowest),
            **self._own_state(),
        }

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, Any],
        composition: str | Composition | LengthScale,
        shape: Callable[[Atoms], str] | None = None,
    ) -> Self:
        """The searcher whose `state()` this was.

        Raises
        ------
        ValueError : the state of another method, or with unknown settings.
        """
        if state["method"] != cls.name:
            raise InputError(f"this is the state of {state['method']}, not of {cls.name}")
        searcher = cls(composition, settings_from(cls.Settings, state["settings"]), shape=shape)
        searcher.rng.bit_generator.state = state["rng"]
        searcher.moves.restore(state["moves"])
        searcher.lowest = LowestCount(**state["lowest"])
        searcher._restore(state)
        return searcher

    def niche(self, k: int) -> str | None:
        """The shape that walker or source k keeps to; None where it is free."""
        return KINDS[k // 2 % len(KINDS)] if self.shape is not None and k % 2 else None

    def in_niche(self, k: int, atoms: Atoms) -> bool:
        """Whether `atoms` have the shape of walker or source k; False where it is free."""
        return self.shape is not None and self.niche(k) is not None and self.shape(atoms) == self.niche(k)

    def starts_symmetric(self, k: int) -> bool:
        """Whether walker or source k mostly has symmetric starts: it is free, and that move is in use."""
        return self.niche(k) is None and "symmetrise" in self.moves.shares

    def _seed(self, k: int) -> np.ndarray:
        """Positions [n_atoms, 3] of a random start for walker or source k.

        Three quarters of the free ones are grown symmetrically from their core, where that move is in use.
        """
        positions = self.scale.seed(self.rng, self.niche(k))
        if self.starts_symmetric(k) and self.rng.random() < SYMMETRIC_SEEDS:
            positions = self.scale.push_apart(symmetrise(positions, self.scale, self.rng, 0.0, GROWN))
        return positions

    @abstractmethod
    def _propose(self) -> tuple[Any, np.ndarray]:
        """A ticket that `_learn` will get back, and positions [n_atoms, 3]."""

    @abstractmethod
    def _learn(self, ticket: Any, relaxed: Relaxed) -> None: ...

    @abstractmethod
    def _own_state(self) -> dict: ...

    @abstractmethod
    def _restore(self, state: Mapping[str, Any]) -> None: ...


def settings_from(kind: type, values: Any) -> Any:
    """Settings of this dataclass from a mapping; an instance is passed on, None gives the defaults.

    Raises
    ------
    ValueError : unknown keys (the known ones are listed). TypeError : neither mapping nor instance.
    """
    if values is None:
        return kind()
    if isinstance(values, kind):
        return values
    if not isinstance(values, Mapping):
        raise InputTypeError(f"settings are {type(values).__name__}; give a {kind.__name__} or a mapping of its keys")
    known = [item.name for item in fields(kind)]
    if unknown := sorted(set(values) - set(known)):
        raise InputError(f"{kind.__name__} has no {', '.join(unknown)}; it has {', '.join(known)}")
    return kind(**values)


def check_at_least(settings: Any, least: Mapping[str, float]) -> None:
    """Raise a ValueError for the first setting that is below its least value."""
    for name, bound in least.items():
        if not getattr(settings, name) >= bound:
            raise InputError(f"{name} is {getattr(settings, name)!r}; it must be at least {bound}")
