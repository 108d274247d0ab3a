"""A potential's second derivatives: with them a costly relaxation knows from the start what is soft and what stiff.

Quasi-Newton steps need to learn this from forces otherwise: with the potential's curvature at the start,
DFT relaxations of its isomers take fewer than half of the evaluations (`benchmarks/dft_steps.py`).
"""

from __future__ import annotations

import threading

import numpy as np
import torch
from ase import Atoms

from iia_calc.model.committee import Committee
from iia_calc.model.potential import Potential

STEP = 0.01
"""Å, of central differences."""
SOFTEST = 1.0
"""eV/Å²: softer directions count as this stiff, and so do those in which nothing changes."""

_ONE_AT_A_TIME = threading.Lock()
"""Relaxations run side by side in threads, and a potential keeps its layout of pairs between calls."""


def second_derivatives(potential: Potential | Committee, atoms: Atoms) -> np.ndarray:
    """[3n, 3n] eV/Å², symmetric, of a committee the mean.

    By central differences of the forces, all displaced copies at once.

    Raises
    ------
    ValueError : an element that the potential doesn't know, or positions that make no sense.
    """
    n = len(atoms)
    moves = STEP * np.eye(3 * n).reshape(3 * n, n, 3)
    copies = atoms.positions + np.concatenate([moves, -moves])  # [6n, n, 3]
    with _ONE_AT_A_TIME:
        prediction = potential(
            torch.from_numpy(np.tile(atoms.numbers, 6 * n)).to(potential.device),
            torch.from_numpy(copies.reshape(-1, 3)).to(potential.device, potential.dtype),
            torch.arange(6 * n, device=potential.device).repeat_interleave(n),
        )
    ahead, behind = prediction.forces.double().cpu().numpy().reshape(2, 3 * n, 3 * n)
    hessian = (behind - ahead) / (2.0 * STEP)
    symmetric: np.ndarray = 0.5 * (hessian + hessian.T)
    return symmetric


def stiffen(hessian: np.ndarray, softest: float = SOFTEST) -> np.ndarray:
    """The same axes [3n, 3n], every curvature positive and at least `softest`: a step along any of them goes down."""
    curvatures, axes = np.linalg.eigh(hessian)
    return (axes * np.maximum(np.abs(curvatures), softest)) @ axes.T
