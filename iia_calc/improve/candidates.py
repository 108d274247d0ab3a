"""What searches with the present potential meet: minima, and states where its members disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from iia_calc.committee import Committee
from iia_calc.potential import Potential
from iia_calc.relax import PotentialRelaxer, forces_std_limit
from search import find_minima


@dataclass(frozen=True)
class Candidate:
    """A structure that may deserve a label.

    energy : the potential's, eV. forces_std : largest committee deviation of a force, eV/Å (0 for one member).
    origin : "minimum" of a search, or "uncertain": a quench that ended where the members disagree.
    """

    atoms: Atoms
    energy: float
    forces_std: float
    origin: str


def gather(
    potential: Potential | Committee, formula: str, quenches: int, seed: int, most: int = 400
) -> list[Candidate]:
    """Search one formula for `quenches`: its minima, lowest first, and the uncertain states it met.

    most : of each kind, at most so many are kept.
    """
    limit = forces_std_limit(potential)
    relaxer = PotentialRelaxer(potential, fmax=0.03, max_steps=300, forces_std_limit=limit)
    result = find_minima(formula, relaxer, quenches=quenches, seed=seed)
    found = [
        Candidate(_bare(atoms), float(atoms.get_potential_energy()), _deviation(atoms), "minimum")
        for atoms in result.minima[:most]
    ]
    uncertain = sorted(relaxer.strayed, key=lambda r: r.energy)[:most]
    found += [Candidate(_bare(r.atoms), r.energy, r.forces_std or 0.0, "uncertain") for r in uncertain]
    return found


def save(candidates: Sequence[Candidate], path: Path) -> None:
    """As extxyz, written whole or not at all."""
    frames = []
    for item in candidates:
        atoms = _bare(item.atoms)
        atoms.info.update(forces_std=item.forces_std, origin=item.origin)
        atoms.calc = SinglePointCalculator(atoms, energy=item.energy)
        frames.append(atoms)
    partial = path.with_name(f".{path.name}.part")
    write(partial, frames, format="extxyz")
    partial.replace(path)


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
