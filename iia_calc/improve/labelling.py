"""The label files in a loop's folder: what is in them, and how they are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ase import Atoms

from iia_calc.common.pools import process_pool
from iia_calc.improve.settings import LoopSettings
from iia_calc.labels.jobs import find_unlabelled, plan_starts, run_starts, run_structures
from iia_calc.labels.level import LevelOfTheory, same_level
from iia_calc.labels.npz import open_labels
from iia_calc.labels.sampling import DFT_SAMPLING, WALL_ORIGINS, Sampling, Start
from iia_calc.labels.store import LabelledStructure, LabelStore
from iia_calc.training.build import read_labels
from search.errors import InputError
from search.geometry.composition import Composition


class Labelling:
    """Makes the labels of a loop; what is in its files is not made again.

    Parameters
    ----------
    workers, executor, say, on_labels : as of `Loop`.
    in_time : called before and between labels; raises where the time is over.

    Attributes
    ----------
    storing : entered around each writing, so that an interrupt can wait for it.
    """

    def __init__(
        self,
        folder: Path,
        settings: LoopSettings,
        workers: int,
        executor: Executor | None,
        say: Callable[[str], object],
        on_labels: Callable[[int, int], object],
        in_time: Callable[[], None],
    ) -> None:
        self.folder, self.settings, self.level = folder, settings, settings.level_of_theory
        self.workers, self.executor, self.say, self.on_labels, self.in_time = workers, executor, say, on_labels, in_time
        self.storing: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def path(self) -> Path:
        """All labels the loop made for training, but those of walls."""
        return self.folder / "labels.db"

    def check(self) -> None:
        """InputError : a file that was given holds labels of another level."""
        for path in (*self.settings.labels, *self.settings.test):
            store = open_labels(path)
            if not same_level(store.level, self.level.name):
                raise InputError(f"{path} holds labels of {store.level!r}; the loop labels with {self.level.name!r}")

    def files(self) -> list[Path]:
        """What is trained on: what was given, and the loop's own."""
        own = [path for path in (self.path, self.folder / "walls.db") if path.exists()]
        return [*map(Path, self.settings.labels), *own]

    def training(self) -> list[LabelledStructure]:
        """All labels that a fit is to see now."""
        return read_labels(self.files())[1]

    def held_out(self) -> tuple[Path, ...]:
        """The files that were given, or one of other random starts."""
        if self.settings.test:
            return tuple(map(Path, self.settings.test))
        path = self.folder / "held-out.db"
        self._near_minima(path, self.settings.test_labels, self.settings.seed + 1_000_000)
        return (path,)

    def pretraining(self) -> Path:
        """Cheap labels to begin with."""
        path, guide = self.folder / "pretraining.db", self.settings.guide
        plan = self._plan(self.settings.seed)
        self._until(path, guide, self.settings.pretraining_labels, plan, sampling=Sampling())
        return path

    def first(self) -> None:
        """Labels at the loop's level near xTB minima."""
        if self.settings.first_labels:
            self._near_minima(self.path, self.settings.first_labels, self.settings.seed)

    def walls(self) -> None:
        """Dense structures, where too few were given."""
        given = read_labels(map(Path, self.settings.labels))[1]
        n = self.settings.wall_labels - sum(item.origin in WALL_ORIGINS for item in given)
        formulas = [formula for formula in self.settings.formulas if Composition.parse(formula).n_atoms > 2]
        if n > 0 and formulas:
            plan = plan_starts(dict.fromkeys(formulas, 1), self.settings.seed + 2_000_000)
            self._until(self.folder / "walls.db", self.level, n, plan, guide=self.settings.guide, walls=True)

    def of_round(self, number: int, chosen: Mapping[str, list[tuple[str, Atoms]]]) -> list[LabelledStructure]:
        """All labels of a round, those still missing computed.

        chosen : by origin, (name of the start, structure); names have "-roundNUMBER-" in them.
        """
        store = LabelStore(self.path, self.level.name)
        for origin, structures in chosen.items():
            missing = len(find_unlabelled(store, structures, self.level))
            if not missing:
                continue
            self.say(f"round {number}: labelling {missing} structures with {self.level.name}")
            tell = self._teller(missing, len(store))
            in_order = sorted(structures, key=lambda item: len(item[1]))
            with self.pool() as executor:
                run_structures(
                    store,
                    in_order,
                    self.level,
                    origin=origin,
                    executor=executor,
                    on_progress=tell,
                    storing=self.storing,
                )
        return [item for item in store.read() if f"-round{number}-" in item.start]

    def pool(self) -> AbstractContextManager[Executor]:
        """The executor given, or processes for a block."""
        return process_pool(self.workers) if self.executor is None else nullcontext(self.executor)

    def _near_minima(self, path: Path, n: int, seed: int) -> None:
        self._until(path, self.level, n, self._plan(seed), sampling=DFT_SAMPLING, guide=self.settings.guide)

    def _plan(self, seed: int) -> Iterator[Start]:
        return plan_starts(dict.fromkeys(self.settings.formulas, 1), seed)

    def _until(
        self,
        path: Path,
        level: LevelOfTheory,
        n: int,
        plan: Iterator[Start],
        *,
        sampling: Sampling = Sampling(),
        guide: LevelOfTheory | None = None,
        walls: bool = False,
    ) -> None:
        """Labels of `plan` until `path` holds n; the rest as of `run_starts`."""
        store = LabelStore(path, level.name)
        if len(store) >= n:
            return
        self.in_time()
        self.say(f"{path.name}: {n} labels of {level.name}, {len(store)} are there")
        with self.pool() as executor:
            run_starts(
                store,
                plan,
                level,
                n_labels=n,
                executor=executor,
                workers=self.workers,
                sampling=sampling,
                guide=guide,
                walls=walls,
                on_progress=self._teller(n),
                storing=self.storing,
            )

    def _teller(self, wanted: int, before: int = 0) -> Callable[[int], None]:
        def tell(there: int) -> None:
            self.on_labels(there - before, wanted)
            self.in_time()

        return tell
