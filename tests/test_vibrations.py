"""Frequencies against PySCF's own analysis and against a molecule whose Hessian is known."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.lj import LennardJones as ASELennardJones
from ase.vibrations import Vibrations as ASEVibrations

from iia_calc.confirm.vibrations import Vibrations, central_differences, normal_modes


def lennard_jones() -> ASELennardJones:
    return ASELennardJones(sigma=1.5, epsilon=1.0, rc=50.0)


def forces_at(atom: int, axis: int, sign: int, moved: Atoms) -> np.ndarray:
    moved.calc = lennard_jones()
    return moved.get_forces()


@pytest.fixture
def tetrahedron() -> Atoms:
    side = 1.5 * 2 ** (1 / 6) / np.sqrt(8)
    return Atoms("SeB3", side * np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]))


def test_a_diatomic_is_known_in_closed_form():
    r = 1.5 * 2 ** (1 / 6)
    atoms = Atoms("SeB", [[0, 0, 0], [0, 0, r]])
    frequencies, modes = normal_modes(atoms, central_differences(atoms, forces_at, 1e-4))
    k, (a, b) = 72.0 / r**2, atoms.get_masses()  # ε = 1 eV
    omega = np.sqrt(k * (a + b) / (a * b))  # √(eV/Å²/u)
    assert len(frequencies) == 1
    energy = omega * units._hbar * 1e10 / np.sqrt(units._e * units._amu)
    assert frequencies[0] == pytest.approx(energy / units.invcm, rel=1e-5)
    assert modes[0, 1, 2] == pytest.approx(-modes[0, 0, 2] * a / b)


def test_equal_to_ase(tetrahedron, tmp_path):
    frequencies, modes = normal_modes(tetrahedron, central_differences(tetrahedron, forces_at, 1e-3))
    tetrahedron.calc = lennard_jones()
    reference = ASEVibrations(tetrahedron, name=str(tmp_path / "vib"), delta=1e-3)
    reference.run()
    expected = np.sort(reference.get_frequencies().real)[-6:]
    assert frequencies == pytest.approx(expected, abs=0.05)
    assert modes.shape == (6, 4, 3)
    assert np.linalg.norm(modes, axis=2).max(axis=1) == pytest.approx(np.ones(6))


def test_a_saddle_is_seen():
    """Four atoms in a square: Lennard-Jones would rather have the rhombus or the tetrahedron."""
    r = 1.5 * 2 ** (1 / 6)
    square = Atoms("B4", 0.5 * r * np.array([(1, 1, 0), (1, -1, 0), (-1, -1, 0), (-1, 1, 0)]))
    frequencies, modes = normal_modes(square, central_differences(square, forces_at, 1e-3))
    found = Vibrations(tuple(frequencies), modes[0], "central differences", "LJ", 0, 1)
    assert found.n_imaginary >= 1
    lower = square.copy()
    lower.positions += 0.1 * found.softest
    square.calc, lower.calc = lennard_jones(), lennard_jones()
    assert lower.get_potential_energy() < square.get_potential_energy()
    again = Vibrations.from_plain(found.as_plain())
    assert again.n_imaginary == found.n_imaginary
    assert again.frequencies == pytest.approx(found.frequencies, abs=0.01)


def test_linear_molecules_have_one_more():
    r = 1.5 * 2 ** (1 / 6)
    line = Atoms("B3", [[0, 0, 0], [0, 0, r], [0, 0, 2 * r]])
    assert len(normal_modes(line, central_differences(line, forces_at, 1e-3))[0]) == 4


def test_equal_to_pyscf():
    pytest.importorskip("pyscf")
    from pyscf.hessian import thermo

    from iia_calc.labels.dft.level import DFTLevel

    atoms = Atoms("B3", [[0, 0, 0], [1.55, 0, 0], [0.775, 1.34, 0]])
    level = DFTLevel(threads=1, conv_tol=1e-9)
    mean_field = level.converge(atoms, 2)
    blocks = mean_field.Hessian().kernel()
    expected = np.array(thermo.harmonic_analysis(mean_field.mol, blocks)["freq_wavenumber"])
    expected = expected.real - expected.imag
    assert normal_modes(atoms, level.hessian(atoms))[0] == pytest.approx(np.sort(expected), abs=3.0)
