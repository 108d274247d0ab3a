"""The physics contract: nuclear charges and positions in, energies and forces out.

    E = Σ_i ε(Z_i) + u(x_i) - u(x of an isolated atom of Z_i) + ½ Σ_j ZBL(r_ij)

so an isolated atom has its element energy by construction, whatever the weights. Everything is
smooth to the first derivative (with a smooth attention), conservative and extensive; forces are
the exact gradient.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, cast

import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import nn

from iia_calc.model.inference.potential import FrozenPotential, frozen_potential
from iia_calc.model.network import NetworkSettings, Repulsion, RepulsionSettings, make_head, make_network
from iia_calc.model.network.repulsion import N_ELEMENTS
from iia_calc.model.pairs.clusters import ClusterPairs, Pairs
from iia_calc.model.pairs.neighbour_list import NeighbourPairs
from search.errors import InputError, finite

LARGEST_CLUSTER = 64  # atoms; beyond, most pairs lie outside the cutoff and the list is faster


class Prediction(NamedTuple):
    """energy [n_structures] eV, forces [n_atoms, 3] eV/Å, atomic_energies [n_atoms] eV.

    Energies are float64 whatever the potential's own type: with core electrons an element energy
    has too many digits for float32. Forces have the potential's type.
    """

    energy: torch.Tensor
    forces: torch.Tensor
    atomic_energies: torch.Tensor


class Surface(Protocol):
    """An energy surface to move on: a `Potential`, or a `Committee` for the mean of its members."""

    @property
    def leader(self) -> Potential:
        """The potential whose elements, layouts, device and type count."""

    def evaluate(self, pairs: Pairs, Z: torch.Tensor, R: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Atomic interaction energies [n_atoms] eV and forces [n_atoms, 3] eV/Å, as `Potential.evaluate`."""


class Potential(nn.Module):
    """A SchNet-IIA with element energies and core repulsion.

    Parameters
    ----------
    settings : the network.
    element_energies : eV of the isolated atom of each element, by symbol: the elements it knows.
    repulsion : the core repulsion.
    """

    def __init__(
        self,
        settings: NetworkSettings | None = None,
        element_energies: Mapping[str, float] | None = None,
        repulsion: RepulsionSettings | None = None,
    ):
        super().__init__()
        self.settings = settings or NetworkSettings()
        self.network = make_network(self.settings)
        self.head = make_head(self.settings)
        self.repulsion = Repulsion(repulsion)
        if not isinstance(element_energies, Mapping) or not element_energies:
            raise InputError("a potential needs at least one element energy, for example {'B': -660.1}")
        if not all(atomic_numbers.get(symbol, 0) for symbol in element_energies):
            raise InputError(f"element_energies has {', '.join(map(str, element_energies))}: not all are elements")
        self.elements = tuple(sorted(element_energies, key=lambda symbol: atomic_numbers[symbol]))
        table = torch.full((N_ELEMENTS,), torch.nan, dtype=torch.float64)  # NaN: not fitted for this element
        for symbol in self.elements:
            if atomic_numbers[symbol] >= self.settings.n_embedding:
                raise InputError(f"{symbol} is beyond the {self.settings.n_embedding} rows of n_embedding; raise it")
            table[atomic_numbers[symbol]] = finite(f"the energy of {symbol}", element_energies[symbol])
        # float64 in any potential: they are 10³ eV and more, and float32 keeps 7 digits
        self._element_energies = table  # not a buffer, so that .to(float32) leaves it alone
        self._charges = torch.tensor([atomic_numbers[symbol] for symbol in self.elements])  # [n_elements]
        self._isolated_cache: torch.Tensor | None = None
        self._frozen_cache: FrozenPotential | None = None
        self._pairs: OrderedDict[tuple[Any, ...], ClusterPairs] = OrderedDict()
        self.card: Any = None  # the Card of a loaded model

    @property
    def leader(self) -> Potential:
        """Itself, as a committee of one: see `Committee.leader`."""
        return self

    @property
    def members(self) -> list[Potential]:
        """Itself alone: see `Committee.members`."""
        return [self]

    @property
    def cutoff(self) -> float:
        """Å"""
        return self.settings.cutoff

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, and so of the forces."""
        return self.network.embedding.weight.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.network.embedding.weight.device

    @property
    def element_energies(self) -> dict[str, float]:
        """eV, by symbol."""
        return {symbol: float(self._element_energies[atomic_numbers[symbol]]) for symbol in self.elements}

    def freeze(self) -> Potential:
        """For use, not for training: evaluation mode, no gradients of parameters. Returns itself."""
        self.requires_grad_(False)
        return self.eval()

    def forward(self, Z: torch.Tensor, R: torch.Tensor, batch: torch.Tensor) -> Prediction:
        """Energies and forces of a batch of clusters of any sizes.

        Parameters
        ----------
        Z : [n_atoms] int64, nuclear charges.
        R : [n_atoms, 3] Å, of any float type; each structure is centred before it is rounded to the potential's own.
        batch : [n_atoms] int64, the structure each atom belongs to: 0, 0, 1, 1, 1, ...

        Raises
        ------
        ValueError : an element without an element energy; `batch` unsorted or with gaps; wrong shapes.
        """
        self.check_elements(Z)
        pairs = self.pairs_of(R, batch)
        interaction, forces = self.evaluate(pairs, Z, pairs.centre(R))
        atomic = interaction.double() + self.reference(Z)
        return Prediction(pairs.sum_structures(atomic), forces, atomic)

    def evaluate(self, pairs: Pairs, Z: torch.Tensor, R: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Without element energies and without checks, on a layout made before, of positions near the origin.

        Returns atomic interaction energies [n_atoms] eV and forces [n_atoms, 3] eV/Å, both detached.
        """
        R = R.detach().to(self.dtype)
        if isinstance(pairs, ClusterPairs) and len(pairs.first) and (frozen := self.for_inference()) is not None:
            return frozen(pairs, Z, R)
        with torch.enable_grad():
            R.requires_grad_(True)
            energies = self.interaction_energies(pairs, Z, R)
            (gradient,) = torch.autograd.grad(energies.sum(), R)
        return energies.detach(), gradient.neg_()

    def for_inference(self) -> FrozenPotential | None:
        """The network merged for use, once its weights can no longer change; None before, or where there is none."""
        if self._frozen_cache is None:
            if not self._is_frozen():
                return None
            numbers = [atomic_numbers[symbol] for symbol in self.elements]
            self._frozen_cache = frozen_potential(
                self.network, self.head, self.repulsion, self._isolated_energies(), numbers
            )
        return self._frozen_cache

    def atomic_energies(
        self,
        Z: torch.Tensor,
        R: torch.Tensor,
        batch: torch.Tensor,
        *,
        references: bool = False,
        repulsion: bool = True,
    ) -> torch.Tensor:
        """Energy of each atom [n_atoms], eV, differentiable by positions and parameters, twice.

        Arguments as in `forward`. Without `references` the isolated atom is zero, which is what a
        training wants to see; without `repulsion` the network's part alone is left.
        """
        pairs = self.pairs_of(R, batch)
        energies = self.interaction_energies(pairs, Z, pairs.centre(R).to(self.dtype), repulsion)
        return energies.double() + self.reference(Z) if references else energies

    def repulsion_energy_and_forces(
        self, Z: torch.Tensor, R: torch.Tensor, batch: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The core repulsion alone: [n_structures] eV, [n_atoms, 3] eV/Å, in the type of `R`."""
        pairs = self.pairs_of(R, batch)
        with torch.enable_grad():
            R = pairs.centre(R.detach()).requires_grad_(True)
            per_pair = self.repulsion(Z[pairs.first], Z[pairs.second], pairs.distances(R))
            atomic = 0.5 * pairs.expand(per_pair).sum(1).index_select(0, pairs.atoms)
            (gradient,) = torch.autograd.grad(atomic.sum(), R)
        return pairs.sum_structures(atomic.detach()), -gradient

    def interaction_energies(
        self, pairs: Pairs, Z: torch.Tensor, R: torch.Tensor, repulsion: bool = True
    ) -> torch.Tensor:
        """Atomic energies [n_atoms], eV, less those of isolated atoms, on a layout made before."""
        vectors = pairs.vectors(R)  # [P, 3]
        distances = vectors.square().sum(-1).clamp_min(1e-8).sqrt()  # [P]
        energies = self.above_isolated(self._features(pairs, Z, vectors, distances), Z)  # [n_atoms]
        if repulsion:
            per_pair = self.repulsion(Z.index_select(0, pairs.first), Z.index_select(0, pairs.second), distances)
            energies = energies + 0.5 * pairs.expand(per_pair).sum(1).index_select(0, pairs.atoms)
        return energies

    @torch.no_grad()
    def features(self, pairs: Pairs, Z: torch.Tensor, R: torch.Tensor) -> torch.Tensor:
        """What the network makes of each atom: [n_atoms, F], which the head reads. Arguments as in `evaluate`."""
        vectors = pairs.vectors(R.detach().to(self.dtype))  # [P, 3]
        return self._features(pairs, Z, vectors, vectors.square().sum(-1).clamp_min(1e-8).sqrt())

    def _features(self, pairs: Pairs, Z: torch.Tensor, vectors: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
        """As `features`, differentiable, from the pairs' vectors [P, 3] and lengths r [P], Å."""
        seen = self.repulsion.saturate(Z.index_select(0, pairs.first), Z.index_select(0, pairs.second), r)  # [P]
        directions = vectors / r[:, None] if self.settings.angular else None  # [P, 3]
        return cast(torch.Tensor, self.network(pairs.pad(Z), seen, pairs, directions).index_select(0, pairs.atoms))

    def above_isolated(self, x: torch.Tensor, Z: torch.Tensor) -> torch.Tensor:
        """The head's energies of features x [n_atoms, F], eV, less those of isolated atoms: [n_atoms]."""
        return cast(torch.Tensor, self.head(x) - self._isolated_energies().index_select(0, Z))

    def reference(self, Z: torch.Tensor) -> torch.Tensor:
        """Element energies [n_atoms], eV, float64; NaN for an element it doesn't know."""
        if self._element_energies.device != Z.device:
            self._element_energies = self._element_energies.to(Z.device)
        return self._element_energies.index_select(0, Z)

    def check_elements(self, Z: torch.Tensor) -> None:
        """ValueError names the elements of `Z` it doesn't know and lists those it does."""
        within = Z.clamp(0, N_ELEMENTS - 1)
        if not bool((torch.isnan(self.reference(within)) | (within != Z)).any()):
            return
        if bool((within != Z).any()):
            raise InputError(f"Z has {int(Z.min())} to {int(Z.max())}; atomic numbers are 1 to {N_ELEMENTS - 1}")
        symbols = [chemical_symbols[z] for z in torch.unique(Z).tolist()]
        unknown = ", ".join(symbol for symbol in symbols if symbol not in self.elements)
        raise InputError(f"this potential was not fitted for {unknown}; it knows {', '.join(self.elements)}")

    def pairs_of(self, R: torch.Tensor, batch: torch.Tensor) -> Pairs:
        """The layout for a flat batch: all pairs of clusters, or the list of one large structure."""
        if R.ndim != 2 or R.shape[1] != 3 or batch.shape != R.shape[:1]:
            given = f"{list(R.shape)} and {list(batch.shape)}"
            raise InputError(f"R must be [n_atoms, 3] and batch [n_atoms], not {given}")
        if not len(batch):
            raise InputError("there are no atoms")
        if bool((batch.diff() < 0).any()):
            raise InputError("batch must be sorted: the atoms of a structure follow one another")
        return self.layout(tuple(torch.bincount(batch).tolist()), R)

    def layout(self, sizes: tuple[int, ...], R: torch.Tensor) -> Pairs:
        """As `pairs_of`, of structures of these sizes, unchecked."""
        if len(sizes) == 1 and sizes[0] > LARGEST_CLUSTER:
            return NeighbourPairs(R.detach().cpu().numpy(), self.cutoff, device=R.device)
        return self.cluster_pairs(sizes, R.device)

    def cluster_pairs(self, sizes: tuple[int, ...], device: torch.device | None = None) -> ClusterPairs:
        """The layout of clusters of these sizes; the last few are kept, as batches repeat."""
        device = device or self.device
        key = (sizes, device)
        if key in self._pairs:
            self._pairs.move_to_end(key)
        else:
            with torch.inference_mode(False):  # a training may be the next to use it
                self._pairs[key] = ClusterPairs(sizes, device)
            while len(self._pairs) > 16:
                self._pairs.popitem(last=False)
        return self._pairs[key]

    def _isolated_energies(self) -> torch.Tensor:
        """The head's energy of an isolated atom by nuclear charge [N_ELEMENTS], eV; 0 where unknown."""
        if self._isolated_cache is not None:
            return self._isolated_cache
        Z = self._known_charges()
        alone = self.cluster_pairs((1,) * len(Z))
        nothing = torch.empty(0, 3, dtype=self.dtype, device=self.device)
        x = self.network(Z, nothing[:, 0], alone, nothing)  # [n_elements, F]
        table = torch.zeros(N_ELEMENTS, dtype=self.dtype, device=self.device).index_put((Z,), self.head(x))
        if self._is_frozen():
            self._isolated_cache = table
        return table

    def _known_charges(self) -> torch.Tensor:
        """Nuclear charges of its elements, kept on its device: a copy from the host can't be captured in a graph."""
        if self._charges.device != self.device:
            self._charges = self._charges.to(self.device)
        return self._charges

    # whatever may change the weights or where they lie forgets what was computed from them

    def _is_frozen(self) -> bool:
        return not self.training and not any(parameter.requires_grad for parameter in self.parameters())

    def _forget(self) -> None:
        self._isolated_cache = self._frozen_cache = None

    def train(self, mode: bool = True) -> Potential:
        """PyTorch's switch between training and use; what was computed from the weights is forgotten."""
        self._forget()
        return super().train(mode)

    def requires_grad_(self, requires_grad: bool = True) -> Potential:
        """PyTorch's switch for gradients of the weights; what was computed from them is forgotten."""
        self._forget()
        return super().requires_grad_(requires_grad)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._forget()
        self._pairs.clear()
        return super()._apply(fn, recurse)  # type: ignore[no-untyped-call]

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:  # also when a module around this one is loaded
        self._forget()
        return super()._load_from_state_dict(*args, **kwargs)
