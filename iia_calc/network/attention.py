"""Interatomic-interaction attention (SchNet-IIA, eqs. 2 and 3), smooth at the cutoff by default.

Logit of a pair:     e_ij = f(a_dst · W x_i + a_src · W x_j), per head
Weights, smooth:     w_ij = fc(r_ij) exp(e_ij) / (exp(e_ii) + Σ_k fc(r_ik) exp(e_ik))
Weights, hard:       w_ij = exp(e_ij) / Σ_k exp(e_ik), k over the atoms inside the cutoff
Output:              v_i  = σ(Σ_k w_ik W x_k)

The hard form is the paper's. A neighbour that crosses the cutoff changes all its weights at once:
the energy jumps, and its forces do not conserve energy. It is kept to reproduce the paper.
"""

from __future__ import annotations

import torch
from torch import nn

from iia_calc.network.activation import SMU

FORMS = ("smooth", "hard", "untrained")


class InteratomicAttention(nn.Module):
    """Attention of each atom over its neighbours.

    Parameters
    ----------
    n_atom_basis : features per atom, F.
    n_heads : heads; F must be a multiple.
    activation : σ of the output.
    form : "smooth" or "hard", see above.
    n_rbf : with a number, each head's logit gets a learned linear function of the radial basis
        added (experimental); None leaves the logits to the features alone, as in the paper.
    """

    def __init__(
        self, n_atom_basis: int, n_heads: int, activation: nn.Module, form: str = "smooth", n_rbf: int | None = None
    ):
        super().__init__()
        if n_heads < 1 or n_atom_basis % n_heads:
            raise ValueError(f"{n_atom_basis} features cannot be shared by {n_heads} heads; take a divisor")
        if form not in ("smooth", "hard"):
            raise ValueError(f"unknown attention {form!r}; choose smooth or hard")
        self.n_heads = n_heads
        self.form = form
        self.activation = activation
        self.W = nn.Linear(n_atom_basis, n_atom_basis, bias=False)
        # a LeakyReLU has a kink, which the forces would show as a jump: SMU with the same slope has none
        self.leaky = SMU(alpha=0.2) if form == "smooth" else nn.LeakyReLU(0.2)
        self.ends = nn.Parameter(torch.empty(2, n_heads, n_atom_basis // n_heads))  # a_dst, a_src
        self.by_distance = None if n_rbf is None else nn.Linear(n_rbf, n_heads, bias=False)
        nn.init.xavier_uniform_(self.W.weight)
        nn.init.xavier_uniform_(self.ends)
        if self.by_distance is not None:
            nn.init.zeros_(self.by_distance.weight)

    def forward(self, x, rbf, fc, pairs):
        """x [A, F], rbf [P, n_rbf], fc [A, K] (0 where there is no neighbour) -> v [A, F]."""
        h = self.W(x).view(x.shape[0], self.n_heads, -1)  # [A, H, D]
        dst, src = (h[:, None] * self.ends).sum(-1).unbind(1)  # [A, H] each
        logits = self.leaky(dst[:, None] + pairs.neighbour(src))  # [A, K, H]
        own = self.leaky(dst + src)  # [A, H]
        if self.by_distance is not None:
            logits = logits + pairs.expand(self.by_distance(rbf))
        inside = fc[..., None] > 0  # [A, K, 1]
        # the shift cancels exactly, so it carries no gradient and leaves the energy smooth
        shift = torch.where(inside, logits.detach(), logits.new_full((), -torch.inf)).amax(1)  # [A, H]
        if self.form == "smooth":
            shift = torch.maximum(shift, own.detach())
            weights = fc[..., None] * torch.exp(self._below(logits - shift[:, None], inside))
            total = torch.exp(own - shift) + weights.sum(1)  # [A, H]
        else:
            shift = torch.where(inside.any(1), shift, torch.zeros_like(shift))
            weights = torch.exp(self._below(logits - shift[:, None], inside)) * inside
            total = weights.sum(1)
            total = torch.where(total > 0, total, torch.ones_like(total))  # an isolated atom attends to nothing
        attended = pairs.attend(weights / total[:, None], h)  # [A, H, D]
        return self.activation(attended.reshape(x.shape))  # [A, F]

    @staticmethod
    def _below(exponent, inside):
        """Zero where there is no neighbour: such a logit may be large, and inf · 0 is not 0."""
        return torch.where(inside, exponent, torch.zeros_like(exponent))


class UntrainedAttention(nn.Module):
    """The authors' published script: a new random hard attention in every forward call.

    Nothing is learned or saved, and two calls on one structure differ. For reproduction only.
    Random numbers come from torch's global generator.
    """

    def __init__(self, n_atom_basis: int, n_heads: int, activation: nn.Module):
        super().__init__()
        self.n_atom_basis, self.n_heads, self.activation = n_atom_basis, n_heads, activation

    def forward(self, x, rbf, fc, pairs):
        fresh = InteratomicAttention(self.n_atom_basis, self.n_heads, self.activation, "hard")
        return fresh.requires_grad_(False).to(x)(x, rbf, fc, pairs)


def make_attention(
    form: str | None, n_atom_basis: int, n_heads: int, activation: nn.Module, n_rbf: int | None
) -> nn.Module | None:
    """The attention called `form`: one of `FORMS`, or None for a block without attention."""
    if form is None:
        return None
    if form == "untrained":
        return UntrainedAttention(n_atom_basis, n_heads, activation)
    if form in FORMS:
        return InteratomicAttention(n_atom_basis, n_heads, activation, form, n_rbf)
    raise ValueError(f"unknown attention {form!r}; choose one of {', '.join(FORMS)}, or None")
