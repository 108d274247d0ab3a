"""Relaxes many clusters at once: L-BFGS on padded tensors, one evaluation for the whole batch.

Clusters that are done leave the batch and waiting ones take their slots. Method: Liu and Nocedal,
Math. Program. 1989, 45, 503, with a step cap per atom, a curvature gate, and backtracking when the
energy rises.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from ase import Atoms

from iia_calc.common.electrons import declared_charge, declared_multiplicity
from iia_calc.common.structures import Accepts
from iia_calc.model.committee import Committee, weights_hash
from iia_calc.model.network.repulsion import N_ELEMENTS
from iia_calc.model.potential import Potential
from iia_calc.relax.advance import Rules
from iia_calc.relax.fixed import Watch
from iia_calc.relax.lbfgs import BatchedLBFGS, End
from iia_calc.relax.on_device import LARGEST, DeviceRelaxation
from search.errors import InputError, InputTypeError, force_limit, positive, quote, whole, whole_or_none
from search.geometry.pieces import soundness_of_each
from search.relaxers.base import Relaxed

FAR = 2.0  # Å from the origin to the mean of the positions
WATCH = 20  # evaluations between two looks at the committee's spread: a tenth of a relaxation's cost with three


class PotentialRelaxer:
    """A `search.Relaxer` on a potential.

    Parameters
    ----------
    potential : a `Potential` or `Committee`, frozen. Of a committee the leader's energy is minimised
        (or the mean's, with `energy_from="mean"`), and the spread at the result is reported.
    fmax : eV/Å, largest force on any atom at which a structure is converged.
    max_steps : evaluations spent on a structure at most.
    batch_size : clusters relaxed at once; None takes 64 on a CPU and 1024 on a GPU.
    max_step : Å, longest move of any atom in one step.
    forces_std_limit : eV/Å; a quench in which the expected error of the force on any atom exceeds it ends
        as "uncertain", for there the energy means nothing. Looked at every 20 evaluations (random starts
        are strange at first) and at the end. None never looks.
    fixed_shape : relax in batches whose shape stays, which a GPU replays from a graph (`on_device`). None does so on
        a GPU. The minima are the same; the path differs by rounding.
    """

    bond_length: float | None = None  # that of covalent radii

    def __init__(
        self,
        potential: Potential | Committee,
        fmax: float = 0.01,
        max_steps: int = 500,
        batch_size: int | None = None,
        max_step: float = 0.2,
        energy_from: str = "leader",
        forces_std_limit: float | None = None,
        fixed_shape: bool | None = None,
    ):
        if not isinstance(potential, Potential | Committee):
            raise InputTypeError(
                f"potential is {quote(potential)}; give one that is loaded: PotentialRelaxer(load(...))"
            )
        fmax, max_step = force_limit("fmax", fmax), positive("max_step", max_step, "a length in Å")
        max_steps, batch_size = whole("max_steps", max_steps, 1), whole_or_none("batch_size", batch_size, 1)
        if energy_from not in ("leader", "mean"):
            raise InputError(f"energy_from must be leader or mean, not {energy_from!r}")
        if forces_std_limit is not None:
            forces_std_limit = positive("forces_std_limit", forces_std_limit, "an expected error in eV/Å")
            if len(potential.members) < 2:
                raise InputError("forces_std_limit needs a committee: one potential alone has no spread")
        self.forces_std_limit = forces_std_limit
        self.strayed: deque[Relaxed] = deque(maxlen=1000)  # the last quenches that ended as uncertain
        self.potential = potential
        self.committee = potential if isinstance(potential, Committee) else None
        self.leader = potential.leader
        self.surface = potential if energy_from == "mean" else self.leader
        self.fmax, self.max_steps, self.max_step = fmax, max_steps, max_step
        self._element_energies = (
            self.leader.reference(torch.arange(N_ELEMENTS, device=self.leader.device)).cpu().numpy()
        )
        on_gpu = self.leader.device.type == "cuda"
        self.batch_size = batch_size or (1024 if on_gpu else 64)
        self.on_device = self._on_device() if (on_gpu if fixed_shape is None else fixed_shape) else None

    def _on_device(self) -> DeviceRelaxation | None:
        members = self.surface.members if isinstance(self.surface, Committee) else [self.leader]
        if any(member.for_inference() is None for member in self.potential.members):
            return None
        watch = None
        if self.committee is not None and self.forces_std_limit is not None:
            watch = Watch(self.committee.members, self.committee.calibration, self.forces_std_limit, WATCH)
        rules = Rules(self.fmax, self.max_steps, self.max_step)
        return DeviceRelaxation(members, rules, self.batch_size, watch)

    @property
    def signature(self) -> str:
        """Names weights and settings, so that energies of two models never meet in one ranking."""
        surface = "leader" if self.surface is self.leader else "mean"
        return f"{weights_hash(self.potential)}, {surface}, {self.leader.dtype}, fmax {self.fmax}" + (
            "" if self.forces_std_limit is None else f", forces_std {self.forces_std_limit:g}"
        )

    def relax(self, structures: Sequence[Atoms]) -> list[Relaxed]:
        """Quench each structure; results in the order of the input, which is left as it was.

        Raises
        ------
        ValueError : elements the potential doesn't know, an empty or a periodic structure, one with constraints, or of
            another charge or multiplicity than the potential was fitted to.
        """
        if isinstance(structures, Atoms | str) or not isinstance(structures, Iterable):
            raise InputTypeError(f"structures is {quote(structures)}; give a list of ASE Atoms")
        structures = list(structures)
        for number, atoms in enumerate(structures):
            if not isinstance(atoms, Atoms):
                raise InputTypeError(f"structure {number} is {type(atoms).__name__}; give a list of ASE Atoms")
        accepts = None if self.potential.card is None else Accepts.of_card(self.potential.card)
        for number, atoms in enumerate(structures):
            if len(atoms) == 0 or atoms.pbc.any():
                raise InputError(f"structure {number} is {'periodic' if len(atoms) else 'empty'}; clusters only")
            if atoms.constraints:
                raise InputError(f"structure {number} has constraints; all atoms move here (atoms.set_constraint())")
            if accepts is not None and (atoms.info or len(atoms.arrays) > 2):
                _check_electrons(atoms, accepts, f"structure {number}")
        if not structures:
            return []
        device = self.leader.device
        self.leader.check_elements(torch.as_tensor(np.concatenate([a.numbers for a in structures]), device=device))
        centres = [_offset(atoms.positions) for atoms in structures]
        numbers = [atoms.numbers for atoms in structures]
        moved = [atoms.positions - centre for atoms, centre in zip(structures, centres, strict=True)]
        if self.on_device is not None and max(map(len, numbers)) <= LARGEST:
            ends = self.on_device.relax(numbers, moved)
        else:
            ends = self._in_slots(numbers, moved)
        ends = [replace(end, positions=end.positions + centre) for end, centre in zip(ends, centres, strict=True)]
        sound = soundness_of_each(numbers, [end.positions for end in ends])
        done = [self._result(*each) for each in zip(structures, ends, sound, strict=True)]
        if self.committee is not None:
            done = self._with_spread(done)
            self.strayed.extend(r for r in done if r.reason == "uncertain" and np.isfinite(r.energy))
        return done

    def _in_slots(self, numbers: Sequence[np.ndarray], positions: Sequence[np.ndarray]) -> list[End]:
        """Relax in a batch that always holds what is left; the ends in order."""
        order = sorted(range(len(numbers)), key=lambda k: len(numbers[k]))  # popped from the end: large first
        ends: dict[int, End] = {}
        batch = BatchedLBFGS(self.surface, self.fmax, self.max_steps, self.max_step)
        while order or len(batch):
            free = self.batch_size - len(batch)
            taken = [order.pop() for _ in range(min(free, len(order)))]
            batch.add(taken, [numbers[k] for k in taken], [positions[k] for k in taken])
            for end in [*batch.step(), *self._end_strays(batch)]:
                ends[end.key] = end
        return [ends[k] for k in range(len(numbers))]

    def _result(self, start: Atoms, end: End, sound: tuple[bool, bool]) -> Relaxed:
        atoms = Atoms(start.numbers, positions=end.positions, info=dict(start.info))
        collapsed, fragmented = sound
        reason = "collapsed" if collapsed and end.reason != "non-finite" else end.reason
        return Relaxed(
            atoms=atoms,
            energy=end.energy + float(self._element_energies[start.numbers].sum()),
            fmax=end.fmax,
            converged=reason == "converged",
            n_steps=end.n_steps,
            n_evaluations=end.n_evaluations,
            fragmented=fragmented,
            reason=reason,
        )

    def _end_strays(self, batch: BatchedLBFGS) -> list[End]:
        """Ends of the quenches that have left what the committee agrees on."""
        if self.forces_std_limit is None or not (rows := batch.due(WATCH)):
            return []
        spread = self._spread(batch.frames(rows), measure=False)
        return batch.stop(
            [row for row, (_, forces) in zip(rows, spread, strict=True) if forces > self.forces_std_limit], "uncertain"
        )

    def _with_spread(self, results: list[Relaxed]) -> list[Relaxed]:
        """Ask all members about the final structures."""
        assert self.committee is not None
        calibration = self.committee.calibration
        finite = [k for k, result in enumerate(results) if np.isfinite(result.energy)]
        done = list(results)
        spread = self._spread([(results[k].atoms.numbers, results[k].atoms.positions) for k in finite])
        for k, (energy_std, forces_std) in zip(finite, spread, strict=True):
            known = calibration.known_region(len(done[k].atoms), energy_std, forces_std)
            measured = replace(done[k], energy_std=energy_std, forces_std=forces_std, known_region=known)
            done[k] = uncertain_beyond(self.forces_std_limit, measured)
        return done

    def _spread(
        self, frames: Sequence[tuple[np.ndarray, np.ndarray]], measure: bool = True
    ) -> list[tuple[float, float]]:
        """Expected errors of the energy, eV, and of the worst atom's force, eV/Å, of each (numbers, positions).

        measure : False where only forces count (`Committee.spread`).
        """
        committee = self.committee
        assert committee is not None
        found: list[tuple[float, float]] = []
        device, dtype = self.leader.device, self.leader.dtype
        start, size = 0, self.batch_size
        while start < len(frames):
            part = frames[start : start + size]
            try:
                pairs = self.leader.cluster_pairs(tuple(len(numbers) for numbers, _ in part))
                Z = torch.as_tensor(np.concatenate([z for z, _ in part]), dtype=torch.int64, device=device)
                R = torch.as_tensor(np.concatenate([r for _, r in part]), dtype=dtype, device=device)
                spread = committee.spread(pairs, Z, R, measure)
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size = max(1, min(size, len(part)) // 2)
                torch.cuda.empty_cache()
                continue
            largest = pairs.pad(spread.forces_std).view(len(part), -1).amax(1)
            found += zip(spread.energy_std.tolist(), largest.tolist(), strict=True)
            start += size
        return found


def _check_electrons(atoms: Atoms, accepts: Accepts, where: str) -> None:
    try:
        accepts.check_electrons(atoms, declared_charge(atoms), declared_multiplicity(atoms))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _offset(positions: np.ndarray) -> np.ndarray:
    """Where positions [n, 3] Å lie far from the origin their mean [3], else zero: float32 would lose their digits."""
    mean = positions.mean(0)
    return mean if np.abs(mean).max() > FAR else np.zeros(3)


def forces_std_limit(potential: Potential | Committee) -> float | None:
    """Where a loaded model's card says its known region ends, eV/Å; None for one member or an uncalibrated model."""
    return potential.calibration.forces_std_limit if isinstance(potential, Committee) else None


def uncertain_beyond(limit: float | None, result: Relaxed) -> Relaxed:
    """`result`, no longer converged but "uncertain" where its expected error of a force exceeds `limit`, eV/Å."""
    if limit is None or not result.converged or result.forces_std is None or result.forces_std <= limit:
        return result
    return replace(result, converged=False, reason="uncertain")
