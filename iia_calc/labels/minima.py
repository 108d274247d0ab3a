"""Minima of a model as structures to label: where its searches will go, so where its errors matter."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from search.geometry.composition import Composition
from search.geometry.seeds import random_cluster
from search.relaxers.base import Relaxed


def rattle(structures: list[tuple[str, Atoms]], amplitude: float, seed: int) -> list[tuple[str, Atoms]]:
    """Copies of structures (name, Atoms) with normally distributed displacements of `amplitude` Å, "-rattled"."""
    rng = np.random.default_rng([seed, 1_000_033])
    copies = []
    for name, atoms in structures:
        moved = atoms.positions + rng.normal(scale=amplitude, size=atoms.positions.shape)
        copies.append((f"{name}-rattled", Atoms(atoms.numbers, moved)))
    return copies


def model_minima(
    model: str, formulas: tuple[str, ...], n: int, seed: int, lowest: int | None = None
) -> list[tuple[str, Atoms]]:
    """What `n` random starts, spread over `formulas`, relax to on `model`: (start name, Atoms), small ones first.

    Only those that converged in one piece: a search would report no others.

    lowest : of each formula keep only so many, the lowest, at least 50 meV apart; a search seeks out these.
    """
    from iia_calc.model import storage
    from iia_calc.relax.batch import PotentialRelaxer

    compositions = [Composition.parse(formula) for formula in formulas]
    names, seeds = [], []
    for k in range(n):
        composition = compositions[k % len(compositions)]
        names.append(f"{composition.formula}-minimum-{seed}-{k // len(compositions):06d}")
        rng = np.random.default_rng([seed, 1_000_003, k])  # other starts than those of `plan_starts`
        seeds.append(random_cluster(composition, rng))
    relaxed = PotentialRelaxer(storage.load(model), fmax=0.05).relax(seeds)
    sound = [(name, r) for name, r in zip(names, relaxed, strict=True) if r.converged and not r.fragmented]
    if lowest is not None:
        kept: dict[str, list[float]] = {}
        sound.sort(key=lambda item: item[1].energy)
        sound = [item for item in sound if _is_among_lowest(item[1], lowest, kept)]
    return [(name, r.atoms) for name, r in sorted(sound, key=lambda item: len(item[1].atoms))]


def _is_among_lowest(relaxed: Relaxed, lowest: int, kept: dict[str, list[float]], apart: float = 0.05) -> bool:
    """Called lowest first; `kept` holds the energies, eV, taken so far of each formula."""
    energies = kept.setdefault(relaxed.atoms.get_chemical_formula(), [])
    if len(energies) >= lowest or any(abs(relaxed.energy - energy) < apart for energy in energies):
        return False
    energies.append(relaxed.energy)
    return True
