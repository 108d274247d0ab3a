"""Where an archive keeps its minima: the protocol, and a store in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from search.archive.minimum import Minimum


@runtime_checkable
class Store(Protocol):
    """Keeps minima, and texts by name (composition, signature, the state to go on from), in step with each other."""

    @property
    def path(self) -> Path | None:
        """The file; None where there is none."""
        ...

    @property
    def values(self) -> Mapping[str, str]:
        """The texts as last written."""
        ...

    def minima(self) -> Iterable[Minimum]:
        """All that are stored, in the order in which they were."""
        ...

    def write(self, changed: Sequence[Minimum], gone: Sequence[Minimum], values: Mapping[str, str]) -> None:
        """All of it or nothing: minima that are new or changed (each has its `row` afterwards), minima to delete, texts
        to set."""
        ...

    def close(self) -> None:
        """Let go of the file; called again, nothing happens."""
        ...


class MemoryStore:
    """Forgets all when the process ends. The archive itself holds the minima."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self.path: Path | None = None
        self.values = dict(values)

    def minima(self) -> Iterable[Minimum]:
        """None: it is new."""
        return ()

    def write(self, changed: Sequence[Minimum], gone: Sequence[Minimum], values: Mapping[str, str]) -> None:
        """Texts only."""
        self.values.update(values)

    def close(self) -> None:
        """Nothing to let go of."""
