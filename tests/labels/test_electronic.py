"""Multiplicities, ⟨S²⟩ and stability on molecules whose states are known, and against PySCF's own analysis."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.units import Hartree

from iia_calc.labels.dft import gpu
from iia_calc.labels.dft.electronic import ElectronicState, _follow, next_multiplicity
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.dft.stability import lowest_eigenpair, unstable_orbitals
from iia_calc.labels.level import FOLLOWED, STABLE, UNCHECKED

pytest.importorskip("pyscf")
LEVEL = DFTLevel(threads=1)
B2 = Atoms("B2", [[0, 0, 0], [0, 0, 1.6]])
B3 = Atoms("B3", [[0, 0, 0], [1.55, 0, 0], [0.775, 1.34, 0]])
RHOMBUS = [[-1.235, 0, 0], [0, -0.9242, 0], [1.235, 0, 0], [0, 0.9242, 0]]
SEB2 = Atoms("SeB2", [[1.65, 0, 0], [0, 0.8, 0], [0, -0.8, 0]])


def hydrogen(distance: float) -> Atoms:
    return Atoms("H2", [[0, 0, 0], [0, 0, distance]])


def test_a_bond_that_breaks_is_followed_to_two_atoms():
    """Restricted H2 is stable at its bond length and unstable (external) when stretched, where it is two atoms."""
    bound = LEVEL.state(hydrogen(0.74), 1)
    assert (bound.stability, bound.restricted, bound.s_squared) == (STABLE, True, None)
    broken = LEVEL.state(hydrogen(4.0), 1)
    assert (broken.stability, broken.restricted) == (FOLLOWED, False)
    assert broken.s_squared == pytest.approx(1.0, abs=0.02)
    assert broken.ideal_s_squared == 0.0
    assert broken.energy == pytest.approx(2 * LEVEL.element_energy("H"), abs=0.02)
    unchecked = LEVEL.state(hydrogen(4.0), 1, check_stability=False)
    assert (unchecked.stability, unchecked.restricted) == (UNCHECKED, True)
    assert unchecked.energy > broken.energy + 1.0


def test_an_internal_instability_is_followed():
    """A triplet kernel started from the wrong orbitals: the analysis sees what PySCF's sees, and follows it."""
    mean_field = LEVEL.converge(B2, 3)
    assert not mean_field.stability(return_status=True)[2]
    assert unstable_orbitals(mean_field) is not None
    state = LEVEL.state(B2, 3)
    assert state.stability == FOLLOWED
    assert state.energy < mean_field.e_tot * Hartree - 1e-3
    assert state.s_squared > state.ideal_s_squared == 2.0


@pytest.mark.parametrize(("n_atoms", "higher_way"), [(3, 1), (5, 0)])
def test_an_instability_is_followed_both_ways(n_atoms, higher_way):
    """A stretched, uneven chain of hydrogen: the two ways off its delocalised doublet end 0.1 eV apart."""
    positions = [[0, 0, 2.5 * k + 0.02 * k * k] for k in range(n_atoms)]
    if n_atoms == 3:
        positions = [[0, 0, 0], [0, 0, 2.5], [0, 0, 5.1]]
    chain = Atoms(f"H{n_atoms}", positions)
    delocalised = LEVEL.converge(chain, 2)
    ways = unstable_orbitals(delocalised, part_spins=False)
    assert ways is not None
    ends = [_follow(LEVEL, chain, 2, orbitals, delocalised.e_tot).e_tot * Hartree for orbitals in ways]
    assert ends[higher_way] > ends[1 - higher_way] + 0.05
    label = LEVEL.label(chain)
    assert label.stability == FOLLOWED
    assert label.energy < min(ends) + 1e-3


def test_a_coarse_grid_s_doubt_is_no_instability():
    """The rhombus of B4: one eigenvalue is -0.003 hartree on the coarse grid and about zero on the solution's own."""
    rhombus = Atoms("B4", RHOMBUS)
    assert LEVEL.state(rhombus, 1).stability == STABLE


def test_ways_that_exchange_the_spins_are_one():
    assert len(unstable_orbitals(LEVEL.converge(hydrogen(4.0), 1)) or ()) == 1


def test_triplet_is_the_ground_state_of_b2():
    assert LEVEL.state(B2, 3).energy < LEVEL.state(B2, 1).energy - 0.1


def test_doublet_and_quartet():
    doublet, quartet = (LEVEL.state(B3, m) for m in (2, 4))
    assert doublet.energy < quartet.energy - 1.0
    assert doublet.stability == STABLE
    assert 0.75 <= doublet.s_squared < 1.0
    assert (doublet.ideal_s_squared, quartet.ideal_s_squared) == (0.75, 3.75)


def test_a_larger_basis_starts_from_the_stable_solution():
    larger = LEVEL.but(basis="def2-SVP")
    state = larger.state(SEB2, 1, check_stability=False, start=LEVEL)
    assert not LEVEL.state(SEB2, 1).restricted
    assert not state.restricted
    assert state.energy < larger.converge(SEB2, 1).e_tot * Hartree - 0.3  # RKS, which is unstable
    assert (state.basis, state.charge, state.multiplicity) == ("def2-SVP", 0, 1)
    assert "multiplicity 1" in state.level


def test_states_are_plain_data():
    state = LEVEL.state(B3, 2)
    plain = state.as_plain()
    assert plain["ideal_s_squared"] == 0.75
    assert ElectronicState.from_plain(plain) == state


def test_lowest_eigenpair_breaks_symmetry():
    """A negative eigenvalue whose vector no symmetric start contains."""
    rng = np.random.default_rng(0)
    block = np.diag(np.arange(1.0, 40.0)) + 0.1 * (noise := rng.standard_normal((39, 39))) + 0.1 * noise.T
    coupling = 1.5 * np.eye(39)
    matrix = np.block([[block, coupling], [coupling, block]])
    value, vector = lowest_eigenpair(lambda x: matrix @ x, np.diag(matrix))
    exact = np.linalg.eigvalsh(matrix)[0]
    assert exact < 0
    assert exact - 1e-9 <= value < 0.5 * exact
    assert vector @ matrix @ vector < 0
    assert lowest_eigenpair(lambda x: (matrix @ x) + 5 * x, np.diag(matrix) + 5)[0] > 0


def test_next_multiplicity():
    assert next_multiplicity(B3, 0, 2) == 4
    assert next_multiplicity(hydrogen(1.0), 0, 1) == 3
    assert next_multiplicity(hydrogen(1.0), 0, 3) is None
    with pytest.raises(ValueError, match="impossible"):
        LEVEL.state(B3, 3)


def test_hessian_is_the_slope_of_the_forces():
    hessian = DFTLevel(threads=1, grid_level=3).hessian(B2)
    level = DFTLevel(threads=1, grid_level=3, conv_tol=1e-10)
    forces = []
    for sign in (1, -1):
        moved = B2.copy()
        moved.positions[1, 2] += sign * 0.01
        forces.append(level.label(moved).forces)
    slope = -(forces[0] - forces[1]) / 0.02
    assert hessian[1, 2] == pytest.approx(slope, abs=0.1)
    assert abs(hessian[1, 2, 1, 2]) > 5


def test_the_gpu_is_used_where_there_is_one(monkeypatch):
    sent = []
    monkeypatch.setattr(gpu, "available", lambda: True)
    monkeypatch.setattr(gpu, "to_gpu", lambda mean_field: sent.append(type(mean_field).__name__) or mean_field)
    DFTLevel(threads=1, gpu=False).label(B3)
    assert not sent
    label = DFTLevel(threads=1).label(B3)
    assert len(sent) == 1
    assert label.energy == pytest.approx(LEVEL.label(B3).energy, abs=1e-5)


def test_without_a_gpu_the_cpu_does_it(monkeypatch):
    mean_field = LEVEL.mean_field(B3, 2)
    monkeypatch.setattr(type(mean_field), "to_gpu", lambda self: (_ for _ in ()).throw(ImportError("no cupy")))
    assert gpu.to_gpu(mean_field) is mean_field
    assert gpu.to_cpu(mean_field) is mean_field
    monkeypatch.setattr(gpu, "available", lambda: False)
    with pytest.raises(ValueError, match="CUDA sees no device"):
        DFTLevel(gpu=True)
