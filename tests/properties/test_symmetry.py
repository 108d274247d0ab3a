"""Point groups of molecules that everybody knows, of boron clusters, and of structures a little off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import read

from iia_calc.properties.symmetry import is_chiral, symmetry_number, symmetry_of
from search.errors import InputError

pytest.importorskip("pymatgen")

LOWEST = Path(__file__).parents[2] / "models/lowest/lowest.extxyz"
KNOWN = {
    "H2O": ("C2v", 2),
    "NH3": ("C3v", 3),
    "CH4": ("Td", 12),
    "C6H6": ("D6h", 12),
    "C2H6": ("D3d", 6),
    "C2H4": ("D2h", 4),
    "C3H4_D2d": ("D2d", 4),
    "BF3": ("D3h", 6),
    "CO2": ("D∞h", 2),
    "CO": ("C∞v", 1),
    "CH3OH": ("Cs", 1),
    "H2O2": ("C2", 2),
    "C60": ("Ih", 60),
}


@pytest.mark.parametrize("name", KNOWN)
def test_of_molecules_that_everybody_knows(name):
    found = symmetry_of(molecule(name))
    assert (found.point_group, found.symmetry_number) == KNOWN[name]
    assert found.chiral == (name == "H2O2")
    assert found.moved < 0.02


def lowest(formula: str) -> Atoms:
    """The lowest known minimum of a formula."""
    frames = [f for f in read(LOWEST, ":") if f.get_chemical_formula() == Atoms(formula).get_chemical_formula()]
    return min(frames, key=lambda f: f.get_potential_energy())


@pytest.mark.parametrize(
    ("formula", "group", "number"),
    [
        ("B3", "D3h", 6),
        ("B9", "D7h", 14),
        ("B12", "C3v", 3),
        ("B16", "D8d", 16),
        ("B20", "D10d", 20),
        ("SeB3", "C2v", 2),
    ],
)
def test_of_boron_clusters(formula, group, number):
    frames = [f for f in read(LOWEST, ":") if f.get_chemical_formula() == Atoms(formula).get_chemical_formula()]
    assert (group, number) in [(s.point_group, s.symmetry_number) for s in map(symmetry_of, frames)]


def test_the_symmetrised_structure_has_the_symmetry_exactly():
    ring = lowest("B20")
    ring.rattle(0.01, seed=1)
    found = symmetry_of(ring)
    assert found.point_group == "D10d"
    assert 0.005 < found.moved < 0.1
    x = found.atoms.positions - found.atoms.positions.mean(0)
    radii = np.linalg.norm(x, axis=1)
    assert radii == pytest.approx(np.full(20, radii.mean()), abs=1e-3)
    assert np.linalg.norm(ring.positions - ring.positions.mean(0), axis=1).std() > 3e-3  # it was not before
    assert symmetry_of(found.atoms, 0.02).point_group == "D10d"


def test_symbol_and_operations_always_agree():
    """Of a heptagonal wheel that is a little off pymatgen alone says C2v and finds 28 operations, those of D7h."""
    wheel = next(f for f in read(LOWEST, ":") if f.get_chemical_formula() == "B8")
    for tolerance in (0.02, 0.05, 0.1, 0.2, 0.3):
        found = symmetry_of(wheel, tolerance)
        assert found.symmetry_number == symmetry_number(found.point_group)
        assert found.moved <= tolerance
    assert symmetry_of(wheel, 0.02).symmetry_number < 14
    assert symmetry_of(wheel, 0.2).point_group == "D7h"


def test_a_bent_chain_is_not_linear():
    assert symmetry_of(Atoms("B3", [[0, 0, 0], [0, 0.05, 1.5], [0, 0, 3.0]])).point_group == "D∞h"
    assert symmetry_of(Atoms("B3", [[0, 0, 0], [0, 0.5, 1.5], [0, 0, 3.0]])).point_group == "C2v"


def test_mirror_images():
    chiral = [
        g for g in ("C1", "C2", "D3", "T", "O", "I", "Cs", "Ci", "C2v", "D2d", "S4", "Td", "D∞h", "C∞v") if is_chiral(g)
    ]
    assert chiral == ["C1", "C2", "D3", "T", "O", "I"]
    with pytest.raises(InputError, match="no point group"):
        symmetry_number("X2")


@pytest.mark.parametrize("tolerance", [0.0, -0.1, 1.5, float("nan")])
def test_nonsense_is_refused(tolerance):
    with pytest.raises(InputError, match="tolerance"):
        symmetry_of(molecule("H2O"), tolerance)


def test_an_atom_and_elements_that_differ():
    assert symmetry_of(Atoms("B")).point_group == "Kh"
    square = [[1, 1, 0], [1, -1, 0], [-1, -1, 0], [-1, 1, 0]]
    assert symmetry_of(Atoms("B4", square)).point_group == "D4h"
    assert symmetry_of(Atoms("SeB3", square)).point_group == "C2v"
    assert symmetry_of(Atoms("SeBSeB", square)).point_group == "D2h"
