"""Bond orders that are whole in a minimal basis, charges that don't depend on the basis, dipoles as PySCF has them."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from iia_calc.labels.dft.electronic import lowest_solution
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.properties.electronic import ElectronicProperties, analyse, dipole_moment

pytest.importorskip("pyscf")


def of(name: str, multiplicity: int = 1, basis: str = "STO-3G", charge: int = 0) -> ElectronicProperties:
    level = DFTLevel("PBE0", basis, charge, threads=1)
    mean_field, stability = lowest_solution(level, molecule(name), multiplicity)
    return analyse(mean_field, level.name, stability)


@pytest.mark.parametrize(("name", "multiplicity", "order"), [("H2", 1, 1.0), ("N2", 1, 3.0), ("O2", 3, 2.0)])
def test_bond_orders_are_whole_in_a_minimal_basis(name, multiplicity, order):
    found = of(name, multiplicity)
    assert found.bond_orders == ((0, 1, pytest.approx(order, abs=1e-3)),)
    assert found.valences == pytest.approx((order, order), abs=1e-3)
    assert found.spins == pytest.approx(((multiplicity - 1) / 2,) * 2, abs=1e-3)
    assert found.charges == pytest.approx((0.0, 0.0), abs=1e-3)


def test_charges_hardly_depend_on_the_basis_and_add_up():
    small, large = of("H2O", basis="def2-SVP"), of("H2O", basis="def2-TZVP")
    assert small.charges == pytest.approx(large.charges, abs=0.05)
    assert large.charges[0] == pytest.approx(-2 * large.charges[1], abs=1e-3)
    assert -0.8 < large.charges[0] < -0.6
    assert large.dipole_moment == pytest.approx(1.9, abs=0.25)  # measured: 1.855 D
    assert large.gap > 9.0
    assert ElectronicProperties.from_plain(large.as_plain()) == large
    assert sum(of("OH", 1, "def2-SVP", -1).charges) == pytest.approx(-1.0, abs=1e-3)


def test_the_dipole_is_pyscfs_and_of_an_ion_that_about_the_centre_of_mass():
    level = DFTLevel("PBE0", "3-21G", threads=1)
    water = molecule("H2O")
    mean_field = level.converge(water, 1)
    assert dipole_moment(mean_field) == pytest.approx(mean_field.dip_moment(verbose=0), abs=1e-6)
    anion = level.but(charge=-1)
    moved = molecule("OH")
    here = dipole_moment(anion.converge(moved, 1))
    moved.translate((3.0, -2.0, 1.0))
    assert dipole_moment(anion.converge(moved, 1)) == pytest.approx(here, abs=1e-3)
    assert np.linalg.norm(here) > 0.5
