"""How stiff a cluster is before anything was computed: springs between all pairs, softer the longer.

L-BFGS that begins with the inverse of this matrix needs a quarter to two fifths fewer evaluations than one that begins
with a number (`benchmarks/relaxation.py`). The form follows Lindh et al., Chem. Phys. Lett. 1995, 241, 423, and the
exponential preconditioner of Packwood et al., J. Chem. Phys. 2016, 144, 164109; the four numbers were fitted to second
derivatives of the shipped potential, at minima of SeB20 and on the way to them.
"""

from __future__ import annotations

import torch
from ase.data import covalent_radii

STIFFNESS = 7.6  # eV/Å², of a spring of one bond length (sum of covalent radii)
DECAY = 3.8  # per bond length that it is longer
CLOSEST = 0.6  # bond lengths; springs don't get stiffer below
ACROSS = 0.034  # stiffness across a spring, of that along it
SOFTEST = 1.7  # eV/Å², added to every direction: what no spring holds, such as turning the whole cluster

_RADII = torch.as_tensor(covalent_radii, dtype=torch.float64)  # Å, by atomic number


def inverse_model_hessian(Z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """[B, 3N, 3N] Å²/eV, float64, of clusters Z [B, N] (0 where there is no atom) at x [B, N, 3] Å.

    Positions that aren't finite count as the origin, so that they spoil nobody else's matrix.
    """
    b, n = Z.shape
    x = x.nan_to_num(0.0, 0.0, 0.0)
    lines = x[:, :, None] - x[:, None]  # [B, N, N, 3]
    lengths = lines.norm(dim=-1)  # [B, N, N]
    radii = _RADII.to(x.device)[Z]  # [B, N]
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
    stiff = matrix.view(b, 3 * n, 3 * n) + SOFTEST * torch.eye(3 * n, dtype=x.dtype, device=x.device)
    factor, _ = torch.linalg.cholesky_ex(stiff)  # springs and SOFTEST make it positive: nothing to check
    return torch.cholesky_inverse(factor)
