"""Frames of a file as ASE reads them, and of databases with the units they declare."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import iread
from ase.io.formats import UnknownFileTypeError

from iia_calc.common.units import energy_in_ev, force_in_ev_per_angstrom, length_in_angstrom
from search.archive.archive import Archive
from search.archive.sqlite import is_archive
from search.errors import IIAError, InputError


def read_frames(path: Path, only_first: bool = False) -> tuple[list[Atoms], str]:
    """Frames of `path`, and what went wrong after the last of them, "" where nothing did.

    Energies and forces in a database that declares its units are in eV and eV/Å, positions in Å.

    Raises
    ------
    FileNotFoundError : no such file.
    InputError : no frame of it can be read, or there is none.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if path.is_dir():
        raise InputError(f"{path} is a folder; give a file of structures")
    if not path.stat().st_size:
        raise InputError(f"{path} is empty")
    frames: list[Atoms] = []
    broken = ""
    try:
        if path.suffix.lower() == ".db":
            frames = _database(path)
        else:
            for atoms in iread(path, index="0:1" if only_first else ":"):
                frames.append(atoms)
    except UnknownFileTypeError as error:
        raise InputError(f"{path} is of no format that ASE knows; write for example .xyz, .extxyz or .traj") from error
    except (IIAError, FileNotFoundError):
        raise
    except Exception as error:  # parsers raise anything
        broken = f"{type(error).__name__}: {error}".splitlines()[0]
    if not frames:
        raise InputError(f"{path} can't be read: {broken}" if broken else f"{path} holds no structures")
    return frames, broken


def _database(path: Path) -> list[Atoms]:
    """Minima of a search archive, or rows of an ASE database.

    A SchNetPack database keeps its properties in `data` and their units in its metadata.
    """
    with path.open("rb") as head:
        if head.read(16) != b"SQLite format 3\x00":
            raise InputError(f"{path} is not an ASE database")
    if is_archive(path):
        return [minimum.atoms for minimum in Archive.read(path)]
    try:
        database = connect(path, type="db", append=True, use_lock_file=False)
        metadata = dict(database.metadata)
        rows = list(database.select())
    except (sqlite3.Error, KeyError, ValueError) as error:
        raise InputError(f"{path} is not a readable ASE database: {error}") from error
    units = metadata.get("_property_unit_dict")
    frames = []
    for row in rows:
        atoms = row.toatoms()
        atoms.info.update(row.key_value_pairs)
        if isinstance(units, Mapping):
            _convert(atoms, row.data, units, str(metadata.get("_distance_unit", "Ang")))
        frames.append(atoms)
    return frames


def _convert(atoms: Atoms, data: Mapping[str, Any], units: Mapping[str, Any], length: str) -> None:
    """A SchNetPack row in Å, its energy and forces in eV and eV/Å as results; other properties as `info`."""
    atoms.positions *= length_in_angstrom(length)
    results: dict[str, Any] = {}
    for name, unit in units.items():
        if name not in data:
            continue
        value = np.asarray(data[name], dtype=float)
        if name == "energy" and value.size == 1:
            results["energy"] = float(value.reshape(-1)[0]) * energy_in_ev(str(unit))
        elif name == "forces" and value.shape == (len(atoms), 3):
            results["forces"] = value * force_in_ev_per_angstrom(str(unit))
        elif name in ("total_charge", "spin_multiplicity") and value.size == 1:
            atoms.info[name] = float(value.reshape(-1)[0])
        else:
            atoms.info[f"{name} ({unit})"] = value
    if results:
        atoms.calc = SinglePointCalculator(atoms, **results)
