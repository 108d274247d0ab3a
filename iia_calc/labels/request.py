"""A label job as the user asks for it: which structures, which level, how many, with progress."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.jobs import boron_plan, plan_starts, run_starts, run_structures
from iia_calc.labels.level import LevelOfTheory
from iia_calc.labels.recheck import recheck
from iia_calc.labels.sampling import DFT_SAMPLING, Sampling
from iia_calc.labels.store import LabelStore
from iia_calc.labels.workers import process_pool
from iia_calc.labels.xtb import XTBLevel
from search.errors import InputError
from search.geometry.composition import Composition
from search.geometry.seeds import random_cluster
from search.relaxers.base import Relaxed

_XTB_METHODS = {"gfn1": "GFN1-xTB", "gfn2": "GFN2-xTB"}
RECHECKS = ("open-shell", "all")


@dataclass(frozen=True)
class LabelRequest:
    """What `iia label` was asked for; its help says what each field means."""

    formulas: tuple[str, ...] = ()
    out: Path = Path("labels.db")
    level: str = "gfn1"
    n_labels: int = 1000
    structures: Path | None = None
    minima_of: str | None = None
    lowest: int | None = None
    rattle: float = 0.0
    steps: int | None = None
    walls: bool = False
    recheck: str | None = None
    largest: int | None = None
    functional: str = "PBE0"
    basis: str = "3-21G"
    charge: int = 0
    multiplicity: int | None = None
    temperature: float = 1500.0
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        if self.level not in (*_XTB_METHODS, "dft"):
            raise InputError(f"level {self.level!r} is not known; choose gfn1, gfn2 or dft")
        if self.n_labels < 1:
            raise InputError(f"the number of labels must be at least 1, not {self.n_labels}")
        if self.structures is not None and self.minima_of is not None:
            raise InputError("give either a file of structures or a model whose minima are labelled, not both")
        if self.lowest is not None and (self.lowest < 1 or self.minima_of is None):
            raise InputError("lowest is how many minima of each formula are kept, and goes with the minima of a model")
        if self.steps is not None and (self.steps < 0 or self.minima_of is not None or self.structures is not None):
            raise InputError("steps are those of the relaxation of a random start, 0 or more of them")
        if self.walls and (self.steps is not None or self.minima_of is not None or self.structures is not None):
            raise InputError("walls are dense copies of random starts: they need no steps, model or file of structures")
        if self.recheck and (self.level != "dft" or self.structures or self.minima_of or self.walls or self.formulas):
            raise InputError("recheck tests the DFT labels in OUT: give it --level dft and no structures of its own")
        if self.recheck not in (None, *RECHECKS):
            raise InputError(f"recheck is {self.recheck!r}; choose {' or '.join(RECHECKS)}")
        if self.recheck and not self.out.exists():
            raise FileNotFoundError(f"there is no label database at {self.out} to be rechecked")
        if self.largest is not None and not self.recheck:
            raise InputError("largest leaves out larger clusters of a recheck; formulas say what else is labelled")
        if self.rattle < 0 or (self.rattle and self.minima_of is None):
            raise InputError("rattle is an amplitude in Å, and goes with the minima of a model")
        if self.minima_of is not None and not self.formulas:
            raise InputError("say which formulas' minima are to be labelled, e.g. SeB8 SeB10")
        for formula in self.formulas:
            if Composition.parse(formula).n_atoms < 3 and self.walls:
                raise InputError(f"{formula} has no walls but those of its curve; give three atoms or more")

    def sampling(self) -> Sampling:
        sampling = DFT_SAMPLING if self.level == "dft" else Sampling()
        return sampling if self.steps is None else replace(sampling, max_steps=self.steps)

    def level_of_theory(self) -> LevelOfTheory:
        if self.level == "dft":
            return self.dft_level()
        return XTBLevel(_XTB_METHODS[self.level], self.temperature, self.charge, self.multiplicity)

    def dft_level(self) -> DFTLevel:
        return DFTLevel(self.functional, self.basis, self.charge, self.multiplicity, threads=1)


def run_labels(request: LabelRequest) -> int:
    """Do the job (or go on with it); returns how many labels the database holds."""
    if request.recheck:
        return _run_recheck(request)
    level = request.level_of_theory()
    given = _given_structures(request)
    store = LabelStore(request.out, level.name)
    n_wanted = request.n_labels if given is None else len(given)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn()) as progress, process_pool(request.workers) as executor:
        bar = progress.add_task(level.name, total=n_wanted, completed=len(store))

        def show(n: int) -> None:
            progress.update(bar, completed=n)

        if given is not None:
            origin = "given" if request.minima_of is None else "model-minimum"
            return run_structures(store, given, level, origin=origin, executor=executor, on_progress=show)
        weights = dict.fromkeys((Composition.parse(f).formula for f in request.formulas), 1) or boron_plan()
        return run_starts(
            store,
            plan_starts(weights, request.seed),
            level,
            n_labels=request.n_labels,
            executor=executor,
            workers=request.workers,
            sampling=request.sampling(),
            guide=XTBLevel(charge=request.charge) if request.level == "dft" or request.walls else None,
            walls=request.walls,
            on_progress=show,
        )


def _run_recheck(request: LabelRequest) -> int:
    level = request.dft_level()
    store = LabelStore(request.out, level.name)
    which = request.recheck != "all", request.largest
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn()) as progress, process_pool(request.workers) as executor:
        bar = progress.add_task("SCF stability", total=len(store.untested(*which)))
        found = recheck(store, level, executor, lambda now: progress.update(bar, completed=now.n_tested), *which)
        progress.console.print(
            f"{found.n_tested} labels tested; {len(found.lowered)} were too high and are replaced"
            + (f", by {min(found.lowered):.1f} to {max(found.lowered):.1f} meV/atom" if found.lowered else "")
        )
    return len(store)


def _given_structures(request: LabelRequest) -> list[tuple[str, Atoms]] | None:
    if request.structures is not None:
        from ase.io import read

        frames = read(request.structures, index=":")
        return [(f"{request.structures.stem}-{k:06d}", frame) for k, frame in enumerate(frames)]
    if request.minima_of is not None:
        minima = model_minima(request.minima_of, request.formulas, request.n_labels, request.seed, request.lowest)
        return minima if not request.rattle else [*minima, *_rattled(minima, request.rattle, request.seed)]
    return None


def _rattled(structures: list[tuple[str, Atoms]], amplitude: float, seed: int) -> list[tuple[str, Atoms]]:
    rng = np.random.default_rng([seed, 1_000_033])
    copies = []
    for name, atoms in structures:
        moved = atoms.positions + rng.normal(scale=amplitude, size=atoms.positions.shape)
        copies.append((f"{name}-rattled", Atoms(atoms.numbers, moved)))
    return copies


def model_minima(
    model: str, formulas: tuple[str, ...], n: int, seed: int, lowest: int | None = None
) -> list[tuple[str, Atoms]]:
    """What `n` random starts, spread over `formulas`, relax to on `model`: (start name, Atoms), small ones first.

    Only those that converged in one piece: a search would report no others.

    lowest : of each formula keep only so many, the lowest, at least 50 meV apart; a search seeks out these.
    """
    from iia_calc.model import storage
    from iia_calc.relax.batch import PotentialRelaxer

    compositions = [Composition.parse(formula) for formula in formulas]
    names, seeds = [], []
    for k in range(n):
        composition = compositions[k % len(compositions)]
        names.append(f"{composition.formula}-minimum-{seed}-{k // len(compositions):06d}")
        rng = np.random.default_rng([seed, 1_000_003, k])  # other starts than those of `plan_starts`
        seeds.append(random_cluster(composition, rng))
    relaxed = PotentialRelaxer(storage.load(model), fmax=0.05).relax(seeds)
    sound = [(name, r) for name, r in zip(names, relaxed, strict=True) if r.converged and not r.fragmented]
    if lowest is not None:
        kept: dict[str, list[float]] = {}
        sound.sort(key=lambda item: item[1].energy)
        sound = [item for item in sound if _is_among_lowest(item[1], lowest, kept)]
    return [(name, r.atoms) for name, r in sorted(sound, key=lambda item: len(item[1].atoms))]


def _is_among_lowest(relaxed: Relaxed, lowest: int, kept: dict[str, list[float]], apart: float = 0.05) -> bool:
    """Called lowest first; `kept` holds the energies, eV, taken so far of each formula."""
    energies = kept.setdefault(relaxed.atoms.get_chemical_formula(), [])
    if len(energies) >= lowest or any(abs(relaxed.energy - energy) < apart for energy in energies):
        return False
    energies.append(relaxed.energy)
    return True
