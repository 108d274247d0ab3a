"""One distinct minimum, and what may become one."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from uuid import uuid4

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db.core import now
from ase.db.row import AtomsRow

from search.geometry.fingerprint import Fingerprint
from search.relaxers.base import Relaxed


@dataclass
class Minimum:
    """One distinct minimum.

    Attributes
    ----------
    positions : [n_atoms, 3], in the order of the composition; the lowest copy found.
    energy, fmax, energy_std, forces_std : as the relaxer gave them for that copy.
    times_found : quenches that ended here.
    first_quench : 1-based number of the first of them.
    row : in the database; None in memory.
    """

    positions: np.ndarray
    numbers: np.ndarray
    energy: float
    fmax: float
    times_found: int
    first_quench: int
    energy_std: float | None = None
    forces_std: float | None = None
    row: int | None = None

    @cached_property
    def fingerprint(self) -> Fingerprint:
        """What tells it from other minima, computed when first asked for."""
        return Fingerprint(self.positions, self.numbers)

    @property
    def pairs(self) -> dict[str, float]:
        """Key-value pairs of the database row."""
        pairs: dict[str, float] = {
            "times_found": self.times_found,
            "first_quench": self.first_quench,
            "converged": True,
            "residual_force": self.fmax,
        }
        if self.energy_std is not None:
            pairs["energy_std"] = self.energy_std
        if self.forces_std is not None:
            pairs["forces_std"] = self.forces_std
        return pairs

    @property
    def database_row(self) -> AtomsRow:
        """What ASE makes of `atoms` when it stores them, without the way there."""
        row = {
            "numbers": self.numbers,
            "positions": self.positions,
            "cell": np.zeros((3, 3)),
            "pbc": np.zeros(3, bool),
            "unique_id": uuid4().hex,
            "calculator": "unknown",
            "calculator_parameters": {},
            "energy": self.energy,
            "mtime": now(),
            "ctime": now(),
            "user": os.getenv("USER"),
        }
        return AtomsRow(row)

    @property
    def atoms(self) -> Atoms:
        """A copy with its energy on it, the rest in `info`."""
        atoms = Atoms(numbers=self.numbers, positions=self.positions)
        atoms.calc = SinglePointCalculator(atoms, energy=self.energy)
        atoms.info.update(self.pairs)
        return atoms


def sound(relaxed: Relaxed) -> bool:
    """Converged, in one piece, and finite: what counts as a minimum."""
    return bool(
        relaxed.converged
        and not relaxed.fragmented
        and np.isfinite(relaxed.energy)
        and np.isfinite(relaxed.atoms.positions).all()
    )


def minima_as_atoms(minima: Iterable[Minimum]) -> list[Atoms]:
    """Lowest first, energy on each."""
    return [entry.atoms for entry in minima]
