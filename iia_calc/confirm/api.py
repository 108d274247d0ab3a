"""What a search found, relaxed, tested and ranked anew at a level of theory that is trusted more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from iia_calc.common.files import write_json
from iia_calc.confirm.journal import StoredSteps
from iia_calc.confirm.result import Confirmed, comment, described, moved, rank_correlation, write_confirmed
from iia_calc.confirm.settings import Checks
from iia_calc.confirm.workers import cores, lanes
from iia_calc.confirm.workflow import Step, Verification
from iia_calc.isomers.search import Isomer, IsomerSearch, write_isomers
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.dft.pyscf_import import import_pyscf
from iia_calc.labels.level import LevelOfTheory, multiplicity_of, same_level
from iia_calc.labels.store import LabelStore
from search.errors import InputError, MissingPackage
from search.geometry.composition import Composition

__all__ = [
    "Checks",
    "Confirmed",
    "Step",
    "as_plain",
    "confirm",
    "confirm_search",
    "dft_level",
    "moved",
    "rank_correlation",
    "write_confirmed",
]


def confirm(
    isomers: Sequence[Atoms],
    level: LevelOfTheory,
    store: str | Path,
    *,
    checks: Checks | None = None,
    workers: int = 1,
    fmax: float = 0.05,
    max_steps: int = 100,
    callback: Callable[[Step], object] | None = None,
    curvature: Callable[[Atoms], np.ndarray] | None = None,
    ranks: Sequence[int] | None = None,
) -> list[Confirmed]:
    """Relax `isomers` at `level`, make the `checks` and rank them by that, the sound ones first.

    Every evaluation goes to the label database `store` (ending in .db) as it is made, every finished
    check to the .steps.jsonl beside it. The same call goes on from there: what is done is not repeated,
    what was stopped starts from its last frame. Ctrl-C ends it with what there is.

    Parameters
    ----------
    isomers : lowest first, atoms in one order.
    checks : what follows the relaxation; None for nothing. They need a `DFTLevel`.
    workers : isomers side by side, each in a process of its own; one is this process.
    fmax : largest force of a converged structure, eV/Å.
    max_steps : optimiser steps per isomer in this call.
    callback : called with a `Step` after each evaluation, displacement and single point.
    curvature : second derivatives [3n, 3n], eV/Å², near those of `level`, such as a potential's
        (`iia_calc.model.hessian`), with which relaxations need fewer steps.
    ranks : of the isomers in the search; None for 1, 2, ...

    Raises
    ------
    ValueError : the charge and multiplicity don't fit the electrons, or the store holds another level.
    """
    if not fmax > 0 or max_steps < 1:
        raise InputError(f"fmax ({fmax!r}) must be above 0 and max_steps ({max_steps!r}) at least 1")
    if checks is not None and not isinstance(level, DFTLevel):
        raise InputError(f"checks of the electronic state need a DFT level, not {level.name}")
    for atoms in isomers:
        multiplicity_of(atoms, level.charge, level.multiplicity)
    labels = LabelStore(store, level.name)
    steps = StoredSteps(Path(store).with_suffix(".steps.jsonl"))
    with lanes(workers) as pool:
        return Verification(
            isomers, level, labels, steps, pool, checks, fmax, max_steps, callback, curvature, ranks
        ).run()


def dft_level(
    formula: str,
    functional: str = "PBE0",
    basis: str = "3-21G",
    charge: int = 0,
    multiplicity: int | None = None,
    *,
    larger_basis: str | None = None,
    gpu: bool | None = None,
) -> DFTLevel:
    """The level of the relaxation for `formula`, checked (with `larger_basis`) before anything is computed.

    Raises
    ------
    ValueError : PySCF doesn't know functional or basis, or the electrons don't allow charge and multiplicity.
    ImportError : PySCF isn't installed.
    """
    composition = Composition.parse(formula)
    atoms = Atoms(composition.numbers, np.zeros((composition.n_atoms, 3)))
    multiplicity_of(atoms, charge, multiplicity)
    try:
        pyscf = import_pyscf()
    except ImportError as error:
        raise MissingPackage("--dft needs PySCF: pip install 'schnet-iia[dft]'") from error
    for name, example in ((basis, "3-21G"), (larger_basis, "def2-TZVP")):
        for symbol, _ in composition.counts if name is not None else ():
            try:
                pyscf.gto.basis.load(name, symbol)
            except Exception as error:
                raise InputError(f"PySCF has no basis {name!r} for {symbol}; take for example {example}") from error
    try:
        pyscf.dft.libxc.parse_xc(functional)
    except Exception as error:
        raise InputError(f"PySCF doesn't know the functional {functional!r}; take for example PBE0 or B3LYP") from error
    return DFTLevel(functional, basis, charge, multiplicity, gpu=gpu)


def store_for(folder: Path, level: LevelOfTheory) -> Path:
    """dft.db, or where that holds another level (a functional, a charge) the first of dft-2.db, ... that doesn't."""
    k = 1
    while True:
        path = folder / ("dft.db" if k == 1 else f"dft-{k}.db")
        if not path.exists() or same_level(LabelStore(path).level, level.name):
            return path
        k += 1


def confirm_search(
    found: IsomerSearch,
    n_lowest: int,
    level: LevelOfTheory,
    *,
    checks: Checks | None = None,
    workers: int | None = None,
    callback: Callable[[Step], object] | None = None,
    curvature: Callable[[Atoms], np.ndarray] | None = None,
    each_shape: bool = False,
) -> list[Confirmed]:
    """`confirm` for the lowest of a search, in its folder.

    confirmed.extxyz holds the relaxed structures; isomers.extxyz, isomers.png and run.json receive
    what became of the model's.

    workers : None for as many as there are cores, at most one per isomer.
    curvature : as in `confirm`; that of the potential which searched.
    each_shape : the lowest of each shape that the `n_lowest` lack, too.
    """
    chosen = to_confirm(found.isomers, n_lowest, each_shape)
    isomers = [isomer.atoms for isomer in chosen]
    if workers is None:
        workers = max(1, min(cores(), len(isomers)))
    store = store_for(found.folder, level)
    confirmed = confirm(
        isomers,
        level,
        store,
        checks=checks,
        workers=workers,
        callback=callback,
        curvature=curvature,
        ranks=[isomer.rank for isomer in chosen],
    )
    if any(c.energy is not None for c in confirmed):
        write_confirmed(confirmed, found.folder / "confirmed.extxyz")
        comments = {c.model_rank: {f"dft_{name}": value for name, value in comment(c).items()} for c in confirmed}
        write_isomers(found.isomers, found.folder / "isomers.extxyz", comments)
        if (found.folder / "isomers.png").exists():
            draw(found, confirmed)
    found.run["dft"] = as_plain(confirmed, level, checks, workers, store)
    write_json(found.folder / "run.json", found.run)
    return confirmed


def to_confirm(isomers: Sequence[Isomer], n_lowest: int, each_shape: bool = False) -> list[Isomer]:
    """The `n_lowest`; with `each_shape` also the lowest of each shape that these lack.

    A potential that has met few labels of a shape misplaces it as a whole: with two labels of large double rings, B20's
    lay 0.12 eV/atom too high (models/README.md).
    """
    chosen = list(isomers[:n_lowest])
    shapes = {isomer.shape for isomer in chosen}
    for isomer in isomers[n_lowest:] if each_shape else ():
        if isomer.shape not in shapes:
            shapes.add(isomer.shape)
            chosen.append(isomer)
    return chosen


def draw(found: IsomerSearch, confirmed: Sequence[Confirmed]) -> None:
    """isomers.png again, the ladder of the better level beside the model's."""
    from iia_calc.report.picture import draw_isomers

    ladder = {c.model_rank - 1: c.relative for c in confirmed if c.rank is not None and c.relative is not None}
    isomers = found.isomers
    draw_isomers(
        [i.atoms for i in isomers], [i.energy for i in isomers], found.folder / "isomers.png", confirmed=ladder
    )


def as_plain(
    confirmed: Sequence[Confirmed],
    level: LevelOfTheory,
    checks: Checks | None = None,
    workers: int | None = None,
    store: Path | None = None,
) -> dict[str, Any]:
    """Levels, settings, correlation and every number of every isomer, in the order of the table."""
    correlation = rank_correlation(confirmed)
    final = confirmed_level(confirmed)
    return {
        "level_of_theory": level.name,
        "ranked_by": level.name if final is None else final,
        "charge": level.charge,
        "multiplicity": None if not confirmed else confirmed[0].multiplicity,
        "settings": None
        if checks is None
        else {
            "basis": checks.basis,
            "next_multiplicity": checks.next_multiplicity,
            "stability": checks.stability,
            "frequencies": checks.frequencies,
            "descend": checks.descend,
            "workers": workers,
        },
        "store": None if store is None else store.name,
        "rank_correlation": None if correlation is None else correlation._asdict(),
        "isomers": [described(c) for c in confirmed],
    }


def confirmed_level(confirmed: Sequence[Confirmed]) -> str | None:
    """The level whose energies rank, without its multiplicity, as the lowest one wins; None without single points."""
    states = [c.state for c in confirmed if c.state is not None]
    return states[0].level.rsplit(", ", 1)[0] if states else None
