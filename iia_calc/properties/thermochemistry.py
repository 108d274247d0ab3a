"""Free energies and populations of isomers: rigid rotors whose soft vibrations pass over into rotations.

The partition functions are ASE's (`ase.thermochemistry`): ideal gas, rigid rotor, harmonic vibrations, and Grimme's
quasi-RRHO entropy for soft modes (Chem. Eur. J. 2012, 18, 9955).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from ase import Atoms, units
from ase.thermochemistry import HarmonicThermo, IdealGasThermo, MSRRHOThermo

from search.errors import InputError

SOFT = 100.0
"""cm⁻¹ at which a mode's entropy is half that of a vibration and half that of a rotation."""
PRESSURE = 1e5
"""Pa"""
CHIRAL = 2
"""Mirror images that are counted as one isomer."""
IMAGINARY = 50.0
"""cm⁻¹; a mode that is less imaginary is noise and counts as real, with the same size."""


@dataclass(frozen=True)
class Species:
    """What a partition function needs of one isomer.

    Attributes
    ----------
    atoms : its structure, Å.
    energy : eV, electronic.
    frequencies : cm⁻¹, 3n - 6 of them, or 3n - 5 of a linear molecule; imaginary ones are negative.
    symmetry_number : of its point group. chiral : whether it stands for two mirror images.
    multiplicity : 2S+1, all components of equal energy.
    """

    atoms: Atoms
    energy: float
    frequencies: tuple[float, ...]
    symmetry_number: int = 1
    chiral: bool = False
    multiplicity: int = 1

    @property
    def is_saddle(self) -> bool:
        """Whether it has an imaginary frequency beyond noise."""
        return any(f < -IMAGINARY for f in self.frequencies)

    @property
    def zero_point_energy(self) -> float:
        """eV; half a quantum of each real mode, and of those that are imaginary by noise only."""
        return 0.5 * float(np.sum(_quanta(self.frequencies)))

    def free_energy(self, temperature: float, soft: float = SOFT, pressure: float = PRESSURE) -> float:
        """Gibbs energy, eV, electronic energy included; at 0 K the energy with zero-point vibration.

        Parameters
        ----------
        temperature : K. soft : cm⁻¹, see `SOFT`; 0 for harmonic vibrations. pressure : Pa.

        Raises
        ------
        InputError : a negative temperature, or not as many frequencies as the structure has vibrations.
        """
        geometry, quanta = _geometry(self.atoms, self.frequencies), _quanta(self.frequencies)
        if not temperature >= 0:
            raise InputError(f"temperature is {temperature!r}; it must be 0 K or more")
        if temperature == 0:
            return self.energy + self.zero_point_energy
        kT = units.kB * temperature
        with np.errstate(over="ignore"):  # exp(quantum / kT) of a stiff mode in the cold
            whole = IdealGasThermo(
                quanta,
                geometry,
                self.energy,
                self.atoms,
                self.symmetry_number,
                0.5 * (self.multiplicity - 1),
                vib_selection="all",  # a saddle has one less
            )
            total = float(whole.get_gibbs_energy(temperature, pressure, verbose=False))
            if soft > 0 and len(quanta):
                damped = MSRRHOThermo(quanta, self.atoms, tau=soft)
                harmonic = HarmonicThermo(quanta)
                total += temperature * (_entropy(harmonic, temperature) - _entropy(damped, temperature))
        return total - (kT * np.log(CHIRAL) if self.chiral else 0.0)


def populations(species: Sequence[Species], temperatures: Sequence[float], soft: float = SOFT) -> np.ndarray:
    """Shares [n_temperatures, n_species] of isomers in equilibrium, each row adding up to 1.

    At 0 K all are in the lowest, by energy with zero-point vibration.

    Parameters
    ----------
    temperatures : K. soft : cm⁻¹, see `SOFT`.

    Raises
    ------
    InputError : no species, or a negative temperature.
    """
    if not species:
        raise InputError("there are no isomers whose populations could be told")
    rows = []
    for temperature in temperatures:
        energies = np.array([s.free_energy(temperature, soft) for s in species])
        if temperature == 0:
            weights = (energies == energies.min()).astype(float)
        else:
            weights = np.exp(-(energies - energies.min()) / (units.kB * temperature))
        rows.append(weights / weights.sum())
    return np.array(rows)


def _entropy(vibrations: HarmonicThermo, temperature: float) -> float:
    """eV/K, of all modes."""
    return float(vibrations.get_entropy(temperature, verbose=False))


def _quanta(frequencies: Sequence[float]) -> list[float]:
    """eV of the modes that count: real ones, and by their size those imaginary by noise only."""
    return [abs(f) * units.invcm for f in frequencies if f >= -IMAGINARY and f != 0]


def _geometry(atoms: Atoms, frequencies: Sequence[float]) -> Literal["monatomic", "linear", "nonlinear"]:
    """As ASE calls it, by how many vibrations there are."""
    n = len(atoms)
    if n == 1 and not frequencies:
        return "monatomic"
    if n > 1 and len(frequencies) == 3 * n - 5:
        return "linear"
    if n > 2 and len(frequencies) == 3 * n - 6:
        return "nonlinear"
    raise InputError(f"{len(frequencies)} frequencies for {n} atoms; there must be 3n - 6, or 3n - 5 where linear")
