"""Where a search may begin: the lowest minima known of its formula, and those of its neighbours made to fit.

As features carry over from SeB_n to SeB_(n+1), so do shapes: the lowest minimum of one size, with an atom more or
less, often lies near that of the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.io import read

from iia_calc.labels.level import same_level
from iia_calc.model.storage import models_folder
from search.geometry.composition import Composition, bond_lengths
from search.geometry.fingerprint import Fingerprint, Sameness, same
from search.geometry.pieces import NEIGHBOUR
from search.geometry.seeds import attach_atom, push_apart
from search.geometry.shape import shape_of
from search.searchers.starts import in_order

ENLARGED, REDUCED = 6, 4
"""Structures made of each neighbour with one atom less, and of each with one more."""
ALIKE = Sameness(rmsd_tolerance=0.09, displacement_tolerance=0.3)
"""Wider than a search's: a minimum of the potential and the DFT minimum that it stands for differ a little."""


@dataclass(frozen=True)
class KnownMinimum:
    """A minimum of the shipped table.

    Attributes
    ----------
    atoms : its DFT geometry.
    energy, relative : eV, absolute and above the lowest known one of its formula.
    shape : of the DFT geometry. level : of theory.
    """

    atoms: Atoms
    energy: float
    relative: float
    shape: str
    level: str


def known_minima(
    composition: Composition, source: str | Path | None = None, level: str | None = None
) -> list[KnownMinimum]:
    """The known DFT minima of `composition`, lowest first, atoms in the composition's order; empty where none are.

    source : of minima, anything ASE reads; None for the shipped tables in `models/lowest`.
    level : the level of theory wanted. Where no table of that level has the formula, the first table is used; each
        minimum says its level.
    """
    tables = [[f for f in _frames(path) if composition.matches(f)] for path in _paths(source)]
    tables = [frames for frames in tables if frames]
    wanted = [frames for frames in tables if level is not None and same_level(str(frames[0].info.get("level")), level)]
    frames = sorted((wanted or tables or [[]])[0], key=lambda f: float(f.get_potential_energy()))
    found = []
    for frame in frames:
        (atoms,) = in_order([Atoms(frame.numbers, frame.positions)], composition)
        energy, lowest = float(frame.get_potential_energy()), float(frames[0].get_potential_energy())
        found.append(KnownMinimum(atoms, energy, energy - lowest, shape_of(atoms), str(frame.info.get("level", ""))))
    return found


def match_known(minima: Sequence[Atoms], known: Sequence[KnownMinimum]) -> dict[int, KnownMinimum]:
    """Which of `minima` are which known ones, atoms in one order; of several alike the nearest, each at most once."""
    prints = [Fingerprint(atoms.positions, atoms.numbers) for atoms in minima]
    found: dict[int, KnownMinimum] = {}
    for minimum in known:
        wanted = Fingerprint(minimum.atoms.positions, minimum.atoms.numbers)
        bond = float(bond_lengths(minimum.atoms.numbers[:1])[0, 0])
        alike = [k for k, f in enumerate(prints) if k not in found and same(f, wanted, bond, ALIKE)]
        if alike:
            apart = [float(np.linalg.norm(prints[k].pair_distances - wanted.pair_distances)) for k in alike]
            found[alike[int(np.argmin(apart))]] = minimum
    return found


def known_starts(composition: Composition, source: str | Path | None = None) -> list[Atoms]:
    """Structures of `composition` from a file of low minima; empty where it holds neither formula nor neighbours.

    source : of minima, anything ASE reads; None for the shipped tables in `models/lowest`.
    """
    minima: list[Atoms] = []
    for path in _paths(source):  # what another level's table adds: minima that aren't those of the tables before it
        minima += [Atoms(f.numbers, f.positions) for f in _frames(path) if not any(_alike(f, m) for m in minima)]
    return starts_from(minima, composition)


def starts_from(minima: Sequence[Atoms], composition: Composition) -> list[Atoms]:
    """What of `minima` a search of `composition` may begin with.

    Those of the formula itself, those of one atom less (of any element of `composition`) with one attached in several
    places, those of one more without one of the atoms with the fewest bonds. The same call gives the same.
    """
    rng = np.random.default_rng(0)
    wanted = dict(composition.counts)
    same: list[Atoms] = []
    made: list[Atoms] = []
    for atoms in minima:
        counts = dict(Composition.parse(atoms).counts)
        change = {s: wanted.get(s, 0) - counts.get(s, 0) for s in wanted.keys() | counts.keys()}
        change = {symbol: count for symbol, count in change.items() if count}
        if not change:
            same.append(atoms.copy())
        elif list(change.values()) == [1]:
            made += [_add_atom(atoms, next(iter(change)), rng) for _ in range(ENLARGED)]
        elif list(change.values()) == [-1]:
            made += _remove_atoms(atoms, next(iter(change)))
    return same + made


def _paths(source: str | Path | None) -> list[Path]:
    """The files to read: of the shipped tables that of PBE0/3-21G first, which has the most formulas."""
    folder = models_folder() / "lowest"
    shipped = [folder / "lowest.extxyz", *sorted(folder.glob("*/lowest.extxyz"))]
    return [path for path in (shipped if source is None else [Path(source)]) if path.exists()]


def _alike(one: Atoms, other: Atoms) -> bool:
    """Whether two structures, atoms in one order, are the same minimum within `ALIKE`."""
    if len(one) != len(other) or (one.numbers != other.numbers).any():
        return False
    mine, its = (Fingerprint(atoms.positions, atoms.numbers) for atoms in (one, other))
    return bool(same(mine, its, float(bond_lengths(one.numbers[:1])[0, 0]), ALIKE))


@cache
def _frames(path: Path) -> tuple[Atoms, ...]:
    return tuple(read(path, index=":"))


def _add_atom(atoms: Atoms, symbol: str, rng: np.random.Generator) -> Atoms:
    """One atom attached from outside, to one to three of the others; at the rim of what is flat, half of the time."""
    numbers = np.append(atoms.numbers, atomic_numbers[symbol])
    centred = atoms.positions - atoms.positions.mean(0)
    axes = np.linalg.svd(centred, full_matrices=True)[2]  # the thinnest last, which becomes z
    positions = attach_atom(centred @ axes.T, numbers, rng, planar=rng.random() < 0.5)
    return Atoms(numbers, push_apart(positions, numbers))


def _remove_atoms(atoms: Atoms, symbol: str) -> list[Atoms]:
    """Copies without one of the `symbol` atoms that have the fewest bonds."""
    limits = NEIGHBOUR * bond_lengths(atoms.numbers)
    bonds = (atoms.get_all_distances() < limits).sum(1) - 1
    places = [k for k in np.argsort(bonds, kind="stable") if atoms.symbols[k] == symbol][:REDUCED]
    return [atoms[[j for j in range(len(atoms)) if j != k]] for k in places]
