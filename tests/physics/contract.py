"""What every potential promises. Inherit, and name the network's settings.

Each promise has a control: the same measurement on something that breaks it, which must be caught.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import covalent_radii
from clusters import ELEMENT_ENERGIES, flat, random_cluster, small_potential
from scipy.spatial.transform import Rotation

from iia_calc.model.pairs.neighbour_list import NeighbourPairs
from iia_calc.training.smoothness import turns


def total(potential, atoms):
    """Interaction energy, eV."""
    Z, R, batch = flat([atoms])
    return float(potential.evaluate(potential.pairs_of(R, batch), Z, R)[0].sum())


def forces(potential, atoms):
    return potential(*flat([atoms])).forces.numpy()


def force_error(potential, atoms, analytic):
    """Largest difference of `analytic` forces from fourth-order differences, relative to the largest force."""
    h, numeric = 1e-3, np.zeros((len(atoms), 3))
    for place in np.ndindex(numeric.shape):
        for weight, shift in ((-1, 2), (8, 1), (-8, -1), (1, -2)):
            moved = atoms.copy()
            moved.positions[place] += shift * h
            numeric[place] -= weight * total(potential, moved) / (12 * h)
    return np.abs(numeric - analytic).max() / np.abs(numeric).max()


def largest_jump(potential, radius, element="B"):
    """Largest change of energy, eV, and force, eV/Å, as an atom crosses the cutoff, on a fine grid."""
    energies, pulls = [], []
    for r in np.linspace(radius - 1e-5, radius + 1e-5, 9):
        atoms = Atoms(["B", "B", element], positions=[(0, 0, 0), (0, 1.7, 0.2), (r, 0, 0)])
        energies.append(total(potential, atoms))
        pulls.append(forces(potential, atoms))
    return np.abs(np.diff(energies)).max(), np.abs(np.diff(pulls, axis=0)).max()


class PotentialContract:
    settings: ClassVar[dict] = {}
    smooth: ClassVar[bool] = True

    @pytest.fixture(scope="class")
    def potential(self):
        return small_potential(**self.settings)

    @pytest.fixture
    def atoms(self):
        return random_cluster(7, seed=3, n_selenium=2, shortest=1.2)

    def test_forces_are_the_gradient(self, potential, atoms):
        assert force_error(potential, atoms, forces(potential, atoms)) < 1e-6

    def test_control_wrong_forces_are_caught(self, potential, atoms):
        right = forces(potential, atoms)
        assert force_error(potential, atoms, -right) > 1.9
        bent = right.copy()
        bent[0, 0] += 1e-5 * np.abs(right).max()
        assert force_error(potential, atoms, bent) > 1e-6

    def test_rotation_and_translation(self, potential, atoms):
        turn = Rotation.random(rng=np.random.default_rng(0)).as_matrix()
        moved = atoms.copy()
        moved.positions = atoms.positions @ turn.T + [1.0, -2.0, 30.0]
        assert total(potential, moved) == pytest.approx(total(potential, atoms), abs=1e-10)
        np.testing.assert_allclose(forces(potential, moved), forces(potential, atoms) @ turn.T, rtol=0, atol=1e-10)
        assert np.abs(forces(potential, moved) - forces(potential, atoms)).max() > 1e-3  # control: not turned

    def test_mirror_images_have_one_energy(self, potential, atoms):
        flip = Rotation.random(rng=np.random.default_rng(1)).as_matrix() @ np.diag([1.0, 1.0, -1.0])
        image = atoms.copy()
        image.positions = atoms.positions @ flip.T
        assert total(potential, image) == pytest.approx(total(potential, atoms), abs=1e-10)
        np.testing.assert_allclose(forces(potential, image), forces(potential, atoms) @ flip.T, rtol=0, atol=1e-10)
        squeezed = atoms.copy()  # control: not an isometry
        squeezed.positions[:, 2] *= -0.98
        assert abs(total(potential, squeezed) - total(potential, atoms)) > 1e-4

    def test_permutation(self, potential, atoms):
        order = np.random.default_rng(1).permutation(len(atoms))
        assert total(potential, atoms[order]) == pytest.approx(total(potential, atoms), abs=1e-10)
        np.testing.assert_allclose(forces(potential, atoms[order]), forces(potential, atoms)[order], rtol=0, atol=1e-10)
        swapped = atoms.copy()  # control: another element's place is another structure
        swapped.numbers[[0, -1]] = swapped.numbers[[-1, 0]]
        assert abs(total(potential, swapped) - total(potential, atoms)) > 1e-4

    def test_extensive(self, potential, atoms):
        other = random_cluster(5, seed=9)
        far, near = other.copy(), other.copy()
        far.translate([40.0, 0, 0])
        near.translate([atoms.positions[:, 0].max() + 1.0 - near.positions[:, 0].min(), 0, 0])
        apart = total(potential, atoms) + total(potential, other)
        assert total(potential, atoms + far) == pytest.approx(apart, abs=1e-10)
        np.testing.assert_allclose(
            forces(potential, atoms + far)[: len(atoms)], forces(potential, atoms), rtol=0, atol=1e-10
        )
        assert abs(total(potential, atoms + near) - apart) > 1e-4  # control

    def test_isolated_atoms_have_their_element_energy(self, potential):
        lone = [Atoms("B"), Atoms("Se"), Atoms("B2", positions=[(0, 0, 0), (0, 0, 30)])]
        prediction = potential(*flat(lone))
        b, se = ELEMENT_ENERGIES["B"], ELEMENT_ENERGIES["Se"]
        np.testing.assert_allclose(prediction.energy.numpy(), [b, se, 2 * b], rtol=0, atol=1e-9)
        assert float(prediction.forces.abs().max()) == 0.0
        bonded = potential(*flat([Atoms("B2", positions=[(0, 0, 0), (0, 0, 1.6)])]))
        assert abs(float(bonded.energy[0]) - 2 * b) > 1e-4  # control

    def test_smooth_at_the_cutoff(self, potential):
        energy, pull = largest_jump(potential, potential.cutoff)
        if self.smooth:
            assert energy < 1e-8
            assert pull < 1e-5
        else:
            assert energy > 1e-5  # the hard softmax jumps: the control of this test

    def test_a_force_turns_seldom(self, potential):
        """Whatever the weights, an atom that is pulled away sees no ripples: the radial basis has none to give."""
        atoms = random_cluster(7, seed=3, n_selenium=2)
        away = atoms.positions - atoms.positions.mean(0)
        atom = int(np.linalg.norm(away, axis=1).argmax())
        direction = away[atom] / np.linalg.norm(away[atom])
        places = np.arange(0.0, 5.0, 0.05)
        clusters = [atoms.copy() for _ in places]
        for moved, place in zip(clusters, places, strict=True):
            moved.positions[atom] += place * direction
        pulls = potential(*flat(clusters)).forces.view(len(places), -1, 3)[:, atom].numpy() @ direction
        largest = np.abs(pulls).max()
        assert turns(pulls, 0.01 * largest) <= 12
        assert turns(pulls + 0.02 * largest * np.sin(2 * np.pi * places / 0.3), 0.01 * largest) > 12  # control

    def test_smooth_where_the_distance_saturates_and_the_repulsion_ends(self, potential):
        bond, settings = 2 * covalent_radii[5], potential.repulsion.settings
        for fraction in (settings.saturation_end, settings.saturation_start, settings.outer):
            pulls = []
            for r in fraction * bond + np.linspace(-1e-5, 1e-5, 9):
                pulls.append(forces(potential, Atoms("B2", positions=[(0, 0, 0), (0, 0, r)])))
            pulls = np.array(pulls)
            assert np.abs(np.diff(pulls, axis=0)).max() < 1e-3 * max(1.0, np.abs(pulls).max())

    @pytest.mark.parametrize("pair", ["BB", "BSe", "SeSe"])
    @pytest.mark.parametrize("seed", [0, 1])
    def test_two_atoms_pushed_together_repel(self, pair, seed):
        potential = small_potential(seed, **self.settings)
        for parameter in potential.parameters():
            parameter.data.mul_(3.0)  # whatever the network says
        potential.freeze()
        atoms = Atoms(f"{pair}" if pair != "BB" else "B2", positions=[(0, 0, 0), (0, 0, 1)])
        bond = covalent_radii[atoms.numbers].sum()
        distances = np.linspace(0.12, potential.repulsion.settings.saturation_end, 40) * bond
        clusters = []
        for r in distances:
            atoms.positions[1, 2] = r
            clusters.append(atoms.copy())
        apart = potential(*flat(clusters)).forces.numpy().reshape(-1, 2, 3)[:, 1, 2]
        assert (apart > 1.0).all()
        assert (np.diff(apart) < 0).all()  # the closer, the harder

    def test_no_net_force_and_no_torque(self, potential, atoms):
        f = forces(potential, atoms)
        assert np.abs(f.sum(axis=0)).max() < 1e-10
        assert np.abs(np.cross(atoms.positions, f).sum(axis=0)).max() < 1e-9
        assert np.abs(np.cross(atoms.positions, np.abs(f)).sum(axis=0)).max() > 1e-3  # control

    def test_batch_equals_single(self, potential, atoms):
        others = [random_cluster(n, seed=n) for n in (1, 9, 2)]
        clusters = [others[0], atoms, *others[1:]]
        prediction = potential(*flat(clusters))
        start = 0
        for number, cluster in enumerate(clusters):
            alone = potential(*flat([cluster]))
            stop = start + len(cluster)
            assert float(prediction.energy[number]) == pytest.approx(float(alone.energy[0]), abs=1e-9)
            torch.testing.assert_close(prediction.forces[start:stop], alone.forces, rtol=0, atol=1e-11)
            start = stop

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_nan_in_one_cluster_leaves_the_others_bit_identical(self, atoms, dtype):
        potential = small_potential(dtype=dtype, **self.settings)
        clusters = [random_cluster(6, seed=1), atoms, random_cluster(4, seed=2), random_cluster(7, seed=4)]
        Z, R, batch = flat(clusters, dtype)
        clean = potential(Z, R, batch)
        poisoned = R.clone()
        poisoned[batch == 0] = torch.nan
        poisoned[(batch == 2).nonzero()[1]] = torch.nan
        dirty = potential(Z, poisoned, batch)
        for number in (1, 3):
            mine = batch == number
            assert torch.equal(dirty.energy[number], clean.energy[number])
            assert torch.equal(dirty.forces[mine], clean.forces[mine])
        assert torch.isnan(dirty.energy[[0, 2]]).all()  # control: where the NaN is, it shows

    def test_all_pairs_equal_the_neighbour_list(self, potential):
        Z, R, batch = flat([random_cluster(30, seed=5)])
        pairs = NeighbourPairs(R.numpy(), potential.cutoff)
        assert pairs.n_slots < 30  # some atoms are out of sight of others
        dense, listed = (potential.evaluate(p, Z, R) for p in (potential.pairs_of(R, batch), pairs))
        for one, other in zip(dense, listed, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-11)
        short = potential.evaluate(NeighbourPairs(R.numpy(), 3.0), Z, R)  # control: pairs left out
        assert float((short[0] - dense[0]).abs().max()) > 1e-4

    def test_float32_against_float64(self, potential):
        clusters = [random_cluster(n, seed=n) for n in (5, 21)]
        single = small_potential(dtype=torch.float32, **self.settings)
        single.load_state_dict(potential.state_dict())
        Z, R, batch = flat(clusters)
        double, short = potential(Z, R, batch), single(Z, R.float(), batch)
        assert short.forces.dtype == torch.float32
        assert float((double.energy - short.energy).abs().max()) < 1e-4
        assert float((double.forces - short.forces.double()).abs().max()) < 1e-4 * float(double.forces.abs().max())

    def test_training_and_inference_agree(self, potential, atoms):
        """The differentiable energies that a training sees are those that a user gets from merged weights."""
        far = random_cluster(3, seed=8)
        far.positions[0] += 30.0
        Z, R, batch = flat([atoms, random_cluster(1), random_cluster(21), far])
        R.requires_grad_(True)
        energies = potential.atomic_energies(Z, R, batch)
        (gradient,) = torch.autograd.grad(energies.sum(), R)
        prediction = potential(Z, R.detach(), batch)
        torch.testing.assert_close(-gradient, prediction.forces, rtol=0, atol=1e-10)
        whole = potential.atomic_energies(Z, R, batch, references=True).detach()
        torch.testing.assert_close(whole, prediction.atomic_energies, rtol=0, atol=1e-9)

    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    def test_cuda_equals_cpu(self, potential, atoms):
        Z, R, batch = flat([atoms, random_cluster(4)])
        here = potential(Z, R, batch)
        there = small_potential(**self.settings).to("cuda").freeze()(Z.cuda(), R.cuda(), batch.cuda())
        torch.testing.assert_close(there.energy.cpu(), here.energy, rtol=0, atol=1e-8)
        torch.testing.assert_close(there.forces.cpu(), here.forces, rtol=0, atol=1e-9)
