"""Interatomic-interaction attention (SchNet-IIA, eqs. 2 and 3), smooth at the cutoff by default.

Logit of a pair:     e_ij = f(a_dst · W x_i + a_src · W x_j), per head
Weights, smooth:     w_ij = fc(r_ij) exp(e_ij) / (exp(e_ii) + Σ_k fc(r_ik) exp(e_ik))
Weights, hard:       w_ij = exp(e_ij) / Σ_k exp(e_ik), k over the atoms inside the cutoff
Output:              v_i  = σ(Σ_k w_ik W x_k)

The hard form is the paper's. A neighbour that crosses the cutoff changes all its weights at once:
the energy jumps, and its forces do not conserve energy. It is kept to reproduce the paper.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from iia_calc.model.network.activation import SMU
from iia_calc.model.pairs.clusters import Pairs
from search.errors import InputError

FORMS = ("smooth", "hard", "untrained")
UNLIMITED = 1e30  # in place of infinity, whose tanh would be no number


class InteratomicAttention(nn.Module):
    """Attention of each atom over its neighbours.

    Parameters
    ----------
    n_atom_basis : features per atom, F.
    n_heads : heads, H; F must be a multiple.
    activation : σ of the output.
    form : "smooth" or "hard", see above.
    n_rbf : with a number, each head's logit gets a learned linear function of the radial basis
        added (experimental); None leaves the logits to the features alone, as in the paper.
    """

    def __init__(
        self,
        n_atom_basis: int,
        n_heads: int,
        activation: nn.Module,
        form: str = "smooth",
        n_rbf: int | None = None,
        angular: int = 0,
    ):
        super().__init__()
        if n_heads < 1 or n_atom_basis % n_heads:
            raise InputError(f"{n_atom_basis} features cannot be shared by {n_heads} heads; take a divisor")
        if form not in ("smooth", "hard"):
            raise InputError(f"unknown attention {form!r}; choose smooth or hard")
        self.n_heads = n_heads
        self.form = form
        self.activation = activation
        self.W = nn.Linear(n_atom_basis, n_atom_basis, bias=False)
        # a LeakyReLU has a kink, which the forces would show as a jump: SMU with the same slope has none
        self.leaky = SMU(alpha=0.2) if form == "smooth" else nn.LeakyReLU(0.2)
        self.ends = nn.Parameter(torch.empty(n_heads, n_atom_basis // n_heads, 2))  # a_dst, a_src of each head
        self.by_distance = None if n_rbf is None else nn.Linear(n_rbf, n_heads, bias=False)
        nn.init.xavier_uniform_(self.W.weight)
        bound = (6 / (n_atom_basis // n_heads + 1)) ** 0.5  # Xavier, per head
        nn.init.uniform_(self.ends, -bound, bound)
        if self.by_distance is not None:
            nn.init.zeros_(self.by_distance.weight)
        self.angles = AngularInvariants(n_atom_basis, angular, activation) if angular else None

    def forward(
        self,
        x: torch.Tensor,
        rbf: torch.Tensor,
        log_fc: torch.Tensor,
        pairs: Pairs,
        harmonics: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """x [A, F], rbf [P, n_rbf], log_fc [A, K] of `log_weights` -> v [A, F].

        harmonics [A, K, C] : of each slot's direction, for an attention that sees angles.
        """
        h = self.W(x).view(x.shape[0], self.n_heads, -1).transpose(0, 1).contiguous()  # [H, A, D]
        dst, src = torch.bmm(h, self.ends).unbind(-1)  # [H, A] each
        logits = self.leaky(pairs.outer_sum(dst, src))  # [H, A, K]
        if self.by_distance is not None:
            logits = logits + pairs.expand(self.by_distance(rbf)).permute(2, 0, 1)
        # an atom's own slot takes part in the sum of the softmax and gives nothing to the output
        weights = torch.softmax(logits + log_fc, dim=-1) * pairs.others(x.dtype)  # [H, A, K]
        attended = pairs.attend(weights, h)  # [H, A, D]
        v: torch.Tensor = self.activation(attended.transpose(0, 1).reshape(x.shape))  # [A, F]
        if self.angles is None or harmonics is None:
            return v
        u: torch.Tensor = self.angles(pairs.attend_directions(weights, harmonics, h))
        return v + u


class AngularInvariants(nn.Module):
    """What an atom learns from the directions its sums over neighbours come from.

        V_i^lm = Σ_j w_ij Y_lm(r̂_ij) W x_j        s_i^l = Σ_m V_i^lm ∘ P_l V_i^lm        u_i = f(s_i^1, ..., s_i^L)

    with the attention's weights w_ij, one per head, or with the convolution's filters, one per feature.
    By the addition theorem s^l is a sum over all pairs of neighbours of w_ij w_ik P_l(cos θ_jik): angles,
    at the price of sums over pairs.

    These squares grow without bound where atoms crowd, and energies fall with them until atoms collapse. So they
    end (`within`) at what labels were seen to reach, half as much again as `limits` [L width]; below these nothing
    changes. Until they are measured (`training.limits`) nothing is limited.

    width : features of V; F by default.
    """

    limits: torch.Tensor

    def __init__(self, n_atom_basis: int, degree: int, activation: nn.Module, width: int | None = None) -> None:
        super().__init__()
        self.degree, self.activation = degree, activation
        width = width or n_atom_basis
        self.mix = nn.Parameter(torch.empty(degree, width, width))
        self.out = nn.ModuleList([nn.Linear(degree * width, n_atom_basis), nn.Linear(n_atom_basis, n_atom_basis)])
        self.register_buffer("limits", torch.full((degree * width,), UNLIMITED))
        nn.init.normal_(self.mix, std=width**-0.5)
        for layer in (self.out[0], self.out[1]):
            nn.init.xavier_uniform_(layer.get_parameter("weight"))
            nn.init.zeros_(layer.get_parameter("bias"))

    def forward(self, V: torch.Tensor) -> torch.Tensor:
        """V [C, A, width] -> u [A, F]."""
        s = within(self.invariants(V), self.limits)[0]
        u: torch.Tensor = self.out[1](self.activation(self.out[0](s)))
        return u

    def invariants(self, V: torch.Tensor) -> torch.Tensor:
        """V [C, A, width] -> s [A, L width]."""
        parts = V.split([2 * degree + 1 for degree in range(1, self.degree + 1)])
        return torch.cat([(part * (part @ mix)).sum(0) for part, mix in zip(parts, self.mix, strict=True)], -1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        # models saved before there were limits have none
        state_dict.setdefault(prefix + "limits", torch.full_like(self.limits, UNLIMITED))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def within(s: torch.Tensor, limits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Soft clamp of `s` to ± `limits`, at most half as much again beyond; and the tanh in its derivative, 1 - tanh².

    The slope is continuous: 1 at the limit and 0 far beyond.
    """
    inside, half = torch.clamp(s, -limits, limits), 0.5 * limits
    bend = torch.tanh((s - inside) / half)
    return torch.addcmul(inside, half, bend), bend


def log_weights(fc: torch.Tensor, form: str | None, pairs: Pairs) -> torch.Tensor:
    """What a pair's distance adds to its logit: [A, K], -inf where an atom takes no part.

    fc [A, K] is the cutoff function, 0 in slots without a neighbour. Smooth: ln fc, and 0 in the atom's
    own slot. Hard: 0 for every neighbour inside the cutoff.
    """
    own = 1.0 - pairs.others(fc.dtype)  # [A, K]
    if form == "smooth":
        fc = fc + own
        inside = fc > 0
        log_fc = torch.log(torch.where(inside, fc, torch.ones_like(fc)))
    else:
        inside = fc.detach() > 0
        # an atom without neighbours attends to itself, that is to nothing: a softmax needs one term
        inside = inside | ((own > 0) & ~inside.any(1, keepdim=True))
        log_fc = torch.zeros_like(fc)
    return torch.where(inside, log_fc, torch.full_like(fc, -torch.inf))


class UntrainedAttention(nn.Module):
    """The authors' published script: a new random hard attention in every forward call.

    Nothing is learned or saved, and two calls on one structure differ. For reproduction only.
    Random numbers come from torch's global generator.
    """

    def __init__(self, n_atom_basis: int, n_heads: int, activation: nn.Module) -> None:
        super().__init__()
        self.n_atom_basis, self.n_heads, self.activation = n_atom_basis, n_heads, activation

    def forward(
        self,
        x: torch.Tensor,
        rbf: torch.Tensor,
        log_fc: torch.Tensor,
        pairs: Pairs,
        harmonics: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """As `InteratomicAttention.forward`, with weights drawn anew."""
        fresh = InteratomicAttention(self.n_atom_basis, self.n_heads, self.activation, "hard")
        v: torch.Tensor = fresh.requires_grad_(False).to(x)(x, rbf, log_fc, pairs)
        return v


def make_attention(
    form: str | None, n_atom_basis: int, n_heads: int, activation: nn.Module, n_rbf: int | None, angular: int = 0
) -> nn.Module | None:
    """The attention called `form`: one of `FORMS`, or None for a block without attention."""
    if form is None:
        return None
    if form == "untrained":
        return UntrainedAttention(n_atom_basis, n_heads, activation)
    if form in FORMS:
        return InteratomicAttention(n_atom_basis, n_heads, activation, form, n_rbf, angular)
    raise InputError(f"unknown attention {form!r}; choose one of {', '.join(FORMS)}, or None")
