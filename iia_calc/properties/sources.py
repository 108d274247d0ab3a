"""Whose properties are asked for: the isomers of a search's folder, the model's and DFT's, or those of a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from iia_calc.common.electrons import multiplicity_of
from iia_calc.common.structures import read_clusters
from iia_calc.isomers.files import CONFIRMED, ISOMERS, read_written
from iia_calc.isomers.run_record import read_run
from search.errors import InputError
from search.geometry.composition import Composition

RUN = "run.json"


@dataclass(frozen=True)
class Subject:
    """One isomer.

    Attributes
    ----------
    rank : 1 is the lowest. model_rank : in the search.
    atoms : structure, Å. energy : eV, that ranks; None where there is none.
    charge : e. multiplicity : 2S+1, of the state that was relaxed. final_multiplicity : of the state that ranks.
    frequencies : cm⁻¹, imaginary ones negative; None where there are none.
    method : how these were computed, "analytic" or "central differences".
    notes : doubts that were told when it was found.
    """

    rank: int
    model_rank: int
    atoms: Atoms
    energy: float | None = None
    charge: int = 0
    multiplicity: int = 1
    final_multiplicity: int = 1
    frequencies: tuple[float, ...] | None = None
    method: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Isomers:
    """Isomers of one level of theory, lowest first.

    Attributes
    ----------
    subjects : the isomers. level : of structures and frequencies. energy_level : of the energies that rank.
    """

    subjects: tuple[Subject, ...]
    level: str
    energy_level: str


@dataclass(frozen=True)
class Source:
    """What was found of a search or in a file.

    Attributes
    ----------
    path : the search's folder, or the file. folder : where results go.
    model : name of the potential that searched, None where another relaxer did.
    found : the model's isomers, or those of the file. confirmed : those that DFT relaxed; None without DFT.
    run : what run.json holds; empty of a file.
    """

    path: Path
    folder: Path
    model: str | None
    found: Isomers
    confirmed: Isomers | None
    run: dict[str, Any]

    @property
    def formula(self) -> str:
        """Of all isomers.

        Raises
        ------
        InputError : they are of several formulas.
        """
        formulas = sorted({Composition.parse(subject.atoms).formula for subject in self.found.subjects})
        if len(formulas) > 1:
            raise InputError(
                f"the structures are of {len(formulas)} formulas ({formulas[0]}, {formulas[1]}, ...), and energies are "
                "compared between isomers of one: give a file for each, or --what point-groups"
            )
        return formulas[0]


def read_source(path: str | Path, out: str | Path | None = None) -> Source:
    """The isomers of a search's folder, or of a file that ASE reads.

    out : folder of results, by default the search's own, or FILE-properties.

    Raises
    ------
    FileNotFoundError : no such file or folder. InputError : no search is in the folder, or nothing sound in the file.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}")
    if not path.is_dir():
        folder = path.with_name(f"{path.stem}-properties") if out is None else Path(out)
        return Source(path, folder, None, _of_file(path), None, {})
    if not (path / ISOMERS).exists() or not (path / RUN).exists():
        raise InputError(f"{path} holds no finished search ({ISOMERS} and {RUN}); run iia search first, or give a file")
    run = read_run(path / RUN)
    about = run.get("model")
    model, level = run.get("settings", {}).get("model"), (about or {}).get("level_of_theory", "the relaxer")
    frames = read_written(path / ISOMERS)
    try:
        found = tuple(
            Subject(int(f.info["rank"]), int(f.info["rank"]), _bare(f), _energy(f), 0, *_lowest(f)) for f in frames
        )
        confirmed = _from_confirmation(path, run)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} was changed since its search ended; run its search again ({error!r})") from error
    return Source(
        path,
        path if out is None else Path(out),
        None if about is None else (model or about["name"]),
        Isomers(found, level, level),
        confirmed,
        run,
    )


def need_confirmed(source: Source, what: str) -> Isomers:
    """The isomers that DFT relaxed.

    what : asks for them, for the message.

    Raises
    ------
    InputError : there are none.
    """
    if source.confirmed is None:
        begun = "dft" in source.run
        raise InputError(
            f"{what} needs isomers that DFT has relaxed, and {source.path} has none"
            + (" yet; the search's own command goes on" if begun else ": run its search with --dft K")
        )
    return source.confirmed


def _from_confirmation(folder: Path, run: dict[str, Any]) -> Isomers | None:
    """Those of confirmed.extxyz with a rank, each once."""
    if not (folder / CONFIRMED).exists():
        return None
    told = {isomer["model_rank"]: isomer for isomer in run.get("dft", {}).get("isomers", [])}
    subjects, level, energy_level = [], "", ""
    for frame in read_written(folder / CONFIRMED):
        info = frame.info
        if "rank" not in info or "same_as_model_rank" in info:
            continue
        about = told.get(int(info["model_rank"]), {})
        vibrations = about.get("vibrations") or {}
        level, energy_level = str(info.get("level_of_theory", "")), str(info.get("final_level", ""))
        subjects.append(
            Subject(
                int(info["rank"]),
                int(info["model_rank"]),
                _bare(frame),
                float(info["final_energy"]),
                int(info["charge"]),
                int(info["multiplicity"]),
                int(info.get("final_multiplicity") or info["multiplicity"]),
                _numbers(info.get("frequencies")),
                str(vibrations.get("method", "")),
                tuple(about.get("notes", ())),
            )
        )
    subjects.sort(key=lambda subject: subject.rank)
    if not subjects:
        return None
    # of several multiplicities each has its own name; the level is what stands before it
    return Isomers(tuple(subjects), level, energy_level.rsplit(", multiplicity", 1)[0] or level)


def _of_file(path: Path) -> Isomers:
    """Sound structures of a file; lowest first where all are isomers with energies, else in the file's order."""
    clusters = read_clusters(path).kept
    level = {str(cluster.atoms.info.get("level_of_theory", "")) for cluster in clusters}
    energies = [cluster.energy for cluster in clusters]
    order = list(range(len(clusters)))
    one_formula = len({Composition.parse(cluster.atoms).formula for cluster in clusters}) == 1
    if one_formula and all(energy is not None for energy in energies):
        order.sort(key=lambda k: float(energies[k] or 0.0))
    subjects = []
    for rank, k in enumerate(order, 1):
        cluster = clusters[k]
        charge = cluster.charge or 0
        multiplicity = multiplicity_of(cluster.atoms, charge, cluster.multiplicity)
        subjects.append(Subject(rank, k + 1, _bare(cluster.atoms), cluster.energy, charge, multiplicity, multiplicity))
    name = level.pop() if len(level) == 1 else ""
    return Isomers(tuple(subjects), name or path.name, name or path.name)


def _bare(atoms: Atoms) -> Atoms:
    return Atoms(atoms.numbers, atoms.positions)


def _energy(atoms: Atoms) -> float | None:
    return None if atoms.calc is None else float(atoms.get_potential_energy())


def _lowest(atoms: Atoms) -> tuple[int, int]:
    """The lowest multiplicity of the neutral, as relaxed and as ranked."""
    multiplicity = multiplicity_of(atoms, 0, None)
    return multiplicity, multiplicity


def _numbers(values: Any) -> tuple[float, ...] | None:
    return None if values is None else tuple(float(v) for v in np.atleast_1d(values))
