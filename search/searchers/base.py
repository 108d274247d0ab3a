"""The searcher's contract: propose structures, learn from their quenches, go on from a stored state.

A searcher of one's own derives from `Searcher` and writes five short methods; misuse of ask and tell, the random
generator and the state are handled here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from ase import Atoms

from search.archive.encoding import plain
from search.convergence import LowestCount
from search.errors import InputError, InputTypeError, check_functions, finite, quote, whole
from search.geometry.composition import Composition
from search.geometry.scale import LengthScale
from search.relaxers.base import Relaxed


@dataclass(frozen=True)
class NoSettings:
    """Settings of a searcher that has none."""


class Searcher(ABC):
    """Proposes structures to relax and learns from the results.

    `ask(n)` gives n structures, `tell` takes their results in the same order. The searcher owns its random
    generator, `rng`, so the same seed and the same results give the same search. Between a `tell` and the next `ask`,
    `state()` is all there is to know, as plain data; `from_state` goes on from it.

    A subclass sets `name` and, where it has any, `Settings` (a frozen dataclass of plain values), and writes
    `batch_size`, `propose`, `learn`, `own_state` and `restore`; `accept` too if islands are to hand minima to it.
    Pass the class as `method` to `find_minima`.

    Parameters
    ----------
    composition : what to search, or the `LengthScale` of it.
    settings : of the subclass's `Settings`; by default those.
    seed : of the random generator.
    shape : gives an Atoms one of `search.geometry.seeds.KINDS`, for searchers that keep the shapes apart.

    Attributes
    ----------
    scale : bond lengths and the atoms' order; makes random structures (`scale.seed(rng)`, positions [n_atoms, 3]).
    rng : for every random number. lowest : counts independent starts that reached the lowest minimum.
    """

    name: ClassVar[str]
    Settings: ClassVar[type[Any]] = NoSettings

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
        self._plain_settings: dict[str, Any] = plain(asdict(settings))
        check_functions(shape=shape)
        self.shape = shape
        self.rng = np.random.default_rng(whole("seed", seed, least=0))
        self.lowest = LowestCount()
        self._pending: list[Any] = []

    @property
    @abstractmethod
    def batch_size(self) -> int:
        """How many structures suit one `ask`."""

    @abstractmethod
    def propose(self) -> tuple[Any, np.ndarray]:
        """The next trial: a ticket of any kind that `learn` gets back, and positions [n_atoms, 3].

        Called n times by `ask(n)`, before any of the results is known.
        """

    @abstractmethod
    def learn(self, ticket: Any, relaxed: Relaxed) -> None:
        """The result of one trial, which may have failed (see `search.archive.minimum.sound`)."""

    @abstractmethod
    def own_state(self) -> dict[str, Any]:
        """What `restore` needs beyond settings and random generator, as plain data (JSON)."""

    @abstractmethod
    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that has the keys of `own_state`."""

    def accept(self, positions: np.ndarray, energy: float, shape: str | None) -> int | None:
        """Go on from a minimum that another island found, or that the search was given to start with.

        positions : [n_atoms, 3]. energy : eV or the model's unit. shape : set where it is the best of that shape, not
        the best of all. Returned: the number of the walk that goes on from it; None (as here) if none does.
        """
        return None

    def move_statistics(self) -> dict[str, dict[str, float]]:
        """Move -> tries, accepted, improved, and share (its part of the tries now); empty without moves."""
        return {}

    def ask(self, n: int) -> list[Atoms]:
        """`n` structures to relax, atoms in the order of `composition.symbols`.

        Raises
        ------
        ValueError : n is below 1. RuntimeError : the results of the last ones are missing.
        """
        n = whole("the number of structures asked for", n, least=1)
        if self._pending:
            raise RuntimeError(f"tell the {len(self._pending)} results that were asked for before asking again")
        trials = [self.propose() for _ in range(n)]
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
            raise InputError(f"{len(self._pending)} structures were asked for, {len(results)} results were given")
        numbers = self.scale.numbers
        for relaxed in results:
            if len(relaxed.atoms) != len(numbers) or (relaxed.atoms.numbers != numbers).any():
                raise InputError(
                    f"a result is {relaxed.atoms.get_chemical_formula('reduce')}, its atoms must be "
                    f"those of {self.scale.composition} in the order in which they were asked"
                )
        pending, self._pending = self._pending, []
        for ticket, relaxed in zip(pending, results, strict=True):
            self.learn(ticket, relaxed)

    def state(self) -> dict[str, Any]:
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
            "lowest": asdict(self.lowest),
            **self.own_state(),
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
        searcher.lowest = LowestCount(**state["lowest"])
        searcher.restore(state)
        return searcher


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
        has = f"it has {', '.join(known)}" if known else "it has no settings"
        raise InputError(f"{kind.__name__} has no {', '.join(unknown)}; {has}")
    return kind(**values)


def check_at_least(settings: Any, least: Mapping[str, float]) -> None:
    """Raise an InputError for the first setting that is below its least value, or is not a number.

    least : a whole number for settings that are whole numbers.
    """
    for name, bound in least.items():
        value = getattr(settings, name)
        if isinstance(bound, int):
            whole(name, value, least=bound)
        elif finite(name, value, f"a finite number of at least {bound}") < bound:
            raise InputError(f"{name} is {quote(value)}; it must be at least {bound}")
