"""The rounds: search, choose, label, train, measure. Every step leaves a file, and what has a file is not redone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from pathlib import Path

from ase import Atoms

from iia_calc.common.device import checked_device
from iia_calc.common.files import write_json
from iia_calc.improve import candidates as met
from iia_calc.improve.candidates import FOREIGN, Candidate
from iia_calc.improve.labelling import Labelling
from iia_calc.improve.measure import RoundReport, leader_errors, plain, totals
from iia_calc.improve.select import choose
from iia_calc.improve.settings import LoopSettings, settings_of
from iia_calc.improve.sources import gather_wells
from iia_calc.isomers.known import starts_from
from iia_calc.labels.dft.check import check_method
from iia_calc.labels.level import same_level
from iia_calc.labels.store import LabelledStructure
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.potential import Potential
from iia_calc.training.build import BuildRequest, build_potential, read_labels
from iia_calc.training.evaluate import is_near_minimum
from search.errors import InputError
from search.geometry.composition import Composition
from search.stopping import Interrupts

STARTS_EACH = 3
"""Starts of wells of others for every label that such a well is to have: many end in wells that are known."""


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

    Attributes
    ----------
    interrupted : whether a signal ended the last `run`.

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
        self.settings = settings_of(self.folder, settings)
        self.workers, self.say, self.deadline = workers, say, float("inf")
        self.level = self.settings.level_of_theory
        self.interrupted = False
        self.labels = Labelling(self.folder, self.settings, workers, executor, say, on_labels, self._in_time)
        self._read_everything()
        # only now, so that a folder is not claimed by settings that can't be
        write_json(self.folder / "improve.json", self.settings.as_plain())

    def run(self, rounds: int | None = None, time_limit: float | None = None) -> list[RoundReport]:
        """Go on until `rounds` are complete (those of earlier calls included) or `time_limit` seconds are over.

        Ctrl-C, SIGTERM and SIGHUP end it, too, with everything on disk. Returns the reports of all complete rounds.
        """
        if rounds is None and time_limit is None:
            raise InputError("nothing says when to stop: give a number of rounds or a time")
        self.deadline = time.monotonic() + time_limit if time_limit is not None else float("inf")
        self.interrupted = False
        with Interrupts() as interrupts:
            self.labels.storing = interrupts.hold
            try:
                model = self._first_model()
                number = 0
                while rounds is None or number < rounds:
                    model = self._round(number, model)
                    number += 1
            except OutOfTime:
                self.say("the time is over; the same command goes on from here")
            except KeyboardInterrupt:
                self.interrupted = True
                self.say("interrupted; the same command goes on from here")
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
        self.labels.check()
        symbols = {s for formula in self.settings.formulas for s in Composition.parse(formula).symbols}
        if self.settings.level == "dft":
            check_method(self.settings.functional, self.settings.basis, symbols)
        if self.settings.start_from is not None:
            card = storage.read_card(storage.find(self.settings.start_from))
            if missing := sorted(symbols - set(card.elements)):
                raise InputError(
                    f"{self.settings.start_from} knows {', '.join(card.elements)}, but not {', '.join(missing)}; "
                    "start from another model, or from nothing"
                )

    def _first_model(self) -> str:
        """A potential at the loop's level to search with in the first round, and the held-out labels."""
        settings = self.settings
        self.labels.held_out()
        if settings.start_from is not None:
            card = storage.read_card(storage.find(settings.start_from))
            if same_level(card.level_of_theory, self.level.name):
                return settings.start_from
            return self._first_fit(settings.start_from)
        return self._first_fit(self._pretrain())

    def _pretrain(self) -> str | None:
        settings, out = self.settings, self.folder / "pretrained"
        if not settings.pretraining_labels or (out / "card.json").exists():
            return str(out) if settings.pretraining_labels else None
        path = self.labels.pretraining()
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
            self.labels.first()
            self._in_time()
            self._fit(out, start_from)
        return str(out)

    # a round

    def _round(self, number: int, model: str) -> str:
        began = time.monotonic()
        folder = self.folder / f"round-{number:02d}"
        out, report = folder / "model", folder / "report.json"
        if report.exists():
            return str(out)
        folder.mkdir(exist_ok=True)
        self._search(folder, model, number)
        new = self.labels.of_round(number, self._choose(folder, number))
        found = leader_errors(model, [item for item in new if item.origin == "model-minimum"])
        foreign = leader_errors(model, [item for item in new if item.origin == FOREIGN])
        self._in_time()
        if not (out / "card.json").exists():
            self._fit(out, model)
        held_out = leader_errors(
            out, [item for item in read_labels(self.labels.held_out())[1] if is_near_minimum(item)]
        )
        summary = RoundReport(
            number,
            len(self.labels.training()),
            len(new),
            *totals(found),
            *totals(held_out),
            time.monotonic() - began,
            *totals(foreign),
        )
        by_formula = {"found": plain(found), "held_out": plain(held_out), "foreign": plain(foreign)}
        write_json(report, {"report": asdict(summary), **by_formula})
        measured = {"own lowest minima": found, "wells of others": foreign, "held out": held_out}
        figures = [
            f"{name} {errors['all'].energy:.0f} meV/atom, {errors['all'].forces:.2f} eV/Å"
            for name, errors in measured.items()
            if errors
        ]
        self.say(f"round {number}: {'; '.join(figures)}")
        return str(out)

    def _search(self, folder: Path, model: str, number: int) -> None:
        """candidates-FORMULA.extxyz and chosen-FORMULA.extxyz of each formula."""
        potential = None
        labelled: list[LabelledStructure] | None = None
        settings = self.settings
        share = -(-settings.labels_per_round // len(settings.formulas))
        for formula in settings.formulas:
            chosen = folder / f"chosen-{formula}.extxyz"
            if chosen.exists():
                continue
            self._in_time()
            potential = potential or storage.load(model, device=self.device)
            labelled = self.labels.training() if labelled is None else labelled
            composition, seen = Composition.parse(formula), folder / f"candidates-{formula}.extxyz"
            lowest, seed = met.lowest_labelled(labelled), settings.seed + number
            if not seen.exists():
                starts = starts_from(lowest, composition)
                met.save(met.gather(potential, formula, settings.quenches, seed, starts=starts), seen)
            known = [item.atoms for item in labelled if Composition.parse(item.atoms) == composition]
            n_foreign = round(settings.share_foreign * share) if settings.sources else 0
            foreign = self._wells(folder / f"wells-{formula}.extxyz", potential, formula, n_foreign, seed, lowest)
            pool = met.load(seen)
            others = choose(foreign, known, n_foreign, share_lowest=0.0, share_uncertain=0.5)
            known += [item.atoms for item in others]
            best = choose(pool, known, share - len(others), settings.share_lowest, settings.share_uncertain)
            met.save([*best, *others], chosen)
            self.say(
                f"round {number}: {formula}: {len(pool)} candidates, {len(best)} for a label; "
                f"{len(foreign)} wells of others, {len(others)} for a label"
            )

    def _wells(
        self, path: Path, potential: Potential | Committee, formula: str, n: int, seed: int, known: Sequence[Atoms]
    ) -> list[Candidate]:
        """Wells of others, from `STARTS_EACH` starts for every one that is wanted; kept in `path`."""
        if n and not path.exists():
            how = self.settings.charge, self.settings.multiplicity
            with self.labels.pool() as executor:
                wells = gather_wells(formula, self.settings.sources, STARTS_EACH * n, seed, known, executor, *how)
            met.save(met.judge(potential, wells), path)
        return met.load(path) if n else []

    def _choose(self, folder: Path, number: int) -> dict[str, list[tuple[str, Atoms]]]:
        """By origin, (name of the start, structure) of what is labelled in a round."""
        lists: dict[str, list[tuple[str, Atoms]]] = {"model-minimum": [], "uncertain": [], "path": [], FOREIGN: []}
        for formula in self.settings.formulas:
            for k, item in enumerate(met.load(folder / f"chosen-{formula}.extxyz")):
                origin = "model-minimum" if item.origin == "minimum" else item.origin
                lists[origin].append((f"{formula}-round{number}-{k:04d}", item.atoms))
        return lists

    def _fit(self, out: Path, start_from: str | None) -> None:
        self.labels.walls()
        self.say(f"training {self.settings.members} members on {len(self.labels.training())} labels")
        build_potential(
            BuildRequest(
                labels=tuple(self.labels.files()),
                out=out,
                test=self.labels.held_out(),
                start_from=start_from,
                members=self.settings.members,
                network=self.settings.network,
                training=self.settings.training,
                workers=self.workers,
                device=self.device,
            ),
            progress=False,
        )

    def _in_time(self) -> None:
        if time.monotonic() > self.deadline:
            raise OutOfTime
