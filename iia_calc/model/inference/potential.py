"""A potential whose weights stay: energies and forces of clusters, with every derivative written out.

Works on all slots of padded clusters at once, [B, N, N], and on a few clusters at a time: what they need then
stays in the processor's cache. What depends on the elements alone is kept from one call to the next.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch

from iia_calc.model.inference.meeting import FusedMeeting, Meeting, PlainMeeting
from iia_calc.model.inference.network import Entry, FrozenNetwork, Gradient
from iia_calc.model.inference.recorded import Recorded
from iia_calc.model.inference.saturated import kernels_serve
from iia_calc.model.inference.vectors import FrozenVectors
from iia_calc.model.network import AtomwiseHead, SchNetIIA, VectorNetwork
from iia_calc.model.network.repulsion import PairConstants, Repulsion
from iia_calc.model.pairs.clusters import ClusterPairs

AGREE = 1e-4
"""Largest relative difference between a GPU's kernels and the plain code."""


class Frozen(Protocol):
    """A network with its gradient: what `FrozenNetwork` and `FrozenVectors` are.

    cached_slots : of one part of a batch on a CPU, about what its caches hold.
    """

    cached_slots: int

    def entry(self, Z: torch.Tensor) -> Entry:
        """What the elements alone decide, of nuclear charges [A], 0 in padding."""

    def __call__(
        self, entry: Entry, distances: torch.Tensor, directions: torch.Tensor, pairs: ClusterPairs
    ) -> tuple[torch.Tensor, Gradient]: ...


class Part(NamedTuple):
    """Some of the clusters: their atoms (first, one past the last), layout, and what their elements decide."""

    start: int
    stop: int
    pairs: ClusterPairs
    constants: PairConstants  # [B, N, N]
    entry: Entry
    isolated: torch.Tensor  # [n_atoms] eV


class FrozenPotential:
    """Atomic interaction energies and forces by a frozen network and the core repulsion.

    isolated : energy the network gives an isolated atom, by nuclear charge, eV. fuse : by single kernels (`fused`).
    """

    def __init__(self, network: Frozen, repulsion: Repulsion, isolated: torch.Tensor, fuse: bool = False):
        self.network, self.repulsion, self.isolated, self.fuse = network, repulsion, isolated, fuse
        self.meeting: Meeting = FusedMeeting() if fuse else PlainMeeting(repulsion)
        self._recorded = Recorded(self._evaluate_recorded)
        self._last: tuple[ClusterPairs, torch.Tensor, int, list[Part]] | None = None

    def __call__(self, pairs: ClusterPairs, Z: torch.Tensor, R: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Z [n_atoms], R [n_atoms, 3] Å -> [n_atoms] eV, [n_atoms, 3] eV/Å."""
        with torch.no_grad():
            parts = self._parts(pairs, Z)
        # in float64 pairs are spread over slots by an autograd function, which can't be recorded
        recorded = R.device.type == "cpu" and R.dtype == torch.float32
        with torch.inference_mode():  # a tenth less for one cluster than without gradients alone
            each = []
            for part in parts:
                r = R[part.start : part.stop]
                if recorded:
                    each.append(self._recorded(part.pairs, r, part.isolated, *part.entry, *part.constants))
                else:
                    each.append(self.evaluate(part, r))
        energies, forces = zip(*each, strict=True)
        return torch.cat(energies), torch.cat(forces)  # plain tensors again, which callers may change

    def _evaluate_recorded(
        self, pairs: ClusterPairs, R: torch.Tensor, isolated: torch.Tensor, *decided: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `evaluate`, all that the elements decide given as tensors: those of an `Entry`, then `PairConstants`."""
        entry, constants = Entry(*decided[:3]), PairConstants(*decided[3:])
        return self.evaluate(Part(0, len(R), pairs, constants, entry, isolated), R)

    def _parts(self, pairs: ClusterPairs, Z: torch.Tensor) -> list[Part]:
        version = 0 if Z.is_inference() else Z._version
        if self._last is not None and not Z.is_inference():
            last_pairs, last_Z, last_version, parts = self._last
            if last_pairs is pairs and last_Z is Z and last_version == version:
                return parts
        parts = self.prepare(pairs.parts(self.network.cached_slots) if Z.device.type == "cpu" else [pairs], Z)
        self._last = pairs, Z, version, parts
        return parts

    @torch.no_grad()
    def prepare(self, layouts: Sequence[ClusterPairs], Z: torch.Tensor) -> list[Part]:
        """What the elements Z [n_atoms] decide, of the clusters of each layout in turn."""
        parts, start = [], 0
        for part in layouts:
            stop = start + sum(part.sizes)
            z = part.pad(Z[start:stop])  # [A]
            by_cluster = z.view(part.n_structures, -1)
            constants = self.repulsion.constants(by_cluster[:, :, None], by_cluster[:, None], self.isolated.dtype)
            isolated = self.isolated.index_select(0, Z[start:stop])
            parts.append(Part(start, stop, part, constants, self.network.entry(z), isolated))
            start = stop
        return parts

    def evaluate(self, part: Part, R: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `__call__`, of the clusters of one part, R [n_atoms, 3]."""
        pairs = part.pairs
        met = self.meeting(pairs, part.constants, R)
        energies, gradient = self.network(part.entry, met.seen, met.directions, pairs)
        by_vector = self.meeting.back(met, gradient)  # [B, 3, N, N]
        forces = (by_vector.sum(3) - by_vector.sum(2)).transpose(1, 2)  # [B, N, 3]
        energies = energies.add_(met.repulsion.sum(2).view(-1), alpha=0.5)  # [A]
        return pairs.unpad(energies).sub_(part.isolated), pairs.unpad(forces.reshape(-1, 3))


def frozen_potential(
    network: SchNetIIA | VectorNetwork,
    head: AtomwiseHead,
    repulsion: Repulsion,
    isolated: torch.Tensor,
    numbers: Sequence[int],
) -> FrozenPotential | None:
    """Of a network whose weights stay; None where only autograd serves.

    On a GPU by Triton's kernels, where they can be compiled and agree with the plain code on a small cluster.

    numbers : nuclear charges of the elements that it knows. isolated : as `FrozenPotential`.
    """
    closest = repulsion.closest_seen(numbers)
    plain = _network(network, head, closest, numbers, fuse=False)
    if plain is None:
        return None
    made = FrozenPotential(plain, repulsion, isolated)
    if not kernels_serve(isolated.device, isolated.dtype):
        return made
    try:
        quick = FrozenPotential(
            _network(network, head, closest, numbers, fuse=True) or plain, repulsion, isolated, fuse=True
        )
        wrong = _apart(quick, made, numbers)
    except Exception as error:  # whatever Triton or its compiler may miss
        warnings.warn(f"Triton's kernels can't be used, so the GPU takes longer: {error}", stacklevel=2)
        return made
    if wrong < AGREE:
        return quick
    warnings.warn(f"Triton's kernels are off by {wrong:.1g}, so the GPU goes on without them", stacklevel=2)
    return made


def _network(
    network: SchNetIIA | VectorNetwork, head: AtomwiseHead, closest: float, numbers: Sequence[int], fuse: bool
) -> Frozen | None:
    """`network` with its gradient written out."""
    if isinstance(network, VectorNetwork):
        covered = FrozenVectors.covers(network.settings)
        return FrozenVectors(network, head, numbers, closest, fuse) if covered else None
    if isinstance(network, SchNetIIA) and FrozenNetwork.covers(network.settings):
        return FrozenNetwork(network, head, closest)
    return None


def _apart(quick: FrozenPotential, plain: FrozenPotential, numbers: Sequence[int]) -> float:
    """Largest relative difference of energies and forces of a bent chain of these elements."""
    device, dtype = plain.isolated.device, plain.isolated.dtype
    Z = torch.as_tensor([*numbers] * 3, device=device)
    place = torch.arange(len(Z), dtype=dtype, device=device)
    R = torch.stack([1.4 * place, torch.sin(2.0 * place), torch.cos(3.0 * place)], 1)
    pairs = ClusterPairs((len(Z),), device)
    both = zip(quick(pairs, Z, R), plain(pairs, Z, R), strict=True)
    apart = [float((a - b).abs().max() / (1.0 + b.abs().max())) for a, b in both]
    return max(apart) if all(value == value for value in apart) else float("inf")
