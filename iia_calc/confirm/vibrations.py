"""Vibrational frequencies from second derivatives: whether a structure is a minimum or a saddle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units

IMAGINARY = 50.0
"""cm⁻¹; a mode that is less imaginary is noise of the integration grid and of forces that aren't quite zero."""
STEP = 0.01
"""Å, of central differences."""
HESSIAN = "hessian"
"""Kind of the stored step that holds second derivatives, from which spectra are made later."""
_QUANTUM = units._hbar * 1e10 / np.sqrt(units._e * units._amu) / units.invcm
"""cm⁻¹ of √(eV/Å²/u)."""


@dataclass(frozen=True)
class Vibrations:
    """Harmonic frequencies of one structure.

    Attributes
    ----------
    frequencies : [3n - 6 or 3n - 5] cm⁻¹, ascending; imaginary ones are negative.
    softest : [n, 3] displacement along the first, its longest arrow of length 1.
    method : "analytic" or "central differences".
    level : the level of theory's name. charge, multiplicity : of the state that vibrates.
    """

    frequencies: tuple[float, ...]
    softest: np.ndarray
    method: str
    level: str
    charge: int
    multiplicity: int

    @property
    def n_imaginary(self) -> int:
        """How many frequencies are imaginary beyond numerical noise."""
        return sum(f < -IMAGINARY for f in self.frequencies)

    @property
    def zero_point_energy(self) -> float:
        """Zero-point energy of the real modes, eV."""
        return 0.5 * units.invcm * sum(f for f in self.frequencies if f > 0)

    def as_plain(self) -> dict[str, Any]:
        """For JSON; frequencies in cm⁻¹, the zero-point energy in eV."""
        return {
            "frequencies": [round(f, 2) for f in self.frequencies],
            "n_imaginary": self.n_imaginary,
            "zero_point_energy": self.zero_point_energy,
            "softest": np.round(self.softest, 6).tolist(),
            "method": self.method,
            "level": self.level,
            "charge": self.charge,
            "multiplicity": self.multiplicity,
        }

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> Vibrations:
        """Read what `as_plain` gave."""
        return Vibrations(
            tuple(plain["frequencies"]),
            np.array(plain["softest"]),
            plain["method"],
            plain["level"],
            plain["charge"],
            plain["multiplicity"],
        )


def hessian_as_plain(hessian: np.ndarray, method: str) -> dict[str, Any]:
    """Second derivatives for JSON, the lower triangle of a symmetric matrix.

    hessian : [n, 3, n, 3], eV/Å². method : "analytic" or "central differences".
    """
    n = 3 * len(hessian)
    flat = hessian.reshape(n, n)
    lower = (0.5 * (flat + flat.T))[np.tril_indices(n)]
    return {"method": method, "lower_triangle": [float(f"{value:.8g}") for value in lower]}


def hessian_from_plain(plain: dict[str, Any]) -> np.ndarray:
    """[n, 3, n, 3], eV/Å², of what `hessian_as_plain` gave."""
    values = np.array(plain["lower_triangle"])
    n = round((np.sqrt(8 * len(values) + 1) - 1) / 2)
    flat = np.zeros((n, n))
    flat[np.tril_indices(n)] = values
    return (flat + np.tril(flat, -1).T).reshape(n // 3, 3, n // 3, 3)


def normal_modes(atoms: Atoms, hessian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies [m], cm⁻¹ (imaginary ones negative), and displacements [m, n, 3], longest arrow 1.

    Translations and rotations are projected out: m is 3n - 6, or 3n - 5 of a linear structure.

    hessian : [n, 3, n, 3], eV/Å².
    """
    n = len(atoms)
    root_mass = np.sqrt(np.repeat(atoms.get_masses(), 3))  # [3n]
    flat = hessian.reshape(3 * n, 3 * n)
    weighted = 0.5 * (flat + flat.T) / np.outer(root_mass, root_mass)
    inner = _inner_space(atoms, root_mass)  # [3n, m]
    curvatures, vectors = np.linalg.eigh(inner.T @ weighted @ inner)
    modes = ((inner @ vectors) / root_mass[:, None]).T.reshape(-1, n, 3)
    modes = modes / np.linalg.norm(modes, axis=2).max(axis=1)[:, None, None]
    return np.sign(curvatures) * np.sqrt(np.abs(curvatures)) * _QUANTUM, modes


def central_differences(
    atoms: Atoms, forces_at: Callable[[int, int, int, Atoms], np.ndarray], step: float = STEP
) -> np.ndarray:
    """Hessian [n, 3, n, 3], eV/Å², from forces at 6n displaced structures.

    forces_at : called with atom, axis, sign and the displaced structure; may answer from what is stored.
    """
    n = len(atoms)
    hessian = np.zeros((n, 3, n, 3))
    for i in range(n):
        for axis in range(3):
            pair = []
            for sign in (1, -1):
                moved = Atoms(atoms.numbers, atoms.positions)
                moved.positions[i, axis] += sign * step
                pair.append(forces_at(i, axis, sign, moved))
            hessian[i, axis] = -(pair[0] - pair[1]) / (2.0 * step)
    return hessian


def _inner_space(atoms: Atoms, root_mass: np.ndarray) -> np.ndarray:
    """Orthonormal basis [3n, m] of mass-weighted displacements that neither move nor turn the whole."""
    x = atoms.positions - atoms.get_center_of_mass()
    outer = [np.tile(axis, len(atoms)) for axis in np.eye(3)]
    outer += [np.cross(axis, x).ravel() for axis in np.eye(3)]
    u, s, _ = np.linalg.svd((np.array(outer) * root_mass).T)  # [3n, 3n], [≤ 6]
    return u[:, int((s > 1e-4 * s[0]).sum()) :]
