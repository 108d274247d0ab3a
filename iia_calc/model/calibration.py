"""From the spread of a committee to the error to expect, and to whether a structure is one it can judge."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Calibration:
    """What a committee's spread is worth, measured on labels of structures it has never seen.

    The expected error of an energy is n √((a s / n)² + (c d)² + b²) for n atoms, members whose energies have the
    standard deviation s, and a distance d from the nearest label (`LabelDistance`); of the force on an atom (length of
    the difference) √((a s)² + b²). So 68 % of errors lie within. The expected error of an energy difference of two
    structures of one formula is r times the root of the sum of their squared expected errors.

    Attributes
    ----------
    energy_factor, energy_floor, distance_factor : a, and b and c in eV/atom.
    difference_factor : r; 1 where it was not measured. n_differences : pairs of held-out structures behind it.
    forces_factor, forces_floor : a, and b in eV/Å.
    energy_std_limit : eV/atom; a structure of a larger expected error is outside the known region.
    forces_std_limit : eV/Å; so is one with a larger expected error of the force on any atom, and a quench ends there.
    energy_coverage, forces_coverage : share of errors below 1 and 2 expected ones, a and b taken from other starts
        than those the share is counted on.
    n_structures : held-out structures behind it; 0 where nothing was measured.
    """

    energy_factor: float = 1.0
    forces_factor: float = 1.0
    energy_floor: float = 0.0
    forces_floor: float = 0.0
    distance_factor: float = 0.0
    difference_factor: float = 1.0
    n_differences: int = 0
    energy_std_limit: float | None = None
    forces_std_limit: float | None = None
    energy_coverage: tuple[float, float] = (0.0, 0.0)
    forces_coverage: tuple[float, float] = (0.0, 0.0)
    n_structures: int = 0

    @classmethod
    def from_card(cls, found: Mapping[str, Any]) -> Calibration:
        """Of a card's `calibration`; cards without floors have a limit of the spread, not of the error."""
        values = dict(found)
        if values.get("forces_std_limit") is not None and "forces_floor" not in values:
            values["forces_std_limit"] *= values["forces_factor"]
        for name in ("energy_coverage", "forces_coverage"):
            if name in values:
                values[name] = tuple(values[name])
        return cls(**values)

    def as_plain(self) -> dict[str, Any]:
        """For a card."""

        def round_value(value: Any) -> Any:
            if isinstance(value, tuple):
                return [round(v, 4) for v in value]
            return round(value, 5) if isinstance(value, float) else value

        return {key: round_value(value) for key, value in asdict(self).items()}

    def energy_std(
        self, spread: torch.Tensor, sizes: torch.Tensor, distance: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Expected errors [n_structures] eV of structures of so many atoms, from the spread of their energies, eV.

        distance : [n_structures] from the nearest label; None counts as 0.
        """
        sizes = sizes.to(spread.dtype)
        expected = torch.hypot(self.energy_factor * spread, self.energy_floor * sizes)
        return expected if distance is None else torch.hypot(expected, self.distance_factor * distance * sizes)

    def difference_std(self, first: float, second: float) -> float:
        """Expected error of the difference of two energies, eV, from the expected errors of both, eV."""
        return self.difference_factor * math.hypot(first, second)

    def forces_std(self, spread: torch.Tensor) -> torch.Tensor:
        """Expected errors [n_atoms] eV/Å of forces whose spreads are given, eV/Å."""
        return torch.hypot(self.forces_factor * spread, torch.full_like(spread, self.forces_floor))

    def known_region(self, n_atoms: int, energy_std: float, largest_forces_std: float) -> bool:
        """Whether a structure with these expected errors, eV and eV/Å, is one that the committee can judge."""
        return (self.energy_std_limit is None or energy_std <= self.energy_std_limit * n_atoms) and (
            self.forces_std_limit is None or largest_forces_std <= self.forces_std_limit
        )
