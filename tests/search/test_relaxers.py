"""Lennard-Jones against ASE's, batch against single; any ASE calculator, also ones that fail."""

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones as ASELennardJones

from search import ASERelaxer, Composition, LennardJones, Relaxer
from search.geometry.composition import bond_lengths
from search.geometry.scale import LengthScale
from search.relaxers.model_hessian import Springs, model_hessian


def seeds(formula, n, relaxer=None, seed=0):
    rng = np.random.default_rng(seed)
    scale = LengthScale.of(Composition.parse(formula), relaxer)
    return [scale.atoms(scale.seed(rng)) for _ in range(n)]


@pytest.mark.parametrize(("epsilon", "sigma"), [(1.0, 1.0), (0.0104, 3.4)])
def test_energy_and_forces_are_those_of_ase(epsilon, sigma):
    relaxer = LennardJones(epsilon, sigma)
    for atoms in seeds("Ar7", 3, relaxer):
        energies, forces = relaxer.evaluate(atoms.positions[None])
        atoms.calc = ASELennardJones(epsilon=epsilon, sigma=sigma, rc=1e4)
        scale = epsilon * 1e-9
        assert energies[0] == pytest.approx(atoms.get_potential_energy(), abs=scale)
        assert np.abs(forces[0] - atoms.get_forces()).max() < scale / sigma * 1e2


def test_batch_is_single_and_nothing_is_mutated():
    relaxer = LennardJones()
    structures = seeds("Ar13", 4, relaxer) + seeds("Ar7", 3, relaxer)
    structures.insert(2, Atoms("Ar13", np.full((13, 3), np.nan)))
    before = [atoms.positions.copy() for atoms in structures]
    together = relaxer.relax(structures)
    assert all(np.array_equal(a.positions, b, equal_nan=True) for a, b in zip(structures, before, strict=True))
    assert not together[2].converged
    assert together[2].reason == "non-finite"
    for atoms, relaxed in zip(structures, together, strict=True):
        single = relaxer.relax([atoms])[0]
        assert np.array_equal(single.atoms.positions, relaxed.atoms.positions, equal_nan=True)
        assert single.n_evaluations == relaxed.n_evaluations
    sound = [r for r in together if r.reason == "converged"]
    assert len(sound) == 7
    for relaxed in sound:
        assert np.abs(relaxer.evaluate(relaxed.atoms.positions[None])[1]).max() < 1e-3


def test_step_limit_and_fragments_are_said():
    assert LennardJones(max_steps=3).relax(seeds("Ar13", 1))[0].reason == "step limit"
    apart = Atoms("Ar4", [[0, 0, 0], [1.12, 0, 0], [90, 0, 0], [91.12, 0, 0]])
    (relaxed,) = LennardJones().relax([apart])
    assert relaxed.fragmented
    assert relaxed.converged
    assert not LennardJones().relax([apart[:2]])[0].fragmented


@pytest.mark.parametrize("atoms", [Atoms("ArNe", [[0, 0, 0], [0, 0, 2]]), Atoms("Ar", pbc=True)])
def test_lennard_jones_refuses(atoms):
    with pytest.raises(ValueError, match="Lennard-Jones here"):
        LennardJones().relax([atoms])


def test_ase_calculator_relaxes():
    relaxer = ASERelaxer(EMT(), fmax=0.02)
    assert isinstance(relaxer, Relaxer)
    structures = seeds("AuCu5", 2)
    before = [atoms.positions.copy() for atoms in structures]
    for atoms, start, relaxed in zip(structures, before, relaxer.relax(structures), strict=True):
        assert (atoms.positions == start).all()
        assert relaxed.converged
        assert relaxed.n_evaluations == relaxed.n_steps + 1
        check = relaxed.atoms.copy()
        check.calc = EMT()
        assert check.get_potential_energy() == pytest.approx(relaxed.energy, abs=1e-9)
        assert np.linalg.norm(check.get_forces(), axis=1).max() == pytest.approx(relaxed.fmax)


class Moody(Calculator):
    """Raises, or gives NaN, for clusters whose first atom is left of the centre by more than a limit."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, mood):
        super().__init__()
        self.mood, self.inner = mood, ASELennardJones(rc=1e4)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        inner = atoms.copy()
        inner.calc = self.inner
        energy, forces = inner.get_potential_energy(), inner.get_forces()
        if atoms.positions[0, 0] < atoms.positions[:, 0].mean():
            if self.mood == "raise":
                raise ArithmeticError("no self-consistency")
            energy, forces = np.nan, np.full_like(forces, np.nan)
        self.results = {"energy": energy, "forces": forces}


@pytest.mark.parametrize(
    ("mood", "reason"), [("raise", "failed: ArithmeticError: no self-consistency"), ("nan", "non-finite")]
)
def test_failures_stay_with_their_structure(mood, reason):
    lj = LennardJones()
    structures = seeds("Ar5", 8, lj, seed=1)
    results = ASERelaxer(Moody(mood), bond_length=lj.bond_length).relax(structures)
    reasons = {relaxed.reason for relaxed in results}
    assert reasons == {"converged", reason}
    for relaxed in results:
        assert relaxed.converged == (relaxed.reason == "converged")
        assert np.isfinite(relaxed.atoms.positions).all()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ASERelaxer(Atoms("B")), TypeError, None),
        (lambda: ASERelaxer("EMT"), TypeError, "not an ASE calculator"),
        (lambda: ASERelaxer(EMT(), fmax=0.0), ValueError, "fmax is 0.0"),
        (lambda: LennardJones(sigma=-1.0), ValueError, "sigma is -1.0; it must be a number above 0"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_model_hessian_is_positive_and_lets_a_cluster_go_anywhere():
    atoms = seeds("SeB8", 1)[0]
    springs = Springs(stiffness=7.6, decay=3.8, softest=1.7)
    (matrix,) = model_hessian(atoms.positions[None], bond_lengths(atoms.numbers), springs)
    assert np.allclose(matrix, matrix.T)
    assert np.linalg.eigvalsh(matrix).min() == pytest.approx(1.7)
    together = np.tile(np.eye(3), (len(atoms), 1))  # [3n, 3] all atoms along x, y, z
    assert np.allclose(matrix @ together, 1.7 * together)


def test_model_hessian_is_that_of_springs():
    x = np.array([[0.0, 0, 0], [1.7, 0, 0]])
    (matrix,) = model_hessian(x[None], 1.7, Springs(stiffness=5.0, decay=3.0, softest=0.0))
    assert np.allclose(matrix[0::3, 0::3], [[5, -5], [-5, 5]])  # along the bond
    assert np.abs(matrix[1::3]).max() == 0.0  # and nothing across it


def test_curvature_halves_the_evaluations(monkeypatch):
    structures = seeds("Cu13", 6)
    with_model = ASERelaxer(EMT()).relax(structures)
    monkeypatch.setattr("search.relaxers.ase.model_hessian", lambda x, *_: 70.0 * np.eye(3 * x.shape[1])[None])
    with_number = ASERelaxer(EMT()).relax(structures)
    assert all(r.converged for r in with_model + with_number)
    assert sum(r.n_evaluations for r in with_model) < 0.8 * sum(r.n_evaluations for r in with_number)
