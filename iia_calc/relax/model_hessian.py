"""How stiff a cluster is before anything was computed: springs between all pairs, softer the longer.

L-BFGS that begins with the inverse of this matrix needs a quarter to two fifths fewer evaluations than one that begins
with a number (`benchmarks/relaxation.py`). The form follows Lindh et al., Chem. Phys. Lett. 1995, 241, 423, and the
exponential preconditioner of Packwood et al., J. Chem. Phys. 2016, 144, 164109; the four numbers were fitted to second
derivatives of the shipped potential, at minima of SeB20 and on the way to them.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from ase.data import covalent_radii

STIFFNESS = 7.6  # eV/Å², of a spring of one bond length (sum of covalent radii)
DECAY = 3.8  # per bond length that it is longer
CLOSEST = 0.6  # bond lengths; springs don't get stiffer below
ACROSS = 0.034  # stiffness across a spring, of that along it
SOFTEST = 1.7  # eV/Å², added to every direction: what no spring holds, such as turning the whole cluster


@lru_cache
def _radii(device: torch.device) -> torch.Tensor:
    """Covalent radii, Å, by atomic number; kept on the device, for a copy from the host can't be captured."""
    return torch.as_tensor(covalent_radii, dtype=torch.float64, device=device)


def inverse_model_hessian(Z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """[B, 3N, 3N] Å²/eV, float64; arguments as in `model_hessian`."""
    factor, _ = torch.linalg.cholesky_ex(model_hessian(Z, x))  # springs and SOFTEST make it positive: nothing to check
    return torch.cholesky_inverse(factor)


def inverse_by_products(matrix: torch.Tensor, least: float = SOFTEST, turns: int = 12) -> torch.Tensor:
    """Inverses of positive matrices [B, K, K] whose eigenvalues are at least `least`, by products of matrices alone.

    A GPU is quick at these, and can replay them, which it can't a solver's calls. The error is squared at each of the
    turns (Schulz, Z. Angew. Math. Mech. 1933, 13, 57): twelve leave less than 1e-6 where stiffness spans a factor of
    600, the most that a crowded random start has.
    """
    most = matrix.abs().sum(2).amax(1)  # [B] no eigenvalue is larger
    one = torch.eye(matrix.shape[1], dtype=matrix.dtype, device=matrix.device)
    inverse = (2.0 / (most + least))[:, None, None] * one
    for _ in range(turns):
        inverse = torch.baddbmm(inverse, inverse, torch.bmm(matrix, inverse), beta=2.0, alpha=-1.0)
    return 0.5 * (inverse + inverse.transpose(1, 2))


def model_hessian(Z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """[B, 3N, 3N] eV/Å², float64, of clusters Z [B, N] (0 where there is no atom) at x [B, N, 3] Å.

    Positions that aren't finite count as the origin, so that they spoil nobody else's matrix.
    """
    b, n = Z.shape
    x = x.nan_to_num(0.0, 0.0, 0.0)
    lines = x[:, :, None] - x[:, None]  # [B, N, N, 3]
    lengths = lines.norm(dim=-1)  # [B, N, N]
    radii = _radii(x.device)[Z]  # [B, N]
    relative = lengths / (radii[:, :, None] + radii[:, None])
    present = Z > 0
    joined = present[:, :, None] & present[:, None] & ~torch.eye(n, dtype=torch.bool, device=x.device)
    springs = STIFFNESS * torch.exp(DECAY * (1.0 - relative.clamp_min(CLOSEST))) * joined  # [B, N, N] eV/Å²
    along = lines / lengths.clamp_min(1e-9)[..., None]
    blocks = springs[..., None, None] * (
        (1.0 - ACROSS) * along[..., :, None] * along[..., None, :]
        + ACROSS * torch.eye(3, dtype=x.dtype, device=x.device)
    )  # [B, N, N, 3, 3]
    matrix = -blocks.permute(0, 1, 3, 2, 4).contiguous()  # [B, N, 3, N, 3]
    atoms = torch.arange(n, device=x.device)
    matrix[:, atoms, :, atoms] += blocks.sum(2).transpose(0, 1)
    stiff: torch.Tensor = matrix.view(b, 3 * n, 3 * n)
    return stiff + SOFTEST * torch.eye(3 * n, dtype=x.dtype, device=x.device)
