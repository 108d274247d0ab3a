"""One set with what every test says of each of its structures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from iia_calc.data.energy_outliers import EnergyVerdict
from iia_calc.data.geometry import Geometry
from iia_calc.data.relaxedness import Relaxedness
from iia_calc.data.sets import StructureSet

FLAGS = {
    "unconverged": "the source says its SCF did not converge",
    "above-free-atoms": "its energy is above what the atoms apart would have",
    "too-high": "its energy is far above what its bonds explain: not the ground state",
    "too-low": "its energy is far below what its bonds explain",
    "no-energy": "it has no energy",
    "copy": "it is a copy of another structure",
    "fragments": "it is in pieces",
    "unrelaxed": "it is not relaxed",
}
FAILED = ("unconverged", "above-free-atoms", "too-high", "too-low", "no-energy")


@dataclass(frozen=True)
class AuditedSet:
    """A set and what the tests say of each structure.

    copy : [n] bool, not the one of its group that is kept (the lowest, of all sets).
    """

    item: StructureSet
    geometry: Geometry
    energy: EnergyVerdict
    relaxed: Relaxedness
    copy: np.ndarray

    @cached_property
    def flags(self) -> dict[str, np.ndarray]:
        """[n] bool for each of `FLAGS`."""
        item = self.item
        nothing = np.zeros(len(item), dtype=bool)
        return {
            "unconverged": nothing if item.converged is None else ~np.asarray(item.converged, dtype=bool),
            "above-free-atoms": self.energy.above_free_atoms,
            "too-high": self.energy.too_high,
            "too-low": self.energy.too_low,
            "no-energy": ~np.isfinite(item.energies),
            "copy": self.copy,
            "fragments": self.geometry.fragments > 1,
            "unrelaxed": self.relaxed.unrelaxed,
        }

    @property
    def failed(self) -> np.ndarray:
        """[n] bool: the energy can't be used."""
        return np.any([self.flags[name] for name in FAILED], axis=0)

    def reasons(self, k: int, names: Sequence[str] = tuple(FLAGS)) -> list[str]:
        """Names of the flags, among `names`, that structure `k` has."""
        return [name for name in names if self.flags[name][k]]


def display_name(item: StructureSet) -> str:
    """Folder and file, as findings name them: "SeBn/B=16.npz"."""
    source = item.source.resolve()
    name = f"{source.parent.name}{os.sep}{source.name}" if source.is_file() else f"{source.name}{os.sep}"
    return name + (f" ({item.formula})" if ":" in item.name else "")
