"""From a formula to a folder of ranked isomers: the search with its settings, files and continuation."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from iia_calc.common.device import checked_device
from iia_calc.common.structures import read_structures
from iia_calc.isomers.run_record import RunRecord, versions
from search import METHODS, Progress, Relaxed, Relaxer, SearchResult, find_minima
from search.archive.minimum import sound
from search.errors import InputError
from search.geometry.composition import Composition
from search.geometry.seeds import seed_structures
from search.geometry.shape import DopantBonds, dopant_bonds, shape_of

DEFAULT_TIME = 120.0
"""Seconds a search takes where nothing else is asked for."""


@dataclass(frozen=True)
class Isomer:
    """One distinct minimum of a search.

    Attributes
    ----------
    rank : 1 is the lowest.
    atoms : the structure, its energy (eV) on it.
    energy, relative : eV, absolute and above the lowest.
    shape : planar, tubular, cage or compact (`search.geometry.shape`).
    bonds : of each dopant atom.
    deviation : standard deviation of the committee's energies, eV; None without a committee.
    error : what that means: two thirds of the energies held out of the training were wrong by less than this, eV;
        None where the model is not calibrated.
    times_found, first_quench : how often quenches ended here, and the first that did.
    """

    rank: int
    atoms: Atoms
    energy: float
    relative: float
    shape: str
    bonds: tuple[DopantBonds, ...]
    deviation: float | None
    error: float | None
    times_found: int
    first_quench: int

    @property
    def relative_per_atom(self) -> float:
        """eV/atom above the lowest."""
        return self.relative / len(self.atoms)


@dataclass(frozen=True)
class IsomerSearch:
    """What `search_isomers` found and where it lies."""

    isomers: list[Isomer]
    result: SearchResult
    folder: Path
    run: dict[str, Any]


def search_isomers(
    formula: str,
    *,
    out: str | Path | None = None,
    method: str = "basin-hopping",
    quenches: int | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    model: str | Path | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    fmax: float = 0.005,
    until_found: int | None = None,
    relaxer: Relaxer | None = None,
    callback: Callable[[Progress], object] | None = None,
    drawn: bool = True,
    starts: Sequence[Atoms] = (),
) -> IsomerSearch:
    """Search the minima of `formula` and write them to a folder.

    The folder receives `archive.db` (every minimum, as it is found), and at the end `isomers.extxyz`,
    `isomers.png` and `run.json`. The same call on the same folder goes on where it ended: `quenches`
    counts those of earlier calls, `time_limit` (seconds) is for this call.

    Parameters
    ----------
    formula : of the elements that the model knows.
    out : the folder, by default `<formula>-search`.
    quenches, time_limit, until_found : when to stop, whichever is first; two minutes where none is given.
        until_found: the lowest minimum was reached from so many independent starts.
    model : name of a shipped model or a model's folder; None for the default.
    device : "cpu", "cuda", ...; None for the GPU where there is one.
    fmax : largest force of a converged minimum, eV/Å.
    relaxer : relaxes instead of a model (which is then not loaded).
    callback : called with a `Progress` after each batch.
    starts : structures that are relaxed before all others and gone on from, e.g. `iia_calc.isomers.known.known_starts`.

    Raises
    ------
    ValueError : formula, elements, method, limits or model make no sense; nothing was computed.
    ValueError, BlockingIOError : the folder belongs to another search, or one is running in it.
    """
    composition = Composition.parse(formula)
    if method not in METHODS:
        raise InputError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")
    if quenches is None and time_limit is None and until_found is None:
        time_limit = DEFAULT_TIME
    described: dict[str, Any] = {"relaxer": type(relaxer).__name__}
    if relaxer is None:
        relaxer, described = model_relaxer(composition, model, device, fmax)
    folder = search_folder(composition, out)
    settings = {
        "formula": composition.formula,
        "method": method,
        "quenches": quenches,
        "time_limit": time_limit,
        "seed": seed,
        "batch_size": batch_size,
        "fmax": fmax,
        "until_found": until_found,
        "starts": len(starts),
    }
    record = RunRecord(folder / "run.json", {**described, "settings": settings, "versions": versions()})

    def after_batch(progress: Progress) -> None:
        record.running(progress)
        if callback is not None:
            callback(progress)

    result = find_minima(
        composition,
        relaxer,
        method,
        quenches=quenches,
        time_limit=time_limit,
        seed=seed,
        archive=folder / "archive.db",
        callback=after_batch,
        batch_size=batch_size,
        until_found=until_found,
        shape=shape_of,
        starts=starts,
    )
    return write_search(result, record, getattr(relaxer, "strayed", ()), drawn=drawn)


def write_search(
    result: SearchResult, record: RunRecord, strayed: Iterable[Relaxed] = (), drawn: bool = True
) -> IsomerSearch:
    """Rank what a search found and write it beside run.json: isomers.extxyz, isomers.png, uncertain.extxyz."""
    folder = record.path.parent
    isomers = rank_isomers(result.minima, record.described.get("model", {}).get("energy_factor"))
    run = record.ended(result)
    write_strayed(strayed, folder / "uncertain.extxyz")
    if isomers:
        write_isomers(isomers, folder / "isomers.extxyz")
        if drawn:
            from iia_calc.report.picture import draw_isomers

            draw_isomers([i.atoms for i in isomers], [i.energy for i in isomers], folder / "isomers.png")
    return IsomerSearch(isomers, result, folder, run)


def search_folder(composition: Composition, out: str | Path | None) -> Path:
    """Where a search of `composition` is kept, by default `<formula>-search`.

    Raises
    ------
    ValueError : it is a file.
    """
    folder = Path(out) if out is not None else Path(f"{composition.formula}-search")
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; --out needs a folder (it may not exist yet)")
    return folder


def model_relaxer(
    composition: Composition, model: str | Path | None, device: str | None, fmax: float
) -> tuple[Relaxer, dict[str, Any]]:
    """A batched relaxer over a model, and what run.json says of it.

    Raises
    ------
    ValueError : no such model or device, or the model doesn't know an element of `composition`.
    """
    import torch

    from iia_calc.model.storage import find, load, read_card
    from iia_calc.relax.batch import PotentialRelaxer, forces_std_limit

    path = find(model)
    card = read_card(path)
    Composition.parse(composition.formula, allowed=card.elements)
    used = checked_device(device)
    potential = load(path, device=used)
    relaxer = PotentialRelaxer(potential, fmax=fmax, forces_std_limit=forces_std_limit(potential))
    weights = [member["sha256"] for member in card.members]
    return relaxer, {
        "model": {
            "name": card.name,
            "sha256": weights,
            "level_of_theory": card.level_of_theory,
            "data_hash": card.data_hash,
            "energy_factor": card.calibration.get("energy_factor"),
        },
        "device": used,
        "threads": torch.get_num_threads(),  # rounding, and so the search, depends on both
    }


def rank_isomers(minima: Sequence[Atoms], energy_factor: float | None = None) -> list[Isomer]:
    """Minima of a search, lowest first, with what a chemist asks about each.

    energy_factor : from the committee's deviation to the expected error, of the model's calibration.
    """

    def error(atoms: Atoms) -> float | None:
        deviation = atoms.info.get("energy_std")
        return None if deviation is None or energy_factor is None else energy_factor * deviation

    energies = [atoms.get_potential_energy() for atoms in minima]
    return [
        Isomer(
            rank=k + 1,
            atoms=atoms,
            energy=energies[k],
            relative=energies[k] - energies[0],
            shape=shape_of(atoms),
            bonds=tuple(dopant_bonds(atoms)),
            deviation=atoms.info.get("energy_std"),
            error=error(atoms),
            times_found=int(atoms.info["times_found"]),
            first_quench=int(atoms.info["first_quench"]),
        )
        for k, atoms in enumerate(minima)
    ]


def write_isomers(isomers: Sequence[Isomer], path: Path, more: Mapping[int, dict[str, Any]] | None = None) -> None:
    """An extended XYZ file, lowest first, rank, relative energy (eV) and shape in each comment line.

    more : by rank, what else goes there.
    """
    frames = []
    for isomer in isomers:
        atoms = isomer.atoms.copy()
        atoms.calc = isomer.atoms.calc
        atoms.info.update(rank=isomer.rank, relative_energy=isomer.relative, shape=isomer.shape)
        atoms.info.update((more or {}).get(isomer.rank, {}))
        frames.append(atoms)
    partial = path.with_name(f".{path.name}.part")
    write(partial, frames, format="extxyz")
    os.replace(partial, path)


def write_strayed(strayed: Iterable[Relaxed], path: Path) -> None:
    """Where quenches left the known region, those of earlier calls kept: what `iia label --structures` would label."""
    frames = []
    for relaxed in strayed:
        atoms = relaxed.atoms.copy()
        atoms.calc = SinglePointCalculator(atoms, energy=relaxed.energy)
        atoms.info["forces_std"] = relaxed.forces_std
        frames.append(atoms)
    if frames:
        write(path, frames, format="extxyz", append=path.exists())


def first_structure(
    source: str, *, model: str | Path | None = None, device: str | None = None, seed: int = 0, starts: int = 16
) -> Atoms:
    """The first frame of a file; of a formula, the lowest that `starts` random structures relax to.

    Raises
    ------
    ValueError, FileNotFoundError : neither a readable file nor a formula of the model's elements.
    """
    from iia_calc.model.storage import find, read_card

    elements = read_card(find(model)).elements
    if Path(source).exists() or Path(source).suffix or "/" in source:
        return read_structures(source, elements)[0]
    composition = Composition.parse(source, allowed=elements)
    relaxer, _ = model_relaxer(composition, model, device, fmax=0.02)
    rng = np.random.default_rng(seed)
    relaxed = [r for r in relaxer.relax(seed_structures(composition, starts, rng)) if sound(r)]
    if not relaxed:
        raise InputError(f"none of {starts} random starts of {composition} relaxed to a sound structure; give a file")
    return min(relaxed, key=lambda r: r.energy).atoms
