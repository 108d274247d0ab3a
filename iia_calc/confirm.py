"""What a search found, relaxed and ranked anew at a level of theory that is trusted more."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from iia_calc.isomers import IsomerSearch
from iia_calc.labels.dft import DFTLevel
from iia_calc.labels.level import LevelOfTheory, multiplicity_of
from iia_calc.labels.store import LabelStore
from iia_calc.stored_relaxation import (
    CONVERGED,
    INTERRUPTED,
    SAME,
    StoredRelaxation,
    alike,
    largest_force,
    path_of,
    stored_paths,
)
from search.composition import Composition
from search.fingerprint import kabsch

NOT_STARTED = "not started"


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
    reason : "converged", "step limit", "interrupted", "not started", or why it failed.
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
        return self.reason == CONVERGED


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
    goes on from there: what has converged is not repeated, what was stopped starts from its last
    frame. Ctrl-C ends it with what there is.

    Parameters
    ----------
    isomers : lowest first, atoms in one order.
    fmax : largest force of a converged structure, eV/Å.
    max_steps : optimiser steps per isomer in this call.
    callback : called after each evaluation with the model rank, evaluations so far, energy (eV) and
        largest force (eV/Å).

    Raises
    ------
    ValueError : the charge and multiplicity don't fit the electrons, or the store holds another level.
    """
    if not fmax > 0 or max_steps < 1:
        raise ValueError(f"fmax ({fmax!r}) must be above 0 and max_steps ({max_steps!r}) at least 1")
    for atoms in isomers:
        multiplicity_of(atoms, level.charge, level.multiplicity)
    labels = LabelStore(store, level.name)
    paths = stored_paths(labels)
    found: list[Confirmed] = []
    for k, atoms in enumerate(isomers):
        relaxation = StoredRelaxation(atoms, path_of(atoms, paths), level, labels, fmax)
        reason = CONVERGED if relaxation.converged else NOT_STARTED
        if not any(c.reason == INTERRUPTED for c in found):
            told = None if callback is None else partial(callback, k + 1)
            reason = relaxation.run(max_steps, told)
        found.append(_as_confirmed(relaxation, k + 1, reason))
    return _ranked(found)


def moved(before: Atoms, after: Atoms) -> float:
    """Root mean square displacement, Å, after superposition; the atoms are in one order."""
    a, b = before.positions - before.positions.mean(0), after.positions - after.positions.mean(0)
    return float(np.sqrt(((a - b @ kabsch(a, b, mirror=False)) ** 2).sum(1).mean()))


def _as_confirmed(relaxation: StoredRelaxation, model_rank: int, reason: str) -> Confirmed:
    if not relaxation.frames:
        return Confirmed(model_rank, None, relaxation.isomer.copy(), None, None, None, 0, 0.0, None, reason)
    last = relaxation.frames[-1]
    final = last.atoms.copy()
    final.calc = SinglePointCalculator(final, energy=last.label.energy, forces=last.label.forces)
    return Confirmed(
        model_rank, None, final, last.label.energy, None, largest_force(last.label), len(relaxation.frames),
        moved(relaxation.frames[0].atoms, final), None, reason,
    )  # fmt: skip


def _ranked(found: list[Confirmed]) -> list[Confirmed]:
    """Converged ones by energy, those that became one share a rank; then the others as the model had them."""
    converged = sorted((c for c in found if c.converged), key=_energy)
    ranked: list[Confirmed] = []
    for c in converged:
        twins = [
            r for r in ranked
            if r.same_as is None and _energy(c) - _energy(r) < SAME.energy_tolerance and alike(r.atoms, c.atoms)
        ]  # fmt: skip
        rank = twins[0].rank if twins else 1 + sum(r.same_as is None for r in ranked)
        same_as = twins[0].model_rank if twins else None
        ranked.append(replace(c, rank=rank, same_as=same_as, relative=_energy(c) - _energy(converged[0])))
    return ranked + [c for c in found if not c.converged]


def _energy(c: Confirmed) -> float:
    return float("nan") if c.energy is None else c.energy


def write_confirmed(confirmed: Sequence[Confirmed], path: Path) -> None:
    """An extended XYZ file of the relaxed structures, ranks and how far each moved in the comment lines."""
    frames = []
    for c in confirmed:
        if c.energy is not None:
            atoms = c.atoms.copy()
            atoms.calc = c.atoms.calc
            atoms.info.update(model_rank=c.model_rank, converged=c.converged, moved=c.rmsd)
            if c.rank is not None:
                atoms.info.update(rank=c.rank, relative_energy=c.relative)
            frames.append(atoms)
    partial_file = path.with_name(f".{path.name}.part")
    write(partial_file, frames, format="extxyz")
    os.replace(partial_file, path)


def dft_level(
    formula: str, functional: str = "PBE0", basis: str = "3-21G", charge: int = 0, multiplicity: int | None = None
) -> DFTLevel:
    """The level for `formula`, checked before anything is computed.

    Raises
    ------
    ValueError : PySCF doesn't know functional or basis, or the electrons don't allow charge and multiplicity.
    ImportError : PySCF isn't installed.
    """
    composition = Composition.parse(formula)
    atoms = Atoms(composition.numbers, np.zeros((composition.n_atoms, 3)))
    multiplicity_of(atoms, charge, multiplicity)
    level = DFTLevel(functional, basis, charge, multiplicity)
    try:
        from pyscf import dft, gto
    except ImportError as error:
        raise ImportError("--dft needs PySCF: pip install 'schnet-iia[dft]'") from error
    for symbol, _ in composition.counts:
        try:
            gto.basis.load(basis, symbol)
        except Exception as error:
            raise ValueError(f"PySCF has no basis {basis!r} for {symbol}; take for example 3-21G") from error
    try:
        dft.libxc.parse_xc(functional)
    except Exception as error:
        raise ValueError(f"PySCF doesn't know the functional {functional!r}; take for example PBE0 or B3LYP") from error
    return level


def confirm_search(
    found: IsomerSearch,
    n_lowest: int,
    level: LevelOfTheory,
    callback: Callable[[int, int, float, float], object] | None = None,
) -> list[Confirmed]:
    """`confirm` for the lowest of a search; dft.db and confirmed.extxyz go to its folder."""
    isomers = [isomer.atoms for isomer in found.isomers[:n_lowest]]
    confirmed = confirm(isomers, level, found.folder / "dft.db", callback=callback)
    if any(c.energy is not None for c in confirmed):
        write_confirmed(confirmed, found.folder / "confirmed.extxyz")
    return confirmed
