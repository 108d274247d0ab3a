"""Term symbols of molecules that every textbook has."""

from __future__ import annotations

import pytest
from ase import Atoms
from ase.build import molecule

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.properties.electronic import analyse
from iia_calc.properties.symmetry import symmetry_of

pytest.importorskip("pyscf")
pytest.importorskip("pymatgen")


def term(atoms: Atoms, multiplicity: int, symmetric: Atoms | None = None) -> str:
    level = DFTLevel("PBE0", "3-21G", threads=1, gpu=False)
    mean_field = level.converge(atoms, multiplicity)
    return analyse(mean_field, level.name, "stable", symmetric or symmetry_of(atoms).atoms).term


@pytest.mark.parametrize(
    ("name", "multiplicity", "expected"),
    [
        ("H2O", 1, "1A1"),
        ("CH2_s3B1d", 3, "3B1"),
        ("NO2", 2, "2A1"),
        ("H2O2", 1, "1A"),
        ("O2", 3, "3B1g (D2h of D∞h)"),  # Σg⁻
        ("NH3", 1, "1A' (Cs of C3v)"),
    ],
)
def test_of_textbook_molecules(name, multiplicity, expected):
    atoms = molecule(name)
    atoms.rotate(37.0, (1, 2, 3))
    assert term(atoms, multiplicity) == expected


def test_it_does_not_depend_on_small_displacements():
    atoms = molecule("H2O")
    symmetric = atoms.copy()
    atoms.positions[1] += 0.03
    assert term(atoms, 1, symmetric) == "1A1"


def test_an_atom_has_none_here():
    assert term(Atoms("B", [[0, 0, 0]]), 2) == ""
