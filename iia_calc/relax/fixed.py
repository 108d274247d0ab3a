"""Relaxations in a batch of fixed shape, whose tensors stay where they are: what a GPU can replay.

Rows that are done wait until the host looks; padding atoms stand far from everything, so no list of atoms depends on
the clusters. The step is `advance`, as for batches that change their shape. Letters: B rows, N atoms each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from ase.data import atomic_numbers

from iia_calc.model.calibration import Calibration
from iia_calc.model.inference.potential import FrozenPotential, Part
from iia_calc.model.pairs.clusters import ClusterPairs
from iia_calc.model.potential import Potential
from iia_calc.relax.advance import EMPTY, RUNNING, UNCERTAIN, Rules, State, advance, new_state, trial_of
from iia_calc.relax.captured import Recorder
from iia_calc.relax.model_hessian import inverse_by_products, inverse_model_hessian, model_hessian

AWAY = 40.0  # Å between padding atoms, and from them to the clusters, where nothing interacts
MOVED = 0.3  # Å that an atom moves before the model Hessian is made anew
GPU_SLOTS = 1024 * 22**2  # neighbour slots evaluated at once on a GPU


class Watch(NamedTuple):
    """A committee's look: who is asked, what their spread is worth, its limit eV/Å, evaluations between two looks."""

    members: Sequence[Potential]
    calibration: Calibration
    limit: float
    every: int


class _Member:
    """A frozen potential and what the elements of all rows decide for it."""

    def __init__(self, frozen: FrozenPotential, layouts: Sequence[ClusterPairs], Z: torch.Tensor) -> None:
        self.frozen, self.layouts = frozen, layouts
        self.parts = [_copy(part) for part in frozen.prepare(layouts, Z)]

    def assign(self, Z: torch.Tensor) -> None:
        """Other elements [B N]."""
        for kept, new in zip(self.parts, self.frozen.prepare(self.layouts, Z), strict=True):
            for tensor, value in zip(_tensors(kept), _tensors(new), strict=True):
                tensor.copy_(value)

    def __call__(self, R: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """R [B N, 3] Å -> energies [B N] eV, forces [B N, 3] eV/Å."""
        with torch.inference_mode():
            each = [self.frozen.evaluate(part, R[part.start : part.stop]) for part in self.parts]
            energies, forces = zip(*each, strict=True)
            return torch.cat(energies), torch.cat(forces)


class FixedBatch:
    """`size` rows of `width` atoms that are relaxed in step.

    Parameters
    ----------
    surface : frozen potentials whose mean is minimised; one for the leader alone.
    watch : None never asks a committee.
    recorder : captures the step, where it can.
    """

    def __init__(
        self,
        surface: Sequence[Potential],
        size: int,
        width: int,
        rules: Rules,
        watch: Watch | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        leader = surface[0]
        self.size, self.width, self.rules, self.watch = size, width, rules, watch
        self.device, self.dtype = leader.device, leader.dtype
        self.filler = atomic_numbers[leader.elements[0]]
        self.Z = np.full((size, width), self.filler)
        self.keys = np.full(size, -1)
        self.counts = np.zeros(size, dtype=np.int64)
        asked = list(dict.fromkeys([*surface, *(watch.members if watch else ())]))
        frozen = [member.for_inference() for member in asked]
        slots = GPU_SLOTS if self.device.type == "cuda" else max(f.network.cached_slots for f in frozen if f)
        layouts = ClusterPairs((width,) * size, self.device).parts(slots)
        Z = torch.as_tensor(self.Z, device=self.device).view(-1)
        made = {member: _Member(f, layouts, Z) for member, f in zip(asked, frozen, strict=True) if f is not None}
        self._members = list(made.values())
        self._surface = [made[member] for member in surface]
        self._watching = [made[member] for member in watch.members] if watch else []
        with torch.no_grad():
            x = torch.zeros((size, width, 3), dtype=torch.float64, device=self.device)
            self.state: State = new_state(x, self._inverse(torch.zeros_like(Z).view(size, width), x), rules.memory)
            self.state["code"].fill_(EMPTY)
            self.charges = torch.zeros((size, width), dtype=torch.int64, device=self.device)  # 0 in padding
            self.real = torch.zeros((size, width, 1), dtype=torch.float64, device=self.device)
            away = AWAY * (1.0 + torch.arange(width, dtype=torch.float64, device=self.device))
            self.away = away[:, None].expand(width, 3).contiguous()  # [N, 3]
        self._recorder = recorder or Recorder(self.device, capture=False)
        self._step: Callable[[], None] | None = None
        self._look: Callable[[], None] | None = None
        self._steps = 0

    @torch.no_grad()
    def fill(
        self, rows: Sequence[int], keys: Sequence[int], numbers: Sequence[np.ndarray], positions: Sequence[np.ndarray]
    ) -> None:
        """Put clusters into these rows; `keys` come back with their results."""
        if not rows:
            return
        Z, charges = np.full((len(rows), self.width), self.filler), np.zeros((len(rows), self.width), dtype=np.int64)
        x = np.zeros((len(rows), self.width, 3))
        for place, (z, r) in enumerate(zip(numbers, positions, strict=True)):
            Z[place, : len(z)], charges[place, : len(z)], x[place, : len(z)] = z, z, r
        where = np.asarray(rows)
        self.keys[where], self.counts[where] = keys, [len(z) for z in numbers]
        index = torch.as_tensor(where, device=self.device)
        on_device = torch.as_tensor(charges, device=self.device)
        start = torch.as_tensor(x, device=self.device)
        if (self.Z[where] != Z).any():
            self.Z[where] = Z
            for member in self._members:
                member.assign(torch.as_tensor(self.Z, device=self.device).view(-1))
        self.charges.index_copy_(0, index, on_device)
        self.real.index_copy_(0, index, (on_device > 0).double()[..., None])
        for name, value in new_state(start, self._inverse(on_device, start), self.rules.memory).items():
            self.state[name].index_copy_(0, index, value)

    def run(self, steps: int) -> None:
        """So many evaluations of every row that runs, and the committee's looks between them."""
        if self._step is None:
            self._step = self._recorder(self._advance, list(self.state.values()))
        for _ in range(steps):
            self._step()
            self._steps += 1
            if self.watch is not None and self._steps % self.watch.every == 0:
                if self._look is None:
                    self._look = self._recorder(self._ask, [self.state["code"]])
                self._look()

    def codes(self) -> np.ndarray:
        """[B] how each row stands: the host's look at the device."""
        return self.state["code"].cpu().numpy().copy()

    @torch.no_grad()
    def read(self, rows: Sequence[int]) -> dict[str, np.ndarray]:
        """Arrays x, g, e, evaluations, steps of these rows, in one transfer; the rows are empty afterwards."""
        index = torch.as_tensor(np.asarray(rows), device=self.device)
        names = ("x", "g", "e", "evaluations", "steps")
        parts = [self.state[name].index_select(0, index).double().view(len(rows), -1) for name in names]
        values = torch.cat(parts, 1).cpu().numpy()
        self.state["code"].index_fill_(0, index, EMPTY)
        found = np.split(values, np.cumsum([part.shape[1] for part in parts])[:-1], axis=1)
        return dict(zip(names, found, strict=True))

    @torch.no_grad()
    def move(self, rows: Sequence[int], other: FixedBatch) -> None:
        """Hand these rows, as they stand, to the first rows of another batch of the same width."""
        index = torch.as_tensor(np.asarray(rows), device=self.device)
        n = len(rows)
        for name, value in self.state.items():
            other.state[name][:n].copy_(value.index_select(0, index))
        other.state["code"][n:].fill_(EMPTY)
        other.charges[:n].copy_(self.charges.index_select(0, index))
        other.real[:n].copy_(self.real.index_select(0, index))
        other.keys[:n], other.counts[:n] = self.keys[rows], self.counts[rows]
        if (other.Z[:n] != self.Z[rows]).any():
            other.Z[:n] = self.Z[rows]
            for member in other._members:
                member.assign(torch.as_tensor(other.Z, device=self.device).view(-1))
        other._steps = self._steps
        self.state["code"].fill_(EMPTY)

    # what is captured: no look at a value, no shape that depends on one

    @torch.no_grad()
    def _advance(self) -> None:
        s = dict(self.state)
        trial = trial_of(s)
        atomic, forces = self._evaluate(self._surface, trial)
        real = self.real[..., 0]
        energy = torch.where(real > 0, atomic[0] if len(atomic) == 1 else atomic.mean(0), 0.0).sum(1)
        gradient = torch.where(self.real > 0, -(forces[0] if len(forces) == 1 else forces.mean(0)), 0.0)
        advance(s, trial, energy, gradient, self.rules)
        far = (s["code"] == RUNNING) & ((s["x"] - s["at"]).norm(dim=-1).amax(1) > MOVED)
        s["W"] = torch.where(far[:, None, None], self._inverse(self.charges, s["x"]), s["W"])
        s["at"] = torch.where(far[:, None, None], s["x"], s["at"])
        for name, tensor in self.state.items():
            if s[name] is not tensor:
                tensor.copy_(s[name])

    @torch.no_grad()
    def _ask(self) -> None:
        """Rows that have left what the committee agrees on are done; random starts are strange at first."""
        assert self.watch is not None
        s = self.state
        _, forces = self._evaluate(self._watching, s["x"])  # [M, B, N, 3]
        expected = self.watch.calibration.forces_std(forces.var(0).sum(-1).sqrt()) * self.real[..., 0]  # [B, N]
        asked = (s["code"] == RUNNING) & (s["evaluations"] >= self.watch.every)
        s["code"].copy_(s["code"].masked_fill(asked & (expected.amax(1) > self.watch.limit), UNCERTAIN))

    def _evaluate(self, members: Sequence[_Member], x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of positions [B, N, 3]: energies [M, B, N] and forces [M, B, N, 3], float64."""
        R = torch.where(self.real > 0, x, self.away).to(self.dtype).view(-1, 3)
        energies, forces = zip(*[member(R) for member in members], strict=True)
        return (
            torch.stack(energies).double().view(len(members), self.size, self.width),
            torch.stack(forces).double().view(len(members), self.size, self.width, 3),
        )

    def _inverse(self, Z: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if self.device.type == "cuda":
            return inverse_by_products(model_hessian(Z, x))
        return inverse_model_hessian(Z, x)


def _tensors(part: Part) -> list[torch.Tensor]:
    given = [*part.constants, *part.entry, part.isolated]
    return [tensor for tensor in given if tensor is not None]


def _copy(part: Part) -> Part:
    return part._replace(
        constants=type(part.constants)(*(t.clone() for t in part.constants)),
        entry=type(part.entry)(*(None if t is None else t.clone() for t in part.entry)),
        isolated=part.isolated.clone(),
    )
