"""One training, as plain data: what is fitted with what, and where its start comes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from iia_calc.common.files import builtin
from iia_calc.model.network import NetworkSettings
from iia_calc.training.fit import TrainingSettings
from iia_calc.training.transfer import CARRIES
from search.errors import InputError


@dataclass(frozen=True)
class Run:
    """A fit to one of the paper's sets.

    Attributes
    ----------
    target : the set whose held-out part is measured, e.g. "SeB20".
    seed : of the split, the initial weights and the order of batches.
    joined : further sets whose structures are trained on.
    source, carry : a run whose embeddings or weights are the start (`training.transfer`).
    start : a model (shipped name or folder) whose weights are the start; the network must be its own.
    repulsion : with the project's core repulsion and saturated distances; the paper's SchNet has none.
    """

    target: str
    treatment: str
    network: NetworkSettings
    training: TrainingSettings
    seed: int = 0
    joined: tuple[str, ...] = ()
    source: Run | None = None
    carry: str | None = None
    start: str | None = None
    repulsion: bool = False

    def __post_init__(self) -> None:
        if (self.source is None) != (self.carry is None):
            raise InputError("a transfer needs a source and what is carried over")
        if self.carry is not None and self.carry not in CARRIES:
            raise InputError(f"carry is {self.carry!r}; choose {' or '.join(CARRIES)}")
        if self.source is not None and self.start is not None:
            raise InputError("a run starts from a source or from a model, not from both")

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=builtin))
        return plain

    def identity(self, labels: Mapping[str, str]) -> str:
        """Twelve hex digits of all settings, the source's too, and of the sets' contents.

        labels : a hash of each set that the run and its sources use.
        """
        used = {name: labels[name] for name in sorted(self.sets())}
        text = json.dumps({"run": self.as_plain(), "labels": used}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def sets(self) -> set[str]:
        """Names of the sets it and its sources are fitted to."""
        return {self.target, *self.joined} | (self.source.sets() if self.source else set())

    def chain(self) -> list[Run]:
        """The sources it depends on, first to be trained first, and itself."""
        return [*(self.source.chain() if self.source else []), self]


@dataclass(frozen=True)
class Row:
    """A line of a table: the same run with several seeds, beside what the paper prints.

    printed : (MAE, RMSE) of the paper, in its numbers; None where it prints none or they aren't at hand.
    """

    key: str
    label: str
    runs: tuple[Run, ...]
    printed: tuple[float, float] | None = None


@dataclass(frozen=True)
class Experiment:
    """One of the paper's tables or figures: its rows, all of them trained alike."""

    name: str
    title: str
    rows: tuple[Row, ...] = field(default_factory=tuple)

    def only(self, part: str | None) -> Experiment:
        """Without the rows whose name doesn't contain `part`.

        Raises
        ------
        ValueError : none does.
        """
        rows = tuple(row for row in self.rows if part is None or part in row.key)
        if not rows:
            names = ", ".join(row.key for row in self.rows)
            raise InputError(f"no row of {self.name} contains {part!r}; there are {names}")
        return replace(self, rows=rows)
