"""L-BFGS over a batch of clusters of mixed sizes, as padded tensors.

The optimiser's own state is float64 whatever the potential's type: near a minimum, differences of
float32 positions would lose the curvature. The first matrix is a model Hessian's inverse (`model_hessian`), made anew
where a cluster has moved far. Letters: B clusters, N atoms of the largest, m memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from iia_calc.model.potential import Surface
from iia_calc.relax.model_hessian import inverse_model_hessian

UNKNOWN = 1.0 / 70.0  # Å²/eV, step per force where there is no model Hessian (as ASE's LBFGS)
LARGEST = 200  # atoms; the model Hessian of larger clusters would cost more than it saves
FAR = 0.3  # Å that an atom moves before the model Hessian is made anew
LEAST, MOST = 0.1, 10.0  # how much softer or stiffer than the model the last step may make it
RISE = 1e-4  # eV, an energy rise below this is rounding
CPU_SLOTS = 16 * 21**2  # atoms' neighbour slots evaluated at once on a CPU: temporaries stay in the cache
GPU_SLOTS = 1024 * 24**2  # and on a GPU: some 10 GB
MOST_BACKTRACKS = 5  # then the history is dropped and the gradient followed


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
        self.fmax, self.max_steps, self.max_step, self.memory = fmax, max_steps, max_step, memory
        self.device = self.leader.device
        self.keys: list[int] = []
        self.sizes: list[int] = []
        self.state: dict[str, torch.Tensor] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, keys: Sequence[int], numbers: Sequence[np.ndarray], positions: Sequence[np.ndarray]) -> None:
        """Put clusters into the batch; `keys` come back with their results."""
        if not keys:
            return
        b, m = len(keys), self.memory
        n = max(len(z) for z in numbers)
        Z, x = np.zeros((b, n), dtype=np.int64), np.zeros((b, n, 3))
        for row, (z, r) in enumerate(zip(numbers, positions, strict=True)):
            Z[row, : len(z)], x[row, : len(z)] = z, r
        zeros = torch.zeros(b, dtype=torch.float64, device=self.device)
        counts = torch.zeros(b, dtype=torch.int64, device=self.device)
        start = torch.as_tensor(x, device=self.device)
        new = {
            "Z": torch.as_tensor(Z, device=self.device),  # [B, N]
            "x": start,  # [B, N, 3] last accepted positions
            "g": torch.zeros_like(start),  # [B, N, 3] and the gradient there
            "d": torch.zeros_like(start),  # [B, N, 3] direction of the trial
            "e": torch.full_like(zeros, torch.inf),  # [B] energy; inf before the first evaluation
            "slope": zeros,  # [B] g · d
            "t": torch.ones_like(zeros),  # [B] share of d that is tried
            "gamma": torch.ones_like(zeros),  # [B] inverse curvature along the last step, of what the model says
            "W": self._model(torch.as_tensor(Z, device=self.device), start),  # [B, 3N, 3N] inverse model Hessian
            "at": start.clone(),  # [B, N, 3] where it was made
            "S": start.new_zeros((b, m, n, 3)),
            "Y": start.new_zeros((b, m, n, 3)),
            "rho": start.new_zeros((b, m)),  # 1 / s·y; 0 marks an empty place
            "place": counts,  # [B] where the next pair goes
            "backtracks": counts.clone(),
            "evaluations": counts.clone(),
            "steps": counts.clone(),
        }
        width = max(n, max(self.sizes, default=0))
        self._widen(new, width)
        if self.state:
            self._widen(self.state, width)
            new = {name: torch.cat([self.state[name], value]) for name, value in new.items()}
        self.state = new
        self.keys += list(keys)
        self.sizes += [len(z) for z in numbers]

    def step(self) -> list[End]:
        """One evaluation of every cluster and what follows from it; returns those that are done."""
        s = self.state
        trial = s["x"] + s["t"][:, None, None] * s["d"]
        energy, gradient = self._evaluate(trial)
        s["evaluations"] += 1
        first = torch.isinf(s["e"])
        finite = torch.isfinite(energy) & torch.isfinite(gradient).flatten(1).all(1)
        accepted = finite & (energy <= s["e"] + RISE)
        self._remember(accepted & ~first, trial, gradient)
        for name, value in (("x", trial), ("g", gradient), ("e", energy)):
            s[name] = torch.where(accepted.view(-1, *[1] * (value.ndim - 1)), value, s[name])
        s["steps"] += accepted & ~first
        fmax = s["g"].norm(dim=-1).amax(1)  # [B]
        converged = ~torch.isinf(s["e"]) & (fmax < self.fmax)
        spent = s["evaluations"] >= self.max_steps
        self._turn(accepted)
        self._shorten(~accepted & finite, energy)
        far = (s["x"] - s["at"]).norm(dim=-1).amax(1) > FAR
        # one look at the device per step
        done, code, moved = torch.stack(
            [converged | spent | ~finite, converged.long() + 2 * (~finite).long(), far]
        ).tolist()
        ends = [self._end(row, code[row]) for row in range(len(self)) if done[row]]
        left = [row for row in range(len(self)) if not done[row]]
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
        ends = [replace(self._end(row, 0), reason=reason) for row in rows]
        if ends:
            self._keep([row for row in range(len(self)) if row not in set(rows)])
        return ends

    def _evaluate(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Interaction energies [B] and gradients [B, N, 3] of positions [B, N, 3], all float64."""
        n = x.shape[1]
        energy = x.new_empty(len(self))
        gradient = torch.zeros_like(x)
        for start, stop in self._chunks():
            sizes = tuple(self.sizes[start:stop])
            pairs = self.leader.cluster_pairs(sizes)
            place = pairs.structure * n + pairs.within + start * n  # [n_atoms] in the padded arrays
            Z = self.state["Z"].view(-1).index_select(0, place)
            R = x.view(-1, 3).index_select(0, place).to(self.leader.dtype)
            atomic, forces = self.surface.evaluate(pairs, Z, R)
            energy[start:stop] = pairs.sum_structures(atomic.double())
            gradient.view(-1, 3).index_copy_(0, place, -forces.double())
        return energy, gradient

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

    def _remember(self, rows: torch.Tensor, trial: torch.Tensor, gradient: torch.Tensor) -> None:
        """Add the pair (step, gradient change) where its curvature is safely positive."""
        s = self.state
        step, change = trial - s["x"], gradient - s["g"]  # [B, N, 3]
        sy = (step * change).flatten(1).sum(1)  # [B]
        yy = change.square().flatten(1).sum(1)
        ss = step.square().flatten(1).sum(1)
        ywy = (change * self._times_model(change)).flatten(1).sum(1)
        good = (rows & (sy > 1e-6 * (ss * yy).sqrt())).nonzero()[:, 0]
        place = s["place"][good] % self.memory
        s["S"][good, place] = step[good]
        s["Y"][good, place] = change[good]
        s["rho"][good, place] = 1.0 / sy[good]
        s["gamma"][good] = (sy[good] / ywy[good]).clamp(LEAST, MOST)
        s["place"][good] += 1

    def _turn(self, rows: torch.Tensor) -> None:
        """New directions where a step was accepted, and along the gradient where nothing else worked."""
        s = self.state
        lost = s["backtracks"] >= MOST_BACKTRACKS
        s["rho"][lost] = 0.0
        s["gamma"][lost] = 1.0
        d = -self._two_loops()
        slope = (s["g"] * d).flatten(1).sum(1)
        uphill = (rows | lost) & ~(slope < 0)
        s["rho"][uphill] = 0.0
        s["gamma"][uphill] = 1.0
        d = torch.where(uphill[:, None, None], -self._times_model(s["g"]), d)
        longest = d.norm(dim=-1).amax(1).clamp_min(1e-30)  # [B]
        d = d * (self.max_step / longest).clamp(max=1.0)[:, None, None]
        turned = rows | lost
        s["d"] = torch.where(turned[:, None, None], d, s["d"])
        s["slope"] = torch.where(turned, (s["g"] * s["d"]).flatten(1).sum(1), s["slope"])
        s["t"] = torch.where(turned, torch.ones_like(s["t"]), s["t"])
        s["backtracks"] = torch.where(turned, torch.zeros_like(s["backtracks"]), s["backtracks"])

    def _shorten(self, rows: torch.Tensor, energy: torch.Tensor) -> None:
        """Try less of the direction where the energy rose: the minimum of the parabola through both ends."""
        s = self.state
        rows = rows & ~torch.isinf(s["e"])
        excess = energy - s["e"] - s["slope"] * s["t"]
        share = (-s["slope"] * s["t"] / (2 * excess)).nan_to_num(0.3).clamp(0.1, 0.5)
        s["t"] = torch.where(rows, s["t"] * share, s["t"])
        s["backtracks"] += rows

    def _two_loops(self) -> torch.Tensor:
        """Inverse Hessian times gradient [B, N, 3]; places without a pair have rho = 0 and do nothing."""
        s = self.state
        rows = torch.arange(len(self), device=self.device)
        q, alphas = s["g"], []
        for back in range(1, self.memory + 1):  # newest pair first
            place = (s["place"] - back) % self.memory
            S, Y, rho = s["S"][rows, place], s["Y"][rows, place], s["rho"][rows, place]
            alpha = rho * (S * q).flatten(1).sum(1)
            q = q - alpha[:, None, None] * Y
            alphas.append((alpha, rho, S, Y))
        r = s["gamma"][:, None, None] * self._times_model(q)
        for alpha, rho, S, Y in reversed(alphas):
            beta = rho * (Y * r).flatten(1).sum(1)
            r = r + (alpha - beta)[:, None, None] * S
        return r

    def _times_model(self, q: torch.Tensor) -> torch.Tensor:
        """The inverse model Hessian times q [B, N, 3]."""
        W = self.state["W"]
        return torch.bmm(W, q.flatten(1)[..., None]).view_as(q) if W.shape[1] else UNKNOWN * q

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

    def _end(self, row: int, code: int) -> End:
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
            reason="non-finite" if code >= 2 else "converged" if code == 1 else "step limit",
        )

    def _keep(self, rows: Sequence[int]) -> None:
        self.keys = [self.keys[row] for row in rows]
        self.sizes = [self.sizes[row] for row in rows]
        index = torch.tensor(rows, dtype=torch.int64, device=self.device)
        self.state = {name: value.index_select(0, index) for name, value in self.state.items()} if rows else {}
        if rows:
            self._widen(self.state, max(self.sizes))

    def _widen(self, state: dict[str, torch.Tensor], width: int) -> None:
        """Bring the padded axis of every array to `width` atoms."""
        known = state["Z"].shape[1] <= LARGEST
        for name, axis in (("Z", 1), ("x", 1), ("g", 1), ("d", 1), ("at", 1), ("S", 2), ("Y", 2)):
            state[name] = _resized(state[name], axis, width)
        if known and width <= LARGEST:
            state["W"] = _resized(_resized(state["W"], 1, 3 * width), 2, 3 * width)
        else:  # there was none, or there is to be none
            state["W"], state["at"] = self._model(state["Z"], state["x"]), state["x"].clone()


def _resized(value: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    """`value` cut, or filled up with zeros, to `length` along `axis`."""
    if value.shape[axis] > length:
        return value.narrow(axis, 0, length).contiguous()
    if value.shape[axis] < length:
        shape = list(value.shape)
        shape[axis] = length - shape[axis]
        return torch.cat([value, value.new_zeros(shape)], axis)
    return value
