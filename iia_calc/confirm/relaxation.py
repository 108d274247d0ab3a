"""A relaxation whose every frame is a stored label, so that nothing costly is ever computed twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from ase import Atoms
from ase.optimize import BFGS

from iia_calc.labels.level import Label, LabelFailed, LevelCalculator, LevelOfTheory, multiplicity_of
from iia_calc.labels.store import LabelledStructure, LabelStore
from iia_calc.model.hessian import stiffen
from search import Sameness
from search.geometry.composition import Composition, bond_lengths
from search.geometry.fingerprint import Fingerprint, same
from search.relaxers.ase import make_bfgs

ON_THE_WAY, MINIMUM = "confirm-path", "confirm-minimum"
"""Origins in the store: the frames are labels to train on like any others."""
CONVERGED, STEP_LIMIT, INTERRUPTED = "converged", "step limit", "interrupted"
GRADIENT_LIMIT = "gradient limit"
"""As far as was asked for: ranked, with the force that remains."""
MAX_STEP = 0.15
"""Å"""
HARMONIC = 1.0
"""eV/Å: where forces are larger, the curvature of the place misleads more than it tells."""
JUMP = 0.01
"""eV by which the energy of a step must leave what the forces at its ends explain."""
SAME = Sameness(energy_tolerance=0.01)
"""Wider in energy than a search's, as DFT relaxations end at looser forces."""


class StoredRelaxation:
    """One isomer on its way to the minimum of `level`, each frame stored as it is made.

    Parameters
    ----------
    isomer : where it starts. frames : what is stored of it already (it goes on from the last).
    labels : the store. fmax : largest force of a converged structure, eV/Å.
    curvature : gives second derivatives [3n, 3n], eV/Å², near those of `level`, to take its first steps by.
    """

    def __init__(
        self,
        isomer: Atoms,
        frames: list[LabelledStructure],
        level: LevelOfTheory,
        labels: LabelStore,
        fmax: float,
        curvature: Callable[[Atoms], np.ndarray] | None = None,
    ) -> None:
        self.isomer, self.frames, self.level, self.labels, self.fmax = isomer, list(frames), level, labels, fmax
        self.curvature = curvature
        self.name = frames[0].start if frames else start_name(isomer)

    @property
    def converged(self) -> bool:
        """Whether the last stored frame has forces below `fmax`."""
        return bool(self.frames) and largest_force(self.frames[-1].label) <= self.fmax

    @property
    def jumps(self) -> tuple[float, ...]:
        """eV, of each step whose energy changed by more than the forces at both of its ends explain."""
        return energy_jumps(self.frames)

    def run(
        self, max_steps: int, callback: Callable[[int, float, float], object] | None, gradients: int | None = None
    ) -> str:
        """Go on until converged or stopped; returns why it ended.

        That is "converged", "step limit", "gradient limit", "interrupted" or "failed: ...". The optimiser first takes
        its stored steps again, from the stored forces, so it goes on as if nothing had stopped it.

        gradients : as many as it may have in all, those of earlier calls included; None for no limit.
        """
        if self.converged:
            return CONVERGED
        stored = list(self.frames)
        atoms = Atoms(self.isomer.numbers, (stored[0].atoms if stored else self.isomer).positions)
        atoms.calc = LevelCalculator(self.level)
        try:
            if stored:
                _put(atoms, stored[0])
            else:
                self._take(atoms, callback)
            optimizer, has_curvature = make_bfgs(atoms, MAX_STEP), self.curvature is None
            for step in range(1, len(stored) + max_steps):
                again = step < len(stored)
                label = (stored[step - 1] if again else self.frames[-1]).label
                if not again and self.converged:
                    break
                if not again and gradients is not None and len(self.frames) >= gradients:
                    return GRADIENT_LIMIT
                if not has_curvature and largest_force(label) <= HARMONIC:
                    optimizer, has_curvature = self._with_curvature(atoms), True
                optimizer.step()
                if again:
                    _put(atoms, stored[step])
                else:
                    self._take(atoms, callback)
        except LabelFailed as error:
            return f"failed: {error}"
        except KeyboardInterrupt:
            return INTERRUPTED
        return CONVERGED if self.converged else STEP_LIMIT

    def _with_curvature(self, atoms: Atoms) -> BFGS:
        """An optimiser that begins with the potential's second derivatives in place of a model's."""
        optimizer = make_bfgs(atoms, MAX_STEP)
        assert self.curvature is not None
        optimizer.H0 = stiffen(self.curvature(atoms))
        return optimizer

    def _take(self, atoms: Atoms, callback: Callable[[int, float, float], object] | None) -> None:
        atoms.get_potential_energy()
        label = atoms.calc.frames[-1][1]
        origin = MINIMUM if largest_force(label) <= self.fmax else ON_THE_WAY
        multiplicity = multiplicity_of(atoms, self.level.charge, self.level.multiplicity)
        frame = LabelledStructure(
            Atoms(atoms.numbers, atoms.positions), label, self.name, origin, self.level.charge, multiplicity
        )
        self.labels.add([frame])
        self.frames.append(frame)
        if callback is not None:
            callback(len(self.frames), label.energy, largest_force(label))


def _put(atoms: Atoms, frame: LabelledStructure) -> None:
    """Set `atoms` to a stored frame, whose label its calculator then gives."""
    atoms.positions = frame.atoms.positions
    atoms.calc.results = {"energy": frame.label.energy, "forces": frame.label.forces}
    atoms.calc.atoms = atoms.copy()


def start_name(atoms: Atoms) -> str:
    """Names an isomer by its formula and a hash of its positions (to 0.001 Å), for the store."""
    digest = hashlib.sha256(atoms.positions.round(3).tobytes() + atoms.numbers.astype("int64").tobytes())
    return f"{Composition.parse(atoms).formula}-isomer-{digest.hexdigest()[:12]}"


def largest_force(label: Label) -> float:
    """Largest force on any atom of a label, eV/Å."""
    return float(np.linalg.norm(label.forces, axis=1).max())


def energy_jumps(frames: Sequence[LabelledStructure]) -> tuple[float, ...]:
    """Size, eV, of each jump of the energy between neighbouring frames of one relaxation.

    On one smooth surface the energy changes by something between what the forces at the two ends say. Where it leaves
    that range by more than `JUMP`, the two frames belong to different SCF solutions.
    """
    found = []
    for before, after in pairwise(frames):
        step = after.atoms.positions - before.atoms.positions  # [n_atoms, 3]
        ends = sorted(-float((frame.label.forces * step).sum()) for frame in (before, after))
        change = after.label.energy - before.label.energy
        outside = max(ends[0] - change, change - ends[1])
        if outside > JUMP:
            found.append(outside)
    return tuple(found)


def stored_paths(labels: LabelStore) -> dict[str, list[LabelledStructure]]:
    """Relaxations in the store by name, frames in order."""
    paths: dict[str, list[LabelledStructure]] = {}
    for item in labels.read():
        if item.origin in (ON_THE_WAY, MINIMUM):
            paths.setdefault(item.start, []).append(item)
    return paths


def path_of(isomer: Atoms, paths: dict[str, list[LabelledStructure]]) -> list[LabelledStructure]:
    """The stored relaxation of this isomer, taken out of `paths`, or an empty list.

    A search that went on may hold a turned copy of what was relaxed, so the first frames are compared.
    """
    if (name := start_name(isomer)) in paths:
        return paths.pop(name)
    for name, frames in paths.items():
        first = frames[0].atoms
        if np.array_equal(first.numbers, isomer.numbers) and alike(first, isomer):
            return paths.pop(name)
    return []


def alike(a: Atoms, b: Atoms) -> bool:
    """Whether two structures, atoms in one order of elements, are copies of one another."""
    bond = float(bond_lengths(a.numbers[:1])[0, 0])
    return same(Fingerprint(a.positions, a.numbers), Fingerprint(b.positions, b.numbers), bond, SAME)
