"""From label databases to a model folder: fit each member, measure it on held-out starts, write the card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from iia_calc.common.device import checked_device
from iia_calc.labels.npz import open_labels
from iia_calc.labels.store import LabelledStructure
from iia_calc.labels.workers import process_pool
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.training.calibrate import calibrate
from iia_calc.training.evaluate import Errors, held_out_errors
from iia_calc.training.fit import TrainingSettings, fit
from search.errors import InputError
from search.geometry.composition import Composition


@dataclass(frozen=True)
class BuildRequest:
    """What `iia train` was asked for.

    labels : label databases (.db) or packed labels (.npz.xz), all of one level of theory.
    out : the model folder; fits and checkpoints go to `out`-fit beside it.
    test : label databases of starts that are in none of `labels`; the card's errors are measured on them.
    start_from : a model whose weights are the start (pretraining at a cheaper level); its network counts.
        Of a committee each member goes on from one of its own.
    leader : the member, from 0, whose energy will be minimised and whose errors the card tells.
    workers : members fitted at once, each in a process and on one thread; 1 fits them one after another here.
    device : "cpu", "cuda", ...; None for the GPU where there is one.
    """

    labels: tuple[Path, ...]
    out: Path
    test: tuple[Path, ...] = ()
    start_from: str | None = None
    members: int = 1
    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    notes: str = ""
    workers: int = 1
    leader: int = 0
    device: str | None = None

    def __post_init__(self) -> None:
        if not self.labels:
            raise InputError("give at least one database of labels (iia label makes them)")
        if self.members < 1:
            raise InputError(f"a potential has at least one member, not {self.members}")
        if self.workers < 1:
            raise InputError(f"workers must be at least 1, not {self.workers}")
        if not 0 <= self.leader < self.members:
            raise InputError(f"leader is {self.leader}; of {self.members} members the first is 0")
        checked_device(self.device)


def build_potential(request: BuildRequest, *, progress: bool = True) -> dict[str, Errors]:
    """Fit, measure and save; a stopped call goes on. Returns the held-out errors by formula (empty without test).

    Raises
    ------
    ValueError : mixed levels of theory, a test start that is also a training start, unreadable databases.
    """
    stores = [open_labels(path) for path in (*request.labels, *request.test)]
    energies = {symbol: value for store in stores for symbol, value in store.element_energies.items()}
    levels, labelled = read_labels(request.labels)
    test_levels, held_out = read_labels(request.test)
    if len(levels | test_levels) > 1:
        raise InputError(
            f"labels of different levels of theory can't be mixed: {'; '.join(sorted(levels | test_levels))}"
        )
    if shared := {item.start for item in labelled} & {item.start for item in held_out}:
        raise InputError(f"{len(shared)} starts are both in the labels and in the test set, e.g. {min(shared)}")
    if not labelled:
        raise InputError(f"no labels in {', '.join(map(str, request.labels))}")

    members = _fit_members(request, energies, labelled, progress)
    members.insert(0, members.pop(request.leader))
    errors = held_out_errors(members[0], held_out) if held_out else {}
    storage.save(
        request.out,
        members,
        {
            "level_of_theory": min(levels),
            "label_counts": count_by_formula(labelled),
            "data_hash": _data_hash(labelled),
            "held_out_errors": {formula: error.as_dict() for formula, error in errors.items()},
            "calibration": _calibration(members, held_out),
            "notes": request.notes,
        },
    )
    return errors


def _fit_members(
    request: BuildRequest, energies: dict[str, float], labelled: list[LabelledStructure], progress: bool
) -> list[Potential]:
    if request.workers == 1 or request.members == 1:
        return [_fit_member(request, energies, labelled, k, progress) for k in range(request.members)]
    with process_pool(min(request.workers, request.members)) as executor:
        fits = [executor.submit(_fit_member, request, energies, labelled, k, False) for k in range(request.members)]
        return [future.result() for future in fits]


def _fit_member(
    request: BuildRequest, energies: dict[str, float], labelled: list[LabelledStructure], k: int, progress: bool
) -> Potential:
    work = request.out.with_name(request.out.name + "-fit")
    potential = _initial(request, energies, k).to(checked_device(request.device))
    settings = replace(request.training, seed=request.training.seed + k)
    fit(potential, labelled, work / f"member-{k}", settings, progress=progress)
    return potential


def _calibration(members: list[Potential], held_out: list[LabelledStructure]) -> dict:
    if len(members) < 2 or len({item.start for item in held_out}) < 4:
        return {}
    return calibrate(Committee(members), held_out).as_plain()


def read_labels(paths: Iterable[Path]) -> tuple[set[str], list[LabelledStructure]]:
    """The levels of theory found in `paths`, and all their labels."""
    stores = [open_labels(path) for path in paths]
    return {store.level for store in stores}, [item for store in stores for item in store.read()]


def _initial(request: BuildRequest, energies: dict[str, float], member: int) -> Potential:
    if request.start_from is None:
        torch.manual_seed(request.training.seed + member)
        return Potential(request.network, energies)
    source = storage.load(request.start_from)
    source = source.members[member % len(source.members)] if isinstance(source, Committee) else source
    if missing := set(energies) - set(source.elements):
        raise InputError(
            f"{request.start_from} knows {', '.join(source.elements)}, but not {', '.join(sorted(missing))}"
        )
    potential = Potential(source.settings, energies, source.repulsion.settings)
    potential.load_state_dict(source.state_dict())
    return potential


def count_by_formula(labelled: Sequence[LabelledStructure]) -> dict[str, int]:
    counts = Counter(Composition.parse(item.atoms).formula for item in labelled)
    return {formula: counts[formula] for formula in sorted(counts, key=lambda f: Composition.parse(f).n_atoms)}


def _data_hash(labelled: Sequence[LabelledStructure]) -> str:
    from iia_calc.training.dataset import data_hash

    return data_hash(labelled)
