"""One distinct minimum, and what may become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from search.geometry.fingerprint import Fingerprint
from search.relaxers.base import Relaxed


@dataclass
class Minimum:
    """One distinct minimum.

    Attributes
    ----------
    positions : [n_atoms, 3], Å or the model's unit, in the order of the composition; the lowest copy found.
    numbers : [n_atoms] atomic numbers.
    energy, fmax, energy_std, forces_std : as the relaxer gave them for that copy (see `Relaxed`).
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
        """What comparisons need of the structure; see `moved`."""
        return Fingerprint(self.positions, self.numbers)

    def move_to(self, relaxed: Relaxed, positions: np.ndarray) -> None:
        """Take over positions [n_atoms, 3], energy and the rest from a lower copy."""
        self.positions, self.energy, self.fmax = positions, float(relaxed.energy), float(relaxed.fmax)
        self.energy_std, self.forces_std = _float(relaxed.energy_std), _float(relaxed.forces_std)
        self.__dict__.pop("fingerprint", None)

    @classmethod
    def of(cls, relaxed: Relaxed, positions: np.ndarray, numbers: np.ndarray, quench: int) -> Minimum:
        """A minimum that was found for the first time, with its positions in the order of `numbers`."""
        energies = _float(relaxed.energy_std), _float(relaxed.forces_std)
        return cls(positions, numbers, float(relaxed.energy), float(relaxed.fmax), 1, int(quench), *energies)

    @property
    def info(self) -> dict[str, float]:
        """What is known of it besides structure and energy, as in `Atoms.info`."""
        info: dict[str, float] = {
            "times_found": self.times_found,
            "first_quench": self.first_quench,
            "converged": True,
            "residual_force": self.fmax,
        }
        if self.energy_std is not None:
            info["energy_std"] = self.energy_std
        if self.forces_std is not None:
            info["forces_std"] = self.forces_std
        return info

    @property
    def atoms(self) -> Atoms:
        """A copy with its energy on it, the rest in `info`."""
        atoms = Atoms(numbers=self.numbers, positions=self.positions)
        atoms.calc = SinglePointCalculator(atoms, energy=self.energy)
        atoms.info.update(self.info)
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


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
