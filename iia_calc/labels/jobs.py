"""Long label jobs: any executor, progress as they go, and after a stop they go on where they were."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from itertools import count

from ase import Atoms

from iia_calc.labels.level import LabelFailed, LevelOfTheory, multiplicity_of
from iia_calc.labels.sampling import Sampling, Start, sample_start, sample_walls
from iia_calc.labels.store import LabelledStructure, LabelStore
from search.errors import InputError
from search.geometry.composition import Composition


def plan_starts(weights: dict[str, int], seed: int = 0) -> Iterator[Start]:
    """Endless sequence of starts: in each round, every formula as often as its weight says."""
    if not weights or any(weight < 1 for weight in weights.values()):
        raise InputError("a label plan needs at least one formula, each with a weight of one or more")
    next_index = dict.fromkeys(weights, 0)
    for _ in count():
        for formula, weight in weights.items():
            for _ in range(weight):
                yield Start(formula, next_index[formula], seed)
                next_index[formula] += 1


def boron_plan(dopant: str = "Se", smallest: int = 3, largest: int = 24, small_to: int = 16) -> dict[str, int]:
    """Weights over SeB_n and B_n, n = 3..24: doped ones twice, sizes up to `small_to` twice, and a few Se2B_n."""
    weights: dict[str, int] = {}
    for n in range(smallest, largest + 1):
        often = 2 if n <= small_to else 1
        weights[f"{dopant}B{n}"] = 2 * often
        weights[f"B{n}"] = often
        if n <= 14 and n % 2 == 0:
            weights[f"{dopant}2B{n}"] = 1
    return weights


def run_starts(
    store: LabelStore,
    starts: Iterable[Start],
    level: LevelOfTheory,
    *,
    n_labels: int,
    executor: Executor,
    workers: int,
    sampling: Sampling = Sampling(),
    guide: LevelOfTheory | None = None,
    walls: bool = False,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Label starts until the store holds `n_labels`; returns how many it holds.

    walls : only dense structures (`sample_walls`); these need a guide.

    Starts found in the store (or in its list of failures) are skipped, so the same call goes on
    after any stop. Each start's labels are written in one transaction as it ends.
    """
    done = store.finished_starts()
    total = len(store)
    known = set(store.element_energies)
    waiting: dict[Future, Start] = {}
    source = iter(starts)
    try:
        while total < n_labels:
            while len(waiting) < 2 * workers:
                start = next((item for item in source if item.name not in done), None)
                if start is None:
                    break
                job = (sample_walls, start, level, guide) if walls else (sample_start, start, level, sampling, guide)
                waiting[executor.submit(*job)] = start
                known = add_elements(store, level, Composition.parse(start.formula).symbols, known)
            if not waiting:
                break
            finished = {future: waiting.pop(future) for future in wait(waiting, return_when=FIRST_COMPLETED).done}
            total += store.add(item for future in finished if not future.exception() for item in future.result())
            _raise_or_note({start.name: future.exception() for future, start in finished.items()}, store)
            if on_progress:
                on_progress(total)
    finally:
        for future in waiting:
            future.cancel()
    return total


def run_structures(
    store: LabelStore,
    structures: Sequence[tuple[str, Atoms]],
    level: LevelOfTheory,
    *,
    origin: str,
    executor: Executor,
    on_progress: Callable[[int], None] | None = None,
) -> int:
    """Label given structures (start name, Atoms), those in the store left out; returns how many it holds."""
    done = store.finished_starts()
    add_elements(store, level, [symbol for _, atoms in structures for symbol in atoms.get_chemical_symbols()])
    waiting = {
        executor.submit(_label_one, level, atoms, name, origin): name for name, atoms in structures if name not in done
    }
    try:
        while waiting:
            finished = {future: waiting.pop(future) for future in wait(waiting, return_when=FIRST_COMPLETED).done}
            store.add(future.result() for future in finished if not future.exception())
            _raise_or_note({name: future.exception() for future, name in finished.items()}, store)
            if on_progress:
                on_progress(len(store))
    finally:
        for future in waiting:
            future.cancel()
    return len(store)


def _raise_or_note(errors: Mapping[str, BaseException | None], store: LabelStore) -> None:
    """Of each start what it ended with; labels that failed are noted, anything else is raised."""
    for name, error in errors.items():
        if isinstance(error, LabelFailed):
            store.add_failure(name, str(error))
    for error in errors.values():
        if error and not isinstance(error, LabelFailed):
            raise error


def add_elements(
    store: LabelStore, level: LevelOfTheory, symbols: Iterable[str], known: Collection[str] = ()
) -> set[str]:
    """Store the energies of free atoms of those `symbols` that are not `known`; returns what is known then."""
    new = set(symbols) - set(known)
    if new:
        store.add_element_energies({symbol: level.element_energy(symbol) for symbol in new})
    return new | set(known)


def _label_one(level: LevelOfTheory, atoms: Atoms, name: str, origin: str) -> LabelledStructure:
    multiplicity = multiplicity_of(atoms, level.charge, level.multiplicity)
    return LabelledStructure(atoms, level.label(atoms), name, origin, level.charge, multiplicity)
