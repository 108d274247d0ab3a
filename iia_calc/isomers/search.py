"""From a formula to a folder of ranked isomers: the search with its settings, files and continuation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from iia_calc.common.device import cpu_threads
from iia_calc.common.structures import Accepts, read_cluster, read_clusters
from iia_calc.isomers.coverage import check_coverage, check_elements
from iia_calc.isomers.files import write_isomers, write_uncertain
from iia_calc.isomers.known import known_minima, known_starts
from iia_calc.isomers.method import searcher_class, settings_with, walkers_on
from iia_calc.isomers.ranking import Isomer, rank_isomers
from iia_calc.isomers.relaxer import RequestRelaxer, model_relaxer
from iia_calc.isomers.request import SearchRequest, search_request
from iia_calc.isomers.run_record import RunRecord, versions
from search.archive.minimum import sound
from search.errors import InputError, check_functions
from search.geometry.composition import parse_formula_and_charge
from search.geometry.seeds import seed_structures
from search.geometry.shape import shape_of
from search.relaxers.ase import as_relaxer
from search.relaxers.base import Relaxed, Relaxer
from search.result import Progress, SearchResult
from search.run import find_minima
from search.searchers.starts import in_order

if TYPE_CHECKING:
    from iia_calc.model.committee import Committee


@dataclass(frozen=True)
class IsomerSearch:
    """What `search_isomers` found, and where it lies.

    Attributes
    ----------
    isomers : lowest first.
    result : counts, convergence and the reason of the end.
    folder : where the files are.
    run : what run.json holds.
    """

    isomers: list[Isomer]
    result: SearchResult
    folder: Path
    run: dict[str, Any]

    @property
    def interrupted(self) -> bool:
        """Whether it was ended from outside before its limits were reached."""
        return self.result.stopped_by == "interrupted"

    @property
    def level_of_theory(self) -> str | None:
        """What the model was fitted to; None where a calculator or another relaxer was given."""
        level: str | None = self.run.get("model", {}).get("level_of_theory")
        return level

    @property
    def surface(self) -> str | None:
        """What the energies are of: the model's level of theory, or the calculator; None of another relaxer."""
        calculator: str | None = self.run.get("calculator", {}).get("text")
        return self.level_of_theory or calculator

    @property
    def about(self) -> dict[str, Any]:
        """What every comment line of its files says: model and level of theory, or the calculator."""
        return describe_model(self.run)


def search_isomers(
    request: SearchRequest | str,
    *,
    starts: Sequence[Atoms] = (),
    relaxer: Relaxer | None = None,
    callback: Callable[[Progress], object] | None = None,
    say: Callable[[str], object] | None = None,
    **settings: Any,
) -> IsomerSearch:
    """Search for the isomers of a cluster and write them to a folder; `iia search` is this function.

    The folder receives archive.db (every minimum, as it is found), and at the end isomers.extxyz, isomers.png,
    report.html and run.json. The same call on the same folder goes on where it ended.

    Parameters
    ----------
    request : a `SearchRequest`; or a formula, with the request's fields as keywords:
        search_isomers("SeB12", quenches=500).
    starts : structures that are relaxed first and gone on from, beside those of the request.
    relaxer : relaxes instead of a model, which is then not loaded.
    callback : called with a `Progress` after each batch.
    say : called with each line about what the model knows, before anything is computed; by default those that warn
        are Python warnings.

    Raises
    ------
    InputError : the request makes no sense, or the folder belongs to another search; nothing was computed.
    BlockingIOError : another process searches in the folder.
    """
    request = search_request(request, settings)
    check_functions(callback=callback, say=say)
    relaxer = None if relaxer is None else as_relaxer(relaxer)
    if relaxer is not None and (request.islands > 1 or request.calculator is not None):
        raise InputError("islands make their own relaxers, and so does calculator; give one or the other")
    given: list[Atoms] = in_order(starts, request.composition)
    if request.starts is not None:
        # a calculator of one's own has the charge that it has; the models here are of neutral clusters
        own = relaxer is not None or request.calculator is not None
        accepts = Accepts() if own else Accepts(None, 0, "lowest", "the search")
        found = read_clusters(request.starts, accepts)
        for line in found.lines():
            (say or warnings.warn)(line)
        given += found.atoms
    if request.known:
        given += known_starts(request.composition)
    with cpu_threads(request.threads):
        described: dict[str, Any] = {"relaxer": type(relaxer).__name__}
        if relaxer is None:
            described = check_calculator(request, say) if request.calculator else describe_coverage(request, say)
        if request.islands > 1:
            from iia_calc.isomers.parallel import search_islands

            return search_islands(request, given, described, callback)
        return _search(request, given, described, relaxer, callback)


def check_calculator(request: SearchRequest, say: Callable[[str], object] | None) -> dict[str, Any]:
    """Try the calculator of the request on its formula; `warnings` for run.json.

    Raises
    ------
    InputError : there is no such calculator, or it can't compute this composition.
    """
    choice = request.chosen_calculator
    assert choice is not None
    choice.check(request.composition)
    lines = choice.remarks()
    for line in lines:
        if say is not None:
            say(f"warning: {line}")
        else:
            warnings.warn(line, stacklevel=3)
    return {"warnings": lines}


def describe_coverage(request: SearchRequest, say: Callable[[str], object] | None) -> dict[str, Any]:
    """Tell what the model knows of the composition; `labels` and `warnings` for run.json.

    Raises
    ------
    InputError : no such model, or it knows nothing of this composition.
    """
    from iia_calc.model.storage import find, read_card

    card = read_card(find(request.model))
    check_elements(request.composition, card.name, card.elements)
    found = check_coverage(request.composition, card.name, card.label_counts, request.extrapolate, card.fitted_together)
    if found is None:
        return {}
    if say is not None:
        say(found.text)
    for line in found.warnings:
        if say is not None:
            say(f"warning: {line}")
        else:
            warnings.warn(line, stacklevel=3)
    return {"labels": found.text, "warnings": list(found.warnings)}


def _search(
    request: SearchRequest,
    starts: Sequence[Atoms],
    described: dict[str, Any],
    relaxer: Relaxer | None,
    callback: Callable[[Progress], object] | None,
) -> IsomerSearch:
    """One searcher in this process."""
    kind = searcher_class(request.method or "basin-hopping")
    committee = None
    if relaxer is None:
        here = RequestRelaxer.of(request)
        relaxer, described, committee = here.relaxer, {**here.described, **described}, here.committee
    record = run_record(request, starts, described)

    def keep_uncertain(uncertain: Sequence[Relaxed]) -> None:
        write_uncertain(uncertain, request.folder / "uncertain.extxyz", describe_model(described))

    def after_batch(progress: Progress) -> None:
        record.note_running(progress)
        if callback is not None:
            callback(progress)

    result = find_minima(
        request.composition,
        relaxer,
        kind,
        quenches=request.quenches,
        time_limit=request.time_limit,
        seed=request.seed,
        archive=request.folder / "archive.db",
        callback=after_batch,
        batch_size=request.batch_size,
        until_found=request.until_found,
        settings=settings_with(kind, walkers_on(described.get("device", "cpu"), kind), request.moves),
        shape=shape_of,
        starts=starts,
        uncertain=keep_uncertain,
    )
    return write_search(request, result, record, committee)


def run_record(request: SearchRequest, starts: Sequence[Atoms], described: dict[str, Any]) -> RunRecord:
    """run.json of a search, with its settings and the versions of the packages; nothing is written yet."""
    settings = {**request.as_plain(), "starts": len(starts)}
    return RunRecord(request.folder / "run.json", {**described, "settings": settings, "versions": versions()})


def describe_model(run: dict[str, Any]) -> dict[str, Any]:
    """Name and level of theory of the model in run.json, or the calculator; empty where there is none."""
    if "calculator" in run:
        return {"calculator": run["calculator"]["text"]}
    model = run.get("model")
    return {} if model is None else {"model": model["name"], "level_of_theory": model["level_of_theory"]}


def write_search(
    request: SearchRequest,
    result: SearchResult,
    record: RunRecord,
    committee: Committee | None,
    more: dict[str, Any] | None = None,
) -> IsomerSearch:
    """Rank what a search found and write it: run.json, isomers.extxyz, isomers.png and report.html.

    Parameters
    ----------
    committee : on which relative energies are compared; None without one.
    more : what else run.json says.
    """
    run = record.end(result, more)
    level = run.get("model", {}).get("level_of_theory")
    isomers = rank_isomers(result.minima, committee, known_minima(request.composition, level=level))
    found = IsomerSearch(isomers, result, request.folder, run)
    if isomers:
        write_isomers(isomers, request.folder / "isomers.extxyz", about=found.about)
        if request.picture:
            from iia_calc.report.picture import draw_isomers

            draw_isomers(
                [isomer.atoms for isomer in isomers],
                [isomer.energy for isomer in isomers],
                request.folder / "isomers.png",
                level=found.surface,
                shapes=[isomer.shape for isomer in isomers],
            )
    if request.picture:
        from iia_calc.report.page import write_report

        write_report(request.folder)
    return found


def first_structure(
    source: str, *, model: str | Path | None = None, device: str | None = None, seed: int = 0, starts: int = 16
) -> Atoms:
    """The first frame of a file; of a formula its known minimum, else the lowest of some random starts, relaxed.

    Parameters
    ----------
    source : file or formula. starts : random structures relaxed where no minimum of the formula is known.

    Raises
    ------
    InputError, FileNotFoundError : neither a readable file nor a neutral formula of the model's elements.
    """
    from iia_calc.model.storage import find, read_card

    card = read_card(find(model))
    if Path(source).exists() or Path(source).suffix or "/" in source:
        cluster = read_cluster(source, Accepts.of_card(card))
        if cluster.constrained:
            raise InputError(f"{source} has constraints, which dynamics here don't keep; remove them first")
        cluster.atoms.set_masses(cluster.masses)
        return cluster.atoms
    composition, charge = parse_formula_and_charge(source)
    if charge:
        raise InputError(
            f"{source} is charged, and the potential knows neutral clusters only; give {composition}, "
            f'or let DFT honour the charge: iia label "{source}" --level dft'
        )
    relaxer, _ = model_relaxer(composition, model, device, fmax=0.02)
    known = [minimum.atoms for minimum in known_minima(composition, level=card.level_of_theory)]
    rng = np.random.default_rng(seed)
    relaxed = [r for r in relaxer.relax(known or seed_structures(composition, starts, rng)) if sound(r)]
    if not relaxed:
        raise InputError(f"none of {starts} random starts of {composition} relaxed to a sound structure; give a file")
    return min(relaxed, key=lambda r: r.energy).atoms
