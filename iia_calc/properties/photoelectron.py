"""Photoelectron spectra of anions by ΔSCF: what it takes to detach an electron, with and without relaxation after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.errors import InputError

WIDTH = 0.05
"""eV, full width at half maximum of a band."""
BASIS = "def2-TZVPD"
"""With diffuse functions, which a loosely bound electron needs."""


@dataclass(frozen=True)
class PhotoelectronSpectrum:
    """Detachment energies of one anion.

    Attributes
    ----------
    vertical : eV, by the multiplicity 2S+1 that is left; the neutral has the anion's structure.
    adiabatic : eV, to the relaxed neutral, without zero-point energy; None where that failed.
    zero_point : eV, of the neutral less the anion's; None where either has no vibrations.
    level : of the energies. relaxed_by : level of structures and vibrations.
    """

    vertical: Mapping[int, float]
    adiabatic: float | None
    zero_point: float | None
    level: str
    relaxed_by: str

    @property
    def first(self) -> float:
        """The lowest vertical detachment energy, eV."""
        return min(self.vertical.values())

    @property
    def adiabatic_with_zpe(self) -> float | None:
        """eV, as it is measured; None where a part of it is missing."""
        return None if self.adiabatic is None or self.zero_point is None else self.adiabatic + self.zero_point

    def as_plain(self) -> dict[str, Any]:
        """For JSON; eV."""
        return {
            "vertical_by_multiplicity": {str(m): energy for m, energy in self.vertical.items()},
            "first_vertical": self.first,
            "adiabatic": self.adiabatic,
            "adiabatic_with_zpe": self.adiabatic_with_zpe,
            "level": self.level,
            "relaxed_by": self.relaxed_by,
            "method": "ΔSCF: the lowest state of each multiplicity; no bands beyond",
        }


def neutral_multiplicities(anion: int) -> list[int]:
    """Multiplicities that are left when one electron leaves an anion of multiplicity `anion`."""
    return [m for m in (anion - 1, anion + 1) if m >= 1]


def detachment(
    anion: float,
    vertical: Mapping[int, float],
    relaxed: float | None,
    zero_points: tuple[float | None, float | None],
    levels: tuple[str, str],
) -> PhotoelectronSpectrum:
    """The spectrum of total energies, eV.

    Parameters
    ----------
    anion : at its own structure. vertical : of the neutral there, by multiplicity. relaxed : of the relaxed neutral.
    zero_points : of anion and neutral, eV. levels : of the energies, and of structures and vibrations.

    Raises
    ------
    InputError : no energy of the neutral.
    """
    if not vertical:
        raise InputError("a photoelectron spectrum needs the neutral's energy in at least one multiplicity")
    before, after = zero_points
    return PhotoelectronSpectrum(
        {m: energy - anion for m, energy in sorted(vertical.items())},
        None if relaxed is None else relaxed - anion,
        None if before is None or after is None else after - before,
        *levels,
    )


def band_curve(spectrum: PhotoelectronSpectrum, grid: np.ndarray, width: float = WIDTH) -> np.ndarray:
    """Gaussians of height 1 at the vertical energies, at `grid`, eV. width : eV, full at half maximum."""
    sigma = width / (2.0 * np.sqrt(2.0 * np.log(2.0)))
    total = np.zeros_like(grid, dtype=float)
    for energy in spectrum.vertical.values():
        total += np.exp(-0.5 * ((grid - energy) / sigma) ** 2)
    return total


def band_grid(spectra: Sequence[PhotoelectronSpectrum]) -> np.ndarray:
    """Binding energies, eV, 0.01 apart, from below the lowest band to above the highest."""
    energies = [energy for spectrum in spectra for energy in spectrum.vertical.values()]
    return np.arange(np.floor(min(energies) - 0.5), np.ceil(max(energies) + 0.5) + 0.005, 0.01)
