"""What a committee's spread is worth: how many of the errors lie within a multiple of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from iia_calc.labels.store import LabelledStructure
from iia_calc.model.committee import Committee
from iia_calc.training.evaluate import is_near_minimum, predict
from search.errors import InputError

WITHIN = 0.68  # share of the errors that a calibrated deviation is to hold, as a normal one does
BEYOND = 1.5  # times the spread that held-out structures reach: there the potential is a guess


@dataclass(frozen=True)
class Calibration:
    """From the spread of a committee to the error of its leader, measured on held-out labels.

    energy_factor, forces_factor : 68 % of the errors of energies per structure, and of the force on an atom
        (length of the difference), are below this multiple of the committee's standard deviation.
    energy_coverage, forces_coverage : share of errors below 1 and 2 calibrated deviations, the factors
        taken from other random starts than those the share is counted on.
    forces_std_limit : eV/Å; 1.5 times the 99 % quantile of the largest spread of the force on any atom, of
        structures near minima (of all where there are none): strongly compressed ones don't say where minima end.
    n_structures : held-out structures behind it.
    """

    energy_factor: float
    forces_factor: float
    energy_coverage: tuple[float, float]
    forces_coverage: tuple[float, float]
    forces_std_limit: float
    n_structures: int

    def as_plain(self) -> dict[str, Any]:
        """For the card, rounded."""
        return {
            key: [round(v, 4) for v in value] if isinstance(value, tuple) else round(value, 4)
            for key, value in asdict(self).items()
        }


def calibrate(committee: Committee, labelled: Sequence[LabelledStructure]) -> Calibration:
    """Measure on held-out labels of at least four random starts.

    Raises
    ------
    ValueError : fewer starts.
    """
    starts = sorted({item.start for item in labelled})
    if len(starts) < 4:
        raise InputError(f"a calibration needs held-out labels of at least four starts, not {len(starts)}")
    side = {start: k % 2 for k, start in enumerate(starts)}
    told = list(_ratios(committee, labelled))
    near = [r.largest_std for r in told if is_near_minimum(r.item)] or [r.largest_std for r in told]
    energy_halves = [np.array([r.energy for r in told if side[r.item.start] == k]) for k in (0, 1)]
    forces_halves = [np.concatenate([r.forces for r in told if side[r.item.start] == k]) for k in (0, 1)]
    return Calibration(
        energy_factor=float(np.quantile(np.concatenate(energy_halves), WITHIN)),
        forces_factor=float(np.quantile(np.concatenate(forces_halves), WITHIN)),
        energy_coverage=_coverage(energy_halves),
        forces_coverage=_coverage(forces_halves),
        forces_std_limit=BEYOND * float(np.quantile(near, 0.99)),
        n_structures=len(labelled),
    )


def coverage(
    committee: Committee, labelled: Sequence[LabelledStructure], energy_factor: float, forces_factor: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Shares of the energies, and of the forces, whose errors are below 1 and 2 calibrated deviations.

    energy_factor, forces_factor : of a `Calibration` (a card holds them); on the labels it was made of the shares
        flatter a little.
    """
    told = list(_ratios(committee, labelled))
    return (
        _shares(np.array([r.energy for r in told]) / energy_factor),
        _shares(np.concatenate([r.forces for r in told]) / forces_factor),
    )


class _Ratios(NamedTuple):
    """Errors of the leader over the committee's deviations: energy, forces [n_atoms]; the largest of these, eV/Å."""

    item: LabelledStructure
    energy: float
    forces: np.ndarray
    largest_std: float


def _ratios(committee: Committee, labelled: Sequence[LabelledStructure]) -> Iterator[_Ratios]:
    spread = {id(told.item): told for told in predict(committee, labelled)}
    for told in predict(committee.leader, labelled):
        item, std = told.item, spread[id(told.item)]
        error = np.linalg.norm(told.forces - item.label.forces, axis=1)  # [n_atoms]
        yield _Ratios(
            item,
            abs(told.energy - item.label.energy) / max(std.energy_std, 1e-9),
            error / np.maximum(std.forces_std, 1e-9),
            float(std.forces_std.max()),
        )


def _coverage(halves: Sequence[np.ndarray]) -> tuple[float, float]:
    """Each half counted with the other half's factor."""
    counted = [halves[k] / np.quantile(halves[1 - k], WITHIN) for k in (0, 1)]
    return _shares(np.concatenate(counted))


def _shares(ratios: np.ndarray) -> tuple[float, float]:
    return float((ratios < 1).mean()), float((ratios < 2).mean())
