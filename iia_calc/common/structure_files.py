"""Frames of a file as ASE reads them, and of databases with the units they declare."""

from __future__ import annotations

import gzip
import lzma
import sqlite3
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms
from ase.db import connect
from ase.io import iread
from ase.io.formats import UnknownFileTypeError

from iia_calc.common.databases import declared_units, row_atoms, shared_values
from iia_calc.common.xyz import XYZ_SUFFIXES, frame_atoms, one_line, read_lines, split_frames, unread_remarks
from search.archive.archive import Archive
from search.archive.sqlite import is_archive
from search.errors import IIAError, InputError

COMPRESSED = (".gz", ".bz2", ".xz")


@dataclass(frozen=True)
class Frames:
    """What a file of structures holds.

    Attributes
    ----------
    named : structures that could be read, each with where it stands.
    lost : where the others stand, and why they could not be.
    remarks : what else a user should know.
    """

    named: tuple[tuple[str, Atoms], ...]
    lost: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def atoms(self) -> list[Atoms]:
        """The structures alone."""
        return [atoms for _, atoms in self.named]


def read_frames(path: Path, only_first: bool = False) -> Frames:
    """The structures of `path`.

    Energies and forces in a database that declares its units are in eV and eV/Å, positions in Å.

    Raises
    ------
    FileNotFoundError : no such file.
    InputError : no structure of it can be read, or there is none.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    if not path.is_file():
        raise InputError(f"{path} is {'a folder' if path.is_dir() else 'no file'}; give a file of structures")
    if not path.stat().st_size:
        raise InputError(f"{path} is empty")
    if _is_xyz(path):
        found = _xyz_frames(path, only_first)
    else:
        frames, broken = _ase_frames(path, only_first)
        lost = [(f"{path}, from frame {len(frames) + 1} on", broken)] if broken and frames else []
        if broken and not frames:
            raise InputError(f"{path} {broken}")
        found = Frames(tuple((_where(path, k, len(frames)), atoms) for k, atoms in enumerate(frames)), tuple(lost))
    if not found.named:
        if not found.lost:
            raise InputError(f"{path} holds no structures")
        where, why = found.lost[0]
        raise InputError(f"{where} {why}")
    return found


def _is_xyz(path: Path) -> bool:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return bool(suffixes) and suffixes[-2 if suffixes[-1] in COMPRESSED and len(suffixes) > 1 else -1] in XYZ_SUFFIXES


def _where(path: Path, k: int, total: int) -> str:
    """Where the k-th structure stands, counted from 0."""
    return f"{path}, frame {k + 1} of {total}" if total > 1 else str(path)


def _xyz_frames(path: Path, only_first: bool) -> Frames:
    """InputError where it is no text."""
    try:
        lines = read_lines(path)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise InputError(f"{path} can't be unpacked: {one_line(error)}") from error
    parts = split_frames(lines)
    named, lost = [], []
    for k, (begin, end, wrong) in enumerate(parts[:1] if only_first else parts):
        where = _where(path, k, len(parts))
        try:
            if wrong:
                raise InputError(wrong)
            named.append((where, frame_atoms(lines[begin:end], begin + 1)))
        except InputError as error:
            lost.append((where, str(error)))
    return Frames(tuple(named), tuple(lost), tuple(unread_remarks(lines, parts)))


def _ase_frames(path: Path, only_first: bool) -> tuple[list[Atoms], str]:
    """Frames of a file of another kind, and what went wrong after the last of them, "" where nothing did."""
    frames: list[Atoms] = []
    try:
        if path.suffix.lower() == ".db":
            return _database(path), ""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parsers about what is checked here anyway
            for atoms in iread(path, index="0:1" if only_first else ":"):
                frames.append(atoms)
    except UnknownFileTypeError as error:
        way = f"iia convert {path} FILE.extxyz" if path.suffix.lower() == ".npz" else "write .xyz, .extxyz or .traj"
        raise InputError(f"{path} is of no format that ASE knows; {way}") from error
    except (IIAError, OSError) as error:
        if isinstance(error, IIAError) or error.errno is not None:
            raise
        return frames, _unreadable(error)
    except Exception as error:  # parsers raise anything
        return frames, _unreadable(error)
    return frames, ""


def _unreadable(error: Exception) -> str:
    return f"can't be read by ASE ({one_line(error)}); write it as .xyz, .extxyz or .traj"


def _database(path: Path) -> list[Atoms]:
    """Minima of a search archive, or rows of an ASE database in the units that it declares."""
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
    shared, units = shared_values(metadata), declared_units(metadata)
    return [row_atoms(row, shared, units) for row in rows]
