"""Intensities against PySCF's coupled-perturbed equations, in closed form, and spectra that keep their area."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule

from iia_calc.confirm.vibrations import hessian_as_plain, hessian_from_plain
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.properties.dft_calls import displaced_dipole, hessian_of
from iia_calc.properties.infrared import (
    KM_PER_MOL,
    InfraredSpectrum,
    broaden,
    dipole_derivatives,
    displacements,
    infrared_spectrum,
    spectrum_grid,
)


def derivatives_of(level: DFTLevel, atoms: Atoms) -> np.ndarray:
    return dipole_derivatives([displaced_dipole(level, atoms, *d)["dipole"] for d in displacements(atoms)])


def analytic_derivatives(level: DFTLevel, atoms: Atoms) -> np.ndarray:
    """[n, 3, 3], e, from PySCF's first-order orbitals of the Hessian; independent of any displacement."""
    _, mean_field, _ = level.but(conv_tol=1e-10).solution(atoms)
    mol = mean_field.mol
    hessian = mean_field.Hessian()
    hessian.verbose = 0
    unrestricted = np.ndim(mean_field.mo_occ) == 2
    mo, occ, energy = mean_field.mo_coeff, mean_field.mo_occ, mean_field.mo_energy
    h1 = hessian.make_h1(mo, occ, atmlst=range(mol.natm))
    first, _ = hessian.solve_mo1(energy, mo, occ, h1)
    with mol.with_common_orig((0, 0, 0)):
        r = mol.intor_symmetric("int1e_r", comp=3)
        r_gradient = mol.intor("int1e_irp", comp=9).reshape(3, 3, mol.nao, mol.nao)  # <i| r_x |nabla_y j>
    density = np.asarray(mean_field.make_rdm1())
    total = density if density.ndim == 2 else density.sum(0)
    found = np.zeros((mol.natm, 3, 3))
    for a, (_, _, p0, p1) in enumerate(mol.aoslice_by_atom()):
        for axis in range(3):
            change = np.zeros((mol.nao, mol.nao))
            spins = (0, 1) if unrestricted else (None,)
            for spin in spins:
                c = mo if spin is None else mo[spin]
                o = occ if spin is None else occ[spin]
                one = (first[a] if spin is None else first[spin][a])[axis]  # [n_ao, n_occ]
                part = one @ c[:, o > 0].T
                change += (part + part.T) * (2 if spin is None else 1)
            moved = np.zeros((3, mol.nao, mol.nao))
            moved[:, :, p0:p1] = -r_gradient[:, axis, :, p0:p1]
            moved = moved + moved.transpose(0, 2, 1)
            found[a, axis] = -np.einsum("xij,ji->x", r, change) - np.einsum("xij,ji->x", moved, total)
            found[a, axis, axis] += mol.atom_charge(a)
    return found


@pytest.mark.parametrize(("name", "multiplicity", "charge"), [("H2O", None, 0), ("CN", None, 0), ("OH", None, -1)])
def test_dipole_derivatives_are_those_of_perturbation_theory(name, multiplicity, charge):
    pytest.importorskip("pyscf")
    level = DFTLevel("PBE0", "3-21G", charge, multiplicity, density_fit=False, grid_level=3, threads=1)
    atoms = molecule(name)
    found = derivatives_of(level, atoms)
    expected = analytic_derivatives(level, atoms)
    centred = expected - charge * atoms.get_masses()[:, None, None] / atoms.get_masses().sum() * np.eye(3)
    assert found == pytest.approx(centred, abs=3e-3)
    assert found.sum(0) == pytest.approx(np.zeros((3, 3)), abs=3e-3)  # about the centre of mass, ions too


def test_water_has_the_lines_of_the_literature():
    """B3LYP/6-31G*: 1713, 3727 and 3849 cm⁻¹; 75.8, 1.7 and 19.3 km/mol by other programs."""
    pytest.importorskip("pyscf")
    level = DFTLevel("B3LYP", "6-31G*", density_fit=False, grid_level=3, threads=1)
    water = Atoms("OH2", [[0, 0, 0.1197], [0, 0.7616, -0.4788], [0, -0.7616, -0.4788]])  # its minimum there
    plain = hessian_of(level, water)
    spectrum = infrared_spectrum(water, hessian_from_plain(plain), derivatives_of(level, water), level.name, "analytic")
    assert spectrum.frequencies == pytest.approx((1713.0, 3727.0, 3849.0), abs=8.0)
    assert spectrum.intensities == pytest.approx((75.8, 1.7, 19.3), abs=4.0)


def test_one_oscillator_in_closed_form():
    """Charges ±q on a spring: the derivative along the bond is q, the reduced mass that of the two."""
    atoms, k, q = Atoms("SeB", [[0, 0, 0], [0, 0, 2.0]]), 10.0, 0.4
    hessian = np.zeros((2, 3, 2, 3))
    hessian[0, 2, 0, 2] = hessian[1, 2, 1, 2] = k
    hessian[0, 2, 1, 2] = hessian[1, 2, 0, 2] = -k
    derivatives = np.array([-q * np.eye(3), q * np.eye(3)])
    spectrum = infrared_spectrum(atoms, hessian, derivatives, "a spring", "analytic")
    a, b = atoms.get_masses()
    assert spectrum.intensities == pytest.approx((KM_PER_MOL * q**2 * (a + b) / (a * b),))
    assert pytest.approx(974.88, abs=0.01) == KM_PER_MOL


def test_broadening_keeps_the_area_and_leaves_out_what_is_imaginary():
    spectrum = InfraredSpectrum((-100.0, 500.0, 900.0), (50.0, 10.0, 30.0), "", "")
    grid = np.arange(-20000.0, 20000.0, 0.5)
    area = np.trapezoid(broaden(spectrum, grid, 10.0), grid)
    assert area == pytest.approx(40.0, rel=2e-3)
    curve = broaden(spectrum, np.array([900.0, 905.0]), 10.0)
    assert curve[1] / curve[0] == pytest.approx(0.5, rel=0.01)  # the width is full at half maximum
    assert spectrum_grid([spectrum])[-1] == 1000.0


def test_a_stored_hessian_is_what_it_was():
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(6, 6))
    hessian = (matrix + matrix.T).reshape(2, 3, 2, 3)
    assert hessian_from_plain(hessian_as_plain(hessian, "analytic")) == pytest.approx(hessian, rel=1e-6)
