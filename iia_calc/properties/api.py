"""Properties of a search's isomers or of a file's structures: computed, written to the folder, returned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from iia_calc.common.device import cores
from iia_calc.common.files import check_folder_place, write_frames, write_json
from iia_calc.confirm.workers import lanes
from iia_calc.properties.dft_steps import DFTSteps, check_dft, threads_each
from iia_calc.properties.figures import draw_infrared, draw_photoelectron, draw_populations
from iia_calc.properties.request import OF_DFT, PHOTOELECTRON, THERMO, PropertiesRequest
from iia_calc.properties.results import IsomerProperties, PropertySet, start_set, with_earlier
from iia_calc.properties.sources import Source, need_confirmed, read_source
from iia_calc.properties.stored import FILE, read_properties
from iia_calc.properties.tables import write_infrared, write_photoelectron, write_populations
from iia_calc.properties.vibrations import add_free_energies, add_symmetry, preview_vibrations

SYMMETRISED = "symmetrised.extxyz"
MODEL, DFT = "model", "dft"
"""Names of the sets in the file."""

Tell = Callable[[str, int, int], object]
"""Called with what is under way, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Properties:
    """What was found.

    Attributes
    ----------
    source : whose properties these are. request : the settings.
    sets : by `MODEL` and `DFT`, the latter where there is a confirmation.
    files : what was written, in `source.folder`.
    remarks : what a reader must know of all of it, in words.
    """

    source: Source
    request: PropertiesRequest
    sets: dict[str, PropertySet]
    files: tuple[str, ...]
    remarks: tuple[str, ...]

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "settings": self.request.as_plain(),
            "remarks": list(self.remarks),
            **{name: found.as_plain() for name, found in self.sets.items()},
        }


def find_properties(
    request: PropertiesRequest, callback: Tell | None = None, say: Callable[[str], object] | None = None
) -> Properties:
    """The properties that `request` asks for; `iia properties` is this function.

    The folder receives properties.json, symmetrised.extxyz, tables (CSV) and figures. What DFT computed is taken from
    what its confirmation and earlier calls stored; what those told of the same isomers stays in properties.json.

    say : called with a line about the time that DFT will take, before it begins.

    Raises
    ------
    FileNotFoundError : no such source.
    OSError : no results can be written. InputError : the source holds nothing to work on.
    MissingPackage : an optional package isn't installed.
    """
    tell = callback or _silent
    source = read_source(request.source, request.out)
    check_folder_place(source.folder)
    old = read_properties(source.folder)
    if request.needs_dft:
        asked = [name for name in request.what if name in OF_DFT]
        need_confirmed(source, ", ".join(asked) or "--frequencies")
        check_dft(source, request)
        if say is not None:
            from iia_calc.properties.dft_cost import describe_cost

            say(describe_cost(source, request))
    if THERMO in request.what:
        _ = source.formula  # energies are compared between isomers of one
    sets = {MODEL: start_set(source.found, preview=True)}
    if source.confirmed is not None:
        sets[DFT] = start_set(source.confirmed, preview=False)
    remarks: list[str] = []
    for found in sets.values():
        add_symmetry(found.entries, request.tolerance, tell)
    if request.needs_dft:
        remarks += _by_dft(source, request, sets, tell)
    if THERMO in request.what:
        remarks += preview_vibrations(sets[MODEL], source, request, tell)
        if DFT in sets:
            remarks += _missing_vibrations(sets[DFT])
        for found in sets.values():
            add_free_energies(found, request.temperature, request.temperatures, request.soft)
    told = Properties(source, request, sets, tuple(_write(source, sets)), tuple(remarks))
    write_json(source.folder / FILE, with_earlier(told.as_plain(), old, (MODEL, DFT)))
    return told


def _by_dft(source: Source, request: PropertiesRequest, sets: dict[str, PropertySet], tell: Tell) -> list[str]:
    """What DFT has to compute, isomers side by side."""
    from iia_calc.properties.dft_properties import DFTProperties

    count = min(len(sets[DFT].entries), request.dft_lowest or len(sets[DFT].entries))
    workers = min(cores(), count) if request.workers is None else request.workers
    with lanes(workers) as pool:
        steps = DFTSteps(source, pool, tell)
        threads = request.threads or threads_each(workers)
        DFTProperties(sets[DFT], request, steps, threads).add()
        if PHOTOELECTRON in request.what and not steps.stopped:
            from iia_calc.properties.dft_detachment import Detachments

            basis, n_lowest = request.diffuse_basis, request.dft_lowest
            Detachments(sets[DFT], steps, source.folder, basis, n_lowest, workers, threads).add()
        return ["interrupted; the same command goes on"] if steps.stopped else []


def _missing_vibrations(found: PropertySet) -> list[str]:
    """A remark where the confirmation made no frequencies."""
    missing = [str(entry.subject.rank) for entry in found.entries if entry.frequencies is None]
    if not missing:
        return []
    return [f"no DFT frequencies of rank {', '.join(missing)}: --frequencies makes them"]


def _write(source: Source, sets: dict[str, PropertySet]) -> list[str]:
    """Symmetrised structures and populations of the best level; the names of all files."""
    folder, best = source.folder, sets.get(DFT, sets[MODEL])
    folder.mkdir(parents=True, exist_ok=True)
    write_frames(folder / SYMMETRISED, [_symmetric_structure(entry) for entry in best.entries])
    files = [FILE, SYMMETRISED]
    shown = best if best.populations is not None else sets[MODEL]
    if any(entry.infrared for entry in best.entries):
        write_infrared(best, folder / "infrared.csv", folder / "infrared-spectra.csv")
        draw_infrared(best, folder / "infrared.png")
        files += ["infrared.csv", "infrared-spectra.csv", "infrared.png"]
    if any(entry.photoelectron for entry in best.entries):
        write_photoelectron(best, folder / "photoelectron.csv")
        draw_photoelectron(best, folder / "photoelectron.png")
        files += ["photoelectron.csv", "photoelectron.png"]
    if shown.populations is not None:
        write_populations(shown, folder / "populations.csv")
        draw_populations(shown, folder / "populations.png")
        files += ["populations.csv", "populations.png"]
    return files


def _symmetric_structure(entry: IsomerProperties) -> Atoms:
    """The symmetric structure, named on its comment line."""
    symmetry, subject = entry.symmetry, entry.subject
    assert symmetry is not None
    atoms = Atoms(symmetry.atoms.numbers, symmetry.atoms.positions)
    atoms.info.update(rank=subject.rank, model_rank=subject.model_rank, point_group=symmetry.point_group)
    atoms.info.update(moved_to_symmetrise=round(symmetry.moved, 4), charge=subject.charge)
    return atoms


def _silent(what: str, done: int, total: int) -> None:
    """Nobody listens."""
