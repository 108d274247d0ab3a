"""Infrared intensities from differences of the dipole moment, and broadened spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units

from iia_calc.confirm.vibrations import normal_modes

STEP = 0.01
"""Å, of the displacements."""
WIDTH = 20.0
"""cm⁻¹, full width at half maximum of a line in the broadened spectrum."""
KM_PER_MOL = units._Nav * units._e**2 / (12.0 * units._eps0 * units._c**2 * units._amu) / 1000.0
"""km/mol of one e²/u: 974.9."""


@dataclass(frozen=True)
class InfraredSpectrum:
    """Lines of one structure.

    Attributes
    ----------
    frequencies : cm⁻¹, imaginary ones negative. intensities : km/mol, one each.
    level : of theory. method : of the second derivatives.
    """

    frequencies: tuple[float, ...]
    intensities: tuple[float, ...]
    level: str
    method: str

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "frequencies": [round(f, 2) for f in self.frequencies],
            "intensities": [round(i, 3) for i in self.intensities],
            "level": self.level,
            "method": f"second derivatives: {self.method}; dipole: differences over ±{STEP} Å",
        }


def displacements(atoms: Atoms) -> list[tuple[int, int, int]]:
    """Atom, axis and sign of each displaced structure of which the dipole is needed."""
    return [(i, axis, sign) for i in range(len(atoms)) for axis in range(3) for sign in (1, -1)]


def displace(atoms: Atoms, atom: int, axis: int, sign: int) -> Atoms:
    """A copy with one atom moved by `STEP`."""
    moved = Atoms(atoms.numbers, atoms.positions)
    moved.positions[atom, axis] += sign * STEP
    return moved


def dipole_derivatives(dipoles: Sequence[Sequence[float]]) -> np.ndarray:
    """Derivatives [n, 3, 3] in e: of an atom's place, along an axis, of a component of the dipole.

    dipoles : e·Å, [6n, 3], in the order of `displacements`.
    """
    values = np.asarray(dipoles, dtype=float).reshape(-1, 3, 2, 3)  # [n, axis, sign, component]
    derivatives: np.ndarray = (values[:, :, 0] - values[:, :, 1]) / (2.0 * STEP)
    return derivatives


def infrared_spectrum(
    atoms: Atoms, hessian: np.ndarray, derivatives: np.ndarray, level: str, method: str
) -> InfraredSpectrum:
    """Frequencies and intensities of the normal modes.

    Of an ion the part of the derivatives that moves the whole charge drops out: modes don't move the whole.

    Parameters
    ----------
    hessian : [n, 3, n, 3], eV/Å². derivatives : [n, 3, 3], e, of `dipole_derivatives`.
    level : of theory. method : of the second derivatives.
    """
    frequencies, modes = normal_modes(atoms, hessian)
    masses = atoms.get_masses()
    norms = np.sqrt((masses[None, :, None] * modes**2).sum((1, 2)))  # Å √u
    along = np.einsum("kia,iab->kb", modes / norms[:, None, None], derivatives)  # e/√u, [m, 3]
    intensities = KM_PER_MOL * (along**2).sum(1)
    return InfraredSpectrum(tuple(float(f) for f in frequencies), tuple(float(i) for i in intensities), level, method)


def broaden(spectrum: InfraredSpectrum, grid: np.ndarray, width: float = WIDTH) -> np.ndarray:
    """The spectrum at `grid`, cm⁻¹, as a sum of Lorentz curves, km/mol/cm⁻¹: the area of each is its intensity.

    width : cm⁻¹, full at half maximum.
    """
    half = 0.5 * width
    total = np.zeros_like(grid, dtype=float)
    for frequency, intensity in zip(spectrum.frequencies, spectrum.intensities, strict=True):
        if frequency > 0:
            total += intensity * half / np.pi / ((grid - frequency) ** 2 + half**2)
    return total


def spectrum_grid(spectra: Sequence[InfraredSpectrum]) -> np.ndarray:
    """Wavenumbers, cm⁻¹, from 0 to above the highest line, 2 apart."""
    highest = max((f for spectrum in spectra for f in spectrum.frequencies), default=1000.0)
    return np.arange(0.0, 100.0 * np.ceil((highest + 100.0) / 100.0) + 1.0, 2.0)
