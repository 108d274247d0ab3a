"""L-BFGS over a batch of clusters of mixed sizes, as padded tensors.

The optimiser's own state is float64 whatever the potential's type: near a minimum, differences of
float32 positions would lose the curvature. The first matrix is a model Hessian's inverse (`model_hessian`), made anew
where a cluster has moved far. Letters: B clusters, N atoms of the largest, m memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from iia_calc.model.pairs.clusters import ClusterPairs
from iia_calc.model.potential import Surface
from iia_calc.relax.advance import REASONS, RUNNING, Rules, State, advance, new_state, trial_of
from iia_calc.relax.model_hessian import inverse_model_hessian

LARGEST = 200  # atoms; the model Hessian of larger clusters would cost more than it saves
FAR = 0.3  # Å that an atom moves before the model Hessian is made anew
CPU_SLOTS = 64 * 21**2  # atoms' neighbour slots laid out at once on a CPU; a potential takes them a few at a time
GPU_SLOTS = 1024 * 24**2  # and on a GPU: some 10 GB


@dataclass(frozen=True)
class End:
    """How one cluster left the batch: the last sound positions [n, 3] Å and there forces [n, 3]
    eV/Å and energy eV (of interaction; inf if never finite).
    """

    key: int
    positions: np.ndarray
    forces: np.ndarray
    energy: float
    fmax: float
    n_steps: int
    n_evaluations: int
    reason: str


class _Layout(NamedTuple):
    """Some clusters of the batch, from number `start` on: their atoms' places in the padded arrays, nuclear charges."""

    start: int
    pairs: ClusterPairs
    place: torch.Tensor  # [n_atoms]
    Z: torch.Tensor  # [n_atoms]


class BatchedLBFGS:
    """Clusters are added, stepped together, and handed back as `End` when done.

    Parameters
    ----------
    surface : a frozen `Potential`, or a `Committee` for the mean of its members.
    fmax, max_steps, max_step : as in `PotentialRelaxer`.
    memory : pairs of steps and gradient changes kept.
    """

    def __init__(self, surface: Surface, fmax: float, max_steps: int, max_step: float, memory: int = 10) -> None:
        self.surface, self.leader = surface, surface.leader
        self.rules = Rules(fmax, max_steps, max_step, memory)
        self.device = self.leader.device
        self.keys: list[int] = []
        self.sizes: list[int] = []
        self.state: State = {}
        self._layouts: list[_Layout] = []  # of these clusters, until others come or some are done

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, keys: Sequence[int], numbers: Sequence[np.ndarray], positions: Sequence[np.ndarray]) -> None:
        """Put clusters into the batch; `keys` come back with their results."""
        if not keys:
            return
        b = len(keys)
        n = max(len(z) for z in numbers)
        Z, x = np.zeros((b, n), dtype=np.int64), np.zeros((b, n, 3))
        for row, (z, r) in enumerate(zip(numbers, positions, strict=True)):
            Z[row, : len(z)], x[row, : len(z)] = z, r
        charges, start = torch.as_tensor(Z, device=self.device), torch.as_tensor(x, device=self.device)
        new = {"Z": charges, **new_state(start, self._model(charges, start), self.rules.memory)}  # Z [B, N]
        width = max(n, max(self.sizes, default=0))
        self._widen(new, width)
        if self.state:
            self._widen(self.state, width)
            new = {name: torch.cat([self.state[name], value]) for name, value in new.items()}
        self.state = new
        self.keys += list(keys)
        self.sizes += [len(z) for z in numbers]
        self._layouts = []

    def step(self) -> list[End]:
        """One evaluation of every cluster and what follows from it; returns those that are done."""
        s = self.state
        trial = trial_of(s)
        energy, gradient = self._evaluate(trial)
        advance(s, trial, energy, gradient, self.rules)
        far = (s["x"] - s["at"]).norm(dim=-1).amax(1) > FAR
        # one look at the device per step
        code, moved = torch.stack([s["code"], far.long()]).tolist()
        ends = [self._end(row, REASONS[code[row]]) for row in range(len(self)) if code[row] != RUNNING]
        left = [row for row in range(len(self)) if code[row] == RUNNING]
        if ends:
            self._keep(left)
        self._renew([place for place, row in enumerate(left) if moved[row]])
        return ends

    def due(self, every: int) -> list[int]:
        """Rows that have just had another `every` evaluations."""
        evaluations = self.state["evaluations"] if self.state else torch.empty(0)
        return (evaluations.remainder(every) == 0).nonzero()[:, 0].tolist()

    def frames(self, rows: Sequence[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Nuclear charges [n] and last accepted positions [n, 3] Å of these rows."""
        Z, x = self.state["Z"].cpu().numpy(), self.state["x"].cpu().numpy()
        return [(Z[row, : self.sizes[row]], x[row, : self.sizes[row]]) for row in rows]

    def stop(self, rows: Sequence[int], reason: str) -> list[End]:
        """Take these rows out as they are."""
        ends = [self._end(row, reason) for row in rows]
        if ends:
            self._keep([row for row in range(len(self)) if row not in set(rows)])
        return ends

    def _evaluate(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Interaction energies [B] and gradients [B, N, 3] of positions [B, N, 3], all float64."""
        n = x.shape[1]
        energy = x.new_empty(len(self))
        gradient = torch.zeros_like(x)
        if not self._layouts:
            self._layouts = [self._layout(start, stop, n) for start, stop in self._chunks()]
        for start, pairs, place, Z in self._layouts:
            R = x.view(-1, 3).index_select(0, place).to(self.leader.dtype)
            atomic, forces = self.surface.evaluate(pairs, Z, R)
            energy[start : start + pairs.n_structures] = pairs.sum_structures(atomic.double())
            gradient.view(-1, 3).index_copy_(0, place, -forces.double())
        return energy, gradient

    def _layout(self, start: int, stop: int, n: int) -> _Layout:
        """Of the clusters from `start` to `stop`, padded to n atoms: what doesn't change while they move."""
        pairs = self.leader.cluster_pairs(tuple(self.sizes[start:stop]))
        place = pairs.structure * n + pairs.within + start * n  # [n_atoms] in the padded arrays
        return _Layout(start, pairs, place, self.state["Z"].view(-1).index_select(0, place))

    def _chunks(self) -> Iterator[tuple[int, int]]:
        """On a CPU, pieces whose temporaries stay in the cache; on a GPU, everything at once."""
        limit = CPU_SLOTS if self.device.type == "cpu" else GPU_SLOTS
        start, widest = 0, 0
        for row, size in enumerate(self.sizes):
            widest = max(widest, size)
            if row > start and (row - start + 1) * widest**2 > limit:
                yield start, row
                start, widest = row, size
        yield start, len(self.sizes)

    def _renew(self, rows: Sequence[int]) -> None:
        """Make the model Hessians of these rows anew where they are now."""
        s = self.state
        if rows and s["W"].shape[1]:
            index = torch.tensor(rows, dtype=torch.int64, device=self.device)
            s["W"][index] = inverse_model_hessian(s["Z"][index], s["x"][index])
            s["at"][index] = s["x"][index]

    @staticmethod
    def _model(Z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Inverse model Hessians [B, 3N, 3N], or [B, 0, 0] where the largest cluster is too large for one."""
        return inverse_model_hessian(Z, x) if Z.shape[1] <= LARGEST else x.new_zeros((len(Z), 0, 0))

    def _end(self, row: int, reason: str) -> End:
        s, n = self.state, self.sizes[row]
        forces = -s["g"][row, :n]
        return End(
            key=self.keys[row],
            positions=s["x"][row, :n].cpu().numpy().copy(),
            forces=forces.cpu().numpy().copy(),
            energy=float(s["e"][row]),
            fmax=float(forces.norm(dim=-1).max()) if not torch.isinf(s["e"][row]) else float("nan"),
            n_steps=int(s["steps"][row]),
            n_evaluations=int(s["evaluations"][row]),
            reason=reason,
        )

    def _keep(self, rows: Sequence[int]) -> None:
        self.keys = [self.keys[row] for row in rows]
        self.sizes = [self.sizes[row] for row in rows]
        self._layouts = []
        index = torch.tensor(rows, dtype=torch.int64, device=self.device)
        self.state = {name: value.index_select(0, index) for name, value in self.state.items()} if rows else {}
        if rows:
            self._widen(self.state, max(self.sizes))

    def _widen(self, state: State, width: int) -> None:
        """Bring the padded axis of every array to `width` atoms."""
        known = state["Z"].shape[1] <= LARGEST
        for name, axis in (("Z", 1), ("x", 1), ("g", 1), ("d", 1), ("at", 1), ("S", 2), ("Y", 2)):
            state[name] = _resize(state[name], axis, width)
        if known and width <= LARGEST:
            state["W"] = _resize(_resize(state["W"], 1, 3 * width), 2, 3 * width)
        else:  # there was none, or there is to be none
            state["W"], state["at"] = self._model(state["Z"], state["x"]), state["x"].clone()


def _resize(value: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    """`value` cut, or filled up with zeros, to `length` along `axis`."""
    if value.shape[axis] > length:
        return value.narrow(axis, 0, length).contiguous()
    if value.shape[axis] < length:
        shape = list(value.shape)
        shape[axis] = length - shape[axis]
        return torch.cat([value, value.new_zeros(shape)], axis)
    return value
