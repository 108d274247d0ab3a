"""From label databases to a model folder: fit each member, measure it on held-out starts, write the card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iia_calc.common.device import checked_device
from iia_calc.common.pools import process_pool
from iia_calc.labels.npz import open_labels
from iia_calc.labels.store import LabelledStructure, in_batches, place_in_order
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.training.evaluate import Errors, held_out_errors
from iia_calc.training.fit import TrainingSettings, fit
from iia_calc.training.levels import LevelPotential
from iia_calc.training.recalibrate import calibrate_members, recalibrate
from search.errors import InputError
from search.geometry.composition import Composition

MOST_OFTEN = 5.0
"""Labels of a level of few are seen more often than others: by the square root of the ratio, but at most so often."""


@dataclass(frozen=True)
class BuildRequest:
    """What `iia train` was asked for.

    labels : label databases (.db) or packed labels (.npz.xz), of one level of theory unless `target_level` is given.
    out : the model folder; fits and checkpoints go to `out`-fit beside it.
    test : label databases of starts that are in none of `labels`; the card's errors are measured on them.
    test_batch : batches of `test` that count; empty for all.
    start_from : a model whose weights are the start (pretraining at a cheaper level); its network counts.
        Of a committee each member goes on from one of its own.
    target_level : a part of the name of the level that the model is to be of, where labels are of several: these are
        fitted together (`training.levels`). On a finished fit another one only writes another model.
    recalibrate : fit nothing; measure anew what the expected errors of the model in `out` are worth.
    leader : the member, from 0, whose energy will be minimised and whose errors the card tells.
    workers : members fitted at once, each in a process and on one thread; 1 fits them one after another here.
    device : "cpu", "cuda", ...; None for the GPU where there is one.
    """

    labels: tuple[Path, ...]
    out: Path
    test: tuple[Path, ...] = ()
    test_batch: tuple[str, ...] = ()
    start_from: str | None = None
    members: int = 1
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    notes: str = ""
    workers: int = 1
    leader: int = 0
    device: str | None = None
    target_level: str | None = None
    recalibrate: bool = False

    def __post_init__(self) -> None:
        if not self.labels:
            raise InputError("give at least one database of labels (iia label makes them)")
        if self.members < 1:
            raise InputError(f"a potential has at least one member, not {self.members}")
        if self.test_batch and not self.test:
            raise InputError("test_batch chooses among the test labels, and there are none: give them (--test)")
        if self.workers < 1:
            raise InputError(f"workers must be at least 1, not {self.workers}")
        if not 0 <= self.leader < self.members:
            raise InputError(f"leader is {self.leader}; of {self.members} members the first is 0")
        for folder in (self.out, self.out.with_name(f"{self.out.name}-fit")):
            if folder.exists() and not folder.is_dir():
                raise InputError(f"{folder} is a file; a model is a folder (--out)")
        checked_device(self.device)


def build_potential(request: BuildRequest, *, progress: bool = True) -> dict[str, Errors]:
    """Fit, measure and save; a stopped call goes on. Returns the held-out errors by formula (empty without test).

    Raises
    ------
    ValueError : mixed levels of theory, a test start that is also a training start, unreadable databases.
    """
    known = labels_by_level(request.labels)
    target = _target(request, known)
    test = labels_by_level(request.test)
    if other := sorted(set(test) - {target}):
        raise InputError(f"the model is to be of {target!r}, but test labels are of {'; '.join(other)}")
    held_out = in_batches(test[target].labelled, request.test_batch) if test else []
    for level in known.values():
        if shared := {item.start for item in level.labelled} & {item.start for item in held_out}:
            raise InputError(f"{len(shared)} starts are both in the labels and in the test set, e.g. {min(shared)}")
        if not level.labelled:
            raise InputError(f"no labels of {level.name} in {', '.join(map(str, request.labels))}")

    if request.recalibrate:
        recalibrate(request.out, target, {name: level.labelled for name, level in known.items()}, held_out)
        return held_out_errors(storage.load(request.out).leader, held_out)
    members = _fit_members(request, list(known.values()), progress)
    if len(known) > 1:
        members = [member.single(list(known).index(target)).freeze() for member in members]
    members.insert(0, members.pop(request.leader))
    errors = held_out_errors(members[0], held_out) if held_out else {}
    labelled = known[target].labelled
    others = {name: count_by_formula(level.labelled) for name, level in known.items() if name != target}
    found = calibrate_members(members, held_out, {name: level.labelled for name, level in known.items()})
    storage.save(
        request.out,
        members if found is None else found[0],
        {
            "level_of_theory": target,
            "label_counts": count_by_formula(labelled),
            "fitted_together": others,
            "data_hash": _data_hash(labelled),
            "held_out_errors": {formula: error.as_dict() for formula, error in errors.items()},
            "calibration": {} if found is None else found[0].calibration.as_plain(),
            "notes": request.notes,
        },
        *(() if found is None else (found[0].distance, found[1])),
    )
    return errors


@dataclass(frozen=True)
class LevelLabels:
    """The labels of one level of theory, and the energies of its free atoms, eV."""

    name: str
    element_energies: dict[str, float]
    labelled: list[LabelledStructure]


def labels_by_level(paths: Iterable[Path]) -> dict[str, LevelLabels]:
    """All labels of these files by their level of theory, in the order in which levels come; labels are sorted."""
    found: dict[str, LevelLabels] = {}
    for path in paths:
        store = open_labels(path)
        level = found.setdefault(store.level, LevelLabels(store.level, {}, []))
        level.element_energies.update(store.element_energies)
        level.labelled.extend(store.read())
    for level in found.values():
        level.labelled.sort(key=place_in_order)
    return found


def _target(request: BuildRequest, known: Mapping[str, LevelLabels]) -> str:
    """The level of theory that the model is to be of."""
    if request.target_level is None:
        if len(known) > 1:
            raise InputError(
                f"these labels are of several levels of theory: {'; '.join(known)}; say which one the model is to be "
                "of (--target-level), and all of them are fitted together"
            )
        return next(iter(known))
    if request.target_level in known:
        return request.target_level
    fitting = [name for name in known if request.target_level.lower() in name.lower()]
    if len(fitting) != 1:
        raise InputError(f"{request.target_level!r} names {len(fitting)} of the levels {'; '.join(known)}; name one")
    return fitting[0]


def _fit_members(request: BuildRequest, levels: list[LevelLabels], progress: bool) -> list[Any]:
    """Potentials, or `LevelPotential`s where there are several levels."""
    if request.workers == 1 or request.members == 1:
        return [_fit_member(request, levels, k, progress) for k in range(request.members)]
    with process_pool(min(request.workers, request.members)) as executor:
        fits = [executor.submit(_fit_member, request, levels, k, False) for k in range(request.members)]
        return [future.result() for future in fits]


def _fit_member(request: BuildRequest, levels: list[LevelLabels], k: int, progress: bool) -> Potential:
    work = request.out.with_name(request.out.name + "-fit") / f"member-{k}"
    potential = _initial(request, levels, k).to(checked_device(request.device))
    settings = replace(request.training, seed=request.training.seed + k)
    labelled = [item for level in levels for item in level.labelled]
    if len(levels) == 1:
        fit(potential, labelled, work, settings, progress=progress)
        return potential
    counts = [len(level.labelled) for level in levels]
    numbers = np.repeat(np.arange(len(levels)), counts)
    times = np.minimum(MOST_OFTEN, (max(counts) / np.array(counts)) ** 0.5)[numbers]
    fit(potential, labelled, work, settings, progress=progress, levels=numbers.tolist(), repeats=times.tolist())
    return potential


def read_labels(paths: Iterable[Path]) -> tuple[set[str], list[LabelledStructure]]:
    """The levels of theory found in `paths`, and all their labels."""
    stores = [open_labels(path) for path in paths]
    return {store.level for store in stores}, [item for store in stores for item in store.read()]


def _initial(request: BuildRequest, levels: list[LevelLabels], member: int) -> Potential:
    energies = [level.element_energies for level in levels]
    source = None
    if request.start_from is not None:
        given = storage.load(request.start_from)
        source = given.members[member % len(given.members)] if isinstance(given, Committee) else given
        if missing := {symbol for table in energies for symbol in table} - set(source.elements):
            raise InputError(
                f"{request.start_from} knows {', '.join(source.elements)}, but not {', '.join(sorted(missing))}"
            )
    torch.manual_seed(request.training.seed + member)
    network = request.network if source is None else source.settings
    repulsion = None if source is None else source.repulsion.settings
    if len(levels) > 1:
        several = LevelPotential(network, energies, repulsion)
        if source is not None:
            several.begin_from(source)
        return several
    potential = Potential(network, energies[0], repulsion)
    if source is not None:
        potential.load_state_dict(source.state_dict())
    return potential


def count_by_formula(labelled: Sequence[LabelledStructure]) -> dict[str, int]:
    """Labels by formula, small clusters first."""
    counts = Counter(Composition.parse(item.atoms).formula for item in labelled)
    return {formula: counts[formula] for formula in sorted(counts, key=lambda f: Composition.parse(f).n_atoms)}


def _data_hash(labelled: Sequence[LabelledStructure]) -> str:
    from iia_calc.training.dataset import data_hash

    return data_hash(labelled)
