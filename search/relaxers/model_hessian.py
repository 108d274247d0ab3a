"""How stiff a cluster is before anything was computed: springs between all pairs, softer the longer.

A relaxation that begins with this matrix needs about half of the evaluations that it needs with a number. The form
follows Lindh et al., Chem. Phys. Lett. 1995, 241, 423, and the exponential preconditioner of Packwood et al., J. Chem.
Phys. 2016, 144, 164109. `iia_calc.relax.model_hessian` is the same for tensors of mixed clusters on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CLOSEST = 0.6
"""Bond lengths; springs don't get stiffer below."""


@dataclass(frozen=True)
class Springs:
    """What a pair of atoms resists with.

    Attributes
    ----------
    stiffness : of a spring of one bond length, energy per squared length.
    decay : per bond length that it is longer: stiffness * exp(-decay * (r / bond - 1)).
    softest : added to every direction: what no spring holds, such as turning the whole cluster.
    """

    stiffness: float
    decay: float
    softest: float


COVALENT = Springs(stiffness=7.6, decay=3.8, softest=1.7)
"""eV/Å², fitted to second derivatives of clusters of boron and selenium."""


def model_hessian(positions: np.ndarray, bonds: np.ndarray | float, springs: Springs) -> np.ndarray:
    """Positive matrices [b, 3n, 3n] of clusters positions [b, n, 3]; bonds [n, n] are the bond lengths of the pairs."""
    b, n, _ = positions.shape
    lines = positions[:, :, None] - positions[:, None]  # [b, n, n, 3]
    lengths = np.maximum(np.sqrt((lines**2).sum(3)), 1e-9)
    stretched = np.maximum(lengths / bonds, CLOSEST) - 1.0
    stiffness = springs.stiffness * np.exp(-springs.decay * stretched)  # [b, n, n]
    lines *= (np.sqrt(stiffness) / lengths)[..., None]
    matrix = -lines[..., :, None] * lines[..., None, :]  # [b, n, n, 3, 3]; nothing on the diagonal, for lines vanish
    atoms = np.arange(n)
    matrix[:, atoms, atoms] = -matrix.sum(2) + springs.softest * np.eye(3)
    stiff: np.ndarray = matrix.transpose(0, 1, 3, 2, 4).reshape(b, 3 * n, 3 * n)
    return stiff
