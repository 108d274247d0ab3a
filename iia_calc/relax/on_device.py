"""Relaxes any number of clusters in few batches of fixed shape: finished rows are replaced in bulk.

The host looks every few steps. Clusters that wait take the rows of those that are done once an eighth of them is; when
none wait, the rest moves to a batch of half the size. A batch that the device's memory can't hold is made again at
half its size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from iia_calc.model.potential import Potential
from iia_calc.relax.advance import REASONS, RUNNING, Rules
from iia_calc.relax.captured import Recorder
from iia_calc.relax.fixed import FixedBatch, Watch
from iia_calc.relax.lbfgs import End

LOOK = 5  # steps between two looks of the host
LEAST = 16  # rows; smaller batches are not faster
NARROWER = 3  # atoms fewer than the widest of a batch: smaller clusters get a batch of their own
LARGEST = 40  # atoms: in larger clusters most slots lie beyond the cutoff, and a list serves better
KEPT = 12  # batches whose graphs are kept


class DeviceRelaxation:
    """Batches of fixed shape for one surface, kept from call to call.

    Parameters
    ----------
    surface : frozen potentials whose mean is minimised.
    batch_size : rows at most.
    capture : False never captures a graph.
    """

    def __init__(
        self,
        surface: Sequence[Potential],
        rules: Rules,
        batch_size: int,
        watch: Watch | None = None,
        capture: bool = True,
    ) -> None:
        self.surface, self.rules, self.batch_size, self.watch = list(surface), rules, batch_size, watch
        self.recorder = Recorder(surface[0].device, capture)
        self._batches: dict[tuple[int, int], FixedBatch] = {}

    def relax(self, numbers: Sequence[np.ndarray], positions: Sequence[np.ndarray]) -> list[End]:
        """Each cluster's end, in order; positions [n, 3] Å near the origin."""
        ends: dict[int, End] = {}
        order = sorted(range(len(numbers)), key=lambda k: -len(numbers[k]))
        while order:
            width = len(numbers[order[0]])
            group = [k for k in order if len(numbers[k]) >= width - NARROWER]
            order = order[len(group) :]
            while left := [k for k in group if k not in ends]:
                try:
                    self._relax(width, left, numbers, positions, ends)
                except torch.OutOfMemoryError:
                    if self.batch_size <= 1:
                        raise
                    self.batch_size = max(1, min(self.batch_size, len(left)) // 2)
                    self._batches.clear()
                    torch.cuda.empty_cache()
        return [ends[k] for k in range(len(numbers))]

    def _relax(
        self,
        width: int,
        waiting: Sequence[int],
        numbers: Sequence[np.ndarray],
        positions: Sequence[np.ndarray],
        ends: dict[int, End],
    ) -> None:
        """Relax those that wait; what is done is in `ends` even if this fails."""
        queue = list(reversed(waiting))
        batch = self._batch(self._rows(len(queue)), width)
        batch.state["code"].fill_(REASONS.index("empty"))
        free = list(range(batch.size))
        while True:
            taken = [queue.pop() for _ in range(min(len(free), len(queue)))]
            batch.fill(free[: len(taken)], taken, [numbers[k] for k in taken], [positions[k] for k in taken])
            free = self._until_worth_it(batch, bool(queue), ends)
            if queue:
                continue
            running = [row for row in range(batch.size) if row not in set(free)]
            if not running:
                return
            smaller = self._batch(self._rows(len(running)), width)
            batch.move(running, smaller)
            batch, free = smaller, []

    def _until_worth_it(self, batch: FixedBatch, more: bool, ends: dict[int, End]) -> list[int]:
        """Run until rows are to be filled, or the rest fits a smaller batch; gives the free rows."""
        while True:
            batch.run(LOOK)
            codes = batch.codes()
            running = int((codes == RUNNING).sum())
            if running == 0 or (batch.size - running >= batch.size / 8 if more else self._rows(running) < batch.size):
                _collect(batch, codes, ends)
                return np.flatnonzero(codes != RUNNING).tolist()

    def _rows(self, count: int) -> int:
        """The size of the batch for so many clusters: a power of two, at least `LEAST`, at most `batch_size`."""
        return min(self.batch_size, max(LEAST, 1 << (count - 1).bit_length()))

    def _batch(self, size: int, width: int) -> FixedBatch:
        key = (size, width)
        if key in self._batches:
            self._batches[key] = self._batches.pop(key)  # the last used are kept
        else:
            while len(self._batches) >= KEPT:
                self._batches.pop(next(iter(self._batches)))
            self._batches[key] = FixedBatch(self.surface, size, width, self.rules, self.watch, self.recorder)
        return self._batches[key]


def _collect(batch: FixedBatch, codes: np.ndarray, ends: dict[int, End]) -> None:
    """Read the rows that are done."""
    rows = [row for row in range(batch.size) if REASONS[codes[row]] not in ("running", "empty")]
    if not rows:
        return
    found = batch.read(rows)
    for place, row in enumerate(rows):
        n, energy = batch.counts[row], float(found["e"][place, 0])
        forces = -found["g"][place].reshape(-1, 3)[:n]
        ends[int(batch.keys[row])] = End(
            key=int(batch.keys[row]),
            positions=found["x"][place].reshape(-1, 3)[:n].copy(),
            forces=forces.copy(),
            energy=energy,
            fmax=float(np.linalg.norm(forces, axis=1).max()) if np.isfinite(energy) else float("nan"),
            n_steps=int(found["steps"][place, 0]),
            n_evaluations=int(found["evaluations"][place, 0]),
            reason=REASONS[codes[row]],
        )
