"""SchNet with interatomic-interaction attention.

Source: SchNet-IIA, J. Chem. Inf. Model. 2025, 65, 92-100. With `attention=None` and
`activation="ssp"` it is SchNet (Schütt et al., J. Chem. Phys. 2018, 148, 241722), and its
parameters carry the names that SchNetPack's SchNet gives them.

Letters in the shape comments: A atoms (padded), K neighbour slots per atom, P pairs i < j,
F features, H heads.
"""

from __future__ import annotations

import torch
from torch import nn

from iia_calc.network.activation import make_activation
from iia_calc.network.attention import make_attention
from iia_calc.network.radial import CosineCutoff, GaussianBasis
from iia_calc.network.settings import NetworkSettings


def dense(n_in: int, n_out: int, bias: bool = True) -> nn.Linear:
    """A linear layer as SchNetPack starts it: Xavier weights, no bias yet."""
    layer = nn.Linear(n_in, n_out, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class Interaction(nn.Module):
    """One block: x + convolution(x) + attention(x)."""

    def __init__(self, settings: NetworkSettings):
        super().__init__()
        features = settings.n_atom_basis
        filters = settings.n_filters or features
        self.activation = make_activation(settings.activation)
        self.in2f = dense(features, filters, bias=False)
        self.f2out = nn.ModuleList([dense(filters, features), dense(features, features)])
        self.filter_network = nn.ModuleList([dense(settings.n_rbf, filters), dense(filters, filters)])
        self.attention = make_attention(
            settings.attention,
            features,
            settings.n_heads,
            self.activation,
            settings.n_rbf if settings.distance_logits else None,
        )

    def forward(self, x, rbf, fc, fc_slots, pairs):
        """x [A, F], rbf [P, n_rbf], fc [P], fc_slots [A, K] -> [A, F]."""
        filters = self.filter_network[1](self.activation(self.filter_network[0](rbf)))  # [P, F]
        filters = pairs.expand(filters * fc[:, None])  # [A, K, F]
        m = pairs.convolve(filters, self.in2f(x))  # [A, F]
        m = self.f2out[1](self.activation(self.f2out[0](m)))  # [A, F]
        if self.attention is None:
            return x + m
        return x + m + self.attention(x, rbf, fc_slots, pairs)


class SchNetIIA(nn.Module):
    """Nuclear charges and pair distances -> features of every atom."""

    def __init__(self, settings: NetworkSettings | None = None):
        super().__init__()
        self.settings = settings = settings or NetworkSettings()
        self.embedding = nn.Embedding(settings.n_embedding, settings.n_atom_basis)
        self.radial_basis = GaussianBasis(settings.n_rbf, settings.cutoff)
        self.cutoff_fn = CosineCutoff(settings.cutoff)
        self.interactions = nn.ModuleList(Interaction(settings) for _ in range(settings.n_interactions))

    def forward(self, Z: torch.Tensor, distances: torch.Tensor, pairs) -> torch.Tensor:
        """Z [A] nuclear charges (0 in padding), distances [P] Å -> [A, F].

        `pairs` is a layout of `iia_calc.pairs`: it says which atoms each distance joins.
        """
        x = self.embedding(Z)  # [A, F]
        rbf = self.radial_basis(distances)  # [P, n_rbf]
        fc = self.cutoff_fn(distances)  # [P]
        fc_slots = pairs.expand(fc)  # [A, K]
        for interaction in self.interactions:
            x = interaction(x, rbf, fc, fc_slots, pairs)  # [A, F]
        return x


class AtomwiseHead(nn.Module):
    """Features -> an energy per atom, eV: F -> F/2 -> 1 with SiLU, as SchNetPack's Atomwise has it."""

    def __init__(self, n_atom_basis: int):
        super().__init__()
        hidden = max(1, n_atom_basis // 2)
        self.layers = nn.ModuleList([dense(n_atom_basis, hidden), dense(hidden, 1)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers[1](nn.functional.silu(self.layers[0](x)))[..., 0]  # [A]
