"""Long label jobs: any executor, progress as they go, and after a stop they go on where they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager, nullcontext
from itertools import count, islice

from ase import Atoms

from iia_calc.common.electrons import multiplicity_of
from iia_calc.labels.claims import BEAT, Claims
from iia_calc.labels.identity import KnownStructures, content_name
from iia_calc.labels.level import LabelFailed, LevelOfTheory, checked_level
from iia_calc.labels.sampling import Sampling, Start, sample_start, sample_walls
from iia_calc.labels.store import LabelledStructure, LabelStore
from search.errors import InputError, JobFailed, MissingPackage
from search.geometry.composition import Composition

USELESS = "nothing it led to is of use as a label"
FAILED_IN_A_ROW = 50
"""Random starts that all fail before a job is given up: there are always further ones."""
AT_ONCE = 32
"""Given structures that are handed to the executor at a time; other jobs on the database find the rest free."""


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
    storing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> int:
    """Label starts until the store holds `n_labels`; returns how many it holds.

    Starts found in the store (or in its list of failures) are skipped, so the same call goes on
    after any stop; other jobs on the same store take other starts. Each start's labels are written in one
    transaction as it ends.

    Parameters
    ----------
    walls : only dense structures (`sample_walls`); these need a guide.
    on_progress : called with how many labels the store holds.
    storing : entered around each writing, so that an interrupt can wait for it.

    Raises
    ------
    JobFailed : a worker process was lost, or fifty starts in a row have failed; what was made is stored.
    """
    level = checked_level(level)
    if walls and guide is None:
        raise InputError("walls are made from relaxed structures: give a guide")

    def submit(start: Start) -> Future[list[LabelledStructure]]:
        add_elements(store, level, Composition.parse(start.formula).symbols)
        if walls:
            return executor.submit(_attempt, sample_walls, start, level, guide)
        return executor.submit(_attempt, sample_start, start, level, sampling, guide)

    done = store.finished_starts()
    with Claims(store.path) as claims, _Waiting(store, claims, storing, n_labels) as waiting:
        source = (start for start in starts if start.name not in done)
        while len(store) < n_labels:
            while len(waiting) < 2 * workers:
                if (start := next(source, None)) is None:
                    break
                mine, inherited = claims.take([start.name])
                if inherited:  # its job may have stored it before it died
                    done |= store.finished_starts()
                if start.name in mine and start.name not in done:
                    waiting.add(submit(start), start.name)
            if not waiting:
                break
            waiting.collect(one=True)
            waiting.check_failures()
            if on_progress:
                on_progress(len(store))
    return len(store)


def run_structures(
    store: LabelStore,
    structures: Sequence[tuple[str, Atoms]],
    level: LevelOfTheory,
    *,
    origin: str,
    executor: Executor,
    on_progress: Callable[[int], None] | None = None,
    storing: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> int:
    """Label given structures (start name, Atoms); returns how many labels the store holds.

    What the store holds already, or has noted as a failure, is left out, whatever its name: structures are told
    apart by elements and coordinates. So is what another job on the same store is labelling.

    Parameters
    ----------
    origin : stored with each label. on_progress, storing : as in `run_starts`.

    Raises
    ------
    JobFailed : a worker process was lost; what was made is stored.
    InputError : the electrons of a structure don't allow the level's charge and multiplicity.
    """
    level = checked_level(level)
    todo = iter([(name, atoms, content_name(atoms)) for name, atoms in find_unlabelled(store, structures, level)])
    with Claims(store.path) as claims, _Waiting(store, claims, storing) as waiting:
        while True:
            some = list(islice(todo, AT_ONCE - len(waiting)))
            mine, inherited = claims.take([content for *_, content in some])
            stored = KnownStructures(store.read()) if inherited else KnownStructures()
            for name, atoms, content in some:
                multiplicity = multiplicity_of(atoms, level.charge, level.multiplicity)
                if content in mine and stored.add(atoms, level.charge, multiplicity):
                    try:
                        add_elements(store, level, atoms.get_chemical_symbols())
                    except (LabelFailed, InputError) as error:  # an element that the level can't treat
                        store.add_failure(name, str(error), content)
                        continue
                    waiting.add(executor.submit(_attempt, _label_one, atoms, level, name, origin), content, name)
            if waiting:
                waiting.collect()
                if on_progress:
                    on_progress(len(store))
            elif not some:
                break
    return len(store)


def find_unlabelled(
    store: LabelStore, structures: Sequence[tuple[str, Atoms]], level: LevelOfTheory
) -> list[tuple[str, Atoms]]:
    """Those of (start name, Atoms) that the store neither holds nor has noted as failures, each content once.

    Raises
    ------
    InputError : the electrons of a structure don't allow the level's charge and multiplicity.
    """
    kinds = [multiplicity_of(atoms, level.charge, level.multiplicity) for _, atoms in structures]
    known = KnownStructures(store.read())
    failed = {failure.get("structure", "") for failure in store.failures()}
    return [
        (name, atoms)
        for (name, atoms), multiplicity in zip(structures, kinds, strict=True)
        if content_name(atoms) not in failed and known.add(atoms, level.charge, multiplicity)
    ]


def add_elements(store: LabelStore, level: LevelOfTheory, symbols: Iterable[str]) -> None:
    """Store the energies of free atoms of those `symbols` that the store lacks."""
    if new := set(symbols) - set(store.element_energies):
        store.add_element_energies({symbol: level.element_energy(symbol) for symbol in sorted(new)})


class _Waiting:
    """Calculations under way; what ended is stored in the order given, also where an exception stops the job.

    n_labels : then nothing more is stored, as the job would have ended here.

    Attributes
    ----------
    failed : how many failed one after another, up to now. reason : of the last of them.
    """

    def __init__(
        self,
        store: LabelStore,
        claims: Claims,
        storing: Callable[[], AbstractContextManager[None]],
        n_labels: float = float("inf"),
    ) -> None:
        self.store, self.claims, self.storing, self.n_labels = store, claims, storing, n_labels
        self._names: dict[Future[list[LabelledStructure]], tuple[str, str]] = {}
        self.failed, self.reason = 0, ""

    def __enter__(self) -> _Waiting:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        if kind is not None:
            with self.storing():
                for future in [future for future in self._names if future.done() and not future.cancelled()]:
                    if len(self.store) < self.n_labels:
                        self._store([future])
        for future in self._names:
            future.cancel()

    def __len__(self) -> int:
        return len(self._names)

    def add(self, future: Future[list[LabelledStructure]], claim: str, name: str = "") -> None:
        """name : of a given structure, whose claim is its content."""
        self._names[future] = claim, name

    def collect(self, one: bool = False) -> None:
        """Wait for some to end and store them.

        one : store only the first given of those that ended, so that the caller can stop at a number of labels: a
            job of one process then ends with the same labels however fast it was.

        Raises
        ------
        JobFailed : a worker was lost. Any other exception that isn't a label's failure, as it was raised.
        """
        while not (done := wait(self._names, timeout=BEAT, return_when=FIRST_COMPLETED).done):
            self.claims.beat()
        ended = [future for future in self._names if future in done][: 1 if one else None]
        with self.storing():
            errors = self._store(ended)
        for error in errors:
            if isinstance(error, BrokenExecutor):
                raise JobFailed(
                    "a worker process ended by itself, perhaps for want of memory; what was labelled is stored, and "
                    "the same command goes on"
                ) from error
            raise error

    def check_failures(self) -> None:
        """JobFailed where too many starts in a row have failed for another to be tried."""
        if self.failed >= FAILED_IN_A_ROW:
            raise JobFailed(
                f"{self.failed} random starts in a row failed, the last: {self.reason}. What was made before is kept "
                f"in {self.store.path} ({len(self.store)} labels)"
            )

    def _store(self, ended: Sequence[Future[list[LabelledStructure]]]) -> list[BaseException]:
        """Labels and failures of what ended; other errors are returned."""
        names = {future: self._names.pop(future) for future in ended}
        sound = [future for future in ended if future.exception() is None]
        self.store.add(item for future in sound for item in future.result())
        for future in sound:
            self.failed, self.reason = (0, "") if future.result() else (self.failed + 1, USELESS)
            if not future.result():
                self.store.add_failure(names[future][0], USELESS)
        self.claims.finish([names[future][0] for future in sound])
        errors = []
        for future in ended:
            if isinstance(error := future.exception(), LabelFailed):
                self.failed, self.reason = self.failed + 1, str(error)
                claim, name = names[future]
                self.store.add_failure(name or claim, str(error), claim if name else "")
                self.claims.finish([claim])
            elif error is not None:
                errors.append(error)
        return errors


def _attempt(
    function: Callable[..., list[LabelledStructure]], start: object, level: LevelOfTheory, *more: object
) -> list[LabelledStructure]:
    """function(start, level, ...); whatever one structure makes the method raise is that structure's failure."""
    try:
        return function(start, level, *more)
    except (LabelFailed, MissingPackage, OSError, MemoryError):
        raise
    except Exception as error:
        raise LabelFailed(f"{level.name}: {type(error).__name__}: {error}") from error


def _label_one(atoms: Atoms, level: LevelOfTheory, name: str, origin: str) -> list[LabelledStructure]:
    multiplicity = multiplicity_of(atoms, level.charge, level.multiplicity)
    return [LabelledStructure(atoms, level.label(atoms), name, origin, level.charge, multiplicity)]
