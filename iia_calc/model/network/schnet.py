"""SchNet with interatomic-interaction attention.

Source: SchNet-IIA, J. Chem. Inf. Model. 2025, 65, 92-100. With `attention=None` and
`activation="ssp"` it is SchNet (Schütt et al., J. Chem. Phys. 2018, 148, 241722), and its
parameters carry the names that SchNetPack's SchNet gives them.

Letters in the shape comments: A atoms (padded), K neighbour slots per atom, P pairs i < j,
F features, H heads.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from iia_calc.model.network.activation import make_activation
from iia_calc.model.network.attention import AngularInvariants, log_weights, make_attention
from iia_calc.model.network.harmonics import spherical_harmonics
from iia_calc.model.network.radial import CosineCutoff, GaussianBasis
from iia_calc.model.network.settings import NetworkSettings
from iia_calc.model.pairs.clusters import Pairs
from search.errors import InputError


def dense(n_in: int, n_out: int, bias: bool = True) -> nn.Linear:
    """A linear layer as SchNetPack starts it: Xavier weights, no bias yet."""
    layer = nn.Linear(n_in, n_out, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class Interaction(nn.Module):
    """One block: x + convolution(x) + attention(x), and what the convolution makes of directions."""

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
            settings.angular if settings.directions == "attention" else 0,
        )
        self.angles = None
        if settings.angular and settings.directions == "convolution":
            self.angles = AngularInvariants(features, settings.angular, self.activation, filters)

    def forward(
        self,
        x: torch.Tensor,
        filters: torch.Tensor,
        rbf: torch.Tensor,
        log_fc: torch.Tensor | None,
        pairs: Pairs,
        harmonics: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """x [A, F], filters [P, F], rbf [P, n_rbf], log_fc [A, K], harmonics [A, K, C] -> [A, F]."""
        y = self.in2f(x)
        angles: torch.Tensor | float = 0.0
        if self.angles is None or harmonics is None:
            m = pairs.convolve_pairs(filters, y)  # [A, F]
        else:
            m, directed = pairs.convolve_directions(filters, y, harmonics)  # [A, F], [C, A, F]
            angles = self.angles(directed)  # [A, F]
        m = self.f2out[1](self.activation(self.f2out[0](m))) + angles  # [A, F]
        moved: torch.Tensor = x + m
        return moved if self.attention is None else moved + self.attention(x, rbf, log_fc, pairs, harmonics)


class SchNetIIA(nn.Module):
    """Nuclear charges and pair distances -> features of every atom."""

    def __init__(self, settings: NetworkSettings | None = None):
        super().__init__()
        self.settings = settings = settings or NetworkSettings()
        self.embedding = nn.Embedding(settings.n_embedding, settings.n_atom_basis)
        self.radial_basis = GaussianBasis(settings.n_rbf, settings.cutoff)
        self.cutoff_fn = CosineCutoff(settings.cutoff)
        self.interactions = nn.ModuleList(Interaction(settings) for _ in range(settings.n_interactions))

    def forward(
        self, Z: torch.Tensor, distances: torch.Tensor, pairs: Pairs, directions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Z [A] nuclear charges (0 in padding), distances [P] Å -> [A, F].

        directions [P, 3] : unit vectors from the first to the second atom of each pair, for `angular`.

        `pairs` is a layout of `iia_calc.model.pairs.clusters`: it says which atoms each distance joins.
        """
        x: torch.Tensor = self.embedding(Z)  # [A, F]
        rbf = self.radial_basis(distances)  # [P, n_rbf]
        fc = self.cutoff_fn(distances)  # [P]
        form = self.settings.attention
        log_fc = None if form is None else log_weights(pairs.expand(fc), form, pairs)  # [A, K]
        harmonics = None
        if self.settings.angular:
            if directions is None:
                raise InputError("an angular attention needs the directions of the pairs")
            harmonics = spherical_harmonics(pairs.expand_directions(directions), self.settings.angular)  # [A, K, C]
        of_blocks = pairs.of_distances(lambda r: self.filters(self.radial_basis(r), self.cutoff_fn(r)), distances)
        for interaction, filters in zip(self.interactions, of_blocks, strict=True):
            x = interaction(x, filters, rbf, log_fc, pairs, harmonics)  # [A, F]
        return x

    def filters(self, rbf: torch.Tensor, fc: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The convolution filters of every block [P, F], all blocks in two products.

        They depend on distances alone, so no block has to wait for the one before.
        """
        blocks = cast(list[Interaction], list(self.interactions))
        layers = [cast(list[nn.Linear], list(block.filter_network)) for block in blocks]
        first, second = zip(*layers, strict=True)
        weight = torch.cat([layer.weight for layer in first])
        hidden = torch.addmm(torch.cat([layer.bias for layer in first]), rbf, weight.T)  # [P, T F]
        if self.settings.activation == "smu-trainable":  # each block has bent its own
            parts = hidden.chunk(len(blocks), 1)
            hidden = torch.cat([block.activation(h) for block, h in zip(blocks, parts, strict=True)], 1)
        else:
            hidden = blocks[0].activation(hidden)
        hidden = hidden.unflatten(1, (len(blocks), first[0].out_features)).transpose(0, 1)  # [T, P, F]
        weight = torch.stack([layer.weight for layer in second]).transpose(1, 2)
        bias = torch.stack([layer.bias for layer in second])[:, None]
        return (torch.baddbmm(bias, hidden, weight) * fc[:, None]).unbind(0)


class AtomwiseHead(nn.Module):
    """Features -> an energy per atom, eV: F -> F/2 -> 1, by default with SiLU as SchNetPack's Atomwise has it."""

    def __init__(self, n_atom_basis: int, activation: nn.Module | None = None):
        super().__init__()
        hidden = max(1, n_atom_basis // 2)
        self.activation = activation or nn.SiLU()
        self.layers = nn.ModuleList([dense(n_atom_basis, hidden), dense(hidden, 1)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Features [A, F] -> energies [A], eV."""
        energies: torch.Tensor = self.layers[1](self.activation(self.layers[0](x)))  # [A, 1]
        return energies[..., 0]
