"""Data sets and Gaussian logs made here, in the form of those that others publish."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from iia_calc.data.sets import StructureSet

FREE_BORON = -24.474  # hartree, PBE0/3-21G


def random_clusters(n: int, n_atoms: int = 8, seed: int = 0, least: float = 1.5) -> np.ndarray:
    """[n, n_atoms, 3] Å: atoms dropped beside one another, none closer than `least`."""
    rng = np.random.default_rng(seed)
    clusters = []
    while len(clusters) < n:
        atoms = [np.zeros(3)]
        while len(atoms) < n_atoms:
            step = rng.normal(size=3)
            new = atoms[rng.integers(len(atoms))] + step / np.linalg.norm(step) * rng.uniform(least, 2.6)
            if min(np.linalg.norm(new - other) for other in atoms) > least:
                atoms.append(new)
        clusters.append(atoms)
    return np.array(clusters)


def binding(positions: np.ndarray) -> np.ndarray:
    """[n] eV: a many-body surface (Gupta's form), so that energies are a smooth function of the geometry."""
    d = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1) + 1e3 * np.eye(positions.shape[1])
    repulsion = 0.3 * np.exp(-8.0 * (d / 1.65 - 1.0)).sum((1, 2))
    return repulsion - 2.0 * np.sqrt(np.exp(-4.0 * (d / 1.65 - 1.0)).sum(2)).sum(1)


def boron_set(n: int = 400, seed: int = 0, name: str = "made/B8", source: str = "made/B8.npz") -> StructureSet:
    """B8 with sound energies, hartree."""
    positions = random_clusters(n, seed=seed)
    energies = 8 * FREE_BORON + binding(positions) / 27.211386
    return StructureSet(name, np.full(8, 5), positions, energies, "hartree", Path(source))


ORIENTATION = """
                         {kind} orientation:
 ---------------------------------------------------------------------
 Center     Atomic      Atomic             Coordinates (Angstroms)
 Number     Number       Type             X           Y           Z
 ---------------------------------------------------------------------
{rows}
 ---------------------------------------------------------------------
"""
FORCES = """
 -------------------------------------------------------------------
 Center     Atomic                   Forces (Hartrees/Bohr)
 Number     Number              X              Y              Z
 -------------------------------------------------------------------
{rows}
 -------------------------------------------------------------------
"""
NOT_MET = " >>>>>>>>>> Convergence criterion not met.\n"


def gaussian_log(steps, numbers=(5, 5), kind: str = "Input", normal: bool = True) -> str:
    """Text in the form of a Gaussian log. steps : (positions, hartree, forces in hartree/bohr or None, converged)."""
    text = " Entering Gaussian System, Link 0=g16\n Gaussian 16:  ES64L-G16RevC.01\n # PBE1PBE/3-21G opt\n"
    for positions, energy, forces, converged in steps:
        rows = "\n".join(
            f"{k:7d} {z:10d} {0:11d} {x:15.6f} {y:11.6f} {w:11.6f}"
            for k, (z, (x, y, w)) in enumerate(zip(numbers, positions, strict=True), 1)
        )
        text += ORIENTATION.format(kind=kind, rows=rows)
        text += "" if converged else NOT_MET
        text += f" SCF Done:  E(RPBE1PBE) =  {energy:.9f}     A.U. after   {12 if converged else 129} cycles\n"
        if forces is not None:
            rows = "\n".join(
                f"{k:7d} {z:8d} {x:19.9f} {y:14.9f} {w:14.9f}"
                for k, (z, (x, y, w)) in enumerate(zip(numbers, forces, strict=True), 1)
            )
            text += FORCES.format(rows=rows)
    return text + (" Normal termination of Gaussian 16\n" if normal else "")
