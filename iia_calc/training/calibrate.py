"""What a committee's spread is worth: how many of the errors lie within a multiple of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from iia_calc.committee import Committee
from iia_calc.labels.store import LabelledStructure
from iia_calc.training.evaluate import is_near_minimum, predict

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

    def as_plain(self) -> dict:
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
        raise ValueError(f"a calibration needs held-out labels of at least four starts, not {len(starts)}")
    side = {start: k % 2 for k, start in enumerate(starts)}
    energy: list[tuple[int, float]] = []  # (half, error / spread)
    forces: list[tuple[int, np.ndarray]] = []
    largest: list[tuple[bool, float]] = []  # (near a minimum, spread)
    spread = {id(told.item): told for told in predict(committee, labelled)}
    for told in predict(committee.leader, labelled):
        half, item, std = side[told.item.start], told.item, spread[id(told.item)]
        error = np.linalg.norm(told.forces - item.label.forces, axis=1)  # [n_atoms]
        energy.append((half, abs(told.energy - item.label.energy) / max(std.energy_std, 1e-9)))
        forces.append((half, error / np.maximum(std.forces_std, 1e-9)))
        largest.append((is_near_minimum(item), float(std.forces_std.max())))
    near = [std for is_near, std in largest if is_near] or [std for _, std in largest]
    energy_halves = [np.array([ratio for half, ratio in energy if half == k]) for k in (0, 1)]
    forces_halves = [np.concatenate([ratio for half, ratio in forces if half == k]) for k in (0, 1)]
    return Calibration(
        energy_factor=float(np.quantile(np.concatenate(energy_halves), WITHIN)),
        forces_factor=float(np.quantile(np.concatenate(forces_halves), WITHIN)),
        energy_coverage=_coverage(energy_halves),
        forces_coverage=_coverage(forces_halves),
        forces_std_limit=BEYOND * float(np.quantile(near, 0.99)),
        n_structures=len(labelled),
    )


def _coverage(halves: Sequence[np.ndarray]) -> tuple[float, float]:
    """Each half counted with the other half's factor."""
    counted = [halves[k] / np.quantile(halves[1 - k], WITHIN) for k in (0, 1)]
    ratios = np.concatenate(counted)
    return float((ratios < 1).mean()), float((ratios < 2).mean())
