"""IIACalculator against ASE's contract, and bad input."""

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.calculators.calculator import PropertyNotImplementedError
from ase.calculators.fd import calculate_numerical_forces
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary
from ase.md.verlet import VelocityVerlet
from clusters import random_cluster, small_potential

from iia_calc.calculator import IIACalculator
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.relax.batch import PotentialRelaxer
from search.errors import InputError, InputTypeError


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return storage.save(folder, small_potential(), {"level_of_theory": "none"})


@pytest.fixture
def calc(card):
    potential = small_potential()
    potential.card = card
    return IIACalculator(potential)


@pytest.fixture
def atoms(calc):
    atoms = random_cluster(7, seed=2, n_selenium=2)
    atoms.calc = calc
    return atoms


def test_properties(atoms, calc):
    energy = atoms.get_potential_energy()
    assert isinstance(energy, float)
    assert atoms.get_potential_energy(force_consistent=True) == energy
    assert atoms.get_forces().shape == (7, 3)
    assert atoms.get_potential_energies().sum() == pytest.approx(energy)
    assert atoms.get_forces().dtype == np.float64
    for name in ("stress", "dipole", "energy_std"):
        with pytest.raises(PropertyNotImplementedError):
            calc.get_property(name, atoms)


def test_forces_against_ase_differences(atoms):
    numeric = calculate_numerical_forces(atoms, eps=1e-4)
    forces = atoms.get_forces()
    np.testing.assert_allclose(forces, numeric, rtol=0, atol=1e-5 * np.abs(forces).max())
    assert np.abs(-forces - numeric).max() > 1e-2  # control


def test_positions_numbers_charge_and_spin_invalidate(atoms, calc):
    atoms.get_forces()
    assert not calc.calculation_required(atoms, ["energy", "forces"])
    before = atoms.get_potential_energy()
    atoms.positions[0, 0] += 0.1
    assert atoms.get_potential_energy() != before
    atoms.numbers[1] = 5
    assert calc.calculation_required(atoms, ["energy"])
    for key, value in (("charge", 0), ("spin", 1), ("multiplicity", 1)):
        atoms.get_potential_energy()
        atoms.info[key] = value
        assert calc.calculation_required(atoms, ["energy"]), key


def test_input_is_left_alone(atoms):
    before = atoms.positions.copy()
    forces = atoms.get_forces()
    forces[:] = 0.0
    assert np.abs(atoms.get_forces()).max() > 0.0
    np.testing.assert_array_equal(atoms.positions, before)


def test_from_a_folder(card, tmp_path):
    storage.save(tmp_path / "m", small_potential(dtype=torch.float32), {"level_of_theory": "none"})
    atoms = random_cluster(5)
    energies = [IIACalculator(tmp_path / "m", dtype=d).get_potential_energy(atoms) for d in ("float32", "float64")]
    assert energies[0] == pytest.approx(energies[1], abs=1e-3)
    with pytest.raises(ValueError, match="float16"):
        IIACalculator(tmp_path / "m", dtype="float16")
    with pytest.raises(storage.ModelError, match="no model"):
        IIACalculator(tmp_path / "not there")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda a: a.numbers.__setitem__(0, 6), "not fitted for C; it knows B, Se"),
        (lambda a: a.numbers.__setitem__(0, 119), "the atomic number 119; elements have 1 to 118"),
        (lambda a: a.numbers.__setitem__(0, -5), "the atomic number -5; elements have 1 to 118"),
        (lambda a: a.positions.__setitem__((2, 1), np.nan), r"atoms \[2\] are not finite"),
        (lambda a: a.positions.__setitem__((2, 1), np.inf), "not finite"),
        (lambda a: a.positions.__setitem__(1, a.positions[4]), "atoms 1 and 4 coincide"),
        (lambda a: a.info.update(charge=-1), "charge -1; this potential knows neutral clusters only"),
        (lambda a: a.info.update(multiplicity=1), "multiplicity 1 is impossible.*must be even"),
        (lambda a: a.info.update(spin=4), "multiplicity 4"),
        (lambda a: a.set_initial_charges([1] + [0] * 6), r"charge \+1"),
        (lambda a: a.set_initial_magnetic_moments([3] + [0] * 6), "multiplicity 4"),
    ],
)
def test_bad_input(atoms, spoil, message):
    spoil(atoms)
    with pytest.raises(ValueError, match=message):
        atoms.get_potential_energy()


def test_what_was_fitted_is_accepted(atoms):
    atoms.info.update(charge=0, multiplicity=2)
    atoms.set_initial_magnetic_moments([1] + [0] * 6)
    assert np.isfinite(atoms.get_potential_energy())


def test_no_atoms(calc):
    with pytest.raises(ValueError, match="no atoms"):
        calc.get_potential_energy(Atoms())


def test_committee():
    members = [small_potential(seed) for seed in range(3)]
    atoms = random_cluster(6)
    leader, mean = (IIACalculator(Committee(members).freeze(), energy_from=e) for e in ("leader", "mean"))
    energies = [IIACalculator(member).get_potential_energy(atoms) for member in members]
    assert leader.get_potential_energy(atoms) == energies[0]
    assert "energy_std" not in leader.results  # not paid for unless asked
    assert leader.get_property("energy_std", atoms) == pytest.approx(np.std(energies, ddof=1))
    assert leader.get_property("forces_std", atoms).shape == (6,)
    assert leader.get_potential_energy(atoms) == energies[0]
    assert mean.get_potential_energy(atoms) == pytest.approx(np.mean(energies), abs=1e-8)


def test_periodic_equals_a_supercell(calc):
    """One cell of a crystal, seen alone with images and as an explicit block with images."""
    cell = Atoms("SeB3", positions=[(0.1, 0, 0), (1.9, 0.2, 0.1), (0, 2.0, 0.3), (1.7, 1.9, 1.8)])
    cell.set_cell([3.6, 3.9, 3.7])
    cell.pbc = True
    block = cell.repeat((2, 1, 2))
    energy = {name: calc.get_potential_energies(a) for name, a in (("cell", cell), ("block", block))}
    np.testing.assert_allclose(energy["block"], np.tile(energy["cell"], 4), rtol=0, atol=1e-8)
    free = cell.copy()
    free.pbc = False
    assert abs(calc.get_potential_energy(free) - energy["cell"].sum()) > 1e-3


def drift_of(atoms, timestep, steps):
    """Total energy, eV/atom, along NVE: (|end - start| by a line fit over the run, standard deviation)."""
    dynamics, totals = VelocityVerlet(atoms, timestep * units.fs), []
    dynamics.attach(lambda: totals.append(atoms.get_total_energy() / len(atoms)))
    dynamics.run(steps)
    slope, _ = np.polyfit(np.arange(len(totals)), totals, 1)
    return abs(slope) * len(totals), np.std(totals)


def test_nve_conserves_energy(calc):
    relaxer = PotentialRelaxer(calc.model, fmax=0.05, max_steps=300)
    start = relaxer.relax([random_cluster(8, seed=3)])[0].atoms
    runs = []
    for timestep, steps in ((1.0, 150), (0.5, 300)):
        atoms = start.copy()
        MaxwellBoltzmannDistribution(atoms, temperature_K=300, rng=np.random.default_rng(0))
        Stationary(atoms)
        atoms.calc = calc
        runs.append(drift_of(atoms, timestep, steps))
    assert runs[1][0] / 0.15 < 1e-3  # eV/atom/ps
    assert runs[1][1] / runs[0][1] == pytest.approx(0.25, abs=0.1)  # velocity Verlet: second order


P = np.array([(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0), (0.8, -1.2, 0.3)])


@pytest.mark.parametrize("away", [1e3, 1e6])
def test_far_from_the_origin_nothing_changes(away):
    near, far = Atoms("B4", P), Atoms("B4", P + away * np.array([1.0, -1.0, 0.5]))
    near.calc, far.calc = IIACalculator(), IIACalculator()
    assert abs(near.get_potential_energy() - far.get_potential_energy()) < 1e-5
    assert np.abs(near.get_forces() - far.get_forces()).max() < 1e-5
    prediction = [
        near.calc.model.leader(
            torch.full((4,), 5), torch.from_numpy(atoms.positions), torch.zeros(4, dtype=torch.int64)
        )
        for atoms in (near, far)
    ]
    assert (prediction[0].forces - prediction[1].forces).abs().max() < 1e-5


def test_what_it_cannot_honour_is_refused():
    with pytest.raises(InputError, match=r"charge is -1; .* charge 0.*--charge"):
        IIACalculator(charge=-1)
    with pytest.raises(InputError, match="charge is 'minus one'; it must be a whole number"):
        IIACalculator(charge="minus one")
    with pytest.raises(TypeError, match="fmax"):
        IIACalculator(fmax=0.1)
    with pytest.raises(InputTypeError, match="charge can't be set"):
        IIACalculator().set(charge=-1)
    IIACalculator(charge=0, multiplicity=1)


@pytest.mark.parametrize("value", [-1, -1.0, np.int64(-1), "-1"])
def test_charges_of_any_sensible_type_are_seen(value):
    atoms = Atoms("B4", P, info={"charge": value})
    atoms.calc = IIACalculator()
    with pytest.raises(InputError, match="charge -1"):
        atoms.get_potential_energy()


def test_periodic_cells_are_checked_and_open_directions_have_room():
    calc = IIACalculator(dtype="float64")
    bare = Atoms("B4", P, pbc=(1, 0, 0))
    bare.calc = calc
    with pytest.raises(InputError, match="periodic along a, where the cell has no length"):
        bare.get_potential_energy()
    flat = Atoms("B4", P, pbc=True, cell=[(4, 0, 0), (0, 4, 0), (4, 4, 0)])
    flat.calc = calc
    with pytest.raises(InputError, match="no volume"):
        flat.get_potential_energy()
    chain = Atoms("B4", P + np.array([0, 0, 3]), pbc=(1, 0, 0), cell=(4, 0, 0))
    boxed = Atoms("B4", P, pbc=True, cell=(4, 40, 40))
    chain.calc, boxed.calc = calc, IIACalculator(dtype="float64")
    assert chain.get_potential_energy() == pytest.approx(boxed.get_potential_energy(), abs=1e-9)
    assert np.abs(chain.get_forces() - boxed.get_forces()).max() < 1e-9


def test_the_signature_is_that_of_the_weights():
    same, again, other = IIACalculator(), IIACalculator(), IIACalculator(energy_from="mean")
    assert same.signature == again.signature != other.signature
    assert IIACalculator(dtype="float64").signature != same.signature


@pytest.mark.parametrize(("name", "value"), [("charge", -1), ("multiplicity", 7)])
def test_electrons_asked_for_after_a_call_are_checked_too(name, value):
    calculator, atoms = IIACalculator("seb-3-21g"), Atoms("B3", [(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0)])
    atoms.calc = calculator
    atoms.get_potential_energy()
    setattr(calculator, name, value)
    atoms.positions[0, 0] -= 0.01
    with pytest.raises(ValueError, match=name):
        atoms.get_potential_energy()
