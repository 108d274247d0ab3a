"""Small sets in the layout of the paper's archive, made here: random clusters, pair energies, failed SCF."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.units import Hartree
from clusters import random_cluster

from iia_calc.labels.level import Label

ATOM = {5: -24.5, 6: -37.7, 7: -54.3, 13: -241.2, 34: -2384.0, 73: -57.0}  # hartree
SETS = {
    **{f"SeBn/B={n}": [34] + [5] * n for n in range(16, 24)},
    "SeBn-O/B=19": [34] + [5] * 19,
    "Bn/B=20": [5] * 20,
    "Bn/B=21": [5] * 21,
    **{f"AlCn/C={n}": [13] + [6] * n for n in (21, 22)},
    "Ta2Nn-/Ta2N3-": [73, 73] + [7] * 3,
    "Ta2Nn-/Ta2N5-": [73, 73] + [7] * 5,
}


def energies(charges: np.ndarray, R: np.ndarray) -> np.ndarray:
    """Sound ones [n], hartree."""
    distances = np.linalg.norm(R[:, :, None] - R[:, None], axis=-1) + 99 * np.eye(len(charges))
    return sum(ATOM[int(z)] for z in charges) - 0.05 * np.exp(-((distances - 1.9) ** 2)).sum((1, 2))


class MadeLevel:
    """Says what the sets' energies are without their failed SCF, 7 eV lower; stands in for GFN1-xTB."""

    name = "made"

    def label(self, atoms: Atoms) -> Label:
        energy = energies(atoms.numbers, atoms.positions[None])[0] * Hartree - 7.0
        return Label(float(energy), np.zeros((len(atoms), 3)))


def write_sets(folder: Path, count: int = 30) -> Path:
    """Every set the experiments want, `count` structures each, a tenth of the energies far too high."""
    for number, (name, charges) in enumerate(SETS.items()):
        path = folder / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        R = np.stack(
            [random_cluster(len(charges), seed=1000 * number + k, shortest=1.7).positions for k in range(count)]
        )
        E = energies(np.array(charges), R)
        E[rng.permutation(count)[: count // 10]] += 300 / Hartree
        np.savez(path, R=R, E=E[:, None], z=np.array(charges))
    return folder
