"""Labels against independent numbers: finite differences, PySCF by hand, the laws of electron counting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from ase import Atoms
from ase.units import Hartree

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import (
    Label,
    LabelFailed,
    LevelCalculator,
    checked_level,
    level_key,
    multiplicity_of,
    same_level,
)
from iia_calc.labels.levels import make_level
from iia_calc.labels.xtb import XTBLevel
from search.errors import InputTypeError

TRIANGLE = Atoms("B2Se", [[0.0, 0.0, 0.0], [1.65, 0.0, 0.1], [0.7, 1.75, 0.0]])
ODD = Atoms("B3", [[0.0, 0.0, 0.0], [1.6, 0.0, 0.0], [0.8, 1.4, 0.1]])


def _finite_difference(level, atoms: Atoms, atom: int, axis: int, step: float) -> float:
    energies = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[atom, axis] += sign * step
        energies.append(level.label(moved).energy)
    return -(energies[0] - energies[1]) / (2 * step)


@pytest.mark.parametrize("method", ["GFN1-xTB", "GFN2-xTB"])
@pytest.mark.parametrize("atoms", [TRIANGLE, ODD], ids=["even", "odd"])
def test_xtb_forces_are_minus_the_slope_of_the_energy(method, atoms):
    level = XTBLevel(method)
    force = level.label(atoms).forces[1, 0]
    slope = _finite_difference(level, atoms, 1, 0, 1e-3)
    assert force == pytest.approx(slope, abs=2e-3)
    assert abs(force) > 0.1  # else a flipped sign would pass


@pytest.mark.parametrize("atoms", [TRIANGLE, ODD], ids=["restricted", "unrestricted"])
def test_dft_forces_are_minus_the_slope_of_the_energy(atoms):
    level = DFTLevel(conv_tol=1e-9, threads=1)
    force = level.label(atoms).forces[1, 0]
    assert force == pytest.approx(_finite_difference(level, atoms, 1, 0, 2e-3), abs=0.03)
    assert abs(force) > 0.3


def test_dft_energy_equals_pyscf_without_density_fitting():
    from pyscf import dft, gto

    molecule = gto.M(
        atom=list(zip(TRIANGLE.get_chemical_symbols(), TRIANGLE.positions, strict=True)), basis="3-21g", verbose=0
    )
    reference = dft.RKS(molecule, xc="pbe0")
    reference.kernel()
    assert reference.converged
    assert DFTLevel(threads=1).label(TRIANGLE).energy == pytest.approx(reference.e_tot * Hartree, abs=1e-3 * Hartree)


def test_multiplicity_is_the_lowest_unless_given():
    assert multiplicity_of(TRIANGLE, 0, None) == 1
    assert multiplicity_of(TRIANGLE, 1, None) == 2
    assert multiplicity_of(ODD, 0, 4) == 4
    with pytest.raises(ValueError, match="must be even"):
        multiplicity_of(ODD, 0, 3)
    with pytest.raises(ValueError, match="without electrons"):
        multiplicity_of(Atoms("B"), 6, None)


def test_triplet_differs_from_singlet():
    dimer = Atoms("B2", [[0, 0, 0], [0, 0, 1.6]])
    singlet = DFTLevel(threads=1).label(dimer).energy
    triplet = DFTLevel(multiplicity=3, threads=1).label(dimer).energy
    assert triplet < singlet - 0.3  # B2's ground state is a triplet


def test_free_atoms_have_their_ground_state():
    level = DFTLevel(threads=1)
    assert level.element_energy("Se") < DFTLevel(multiplicity=1, threads=1).converge(Atoms("Se"), 1).e_tot * Hartree
    with pytest.raises(ValueError, match="not tabulated"):
        level.element_energy("U")


def test_what_does_not_converge_is_no_label():
    with pytest.raises(LabelFailed, match="not converged"):
        DFTLevel(conv_tol=1e-30, max_cycle=3, threads=1).label(TRIANGLE)
    with pytest.raises(LabelFailed):
        XTBLevel(electronic_temperature=1.0, max_iterations=2).label(TRIANGLE)


def test_level_names_tell_levels_apart():
    names = {
        level.name
        for level in (
            XTBLevel(),
            XTBLevel("GFN2-xTB"),
            XTBLevel(electronic_temperature=300),
            DFTLevel(),
            DFTLevel(charge=1),
            DFTLevel(basis="def2-TZVP"),
            DFTLevel(multiplicity=3),
            DFTLevel(conv_tol=1e-9),
            DFTLevel(grid_level=3),
            DFTLevel(density_fit=False),
            DFTLevel(max_cycle=3),
            DFTLevel(follow=False),
        )
    }
    assert len({level_key(name) for name in names}) == len(names) == 12
    with pytest.raises(ValueError, match="choose GFN1-xTB or GFN2-xTB"):
        XTBLevel("GFN3-xTB")


def test_one_level_is_recognised_however_it_is_written():
    today = DFTLevel().name
    assert today == "PBE0/3-21G, density fitting, grid 1, charge 0, lowest multiplicity"  # of stores made long ago
    for name in (
        f"{today}, conv_tol 1e-07",
        "pbe0/3-21g, grid 1, density fitting, conv_tol 0.0000001, charge 0, lowest multiplicity",
        DFTLevel(functional="pbe0", basis="3-21g").name,
        DFTLevel(threads=3, gpu=False).name,
    ):
        assert same_level(name, today), name
    for other in (DFTLevel(conv_tol=1e-8).name, DFTLevel(charge=-1).name, DFTLevel(charge=1).name, XTBLevel().name):
        assert not same_level(other, today), other
    assert not same_level(DFTLevel(charge=-1).name, DFTLevel(charge=1).name)


def test_level_calculator_keeps_its_frames():
    calculator = LevelCalculator(XTBLevel())
    atoms = TRIANGLE.copy()
    atoms.calc = calculator
    first = atoms.get_potential_energy()
    atoms.positions[0, 2] += 0.2
    second = atoms.get_potential_energy()
    assert [label.energy for _, label in calculator.frames] == [first, second]
    assert np.allclose(calculator.frames[0][0].positions, TRIANGLE.positions)


@dataclass
class Odd:
    """A level of theory that answers whatever it is given to answer."""

    answer: object = None
    atom: object = np.float32(-1.5)
    charge: int = 0
    multiplicity: int | None = None
    name: str = "odd"

    def label(self, atoms):
        atoms.positions += 1.0  # a level should leave it alone
        return self.answer

    def element_energy(self, symbol):
        return self.atom


def test_answers_of_a_level_of_ones_own_are_plain_numbers():
    pair = Atoms("B2", [(0, 0, 0), (0, 0, 1.6)])
    level = checked_level(Odd(Label(np.array([-3]), [[0, 0, 1], [0, 0, -1]]), np.int64(0)))
    label = level.label(pair)
    assert (type(label.energy), label.energy, label.forces.dtype, label.forces.shape) == (float, -3.0, float, (2, 3))
    assert type(level.element_energy("B")) is float
    assert pair.positions[1].tolist() == [0, 0, 1.6]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((-3.0, np.zeros((2, 3))), "must give a Label"),
        (None, "must give a Label"),
        (Label(None, np.zeros((2, 3))), "not numbers|not finite"),
        (Label("low", np.zeros((2, 3))), "not numbers"),
        (Label(np.zeros(2), np.zeros((2, 3))), r"energy of shape \[2\]"),
        (Label(-3.0, np.zeros(6)), r"forces of shape \[6\]; for 2 atoms they must be \[\] and \[2, 3\]"),
        (Label(-3.0, np.full((2, 3), np.nan)), "not finite"),
    ],
)
def test_an_answer_that_is_none_is_a_failure(answer, says):
    with pytest.raises(LabelFailed, match=says):
        checked_level(Odd(answer)).label(Atoms("B2", [(0, 0, 0), (0, 0, 1.6)]))


def test_what_is_no_level_is_told_what_it_lacks():
    with pytest.raises(InputTypeError, match=r"it lacks .*element_energy; an ASE calculator becomes one"):
        make_level("ase.calculators.lj:LennardJones")
    with pytest.raises(InputTypeError, match="has the name ''"):
        checked_level(Odd(name=""))
    with pytest.raises(LabelFailed, match="free B atom"):
        checked_level(Odd(atom=np.nan)).element_energy("B")
