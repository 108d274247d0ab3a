"""What a search found, relaxed, tested and ranked anew at a level of theory that is trusted more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from iia_calc.common.device import cores
from iia_calc.common.files import write_json
from iia_calc.confirm.journal import StoredSteps
from iia_calc.confirm.levels import dft_level
from iia_calc.confirm.plan import plan_confirmation
from iia_calc.confirm.result import (
    Confirmed,
    comment,
    describe_confirmed,
    displacement,
    rank_correlation,
    write_confirmed,
)
from iia_calc.confirm.settings import Checks, ConfirmRequest, confirm_request
from iia_calc.confirm.workers import lanes
from iia_calc.confirm.workflow import Job, Step, Verification
from iia_calc.isomers.files import write_isomers
from iia_calc.isomers.ranking import Isomer
from iia_calc.isomers.search import IsomerSearch
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LevelOfTheory, checked_level, multiplicity_of, same_level
from iia_calc.labels.store import LabelStore
from search.errors import InputError, InputTypeError, check_functions, force_limit, quote, whole, whole_or_none

__all__ = [
    "Checks",
    "ConfirmRequest",
    "Confirmed",
    "Step",
    "as_plain",
    "confirm",
    "confirm_isomers",
    "confirm_search",
    "dft_level",
    "displacement",
    "rank_correlation",
    "write_confirmed",
]


def confirm_isomers(
    found: IsomerSearch,
    request: ConfirmRequest | int = 5,
    *,
    callback: Callable[[Step], object] | None = None,
    say: Callable[[str], object] | None = None,
    **settings: Any,
) -> list[Confirmed]:
    """Relax the lowest isomers of a search by DFT, test their electronic states, and rank them by that.

    `iia search --dft` is this function. The folder of the search receives dft.db (every gradient, a label to train
    on), confirmed.extxyz, and DFT's numbers in isomers.extxyz, isomers.png, report.html and
    run.json. The same call goes on after
    any stop.

    Parameters
    ----------
    found : what `search_isomers` returned.
    request : a `ConfirmRequest`; or how many isomers, with the request's fields as keywords:
        confirm_isomers(found, 5, frequencies=True).
    callback : called with a `Step` after each evaluation, displacement and single point.
    say : called with a line about levels and time before anything is computed.

    Raises
    ------
    InputError, MissingPackage : the request makes no sense, or PySCF isn't installed.
    """
    if not isinstance(found, IsomerSearch):
        raise InputTypeError(f"found is {quote(found)}; give what search_isomers returned")
    check_functions(callback=callback, say=say)
    if not isinstance(request, ConfirmRequest):
        request = confirm_request(request, settings)
    elif settings:
        raise InputTypeError(f"{', '.join(settings)} must stand in the ConfirmRequest itself")
    plan = plan_confirmation(found.result.formula, found.level_of_theory, request)
    if say is not None:
        say(plan.describe(len(to_confirm(found.isomers, request.n_lowest, request.each_shape))))
    curvature = None
    if found.level_of_theory is not None:
        from iia_calc.model.hessian import second_derivatives
        from iia_calc.model.storage import load

        curvature = partial(second_derivatives, load(found.run["settings"]["model"], device="cpu"))
    return confirm_search(
        found,
        request.n_lowest,
        plan.level,
        checks=plan.checks,
        workers=request.workers,
        callback=callback,
        curvature=curvature,
        each_shape=request.each_shape,
        fmax=request.fmax,
        max_steps=request.max_steps,
        gradients=plan.gradients,
    )


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
    gradients: int | None = None,
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
    gradients : an isomer may take at most, those of earlier calls included; None relaxes in full.

    Raises
    ------
    InputError : the charge and multiplicity don't fit the electrons, or the store holds another level.
    """
    fmax, max_steps = force_limit("fmax", fmax), whole("max_steps", max_steps, 1)
    workers, gradients = whole("workers", workers, 1), whole_or_none("gradients", gradients, 1)
    check_functions(callback=callback, curvature=curvature)
    # the one place that tells a DFT level, with its electronic states, from any other level of theory
    dft = level if isinstance(level, DFTLevel) else None
    if dft is None:
        level = checked_level(level)
    if checks is not None and dft is None:
        raise InputError(f"checks of the electronic state need a DFT level, not {level.name}")
    for atoms in isomers:
        if not isinstance(atoms, Atoms):
            way = "give Atoms ([isomer.atoms for isomer in found.isomers]), or the search itself to confirm_search"
            raise InputTypeError(f"an isomer is a {type(atoms).__name__}; {way}")
        multiplicity_of(atoms, level.charge, level.multiplicity)
    if dft is not None and workers > 1:
        level = dft = dft.but(threads=max(1, cores() // workers))
    labels = LabelStore(store, level.name)
    steps = StoredSteps(Path(store).with_suffix(".steps.jsonl"))
    ranks = range(1, len(isomers) + 1) if ranks is None else ranks
    job = Job(level, dft, checks, fmax, max_steps, gradients, curvature)
    with lanes(workers) as pool:
        return Verification(isomers, ranks, job, labels, steps, pool, callback).run()


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
    fmax: float = 0.05,
    max_steps: int = 100,
    gradients: int | None = None,
) -> list[Confirmed]:
    """`confirm` for the lowest of a search, in its folder.

    confirmed.extxyz holds the relaxed structures; isomers.extxyz, isomers.png and run.json receive
    what became of the model's.

    workers : None for as many as there are cores, at most one per isomer.
    curvature : as in `confirm`; that of the potential which searched.
    each_shape : the lowest of each shape that the `n_lowest` lack, too.
    fmax, max_steps, gradients : as in `confirm`.
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
        fmax=fmax,
        max_steps=max_steps,
        gradients=gradients,
    )
    if any(c.energy is not None for c in confirmed):
        write_confirmed(confirmed, found.folder / "confirmed.extxyz", level.name)
        final = confirmed_level(confirmed) or level.name
        comments = {
            c.model_rank: {f"dft_{name}": value for name, value in comment(c).items()} | {"dft_level_of_theory": final}
            for c in confirmed
        }
        write_isomers(found.isomers, found.folder / "isomers.extxyz", comments, found.about)
        if (found.folder / "isomers.png").exists():
            draw(found, confirmed)
    found.run["dft"] = as_plain(confirmed, level, checks, workers, store)
    write_json(found.folder / "run.json", found.run)
    if (found.folder / "report.html").exists():
        from iia_calc.report.page import write_report

        write_report(found.folder)
    return confirmed


def to_confirm(isomers: Sequence[Isomer], n_lowest: int, each_shape: bool = False) -> list[Isomer]:
    """The `n_lowest`; with `each_shape` also the lowest of each shape that these lack.

    A potential that has met few labels of a shape misplaces it as a whole: with two labels of large double rings, B20's
    lay 0.12 eV/atom too high.
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
        [i.atoms for i in isomers],
        [i.energy for i in isomers],
        found.folder / "isomers.png",
        confirmed=ladder,
        level=found.level_of_theory,
        shapes=[i.shape for i in isomers],
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
        "isomers": [describe_confirmed(c) for c in confirmed],
    }


def confirmed_level(confirmed: Sequence[Confirmed]) -> str | None:
    """The level whose energies rank, without its multiplicity, as the lowest one wins; None without single points."""
    states = [c.state for c in confirmed if c.state is not None]
    return states[0].level.rsplit(", ", 1)[0] if states else None
