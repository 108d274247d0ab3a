"""Labels made before SCF solutions were tested: test them, and put right those that were too high."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from dataclasses import dataclass

from ase import Atoms

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import UNCHECKED, Label, LabelFailed
from iia_calc.labels.store import OPEN_SHELL, LabelStore


@dataclass
class Rechecked:
    """What testing a store found.

    Attributes
    ----------
    n_tested : labels tested. lowered : meV/atom by which each label that was too high came down.
    """

    n_tested: int
    lowered: list[float]

    def line(self) -> str:
        """The outcome in one line."""
        by = f", by {min(self.lowered):.1f} to {max(self.lowered):.1f} meV/atom" if self.lowered else ""
        return f"{self.n_tested} labels tested; {len(self.lowered)} were too high and are replaced{by}"


def recheck(
    store: LabelStore,
    level: DFTLevel,
    executor: Executor,
    on_progress: Callable[[Rechecked], None] | None = None,
    which: str = OPEN_SHELL,
    largest: int | None = None,
) -> Rechecked:
    """Test the SCF stability of doubtful labels, open shells first; replace those that have a lower solution.

    Each row is written as it is done (the energy before stays beside the new one), so the same call goes on after
    any stop. A label that doesn't converge again is kept; an untested one is marked so.

    which : see `LabelStore.list_doubtful`.
    largest : leave out clusters of more atoms.
    """
    found = Rechecked(0, [])
    jobs = {
        executor.submit(_again, level, item.atoms, item.label): (row, item)
        for row, item in store.list_doubtful(which, largest)
    }
    try:
        while jobs:
            for future in wait(jobs, return_when=FIRST_COMPLETED).done:
                row, item = jobs.pop(future)
                label = future.result()
                store.replace(row, label)
                found.n_tested += 1
                if label.energy < item.label.energy:
                    found.lowered.append(1e3 * (item.label.energy - label.energy) / len(item.atoms))
            if on_progress:
                on_progress(found)
    finally:
        for future in jobs:
            future.cancel()
    return found


def _again(level: DFTLevel, atoms: Atoms, known: Label) -> Label:
    try:
        return level.label_again(atoms, known)
    except LabelFailed:
        return known if known.is_tested else known._replace(stability=UNCHECKED)
