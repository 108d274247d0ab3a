"""Sources of structures as sets of one composition: npz, ASE databases, extxyz, Gaussian logs, folders of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.db import connect

from iia_calc.common.structures import read_structures
from iia_calc.data import gaussian
from iia_calc.data.published import read_npz
from iia_calc.data.sets import StructureSet, short_name
from iia_calc.data.units import EV_PER, check_unit, unit_by_size
from search.errors import InputError

SUFFIXES = (".npz", ".db", ".extxyz", ".xyz", ".traj", *gaussian.SUFFIXES)


@dataclass(frozen=True)
class Record:
    """One structure as read: energy (NaN where there is none) and forces in the source's unit, Å."""

    atoms: Atoms
    energy: float
    forces: np.ndarray | None = None
    converged: bool | None = None
    index: int = 0
    file: Path | None = None


def read_sets(path: str | Path, unit: str = "auto", geometry: str = "last") -> list[StructureSet]:
    """All structures of a file or a folder, one set per file and composition; the logs of a folder go together.

    Parameters
    ----------
    unit : of the energies: "hartree", "eV", or "auto" (Gaussian's are hartree; ASE's files hold eV, unless
        their size says hartree; of an npz the size decides).
    geometry : of Gaussian logs, "first" or "last".

    Raises
    ------
    FileNotFoundError : no such file or folder.
    ValueError : nothing readable in it; the message names the file and what is wrong.
    """
    if unit.strip().lower() != "auto":
        check_unit(unit)
    if geometry not in gaussian.GEOMETRIES:
        raise InputError(f"geometry is {geometry!r}; it must be {' or '.join(gaussian.GEOMETRIES)}")
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}")
    files = files_of(path)
    logs: dict[Path, list[Path]] = defaultdict(list)
    sets: list[StructureSet] = []
    for file in files:
        if file.suffix in gaussian.SUFFIXES and path.is_dir():
            logs[file.parent].append(file)
        elif file.suffix in gaussian.SUFFIXES:
            sets += _from_logs([file], file, unit, geometry)
        elif file.suffix == ".npz":
            sets.append(read_npz(file, unit))
        else:
            records = _database(file) if file.suffix == ".db" else _frames(file)
            sets += _grouped(records, file, "eV", unit)
    for folder, members in sorted(logs.items()):
        sets += _from_logs(members, folder, unit, geometry)
    return sets


def files_of(path: Path) -> list[Path]:
    """The file itself, or the readable files below a folder, sorted.

    Raises
    ------
    ValueError : of no known kind, or none in the folder.
    """
    if path.is_dir():
        found = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
        if not found:
            raise InputError(f"the folder {path} has no {', '.join(SUFFIXES)} files")
        return found
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is of no kind read here; give {', '.join(SUFFIXES)}")
    return [path]


def _from_logs(files: Sequence[Path], source: Path, unit: str, geometry: str) -> list[StructureSet]:
    if unit.strip().lower() not in ("auto", "hartree") and check_unit(unit) != "hartree":
        raise InputError(f"{source}: Gaussian prints hartree, not {unit}; leave the unit out")
    records: list[Record] = []
    remarks: list[str] = []
    abrupt, useless = 0, []
    for k, file in enumerate(files):
        try:
            read = gaussian.read_gaussian(file, geometry)
        except ValueError as error:
            if len(files) == 1:
                raise
            useless.append(str(error))  # one log of hundreds: said, not fatal
            continue
        abrupt += not read.ended
        records.append(Record(read.atoms, read.energy, read.forces, read.converged, k, file))
    if not records:
        raise InputError(f"none of the {len(files)} logs in {source} can be read; the first: {useless[0]}")
    if useless:
        remarks.append(f"{len(useless)} of {len(files)} logs were left out; the first: {useless[0]}")
    if abrupt:
        remarks.append(f"{abrupt} of {len(files)} logs did not end normally")
    return _grouped(records, source, "hartree", "hartree", tuple(remarks))


def _database(path: Path) -> list[Record]:
    try:
        rows = list(connect(path, append=True).select(include_data=False))
    except Exception as error:  # sqlite and ASE raise anything on a damaged file
        raise InputError(f"{path} is not a readable ASE database: {error}") from error
    records = []
    for row in rows:
        atoms = Atoms(row.numbers, row.positions, pbc=row.pbc)
        records.append(Record(atoms, row.get("energy", np.nan), row.get("forces"), index=row.id))
    _check_clusters(records, path)
    return records


def _frames(path: Path) -> list[Record]:
    records = []
    for k, atoms in enumerate(read_structures(path)):
        results = atoms.calc.results if atoms.calc is not None else {}
        energy = results.get("energy", atoms.info.get("energy"))
        records.append(Record(atoms, np.nan if energy is None else float(energy), results.get("forces"), index=k))
    return records


def _check_clusters(records: Iterable[Record], path: Path) -> None:
    for record in records:
        if record.atoms.pbc.any():
            raise InputError(f"{path}, structure {record.index}: it is periodic; clusters only")


def _grouped(
    records: Sequence[Record], source: Path, labelled: str, unit: str, remarks: tuple[str, ...] = ()
) -> list[StructureSet]:
    """One set per composition, atoms ordered by element, in the order of the compositions' first structures."""
    if not records:
        raise InputError(f"{source} holds no structures")
    groups: dict[bytes, list[Record]] = defaultdict(list)
    for record in records:
        order = np.argsort(record.atoms.numbers, kind="stable")
        forces = None if record.forces is None else np.asarray(record.forces)[order]
        groups[record.atoms.numbers[order].astype(np.int64).tobytes()].append(
            replace(record, atoms=record.atoms[order], forces=forces)
        )
    sets = []
    for members in groups.values():
        numbers = members[0].atoms.numbers
        energies = np.array([record.energy for record in members], dtype=float)
        chosen = check_unit(unit) if unit.strip().lower() != "auto" else unit_by_size(numbers, energies) or labelled
        with_forces = all(record.forces is not None for record in members)
        told = all(record.converged is not None for record in members)
        name = short_name(source)
        files = tuple(str(record.file) for record in members) if members[0].file is not None else ()
        built = StructureSet(
            name,
            numbers,
            np.array([record.atoms.positions for record in members]),
            energies,
            chosen,
            source,
            forces=np.array([record.forces for record in members]) if with_forces else None,
            converged=np.array([record.converged for record in members], dtype=bool) if told else None,
            indices=np.array([record.index for record in members]),
            labelled=labelled,
            remarks=remarks,
            files=files,
        )
        sets.append(built if len(groups) == 1 else replace(built, name=f"{name}:{built.formula}"))
    return sets


def contradicts_label(item: StructureSet) -> str | None:
    """What is odd where the energies' size says another unit than the file's label; None where nothing is.

    The size was followed (or the user's word); the label is what the file or its format says.
    """
    by_size = unit_by_size(item.numbers, item.energies)
    if by_size is None or item.labelled in (None, by_size):
        return None
    factor = EV_PER[by_size] / EV_PER[str(item.labelled)]
    return (
        f"energies look like {by_size} though labelled {item.labelled} (median {np.nanmedian(item.energies):.6g}; "
        f"total energies of {item.formula} in {item.labelled} would be {factor:.3g} times that)"
    )
