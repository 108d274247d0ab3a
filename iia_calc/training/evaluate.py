"""How wrong a potential is on labels it has not seen, by formula."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from iia_calc.labels.store import LabelledStructure
from iia_calc.model.committee import Committee, CommitteePrediction
from iia_calc.model.potential import Potential
from search.errors import InputError
from search.geometry.composition import Composition
from search.geometry.fingerprint import Fingerprint

NEAR_MINIMUM = 2.0
"""eV/Å: a structure whose largest DFT force is smaller counts as near a minimum."""


NEW = 0.1
"""Å: a structure is new where its sorted pair distances differ from any known one's by more, root mean square."""


@dataclass(frozen=True)
class Errors:
    """Mean absolute errors over `count` structures: energy in meV/atom, force components in eV/Å."""

    count: int
    energy: float
    forces: float

    def as_dict(self) -> dict[str, float]:
        """For cards and JSON: the names say the units."""
        return {
            "count": self.count,
            "energy_mae_meV_per_atom": round(self.energy, 3),
            "force_mae_eV_per_Angstrom": round(self.forces, 5),
        }


class Predicted(NamedTuple):
    """What a potential predicts for one label.

    energy eV, forces [n_atoms, 3] eV/Å; of a committee also the deviations, eV and [n_atoms] eV/Å, else zero.
    """

    item: LabelledStructure
    energy: float
    forces: np.ndarray
    energy_std: float
    forces_std: np.ndarray


def predict(
    potential: Potential | Committee, labelled: Sequence[LabelledStructure], batch_size: int = 64
) -> Iterator[Predicted]:
    """What the potential says of each label, in batches of like sizes."""
    order = sorted(range(len(labelled)), key=lambda k: len(labelled[k].atoms))
    for begin in range(0, len(order), batch_size):
        items = [labelled[k] for k in order[begin : begin + batch_size]]
        sizes = torch.tensor([len(item.atoms) for item in items])
        prediction = potential(
            torch.from_numpy(np.concatenate([item.atoms.numbers for item in items])).to(potential.device),
            torch.from_numpy(np.concatenate([item.atoms.positions for item in items])).to(
                potential.device, potential.dtype
            ),
            torch.arange(len(items)).repeat_interleave(sizes).to(potential.device),
        )
        ends = np.cumsum(sizes.numpy())[:-1]
        forces = prediction.forces.double().cpu().numpy()
        energy_std, forces_std = [0.0] * len(items), np.zeros(len(forces))
        if isinstance(prediction, CommitteePrediction):
            energy_std, forces_std = prediction.energy_std.tolist(), prediction.forces_std.double().cpu().numpy()
        parts = np.split(forces, ends), energy_std, np.split(forces_std, ends)
        yield from map(Predicted, items, prediction.energy.tolist(), *parts)


def held_out_errors(
    potential: Potential | Committee, labelled: Sequence[LabelledStructure], near_minimum: float | None = NEAR_MINIMUM
) -> dict[str, Errors]:
    """Errors by formula, and under "all".

    near_minimum : count only structures whose largest labelled force, eV/Å, is below; None for all.

    Raises
    ------
    ValueError : nothing is left to measure.
    """
    if near_minimum is not None:
        labelled = [item for item in labelled if is_near_minimum(item, near_minimum)]
    if not labelled:
        raise InputError("there are no held-out labels near a minimum to measure errors on")
    rows: dict[str, list[tuple[float, float, int]]] = {}
    for item, energy, forces, *_ in predict(potential, labelled):
        n = len(item.atoms)
        row = (
            1e3 * abs(energy - item.label.energy) / n,
            float(np.abs(forces - item.label.forces).sum()),
            3 * n,
        )
        for key in (Composition.parse(item.atoms).formula, "all"):
            rows.setdefault(key, []).append(row)
    return {key: _mean(rows[key]) for key in sorted(rows, key=_by_host_and_size)}


def new_structures(
    labelled: Sequence[LabelledStructure], known: Sequence[LabelledStructure], distance: float = NEW
) -> list[LabelledStructure]:
    """Those of `labelled` that are not near (see `NEW`) one of `known`, in any orientation or order of atoms.

    Independent random starts of small clusters end in the same few minima, so that a start held out of a fit
    may well relax to a structure the fit has seen.
    """
    points: dict[str, list[np.ndarray]] = {}
    for item in known:
        points.setdefault(Composition.parse(item.atoms).formula, []).append(_pair_distances(item))
    return [
        item
        for item in labelled
        if all(
            np.sqrt(np.mean((point - _pair_distances(item)) ** 2)) > distance
            for point in points.get(Composition.parse(item.atoms).formula, [])
        )
    ]


def _pair_distances(item: LabelledStructure) -> np.ndarray:
    return Fingerprint(item.atoms.positions, item.atoms.numbers).pair_distances


def largest_force(item: LabelledStructure) -> float:
    """Largest force on any atom of a label, eV/Å."""
    return float(np.linalg.norm(item.label.forces, axis=1).max())


def is_near_minimum(item: LabelledStructure, force: float = NEAR_MINIMUM) -> bool:
    """Whether no force of the label exceeds `force`, eV/Å."""
    return largest_force(item) < force


def _mean(rows: list[tuple[float, float, int]]) -> Errors:
    energy, forces, components = np.array(rows).T
    return Errors(len(rows), float(energy.mean()), float(forces.sum() / components.sum()))


def _by_host_and_size(formula: str) -> tuple[int | list[str], ...]:
    if formula == "all":
        return (1,)
    composition = Composition.parse(formula)
    return (0, composition.dopants, composition.n_atoms)
