"""Batched relaxation: the same as one by one, the same minimum as ASE's, and honest about its failures."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.constraints import FixAtoms
from ase.io import read, write
from ase.optimize import LBFGS
from clusters import random_cluster, small_potential

from iia_calc.calculator import IIACalculator
from iia_calc.isomers.files import write_uncertain
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.relax import lbfgs
from iia_calc.relax.batch import PotentialRelaxer
from iia_calc.relax.files import relax_file
from iia_calc.relax.lbfgs import BatchedLBFGS
from iia_calc.relax.model_hessian import inverse_model_hessian
from search.errors import InputError
from search.geometry.pieces import soundness
from search.relaxers.base import Relaxer


@pytest.fixture(scope="module")
def potential():
    return small_potential()


@pytest.fixture(scope="module")
def clusters():
    return [random_cluster(n, seed=n) for n in (4, 1, 7, 12, 2, 9, 3)]


@pytest.fixture(scope="module")
def relaxed(potential, clusters):
    return PotentialRelaxer(potential, fmax=0.01, batch_size=3).relax(clusters)


def test_is_a_relaxer(potential):
    assert isinstance(PotentialRelaxer(potential), Relaxer)
    assert PotentialRelaxer(potential).relax([]) == []


def test_every_result_is_what_it_says(potential, clusters, relaxed):
    for start, end in zip(clusters, relaxed, strict=True):
        assert end.converged
        assert end.reason == "converged"
        assert (end.atoms.numbers == start.numbers).all()
        end.atoms.calc = IIACalculator(potential)
        forces = end.atoms.get_forces()
        assert np.linalg.norm(forces, axis=1).max() == pytest.approx(end.fmax, abs=1e-8)
        assert end.fmax < 0.01
        assert end.atoms.get_potential_energy() == pytest.approx(end.energy, abs=1e-7)
        assert end.n_evaluations > end.n_steps >= (len(start) > 1)
        assert IIACalculator(potential).get_potential_energy(start) >= end.energy - 1e-4


def test_input_is_left_alone(potential, clusters):
    before = [atoms.positions.copy() for atoms in clusters]
    PotentialRelaxer(potential, max_steps=3).relax(clusters)
    for atoms, positions in zip(clusters, before, strict=True):
        np.testing.assert_array_equal(atoms.positions, positions)


def test_batch_equals_single(potential, clusters, relaxed):
    for atoms, end in zip(clusters, relaxed, strict=True):
        (alone,) = PotentialRelaxer(potential, fmax=0.01).relax([atoms])
        assert alone.energy == pytest.approx(end.energy, abs=1e-5)
        assert alone.n_evaluations == end.n_evaluations
        np.testing.assert_allclose(alone.atoms.positions, end.atoms.positions, atol=1e-4)


def test_same_minimum_as_ase(potential, relaxed):
    rng = np.random.default_rng(0)
    for end in relaxed:
        start = end.atoms.copy()
        start.positions += rng.normal(0, 0.02, start.positions.shape)
        (ours,) = PotentialRelaxer(potential, fmax=0.001).relax([start])
        theirs = start.copy()
        theirs.calc = IIACalculator(potential)
        LBFGS(theirs, logfile=None).run(fmax=0.001, steps=500)
        assert ours.energy == pytest.approx(theirs.get_potential_energy(), abs=1e-4)


def test_slots_are_taken_by_waiting_clusters(potential, clusters):
    batch = BatchedLBFGS(potential, fmax=0.01, max_steps=500, max_step=0.2)
    waiting = list(range(len(clusters)))
    ends, fullest, widths = [], 0, set()
    while waiting or len(batch):
        taken, waiting = waiting[: 3 - len(batch)], waiting[3 - len(batch) :]
        batch.add(taken, [clusters[k].numbers for k in taken], [clusters[k].positions for k in taken])
        fullest = max(fullest, len(batch))
        widths.add(batch.state["x"].shape[1])
        ends += batch.step()
    assert sorted(end.key for end in ends) == list(range(len(clusters)))
    assert fullest == 3
    assert len(widths) > 1  # padding follows the largest cluster present


def test_no_atom_moves_farther_than_the_cap(potential):
    batch = BatchedLBFGS(potential, fmax=0.01, max_steps=50, max_step=0.1)
    atoms = random_cluster(9, seed=1, shortest=1.0)
    batch.add([0], [atoms.numbers], [atoms.positions])
    before = atoms.positions
    while len(batch):
        batch.step()
        if len(batch):
            now = batch.state["x"][0].numpy()
            assert np.linalg.norm(now - before, axis=1).max() < 0.1 + 1e-9
            before = now.copy()


def test_model_hessian_is_sound_and_turns_with_the_cluster():
    atoms, small = random_cluster(9, seed=1), random_cluster(5, seed=2)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    Z, x = torch.zeros((4, 9), dtype=torch.int64), torch.zeros((4, 9, 3), dtype=torch.float64)
    Z[:] = torch.as_tensor(atoms.numbers)
    x[0], x[1] = torch.as_tensor(atoms.positions), torch.as_tensor(atoms.positions @ turn)
    Z[2] = 0
    Z[2, :5], x[2, :5] = torch.as_tensor(small.numbers), torch.as_tensor(small.positions)
    x[3] = torch.nan
    W = inverse_model_hessian(Z, x)
    assert torch.isfinite(W).all()
    torch.testing.assert_close(W, W.transpose(1, 2))
    assert (torch.linalg.eigvalsh(W) > 0).all()
    whole = np.kron(np.eye(9), turn)
    np.testing.assert_allclose(W[1], whole.T @ W[0].numpy() @ whole, atol=1e-9)
    torch.testing.assert_close(W[2, :15, :15], inverse_model_hessian(Z[2:3, :5], x[2:3, :5])[0])  # padding does nothing
    assert not W[2, :15, 15:].any()


def test_a_model_hessian_saves_evaluations(potential, monkeypatch):
    starts = [random_cluster(12, seed=seed) for seed in range(8)]
    with_it = PotentialRelaxer(potential, fmax=0.01).relax(starts)
    monkeypatch.setattr(lbfgs, "LARGEST", 0)
    without = PotentialRelaxer(potential, fmax=0.01).relax(starts)
    assert all(end.converged for end in [*with_it, *without])
    assert sum(end.n_evaluations for end in with_it) < 0.8 * sum(end.n_evaluations for end in without)


def test_clusters_too_large_for_a_model_hessian_go_with_small_ones(potential, clusters, relaxed, monkeypatch):
    monkeypatch.setattr(lbfgs, "LARGEST", 8)
    batch = BatchedLBFGS(potential, fmax=0.01, max_steps=500, max_step=0.2)
    for k, atoms in enumerate(clusters):  # 4, 1, 7, 12, ... atoms: the matrices go and come back
        batch.add([k], [atoms.numbers], [atoms.positions])
        if k == 2:
            assert batch.state["W"].shape == (3, 21, 21)
    assert batch.state["W"].numel() == 0
    ends = []
    while len(batch):
        ends += batch.step()
        width = batch.state["x"].shape[1] if len(batch) else 0
        assert not len(batch) or batch.state["W"].shape[1] == (3 * width if width <= 8 else 0)
    assert [end.reason for end in ends] == ["converged"] * len(clusters)


def test_step_limit_is_not_called_converged(potential, clusters):
    for end in PotentialRelaxer(potential, fmax=1e-6, max_steps=3).relax(clusters[2:4]):
        assert not end.converged
        assert end.reason == "step limit"
        assert end.n_evaluations == 3


def test_non_finite_stays_alone(potential, clusters, relaxed):
    poisoned = clusters[2].copy()
    poisoned.positions[1, 1] = np.nan
    batch = [clusters[3], poisoned, clusters[0]]
    first, bad, last = PotentialRelaxer(potential, fmax=0.01).relax(batch)
    assert bad.reason == "non-finite"
    assert not bad.converged
    assert first.converged
    assert first.energy == pytest.approx(relaxed[3].energy, abs=1e-5)
    assert last.energy == pytest.approx(relaxed[0].energy, abs=1e-5)


def test_soundness_flags():
    chain = Atoms("B3", positions=[(0, 0, 0), (1.7, 0, 0), (3.4, 0, 0)])
    assert soundness(chain.numbers, chain.positions) == (False, False)
    chain.positions[2, 0] = 4.5
    assert soundness(chain.numbers, chain.positions) == (False, True)
    chain.positions[2, 0] = 2.5
    assert soundness(chain.numbers, chain.positions) == (True, False)


def test_collapsed_is_not_converged(potential):
    class Flat:
        """A surface without forces: whatever goes in has converged."""

        leader = potential

        def evaluate(self, pairs, Z, R):
            return torch.zeros(len(Z)), torch.zeros_like(R)

    relaxer = PotentialRelaxer(potential)
    relaxer.surface = Flat()
    close = Atoms("B2", positions=[(0, 0, 0), (0, 0, 0.9)])
    (end,) = relaxer.relax([close])
    assert (end.reason, end.converged) == ("collapsed", False)
    (end,) = PotentialRelaxer(potential).relax([close])  # the potential pushes them apart
    assert end.converged
    assert end.atoms.get_distance(0, 1) > 1.2


def test_fragmented_is_flagged(potential):
    apart = random_cluster(4) + Atoms("B", positions=[(30, 0, 0)])
    (end,) = PotentialRelaxer(potential).relax([apart])
    assert end.converged
    assert end.fragmented


def test_committee_spread_at_the_minimum(clusters):
    committee = Committee([small_potential(seed) for seed in range(3)]).freeze()
    ends = PotentialRelaxer(committee, batch_size=2).relax(clusters[:4])
    for end in ends:
        calc = IIACalculator(committee)
        assert end.energy_std == pytest.approx(calc.get_property("energy_std", end.atoms), abs=1e-8)
        assert end.forces_std == pytest.approx(calc.get_property("forces_std", end.atoms).max(), abs=1e-8)
    (mean,) = PotentialRelaxer(committee, energy_from="mean").relax([clusters[2]])
    assert mean.converged
    assert IIACalculator(committee, energy_from="mean").get_potential_energy(mean.atoms) == pytest.approx(mean.energy)


@pytest.mark.parametrize("bad", [Atoms(), Atoms("C2", positions=[(0, 0, 0), (0, 0, 1.5)]), Atoms("B", pbc=True)])
def test_bad_input(potential, bad):
    with pytest.raises(ValueError, match=r"empty|not fitted|periodic"):
        PotentialRelaxer(potential).relax([bad])


def test_bad_settings(potential):
    for settings in ({"fmax": 0}, {"max_steps": 0}, {"max_step": -1}, {"batch_size": 0}, {"energy_from": "best"}):
        with pytest.raises(ValueError, match="must be"):
            PotentialRelaxer(potential, **settings)


def test_lone_atoms_are_at_their_minimum(potential):
    (alone,) = PotentialRelaxer(potential.float()).relax([Atoms("B")])
    assert alone.converged
    assert alone.energy == pytest.approx(potential.element_energies["B"])
    potential.double()


def test_signature_tells_weights_and_settings_apart(potential):
    one = PotentialRelaxer(potential).signature
    assert one == PotentialRelaxer(small_potential()).signature
    assert one != PotentialRelaxer(small_potential(seed=1)).signature
    assert one != PotentialRelaxer(potential, fmax=0.05).signature


def test_quenches_end_where_the_committee_disagrees(clusters):
    committee = Committee([small_potential(seed=seed) for seed in (0, 1)])
    free = PotentialRelaxer(committee, fmax=0.01).relax(clusters)
    limit = float(np.median([r.forces_std for r in free]))
    watched = PotentialRelaxer(committee, fmax=0.01, forces_std_limit=limit)
    ends = watched.relax(clusters)
    for before, now in zip(free, ends, strict=True):
        if now.reason == "uncertain":
            assert not now.converged
            assert now.forces_std > limit
            assert now.n_evaluations <= before.n_evaluations
        else:
            assert now.forces_std <= limit
            assert now.reason == before.reason
    assert {r.reason for r in ends} >= {"uncertain", "converged"}
    assert [r.energy for r in watched.strayed] == [r.energy for r in ends if r.reason == "uncertain"]
    assert watched.signature != PotentialRelaxer(committee, fmax=0.01).signature


def test_a_relaxed_file_says_where_the_committee_disagrees(clusters, tmp_path):
    members = [small_potential(seed=seed) for seed in (0, 1)]
    write(tmp_path / "clusters.xyz", clusters)
    free = PotentialRelaxer(Committee(members), fmax=0.01).relax(clusters)
    limit = float(np.median([r.forces_std for r in free]))
    calibration = {"energy_factor": 1.0, "forces_factor": 1.0, "forces_std_limit": limit}
    storage.save(tmp_path / "two", members, {"level_of_theory": "none", "calibration": calibration})
    ends = relax_file(tmp_path / "clusters.xyz", tmp_path / "relaxed.extxyz", model=tmp_path / "two").results
    assert {end.reason for end in ends} >= {"uncertain", "converged"}
    for frame, end in zip(read(tmp_path / "relaxed.extxyz", ":"), ends, strict=True):
        assert frame.info["forces_std"] == pytest.approx(end.forces_std, abs=1e-6)
        assert (end.reason == "uncertain") == (end.forces_std > limit and end.fmax < 0.01)
        assert frame.info["converged"] == end.converged == (end.reason == "converged")


def test_a_limit_needs_a_committee(potential):
    with pytest.raises(ValueError, match="needs a committee"):
        PotentialRelaxer(potential, forces_std_limit=1.0)
    with pytest.raises(ValueError, match="above 0"):
        PotentialRelaxer(Committee([potential, potential]), forces_std_limit=0.0)


def test_where_quenches_strayed_is_kept_over_calls(clusters, tmp_path):
    committee = Committee([small_potential(seed=seed) for seed in (0, 1)])
    watched = PotentialRelaxer(committee, forces_std_limit=1e-6)
    watched.relax(clusters[2:4])
    assert len(watched.strayed) == 2
    for n in (2, 4):
        write_uncertain(watched.strayed, tmp_path / "uncertain.extxyz")
        kept = read(tmp_path / "uncertain.extxyz", ":")
        assert len(kept) == n
    np.testing.assert_allclose(kept[3].positions, watched.strayed[1].atoms.positions, atol=1e-7)
    assert kept[3].get_potential_energy() == pytest.approx(watched.strayed[1].energy)
    write_uncertain([], tmp_path / "none.extxyz")
    assert not (tmp_path / "none.extxyz").exists()


def test_what_the_potential_was_not_fitted_to_is_refused_and_constraints_are_no_secret():
    relaxer = PotentialRelaxer(storage.load())
    triangle = Atoms("B3", [(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0)])
    for info in ({"charge": -1}, {"Charge": -1}, {"spin": 4}):
        ion = triangle.copy()
        ion.info.update(info)
        with pytest.raises(ValueError, match=r"structure 1: has (charge -1|multiplicity 4)"):
            relaxer.relax([triangle, ion])
    fixed = triangle.copy()
    fixed.set_constraint(FixAtoms([0]))
    with pytest.raises(ValueError, match="structure 0 has constraints"):
        relaxer.relax([fixed])


def test_a_file_with_a_structure_in_pieces_is_not_complete(tmp_path):
    write(tmp_path / "apart.xyz", Atoms("B2", [(0, 0, 0), (30, 0, 0)]))
    relaxed = relax_file(tmp_path / "apart.xyz", tmp_path / "out.extxyz")
    assert not relaxed.complete
    assert [(r.converged, r.reason) for r in relaxed.results] == [(False, "in pieces")]
    assert not read(tmp_path / "out.extxyz").info["converged"]


def test_what_is_no_structure_or_potential_is_told(potential):
    relaxer = PotentialRelaxer(potential)
    for wrong in ([None], ["a.xyz"], Atoms("B2", [(0, 0, 0), (0, 0, 1.6)])):
        with pytest.raises(TypeError, match=r"structures? (0 )?is .*; give a list of ASE Atoms"):
            relaxer.relax(wrong)
    assert len(relaxer.relax(atoms for atoms in [random_cluster(3, seed=1)])) == 1
    with pytest.raises(TypeError, match=r"PotentialRelaxer\(load"):
        PotentialRelaxer("seb-10")


@pytest.mark.parametrize("name", ["x.png", "x.db", "x", "x.xyz.gz"])
def test_a_target_that_would_not_be_what_its_name_says(tmp_path, name):
    write(tmp_path / "a.xyz", Atoms("B2", [(0, 0, 0), (0, 0, 1.6)]))
    with pytest.raises(InputError, match=r"name it \.extxyz or \.xyz"):
        relax_file(tmp_path / "a.xyz", tmp_path / name)
