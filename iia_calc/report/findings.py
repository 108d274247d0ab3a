"""What a search's folder holds, read for the page: isomers, what DFT made of them, and how the search went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from iia_calc.common.structures import Cluster, read_clusters
from iia_calc.isomers.files import CONFIRMED, ISOMERS, read_written
from iia_calc.isomers.run_record import read_run
from search.archive.archive import Archive
from search.archive.lock import is_locked
from search.archive.minimum import Minimum
from search.errors import InputError
from search.geometry.composition import Composition
from search.geometry.shape import dopant_bonds, principal_axes, shape_of

SHOWN, THINNED = 1000, 1000
"""Isomers on the page: the lowest, and as many more, evenly by rank, of those above."""


@dataclass(frozen=True)
class Confirmation:
    """What DFT made of one isomer.

    Attributes
    ----------
    rank : by DFT; None for a saddle or where the relaxation failed.
    relative : eV above the lowest, by the level that ranks; None where there is no energy.
    atoms : the relaxed structure; None where there is none.
    plain : all that run.json says of it (see `iia_calc.confirm.result.describe_confirmed`).
    """

    rank: int | None
    relative: float | None
    atoms: Atoms | None
    plain: Mapping[str, Any]

    @property
    def frequencies(self) -> list[float]:
        """cm⁻¹, imaginary ones negative, lowest first; empty where none were computed."""
        return list((self.plain.get("vibrations") or {}).get("frequencies", []))

    @property
    def notes(self) -> list[str]:
        """What a reader must not miss, in words."""
        return list(self.plain.get("notes", []))


@dataclass(frozen=True)
class Entry:
    """One isomer on the page.

    Attributes
    ----------
    rank : by the potential; 1 is the lowest.
    atoms : its structure by the potential.
    relative, error : eV above the lowest and the expected error of that; None where it isn't known.
    shape : planar, tubular, cage or compact.
    times_found, first_quench : quenches that ended here, and the first that did; 0 where no search found it.
    known_region : whether the potential can judge it; None where it can't tell.
    known : eV, the known DFT minimum that this is above the lowest known; None where it is none.
    dft : what DFT made of it; None where it wasn't asked.
    """

    rank: int
    atoms: Atoms
    relative: float | None
    error: float | None
    shape: str
    times_found: int = 0
    first_quench: int = 0
    known_region: bool | None = None
    known: float | None = None
    dft: Confirmation | None = None

    @property
    def best(self) -> Atoms:
        """The DFT structure where there is one, else the potential's."""
        return self.atoms if self.dft is None or self.dft.atoms is None else self.dft.atoms

    @property
    def bonds(self) -> str:
        """Bonds of the dopants, Å: "2× 1.99"."""
        found = dopant_bonds(self.best)
        several = len({bond.symbol for bond in found}) > 1
        return ", ".join(f"{bond.symbol} {bond}" if several else str(bond) for bond in found)


@dataclass(frozen=True)
class Findings:
    """All that the page is made of.

    Attributes
    ----------
    source : the search's folder, or the file of structures.
    formula : of the isomers.
    isomers : by the potential, lowest first.
    run : what run.json holds; empty where there is none.
    running : whether a process searches in the folder now.
    made : the day, for example 27 November 2026.
    remarks : of a file, what was set aside and why.
    """

    source: Path
    formula: str
    isomers: Sequence[Entry]
    run: Mapping[str, Any] = field(default_factory=dict)
    running: bool = False
    made: str = ""
    remarks: tuple[str, ...] = ()

    @cached_property
    def shown(self) -> list[Entry]:
        """The isomers on the page, lowest first: all, or of very many the lowest, a thinned rest and what DFT saw."""
        if len(self.isomers) <= SHOWN + THINNED:
            return list(self.isomers)
        rest = np.unique(np.linspace(SHOWN, len(self.isomers) - 1, THINNED).astype(int))
        chosen = set(range(SHOWN)) | set(rest.tolist())
        return [entry for k, entry in enumerate(self.isomers) if k in chosen or entry.dft is not None]

    @cached_property
    def confirmed(self) -> list[Entry]:
        """Those that DFT saw, in DFT's order, those it couldn't rank last."""
        seen = [entry for entry in self.isomers if entry.dft is not None]
        return sorted(seen, key=lambda entry: (_dft_rank(entry) or len(self.isomers) + entry.rank, _is_twin(entry)))

    @cached_property
    def ranked(self) -> list[Entry]:
        """The order that counts: DFT's of what it ranked, each once, else the potential's."""
        found: dict[int, Entry] = {}
        for entry in self.confirmed:
            if (rank := _dft_rank(entry)) is not None:
                found.setdefault(rank, entry)
        return [found[rank] for rank in sorted(found)] or list(self.isomers)

    @property
    def by_dft(self) -> bool:
        """Whether DFT ranked any isomer."""
        return any(_dft_rank(entry) is not None for entry in self.confirmed)

    @property
    def dft(self) -> Mapping[str, Any]:
        """What run.json says of the DFT confirmation; empty where there was none."""
        return self.run.get("dft") or {}

    @property
    def charge(self) -> int:
        """Of the isomers that DFT saw, e; 0 where it saw none."""
        return int(self.dft.get("charge") or 0)

    @property
    def model(self) -> Mapping[str, Any]:
        """Name, level of theory and hashes of the potential; empty where another relaxer searched."""
        return self.run.get("model") or {}

    @property
    def n_sound(self) -> int:
        """Quenches that ended in a minimum."""
        return sum(entry.times_found for entry in self.isomers)

    @property
    def unseen(self) -> float | None:
        """Estimated share of further quenches that would find something new (Good and Turing); None without any."""
        once = sum(entry.times_found == 1 for entry in self.isomers)
        return once / self.n_sound if self.n_sound else None


def thickness(atoms: Atoms) -> float:
    """Å from the lowest to the highest atom along the direction in which the cluster extends least."""
    x = atoms.positions - atoms.positions.mean(0)
    return float(np.ptp(x @ principal_axes(x)[2])) if len(atoms) > 1 else 0.0


def gyration(atoms: Atoms) -> float:
    """Radius of gyration, Å: root mean square distance of the atoms from their centre."""
    return float(np.sqrt(((atoms.positions - atoms.positions.mean(0)) ** 2).sum(1).mean()))


def read_findings(source: str | Path) -> Findings:
    """What a search's folder or a file of structures holds, also while the search runs.

    Raises
    ------
    FileNotFoundError : there is nothing at `source`.
    InputError : it holds no search and no structures, or a damaged file; the message names it.
    """
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(f"there is no folder or file {source}")
    if not source.is_dir():
        return _of_file(source)
    table, archive, record = (source / name for name in (ISOMERS, "archive.db", "run.json"))
    if not table.exists() and not archive.exists():
        raise InputError(f"{source} holds no search (no archive.db); `iia search FORMULA --out {source}` makes one")
    run = read_run(record)
    running = is_locked(archive.with_name(f"{archive.name}.lock"))
    ended = not running and run.get("stopped_by") not in (None, "running")
    if table.exists() and (ended or not archive.exists()):
        entries = [_from_frame(k, atoms) for k, atoms in enumerate(read_written(table))]
    else:
        minima = list(Archive.read(archive))
        entries = [_from_minimum(k, minimum, minima[0].energy) for k, minimum in enumerate(minima)]
    entries = _with_dft(entries, run, source / CONFIRMED)
    formula = run.get("settings", {}).get("formula") or (_formula([e.atoms for e in entries]) if entries else "")
    return Findings(source, formula, entries, run, running, _today())


def _of_file(path: Path) -> Findings:
    """Structures of a file, by energy where all have one and are of one formula."""
    clusters = read_clusters(path)
    frames = [_with_energy(cluster) for cluster in clusters.kept]
    energies = [cluster.energy for cluster in clusters.kept]
    formulas = {Composition.parse(atoms).formula for atoms in frames}
    known = [energy for energy in energies if energy is not None]
    if len(formulas) == 1 and len(known) == len(frames):
        order = np.argsort(known, kind="stable").tolist()
        entries = [
            Entry(rank + 1, frames[k], known[k] - min(known), None, shape_of(frames[k])) for rank, k in enumerate(order)
        ]
    else:
        entries = [Entry(k + 1, atoms, None, None, shape_of(atoms)) for k, atoms in enumerate(frames)]
    return Findings(path, _formula(frames), entries, made=_today(), remarks=tuple(clusters.lines()))


def _from_frame(k: int, atoms: Atoms) -> Entry:
    """The k-th frame of isomers.extxyz; numbers that it lacks are left out."""
    info = atoms.info
    return Entry(
        rank=int(info.get("rank", k + 1)),
        atoms=atoms,
        relative=_number(info.get("relative_energy")),
        error=_number(info.get("relative_energy_error")),
        shape=str(info.get("shape") or shape_of(atoms)),
        times_found=int(info.get("times_found", 0)),
        first_quench=int(info.get("first_quench", 0)),
        known_region=None if "known_region" not in info else bool(info["known_region"]),
        known=_number(info.get("known_dft_relative_energy")),
    )


def _from_minimum(k: int, minimum: Minimum, lowest: float) -> Entry:
    """The k-th minimum of the archive, whose errors nobody has asked for yet."""
    atoms, relative = minimum.atoms, minimum.energy - lowest
    return Entry(k + 1, atoms, relative, None, shape_of(atoms), minimum.times_found, minimum.first_quench)


def _with_dft(entries: Sequence[Entry], run: Mapping[str, Any], path: Path) -> list[Entry]:
    """`entries` with what run.json and confirmed.extxyz say of them."""
    plain = {int(about["model_rank"]): about for about in (run.get("dft") or {}).get("isomers", [])}
    frames = read_written(path) if plain and path.exists() else []
    relaxed = {int(atoms.info.get("model_rank", 0)): atoms for atoms in frames}
    found = []
    for entry in entries:
        if (about := plain.get(entry.rank)) is not None:
            dft = Confirmation(about["rank"], about["relative_energy"], relaxed.get(entry.rank), about)
            entry = replace(entry, dft=dft)
        found.append(entry)
    return found


def _dft_rank(entry: Entry) -> int | None:
    return None if entry.dft is None else entry.dft.rank


def _is_twin(entry: Entry) -> bool:
    """Whether DFT made another isomer of it, which lies a little lower."""
    return entry.dft is not None and entry.dft.plain.get("same_as_model_rank") is not None


def _with_energy(cluster: Cluster) -> Atoms:
    """Its structure with its energy on it, where it has one."""
    atoms = cluster.atoms
    if cluster.energy is not None:
        atoms.calc = SinglePointCalculator(atoms, energy=cluster.energy)
    return atoms


def _formula(frames: Sequence[Atoms]) -> str:
    formulas = sorted({Composition.parse(atoms).formula for atoms in frames})
    return formulas[0] if len(formulas) == 1 else f"{len(frames)} structures"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _today() -> str:
    now = datetime.now(UTC)
    return f"{now.day} {now:%B %Y}"
