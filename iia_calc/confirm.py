"""What a search found, relaxed and ranked anew at a level of theory that is trusted more."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.optimize import LBFGS

from iia_calc.labels.level import Label, LabelFailed, LevelOfTheory, multiplicity_of
from iia_calc.labels.store import LabelledStructure, LabelStore
from search import Sameness
from search.composition import Composition, bond_lengths
from search.fingerprint import Fingerprint, kabsch, same

ON_THE_WAY, MINIMUM = "confirm-path", "confirm-minimum"
"""Origins in the store: the frames are labels to train on like any others."""
SAME = Sameness(energy_tolerance=0.01)
"""Wider in energy than a search's, as DFT relaxations end at looser forces."""


@dataclass(frozen=True)
class Confirmed:
    """One isomer after relaxation at the better level.

    Attributes
    ----------
    model_rank : its rank in the search; 1 is the lowest.
    rank : at the better level; None where the calculation failed or hasn't converged.
    atoms : the relaxed structure, its energy (eV) on it where there is one.
    energy, relative : eV, absolute and above the lowest; None where it failed.
    fmax : eV/Å at the end. steps : evaluations in all, those of earlier calls included.
    rmsd : Å, how far it moved from the model's minimum, after superposition.
    same_as : model rank of the lower isomer that it became, if it did.
    reason : "converged", "step limit", or why it failed.
    """

    model_rank: int
    rank: int | None
    atoms: Atoms
    energy: float | None
    relative: float | None
    fmax: float | None
    steps: int
    rmsd: float
    same_as: int | None
    reason: str

    @property
    def converged(self) -> bool:
        return self.reason == "converged"


def confirm(
    isomers: Sequence[Atoms],
    level: LevelOfTheory,
    store: str | Path,
    *,
    fmax: float = 0.05,
    max_steps: int = 100,
    callback: Callable[[int, int, float, float], object] | None = None,
) -> list[Confirmed]:
    """Relax `isomers` at `level` and rank them by it, the converged ones first.

    Every evaluation goes to the label database `store` (ending in .db) as it is made. The same call
    goes on from there: what has converged is not repeated, what was stopped starts from its last frame.

    Parameters
    ----------
    fmax : largest force of a converged structure, eV/Å.
    max_steps : optimiser steps per isomer in this call.
    callback : called after each evaluation with the model rank, evaluations so far, energy (eV) and
        largest force (eV/Å).

    Raises
    ------
    ValueError : the charge and multiplicity don't fit the electrons, or the store holds another level.
    """
    for atoms in isomers:
        multiplicity_of(atoms, level.charge, level.multiplicity)
    labels = LabelStore(store, level.name)
    paths: dict[str, list[LabelledStructure]] = {}
    for item in labels.read():
        paths.setdefault(item.start, []).append(item)
    found = []
    for k, atoms in enumerate(isomers):
        frames = paths.get(start_name(atoms), [])
        found.append(_relax_one(atoms, k + 1, level, labels, frames, fmax, max_steps, callback))
    return _ranked(found)


def start_name(atoms: Atoms) -> str:
    """Names an isomer by its formula and a hash of its positions (to 0.001 Å), for the store."""
    digest = hashlib.sha256(atoms.positions.round(3).tobytes() + atoms.numbers.astype("int64").tobytes())
    return f"{Composition.parse(atoms).formula}-isomer-{digest.hexdigest()[:12]}"


def moved(before: Atoms, after: Atoms) -> float:
    """Root mean square displacement, Å, after superposition; the atoms are in one order."""
    a, b = before.positions - before.positions.mean(0), after.positions - after.positions.mean(0)
    return float(np.sqrt(((a - b @ kabsch(a, b, mirror=False)) ** 2).sum(1).mean()))


def _relax_one(
    isomer: Atoms, model_rank: int, level: LevelOfTheory, labels: LabelStore, frames: list[LabelledStructure],
    fmax: float, max_steps: int, callback: Callable[[int, int, float, float], object] | None,
) -> Confirmed:  # fmt: skip
    frames = list(frames)
    name, multiplicity = start_name(isomer), multiplicity_of(isomer, level.charge, level.multiplicity)
    reason = "step limit"
    if frames and _largest(frames[-1].label) <= fmax:
        reason = "converged"
    else:
        atoms = Atoms(isomer.numbers, frames[-1].atoms.positions if frames else isomer.positions)
        optimizer = LBFGS(atoms, logfile=None, maxstep=0.15)
        known = frames[-1].label if frames else None
        try:
            for step in range(max_steps + 1):
                label = known if step == 0 and known is not None else level.label(atoms)
                if step or known is None:
                    done = _largest(label) <= fmax
                    frames.append(
                        LabelledStructure(
                            atoms.copy(), label, name, MINIMUM if done else ON_THE_WAY, level.charge, multiplicity
                        )
                    )
                    labels.add(frames[-1:])
                    if callback is not None:
                        callback(model_rank, len(frames), label.energy, _largest(label))
                    if done:
                        reason = "converged"
                        break
                if step < max_steps:
                    atoms.calc = SinglePointCalculator(atoms, energy=label.energy, forces=label.forces)
                    optimizer.step(label.forces)
        except LabelFailed as error:
            reason = f"failed: {error}"
    if not frames:
        return Confirmed(model_rank, None, isomer.copy(), None, None, None, 0, 0.0, None, reason)
    label = frames[-1].label
    final = Atoms(isomer.numbers, frames[-1].atoms.positions)
    final.calc = SinglePointCalculator(final, energy=label.energy, forces=label.forces)
    return Confirmed(
        model_rank, None, final, label.energy, None, _largest(label), len(frames), moved(isomer, final), None, reason
    )


def _ranked(found: list[Confirmed]) -> list[Confirmed]:
    """Converged ones by energy, those that became one share a rank; then the others as the model had them."""
    converged = sorted((c for c in found if c.converged), key=lambda c: c.energy)
    ranked: list[Confirmed] = []
    prints: list[Fingerprint] = []
    rank = 0
    for c in converged:
        bond = float(bond_lengths(np.array([c.atoms.numbers[0]] * 2))[0, 1])
        fingerprint = Fingerprint(c.atoms.positions, c.atoms.numbers)
        twin = next(
            (
                lower
                for lower, other in zip(ranked, prints, strict=True)
                if lower.same_as is None
                and c.energy - lower.energy < SAME.energy_tolerance
                and same(other, fingerprint, bond, SAME)
            ),
            None,
        )
        rank = rank if twin else rank + 1
        ranked.append(
            replace(
                c, rank=twin.rank if twin else rank, relative=c.energy - converged[0].energy,
                same_as=twin.model_rank if twin else None,
            )
        )  # fmt: skip
        prints.append(fingerprint)
    return ranked + [c for c in found if not c.converged]


def _largest(label: Label) -> float:
    return float(np.linalg.norm(label.forces, axis=1).max())
