"""Random clusters and small random potentials for the tests."""

from __future__ import annotations

import numpy as np
import torch
from ase import Atoms

from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential

ELEMENT_ENERGIES = {"B": -665.9, "Se": -65030.6}


def random_cluster(n_atoms: int, seed: int = 0, n_selenium: int = 1, shortest: float = 1.5) -> Atoms:
    """`n_atoms` in a box of about the density of a boron cluster, no two closer than `shortest` Å."""
    rng = np.random.default_rng(seed)
    length = 2.2 * n_atoms ** (1 / 3)
    positions = np.empty((0, 3))
    while len(positions) < n_atoms:
        length *= 1.002
        point = rng.uniform(0, length, 3)
        if not len(positions) or np.linalg.norm(positions - point, axis=1).min() > shortest:
            positions = np.vstack([positions, point])
    n_selenium = min(n_selenium, n_atoms)
    return Atoms([34] * n_selenium + [5] * (n_atoms - n_selenium), positions=positions)


def small_potential(seed: int = 0, dtype: torch.dtype = torch.float64, **settings) -> Potential:
    """A potential with random weights, frozen."""
    settings = {"n_atom_basis": 16, "n_interactions": 2, "n_rbf": 20, "n_embedding": 40, "n_heads": 2} | settings
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        potential = Potential(NetworkSettings(**settings), ELEMENT_ENERGIES)
        for parameter in potential.parameters():  # no symmetric starting point: biases, too
            parameter.data.add_(0.05 * torch.randn_like(parameter))
    return potential.to(dtype).freeze()


def flat(clusters: list[Atoms], dtype: torch.dtype = torch.float64):
    """Z, R, batch of the potential's contract."""
    Z = torch.as_tensor(np.concatenate([atoms.numbers for atoms in clusters]), dtype=torch.int64)
    R = torch.as_tensor(np.concatenate([atoms.positions for atoms in clusters]), dtype=dtype)
    batch = torch.repeat_interleave(torch.arange(len(clusters)), torch.tensor([len(atoms) for atoms in clusters]))
    return Z, R, batch
