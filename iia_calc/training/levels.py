"""One network for labels of several levels of theory, which afterwards is an ordinary potential for each of them.

What two levels have in common is learnt once: the blocks are shared. What they differ in has its own parameters: a
head, and a shift of the embedding of each element, so that every block can tell the levels apart. Embedding and
shift of a level add up to an embedding table again, so a level's own potential is an ordinary one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import nn

from iia_calc.model.network import NetworkSettings, RepulsionSettings
from iia_calc.model.network.repulsion import N_ELEMENTS
from iia_calc.model.pairs.clusters import Pairs
from iia_calc.model.potential import Potential
from search.errors import InputError


class LevelEmbedding(nn.Module):
    """An embedding table and, for each level, a shift of it that begins at zero."""

    def __init__(self, table: nn.Embedding, n_levels: int):
        super().__init__()
        self.weight = table.weight  # [n_embedding, F]
        self.shift = nn.Parameter(torch.zeros(n_levels, N_ELEMENTS, self.weight.shape[1]))
        self.level = torch.zeros(0, dtype=torch.int64)  # [A], see `LevelPotential.at`

    def forward(self, Z: torch.Tensor) -> torch.Tensor:
        """Z [A] -> [A, F], of the levels [A] in `level`."""
        # index_select, whose gradient can be captured in a CUDA graph whatever the number of atoms
        shared = self.weight.index_select(0, Z)
        return shared + self.shift.flatten(0, 1).index_select(0, self.level * N_ELEMENTS + Z)


class LevelPotential(Potential):
    """A potential for fits to several levels of theory at once.

    Parameters
    ----------
    settings, repulsion : as of a `Potential`, shared by all levels.
    element_energies : of each level, eV of the isolated atom of each element. All levels know the same elements.

    Which level an atom's energy is to be of is said by `at`, before `interaction_energies`. `single` gives the
    ordinary potential of one level.
    """

    def __init__(
        self,
        settings: NetworkSettings,
        element_energies: Sequence[Mapping[str, float]],
        repulsion: RepulsionSettings | None = None,
    ):
        elements = [sorted(energies) for energies in element_energies]
        if not elements or any(known != elements[0] for known in elements):
            raise InputError(f"every level needs element energies of the same elements, not {elements}")
        super().__init__(settings, element_energies[0], repulsion)
        self.level_energies = tuple(dict(energies) for energies in element_energies)
        n_levels = len(self.level_energies)
        self.network.embedding = LevelEmbedding(self.network.embedding, n_levels)  # type: ignore[assignment]
        self.heads = nn.ModuleList([self.head, *(copy.deepcopy(self.head) for _ in range(n_levels - 1))])
        del self.head
        self._levels = torch.zeros(0, dtype=torch.int64)  # [n_atoms]
        self._alone: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def n_levels(self) -> int:
        """How many levels of theory it was fitted to."""
        return len(self.level_energies)

    @property
    def _embedding(self) -> LevelEmbedding:
        return cast(LevelEmbedding, self.network.embedding)

    def at(self, levels: torch.Tensor, pairs: Pairs) -> LevelPotential:
        """The next energies on the layout `pairs` are of these levels [n_atoms]. Returns itself."""
        self._levels = levels
        self._embedding.level = pairs.pad(levels)
        return self

    def above_isolated(self, x: torch.Tensor, Z: torch.Tensor) -> torch.Tensor:
        """Interaction energies [n_atoms], eV, of features x [n_atoms, F], each at its structure's level."""
        levels, isolated = self._levels, self._isolated_energies()  # [n_atoms], [L N_ELEMENTS]
        every = torch.stack([head(x) for head in self.heads], 1)  # [n_atoms, L]
        own = every.gather(1, levels[:, None])[:, 0]  # [n_atoms]
        return own - isolated.index_select(0, levels * N_ELEMENTS + Z)

    def _isolated_energies(self) -> torch.Tensor:
        """Energies of isolated atoms by level and nuclear charge [L N_ELEMENTS], eV; 0 where unknown."""
        (Z, levels), embedding = self._every_isolated(), self._embedding
        alone, nothing = self.cluster_pairs((1,) * len(Z)), torch.empty(0, 3, dtype=self.dtype, device=self.device)
        before, embedding.level = embedding.level, levels
        x = self.network(Z, nothing[:, 0], alone, nothing)  # [L n_elements, F]
        embedding.level = before
        parts = zip(self.heads, x.chunk(self.n_levels), strict=True)
        energies = torch.cat([head(part) for head, part in parts])
        table = torch.zeros(self.n_levels * N_ELEMENTS, dtype=self.dtype, device=self.device)
        return table.index_put((levels * N_ELEMENTS + Z,), energies)

    def _every_isolated(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Nuclear charge and level of each element at each level [L n_elements], kept on its device."""
        if self._alone is None or self._alone[0].device != self.device:
            charges = self._known_charges()
            levels = torch.arange(self.n_levels, device=self.device)
            self._alone = charges.repeat(self.n_levels), levels.repeat_interleave(len(charges))
        return self._alone

    @torch.no_grad()
    def single(self, level: int) -> Potential:
        """The ordinary potential of the level with this number; its weights are copies."""
        potential = Potential(self.settings, self.level_energies[level], self.repulsion.settings)
        weights = self.state_dict()
        shift = weights.pop("network.embedding.shift")[level]
        heads = {key: weights.pop(key) for key in list(weights) if key.startswith("heads.")}
        prefix = f"heads.{level}."
        weights |= {"head." + key.removeprefix(prefix): v for key, v in heads.items() if key.startswith(prefix)}
        table = weights["network.embedding.weight"].clone()
        for symbol in self.elements:
            table[atomic_numbers[symbol]] += shift[atomic_numbers[symbol]]
        weights["network.embedding.weight"] = table
        potential.load_state_dict(weights)
        return potential.to(device=self.device, dtype=self.dtype)

    @torch.no_grad()
    def begin_from(self, source: Potential) -> None:
        """Take over the weights of an ordinary potential, for every level alike."""
        if source.settings != self.settings:
            raise InputError("weights can be taken over only between networks of the same settings")
        weights = source.state_dict()
        weights["network.embedding.shift"] = torch.zeros_like(self._embedding.shift)
        for key in [key for key in weights if key.startswith("head.")]:
            value = weights.pop(key)
            weights |= {f"heads.{level}.{key.removeprefix('head.')}": value for level in range(self.n_levels)}
        self.load_state_dict(weights)


def reduced_energy(energy: float, numbers: Sequence[int], element_energies: Mapping[str, float]) -> float:
    """(E - sum of element energies) / n_atoms, eV: what is fitted.

    Raises
    ------
    ValueError : an element without an element energy.
    """
    symbols = [chemical_symbols[number] for number in numbers]
    if missing := sorted(set(symbols) - set(element_energies)):
        raise InputError(f"no element energy for {', '.join(missing)}; given: {', '.join(sorted(element_energies))}")
    return (energy - sum(element_energies[symbol] for symbol in symbols)) / len(symbols)
