"""What searches with the present potential meet: minima, points on the way to them, and where its members disagree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read

from iia_calc.common.files import write_frames
from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure
from iia_calc.model.committee import Committee
from iia_calc.model.potential import Potential
from iia_calc.relax.batch import PotentialRelaxer, forces_std_limit
from iia_calc.training.evaluate import is_near_minimum, predict
from search import find_minima
from search.geometry.composition import Composition
from search.geometry.seeds import random_cluster

ON_THE_WAY = (8, 16, 32)
"""Evaluations after which quenches of random starts are halted for a look at where they are."""
FOREIGN = "foreign-minimum"


@dataclass(frozen=True)
class Candidate:
    """A structure that may deserve a label.

    energy : the potential's, eV. forces_std : largest committee deviation of a force, eV/Å (0 for one member).
    origin : "minimum" of a search; "uncertain": a quench that ended where the members disagree; "path": a point
        along a quench; `FOREIGN`: a well that another method found (`improve.sources`).
    """

    atoms: Atoms
    energy: float
    forces_std: float
    origin: str


def gather(
    potential: Potential | Committee,
    formula: str,
    quenches: int,
    seed: int,
    most: int = 400,
    starts: Sequence[Atoms] = (),
) -> list[Candidate]:
    """Search one formula for `quenches`: its minima, lowest first, the uncertain states it met, points along quenches.

    most : of each kind, at most so many are kept. Of quenches from new random starts an eighth as many are halted
    at each of `ON_THE_WAY`.
    starts : structures of the formula that the search begins with.
    """
    limit = forces_std_limit(potential)
    relaxer = PotentialRelaxer(potential, fmax=0.03, max_steps=300, forces_std_limit=limit)
    result = find_minima(formula, relaxer, quenches=quenches, seed=seed, starts=starts)
    found = [
        Candidate(_bare(atoms), float(atoms.get_potential_energy()), _deviation(atoms), "minimum")
        for atoms in result.minima[:most]
    ]
    uncertain = sorted(relaxer.strayed, key=lambda r: r.energy)[:most]
    found += [Candidate(_bare(r.atoms), r.energy, r.forces_std or 0.0, "uncertain") for r in uncertain]
    return found + _on_the_way(potential, formula, max(1, quenches // 8), seed)[:most]


def judge(potential: Potential | Committee, wells: Sequence[Atoms]) -> list[Candidate]:
    """Wells of others, with the potential's energy and the deviation of its members there."""
    unknown = [LabelledStructure(atoms, Label(0.0, np.zeros((len(atoms), 3))), "", FOREIGN) for atoms in wells]
    return [
        Candidate(found.item.atoms, found.energy, float(found.forces_std.max()), FOREIGN)
        for found in predict(potential, unknown)
    ]


def lowest_labelled(labelled: Iterable[LabelledStructure]) -> list[Atoms]:
    """Of each formula the lowest structure near a minimum: where the next round's searches begin."""
    best: dict[str, LabelledStructure] = {}
    for item in labelled:
        formula = Composition.parse(item.atoms).formula
        if is_near_minimum(item) and (formula not in best or item.label.energy < best[formula].label.energy):
            best[formula] = item
    return [_bare(best[formula].atoms) for formula in sorted(best)]


def _on_the_way(potential: Potential | Committee, formula: str, n: int, seed: int) -> list[Candidate]:
    """Where quenches of `n` random starts each are after so many evaluations; what has arrived is left out."""
    composition, rng = Composition.parse(formula), np.random.default_rng([seed, 0x9A7])
    found = []
    for steps in ON_THE_WAY:
        halted = PotentialRelaxer(potential, fmax=0.03, max_steps=steps)
        found += halted.relax([random_cluster(composition, rng) for _ in range(n)])
    return [Candidate(_bare(r.atoms), r.energy, r.forces_std or 0.0, "path") for r in found if not r.converged]


def save(candidates: Sequence[Candidate], path: Path) -> None:
    """As extxyz, written whole or not at all."""
    frames = []
    for item in candidates:
        atoms = _bare(item.atoms)
        atoms.info.update(forces_std=item.forces_std, origin=item.origin)
        atoms.calc = SinglePointCalculator(atoms, energy=item.energy)
        frames.append(atoms)
    write_frames(path, frames)


def load(path: Path) -> list[Candidate]:
    """What `save` wrote."""
    if not path.stat().st_size:
        return []
    frames = read(path, index=":", format="extxyz")
    return [
        Candidate(
            _bare(atoms),
            float(atoms.get_potential_energy()),
            float(atoms.info["forces_std"]),
            str(atoms.info["origin"]),
        )
        for atoms in frames
    ]


def _bare(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions)


def _deviation(atoms: Atoms) -> float:
    value = atoms.info.get("forces_std")
    return 0.0 if value is None else float(value)
