"""The rounds: search, choose, label, train, measure. Every step leaves a file, and what has a file is not redone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path

from ase import Atoms

from iia_calc.common.device import checked_device
from iia_calc.common.files import write_json
from iia_calc.common.pools import process_pool
from iia_calc.improve import candidates as met
from iia_calc.improve.candidates import Candidate
from iia_calc.improve.measure import RoundReport, leader_errors, plain, totals
from iia_calc.improve.select import choose
from iia_calc.improve.settings import LoopSettings, settled
from iia_calc.isomers.known import starts_from
from iia_calc.labels.jobs import plan_starts, run_starts, run_structures
from iia_calc.labels.level import LevelOfTheory
from iia_calc.labels.npz import open_labels
from iia_calc.labels.sampling import DFT_SAMPLING, WALL_ORIGINS, Sampling, Start
from iia_calc.labels.store import LabelledStructure, LabelStore
from iia_calc.model import storage
from iia_calc.training.build import BuildRequest, build_potential, read_labels
from iia_calc.training.evaluate import is_near_minimum
from search.errors import InputError
from search.geometry.composition import Composition


class OutOfTime(Exception):
    """The time budget is spent; all is on disk."""


class Loop:
    """Searches, labels and trains in `folder`; the same folder goes on where it stopped.

    Parameters
    ----------
    settings : None takes those of the folder.
    workers : processes for labels and for fits.
    executor : for labels instead of own processes, e.g. of a cluster.
    device : of searches and fits, "cpu", "cuda", ...; None for the GPU where there is one.
    say : called with a line whenever something begins or ends.
    on_labels : called with how many labels of a batch there are and how many there will be.

    Raises
    ------
    ValueError : the folder was begun with other settings, or holds none and none are given.
    """

    def __init__(
        self,
        folder: str | Path,
        settings: LoopSettings | None = None,
        *,
        workers: int = 1,
        executor: Executor | None = None,
        device: str | None = None,
        say: Callable[[str], object] = print,
        on_labels: Callable[[int, int], object] = lambda done, wanted: None,
    ) -> None:
        self.device = checked_device(device)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings = settled(self.folder, settings)
        self.workers, self.executor, self.say, self.on_labels = workers, executor, say, on_labels
        self.level = self.settings.level_of_theory
        self.deadline = float("inf")
        self._read_everything()
        # only now, so that a folder is not claimed by settings that can't be
        write_json(self.folder / "improve.json", self.settings.as_plain())

    def run(self, rounds: int | None = None, time_limit: float | None = None) -> list[RoundReport]:
        """Go on until `rounds` are complete (those of earlier calls included) or `time_limit` seconds are over.

        Returns the reports of all complete rounds.
        """
        if rounds is None and time_limit is None:
            raise InputError("nothing says when to stop: give a number of rounds or a time")
        self.deadline = time.monotonic() + time_limit if time_limit is not None else float("inf")
        try:
            model = self._first_model()
            number = 0
            while rounds is None or number < rounds:
                model = self._round(number, model)
                number += 1
        except OutOfTime:
            self.say("the time is over; the same command goes on from here")
        return self.reports()

    def reports(self) -> list[RoundReport]:
        """Of all complete rounds, in order."""
        paths = sorted(self.folder.glob("round-*/report.json"))
        return [RoundReport(**json.loads(path.read_text())["report"]) for path in paths]

    @property
    def model(self) -> Path | None:
        """The last potential that was trained; None before the first."""
        done = sorted(self.folder.glob("round-*/report.json"))
        return done[-1].parent / "model" if done else None

    # the start

    def _read_everything(self) -> None:
        """Whatever is wrong with what was given is said before anything is computed."""
        for path in (*self.settings.labels, *self.settings.test):
            store = open_labels(path)
            if store.level != self.level.name:
                raise InputError(f"{path} holds labels of {store.level!r}; the loop labels with {self.level.name!r}")
        if self.settings.start_from is not None:
            card = storage.read_card(storage.find(self.settings.start_from))
            symbols = {s for formula in self.settings.formulas for s in Composition.parse(formula).symbols}
            if missing := sorted(symbols - set(card.elements)):
                raise InputError(
                    f"{self.settings.start_from} knows {', '.join(card.elements)}, but not {', '.join(missing)}; "
                    "start from another model, or from nothing"
                )

    def _first_model(self) -> str:
        """A potential at the loop's level to search with in the first round, and the held-out labels."""
        settings = self.settings
        self._held_out()
        if settings.start_from is not None:
            card = storage.read_card(storage.find(settings.start_from))
            if card.level_of_theory == self.level.name:
                return settings.start_from
            return self._first_fit(settings.start_from)
        return self._first_fit(self._pretrained())

    def _pretrained(self) -> str | None:
        settings, out = self.settings, self.folder / "pretrained"
        if not settings.pretraining_labels or (out / "card.json").exists():
            return str(out) if settings.pretraining_labels else None
        path = self.folder / "pretraining.db"
        self._label_starts(path, settings.guide, settings.pretraining_labels, Sampling(), None, settings.seed)
        self._in_time()
        self.say(f"pretraining on {settings.pretraining_labels} labels of {settings.guide.name}")
        build_potential(
            BuildRequest(
                labels=(path,), out=out, network=settings.network, training=settings.pretraining, device=self.device
            ),
            progress=False,
        )
        return str(out)

    def _first_fit(self, start_from: str | None) -> str:
        out = self.folder / "first"
        if not (out / "card.json").exists():
            if self.settings.first_labels:
                self._label_near_minima(self.labels_path, self.settings.first_labels, self.settings.seed)
            self._in_time()
            self._fit(out, start_from)
        return str(out)

    def _held_out(self) -> tuple[Path, ...]:
        if self.settings.test:
            return tuple(map(Path, self.settings.test))
        path = self.folder / "held-out.db"
        self._label_near_minima(path, self.settings.test_labels, self.settings.seed + 1_000_000)
        return (path,)

    # a round

    def _round(self, number: int, model: str) -> str:
        began = time.monotonic()
        folder = self.folder / f"round-{number:02d}"
        out, report = folder / "model", folder / "report.json"
        if report.exists():
            return str(out)
        folder.mkdir(exist_ok=True)
        self._search(folder, model, number)
        new = self._label_chosen(folder, number)
        found = leader_errors(model, [item for item in new if item.origin == "model-minimum"])
        self._in_time()
        if not (out / "card.json").exists():
            self._fit(out, model)
        held_out = leader_errors(out, [item for item in read_labels(self._held_out())[1] if is_near_minimum(item)])
        summary = RoundReport(
            number, len(self._training_labels()), len(new), *totals(found), *totals(held_out), time.monotonic() - began
        )
        by_formula = {"found": plain(found), "held_out": plain(held_out)}
        write_json(report, {"report": asdict(summary), **by_formula})
        self.say(
            f"round {number}: own lowest minima {summary.found_energy:.0f} meV/atom, {summary.found_forces:.2f} eV/Å; "
            f"held out {summary.held_out_energy:.0f} meV/atom, {summary.held_out_forces:.2f} eV/Å"
        )
        return str(out)

    def _search(self, folder: Path, model: str, number: int) -> None:
        """candidates-FORMULA.extxyz and chosen-FORMULA.extxyz of each formula."""
        potential = None
        labelled: list[LabelledStructure] | None = None
        share = -(-self.settings.labels_per_round // len(self.settings.formulas))
        for formula in self.settings.formulas:
            chosen = folder / f"chosen-{formula}.extxyz"
            if chosen.exists():
                continue
            self._in_time()
            potential = potential or storage.load(model, device=self.device)
            labelled = self._training_labels() if labelled is None else labelled
            composition, seen = Composition.parse(formula), folder / f"candidates-{formula}.extxyz"
            if not seen.exists():
                starts = starts_from(met.lowest_labelled(labelled), composition)
                seed = self.settings.seed + number
                met.save(met.gather(potential, formula, self.settings.quenches, seed, starts=starts), seen)
            known = [item.atoms for item in labelled if Composition.parse(item.atoms) == composition]
            pool = met.load(seen)
            best = choose(pool, known, share, self.settings.share_lowest, self.settings.share_uncertain)
            met.save(best, chosen)
            self.say(f"round {number}: {formula}: {len(pool)} candidates, {len(best)} for a label")

    def _label_chosen(self, folder: Path, number: int) -> list[LabelledStructure]:
        """All labels of this round, those still missing computed."""
        lists: dict[str, list[tuple[str, Atoms]]] = {"model-minimum": [], "uncertain": [], "path": []}
        for formula in self.settings.formulas:
            items: list[Candidate] = met.load(folder / f"chosen-{formula}.extxyz")
            for k, item in enumerate(items):
                origin = "model-minimum" if item.origin == "minimum" else item.origin
                lists[origin].append((f"{formula}-round{number}-{k:04d}", item.atoms))
        store = LabelStore(self.labels_path, self.level.name)
        for origin, structures in lists.items():
            structures.sort(key=lambda item: len(item[1]))
            done = store.finished_starts()
            missing = sum(name not in done for name, _ in structures)
            if missing:
                self.say(f"round {number}: labelling {missing} structures with {self.level.name}")
                tell = self._teller(missing, len(store))
                with self._pool() as executor:
                    run_structures(
                        store,
                        structures,
                        self.level,
                        origin=origin,
                        executor=executor,
                        on_progress=tell,
                    )
        prefix = f"-round{number}-"
        return [item for item in store.read() if prefix in item.start]

    def _fit(self, out: Path, start_from: str | None) -> None:
        self._label_walls()
        labels = (*map(Path, self.settings.labels), *self._own_labels())
        self.say(f"training {self.settings.members} members on {len(self._training_labels())} labels")
        build_potential(
            BuildRequest(
                labels=labels,
                out=out,
                test=self._held_out(),
                start_from=start_from,
                members=self.settings.members,
                network=self.settings.network,
                training=self.settings.training,
                workers=self.workers,
                device=self.device,
            ),
            progress=False,
        )

    # tools

    @property
    def labels_path(self) -> Path:
        """All labels the loop made for training, but those of walls."""
        return self.folder / "labels.db"

    @property
    def walls_path(self) -> Path:
        return self.folder / "walls.db"

    def _own_labels(self) -> list[Path]:
        return [path for path in (self.labels_path, self.walls_path) if path.exists()]

    def _training_labels(self) -> list[LabelledStructure]:
        return read_labels([*map(Path, self.settings.labels), *self._own_labels()])[1]

    def _label_walls(self) -> None:
        given = read_labels(map(Path, self.settings.labels))[1]
        n = self.settings.wall_labels - sum(item.origin in WALL_ORIGINS for item in given)
        formulas = [formula for formula in self.settings.formulas if Composition.parse(formula).n_atoms > 2]
        if n > 0 and formulas:
            plan = plan_starts(dict.fromkeys(formulas, 1), self.settings.seed + 2_000_000)
            self._label_plan(self.walls_path, self.level, n, plan, guide=self.settings.guide, walls=True)

    def _label_near_minima(self, path: Path, n: int, seed: int) -> None:
        self._label_starts(path, self.level, n, DFT_SAMPLING, self.settings.guide, seed)

    def _label_starts(self, path, level, n, sampling, guide, seed) -> None:
        plan = plan_starts(dict.fromkeys(self.settings.formulas, 1), seed)
        self._label_plan(path, level, n, plan, sampling=sampling, guide=guide)

    def _label_plan(self, path: Path, level: LevelOfTheory, n: int, plan: Iterator[Start], **how) -> None:
        """Labels of `plan` until `path` holds n. how : of `run_starts`."""
        store = LabelStore(path, level.name)
        if len(store) >= n:
            return
        self._in_time()
        self.say(f"{path.name}: {n} labels of {level.name}, {len(store)} are there")
        with self._pool() as executor:
            run_starts(
                store,
                plan,
                level,
                n_labels=n,
                executor=executor,
                workers=self.workers,
                on_progress=self._teller(n),
                **how,
            )

    def _pool(self):
        from contextlib import nullcontext

        return process_pool(self.workers) if self.executor is None else nullcontext(self.executor)

    def _teller(self, wanted: int, before: int = 0) -> Callable[[int], None]:
        def tell(there: int) -> None:
            self.on_labels(there - before, wanted)
            self._in_time()

        return tell

    def _in_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise OutOfTime
