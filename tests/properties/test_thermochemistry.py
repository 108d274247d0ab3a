"""Entropies against the JANAF tables, populations in closed form, and Grimme's formula for soft modes."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule

from iia_calc.properties.thermochemistry import SOFT, Species, populations
from search.errors import InputError

JOULE = units.J / units._Nav  # eV of J/mol

MEASURED = {  # frequencies, cm⁻¹; symmetry number; 2S+1; S° at 298.15 K, J/mol/K (NIST-JANAF)
    "H2O": ((1594.6, 3656.7, 3755.8), 2, 1, 188.834),
    "CH4": ((1306.2,) * 3 + (1534.0,) * 2 + (2916.5,) + (3018.7,) * 3, 12, 1, 186.251),
    "O2": ((1580.2,), 2, 3, 205.147),
    "N2": ((2358.6,), 2, 1, 191.609),
    "CO2": ((667.3, 667.3, 1333.0, 2349.1), 2, 1, 213.795),
}


def entropy(species: Species, temperature: float, soft: float = SOFT) -> float:
    """J/mol/K, from the slope of the free energy."""
    ahead, behind = (species.free_energy(temperature + step, soft) for step in (0.01, -0.01))
    return -(ahead - behind) / 0.02 / JOULE


@pytest.mark.parametrize("name", MEASURED)
def test_entropies_are_those_of_the_tables(name):
    frequencies, number, multiplicity, measured = MEASURED[name]
    species = Species(molecule(name), 0.0, frequencies, number, multiplicity=multiplicity)
    assert entropy(species, 298.15) == pytest.approx(measured, abs=0.6)
    assert species.zero_point_energy == pytest.approx(0.5 * sum(frequencies) * units.invcm)


def test_the_enthalpy_of_water_is_that_of_the_tables():
    water = Species(molecule("H2O"), 0.0, MEASURED["H2O"][0], 2)
    T = 298.15
    enthalpy = water.free_energy(T) + T * entropy(water, T) * JOULE - water.zero_point_energy
    assert enthalpy / JOULE / 1000 == pytest.approx(9.904, abs=0.03)  # H(298.15 K) - H(0 K), kJ/mol


def test_mirror_images_and_spins_count():
    plain = Species(molecule("H2O"), 0.0, MEASURED["H2O"][0], 2)
    T = 700.0
    twice = Species(plain.atoms, 0.0, plain.frequencies, 2, chiral=True)
    triplet = Species(plain.atoms, 0.0, plain.frequencies, 2, multiplicity=3)
    assert twice.free_energy(T) == pytest.approx(plain.free_energy(T) - units.kB * T * np.log(2))
    assert triplet.free_energy(T) == pytest.approx(plain.free_energy(T) - units.kB * T * np.log(3))


def test_soft_modes_as_grimme_has_them():
    """Chem. Eur. J. 2012, 18, 9955, equations 3 to 8, written out in SI units."""
    atoms = molecule("H2O")
    soft, stiff, T = 30.0, 3000.0, 298.15
    species = Species(atoms, 0.0, (soft, stiff, stiff), 2)
    h, k, c, amu = units._hplanck, units._k, units._c, units._amu
    mu = h / (8 * np.pi**2 * soft * 100 * c)
    average = atoms.get_moments_of_inertia().mean() * amu * 1e-20
    reduced = mu * average / (mu + average)
    rotation = 8.314462618 * (0.5 + np.log(np.sqrt(8 * np.pi**3 * reduced * k * T / h**2)))
    x = h * soft * 100 * c / (k * T)
    vibration = 8.314462618 * (x / np.expm1(x) - np.log(-np.expm1(-x)))
    weight = 1 / (1 + (100.0 / soft) ** 4)
    expected = weight * vibration + (1 - weight) * rotation
    harmonic = entropy(species, T, soft=0.0)
    free = (species.free_energy(T, 0.0) - species.free_energy(T, 100.0)) / T / JOULE  # S(damped) - S(harmonic)
    assert free == pytest.approx(expected - vibration, abs=1e-3)
    assert harmonic > entropy(species, T)


def test_populations_of_two_levels():
    frequencies = MEASURED["H2O"][0]
    low = Species(molecule("H2O"), 0.0, frequencies, 2)
    high = Species(molecule("H2O"), 0.05, frequencies, 1)  # twice the orientations
    shares = populations([low, high], [0.0, 300.0, 1500.0])
    assert shares.sum(1) == pytest.approx(np.ones(3))
    assert shares[0].tolist() == [1.0, 0.0]
    for T, row in zip((300.0, 1500.0), shares[1:], strict=True):
        assert row[1] / row[0] == pytest.approx(2 * np.exp(-0.05 / (units.kB * T)))


def test_noise_counts_and_saddles_are_seen():
    noise = Species(molecule("H2O"), 0.0, (-20.0, 3000.0, 3000.0), 2)
    saddle = Species(molecule("H2O"), 0.0, (-200.0, 3000.0, 3000.0), 2)
    assert not noise.is_saddle
    assert saddle.is_saddle
    assert noise.zero_point_energy == pytest.approx(0.5 * 6020.0 * units.invcm)
    assert saddle.zero_point_energy == pytest.approx(3000.0 * units.invcm)
    assert np.isfinite(saddle.free_energy(298.15))


def test_nonsense_is_refused():
    with pytest.raises(InputError, match="frequencies for 3 atoms"):
        Species(molecule("H2O"), 0.0, (1.0,)).free_energy(300.0)
    with pytest.raises(InputError, match="0 K or more"):
        Species(molecule("H2O"), 0.0, MEASURED["H2O"][0]).free_energy(-1.0)
    with pytest.raises(InputError, match="no isomers"):
        populations([], [300.0])
    assert np.isfinite(Species(Atoms("B"), 0.0, (), multiplicity=2).free_energy(5.0))
