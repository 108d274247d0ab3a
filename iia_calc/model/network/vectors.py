"""A network whose features have directions: scalars, vectors and, if wanted, tensors of second degree.

Each block sums over neighbours, then mixes the features of each atom. As in PaiNN (Schütt et al., ICML 2021)
filters of the distance weigh what a neighbour's scalars make of its direction, and what it hands on of its own
vectors. Differences: a filter serves the features of one head, so that a sum over neighbours is a product of
small matrices, and everything a layer is shown is bounded, whatever the positions:

    sat(s) = s / sqrt(1 + mean s²)        sat(V) = V / sqrt(1 + mean |V|²)

so that the head's energies are bounded, too, and neither a collapse nor an overflow can pay.

Letters in the shape comments: A atoms (padded), K neighbour slots per atom, P pairs i < j, F features,
H heads, D = F / H, L highest degree, C = 2 l + 1 components of a degree l.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from iia_calc.model.network.activation import make_activation
from iia_calc.model.network.harmonics import spherical_harmonics
from iia_calc.model.network.radial import ExponentialGaussians, polynomial_cutoff
from iia_calc.model.network.schnet import dense
from iia_calc.model.network.settings import NetworkSettings
from iia_calc.model.pairs.clusters import ClusterPairs
from iia_calc.model.pairs.neighbour_list import ListedPairs
from search.errors import InputError

Layout = ClusterPairs | ListedPairs
Parts = Sequence[torch.Tensor]
"""One tensor of each degree."""

PAIR_WIDTH = 32
"""Features of a pair, from which the filters of all heads are made."""
MESSAGE_SCALE = 1.5
"""Of what neighbours give at first, against Xavier's: half of it learns clearly slower."""


def saturate(x: torch.Tensor) -> torch.Tensor:
    """Features [..., F] at most √F long: x / sqrt(1 + mean x²)."""
    return x * torch.rsqrt(1 + x.square().mean(-1, keepdim=True))


def saturate_vectors(V: torch.Tensor) -> torch.Tensor:
    """The same of vectors or tensors [C, A, F], whose lengths count."""
    return V * torch.rsqrt(1 + V.square().sum(0).mean(-1, keepdim=True))


class VectorBlock(nn.Module):
    """One block: a sum over neighbours, then a mixing of each atom's features.

    first : there are no vectors yet to be handed on.
    """

    def __init__(self, settings: NetworkSettings, first: bool):
        super().__init__()
        features, heads, degree = settings.n_atom_basis, settings.n_heads, settings.angular
        self.n_heads, self.degree, self.first, self.softening = heads, degree, first, settings.softening
        widths = settings.widths
        self.activation = make_activation(settings.activation)
        self.value_widths = [*widths, *(() if first else widths[1:])]  # what is given, what is handed on
        self.n_filters = len(self.value_widths)  # of each head
        self.values = nn.ModuleList([dense(features, features), dense(features, sum(self.value_widths))])
        self.filter_network = nn.ModuleList(
            [dense(settings.n_rbf, PAIR_WIDTH), dense(PAIR_WIDTH, heads * self.n_filters)]
        )
        with torch.no_grad():
            self.values[1].get_parameter("weight").mul_(MESSAGE_SCALE)
        self.mix = nn.ModuleList([dense(width, 2 * width, bias=False) for width in widths[1:]])
        # a change of s, gates of the vectors of each degree, shares of the products of vectors in s
        self.context_widths = [features, *widths[1:], features]
        self.context = nn.ModuleList([dense(sum(widths), features), dense(features, sum(self.context_widths))])

    def forward(
        self, s: torch.Tensor, V: Parts, rbf: torch.Tensor, fc: torch.Tensor, pairs: Layout, harmonics: Parts
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """s [A, F], V [C, A, F] of each degree (none in the first block), rbf [P, n_rbf], fc [P],
        harmonics [A, K, C] of each degree -> the next s and V.
        """
        s, V = self.gather(s, V, rbf, fc, pairs, harmonics)
        return self.update(s, V)

    def filters(self, rbf: torch.Tensor, fc: torch.Tensor) -> torch.Tensor:
        """[P, n_filters H]"""
        hidden = self.activation(self.filter_network[0](rbf))  # [P, PAIR_WIDTH]
        filters: torch.Tensor = self.filter_network[1](hidden) * fc[:, None]
        return filters

    def gather(
        self, s: torch.Tensor, V: Parts, rbf: torch.Tensor, fc: torch.Tensor, pairs: Layout, harmonics: Parts
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """What neighbours give is added to s and V."""
        A, heads = len(s), self.n_heads
        hidden = self.activation(self.values[0](saturate(s)))
        values = self.values[1](hidden).split(self.value_widths, 1)  # [A, width] each
        weights = pairs.expand(self.filters(rbf, fc))  # [A, K, n_filters H]
        weights = weights.view(A, -1, self.n_filters, heads).permute(2, 3, 0, 1).contiguous()  # [n_filters, H, A, K]

        def by_head(x: torch.Tensor) -> torch.Tensor:  # [A, width] -> [H, A, D]
            return x.reshape(A, heads, -1).transpose(0, 1).contiguous()

        s = s + pairs.attend(weights[0], by_head(values[0])).transpose(0, 1).reshape(A, -1)
        sums = [pairs.attend_directions(weights[k + 1], Y, by_head(values[k + 1])) for k, Y in enumerate(harmonics)]
        if self.first:
            return s, sums
        for k, v in enumerate(V):
            place, C = 1 + self.degree + k, len(v)
            given = saturate_vectors(v) * values[place]  # [C, A, width]
            given = given.view(C, A, heads, -1).permute(2, 1, 0, 3).reshape(heads, A, -1)  # [H, A, C D]
            got = pairs.attend(weights[place], given).view(heads, A, C, -1)
            sums[k] = sums[k] + got.permute(2, 1, 0, 3).reshape(v.shape) + v
        return s, sums

    def update(self, s: torch.Tensor, V: list[torch.Tensor]) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Each atom's features see one another."""
        mixed = [mix(saturate_vectors(v)).chunk(2, -1) for mix, v in zip(self.mix, V, strict=True)]
        lengths = [(a.square().sum(0) + self.softening).sqrt() for a, _ in mixed]  # [A, width]
        hidden = self.activation(self.context[0](torch.cat([saturate(s), *lengths], 1)))
        ds, *gates, share = self.context[1](hidden).split(self.context_widths, 1)
        a, b = mixed[0]
        s = s + ds + share * (a * b).sum(0)
        return s, [v + gate * b for v, gate, (_, b) in zip(V, gates, mixed, strict=True)]


class VectorNetwork(nn.Module):
    """Nuclear charges, pair distances and directions -> features of every atom."""

    def __init__(self, settings: NetworkSettings):
        super().__init__()
        self.settings = settings
        self.embedding = nn.Embedding(settings.n_embedding, settings.n_atom_basis)
        self.radial_basis = ExponentialGaussians(settings.n_rbf, settings.cutoff)
        self.interactions = nn.ModuleList(VectorBlock(settings, k == 0) for k in range(settings.n_interactions))

    def blocks(self) -> list[VectorBlock]:
        """The interaction blocks, in order."""
        return cast(list[VectorBlock], list(self.interactions))

    def forward(
        self, Z: torch.Tensor, distances: torch.Tensor, pairs: Layout, directions: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As `SchNetIIA.forward`; the features [A, F] it returns are saturated."""
        if directions is None:
            raise InputError("vectors need the directions of the pairs")
        degree = self.settings.angular
        rbf = self.radial_basis(distances)  # [P, n_rbf]
        fc = polynomial_cutoff(distances, self.settings.cutoff)  # [P]
        every = spherical_harmonics(pairs.expand_directions(directions), degree)  # [A, K, C of all]
        harmonics = every.split([2 * k + 1 for k in range(1, degree + 1)], -1)  # [A, K, C] each
        s: torch.Tensor = self.embedding(Z)
        V: Parts = []
        for block in self.blocks():
            s, V = block(s, V, rbf, fc, pairs, harmonics)
        return saturate(s)
