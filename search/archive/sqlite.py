"""The file of an archive: an SQLite database of minima and of the search's state, written in one transaction.

Tables: `minima` (one row each; positions as float64 [n_atoms, 3], little-endian, in the order of the composition) and
`search_state` (key, value: format, composition, signature and the state of the search). Minima and state never
disagree, whenever the process is killed. `Archive.export` writes ASE's database of it.

New rows go to SQLite's write-ahead log, which costs no wait for the disk; at most once a second it is folded into the
file itself, so that a copy of the file alone lacks at most the last second of searching.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from search.archive.lock import FileLock
from search.archive.minimum import Minimum
from search.errors import InputError
from search.geometry.composition import Composition

FORMAT, ASE_FORMAT = "search archive 2", "search archive 1"
"""Version 1 kept the minima in ASE's own tables; it is read, and rewritten when its search goes on."""
FOLDED_EVERY = 1.0
"""Seconds after which a transaction is folded into the file."""
_TABLE = """CREATE TABLE minima (
    id INTEGER PRIMARY KEY, energy REAL, fmax REAL, times_found INTEGER, first_quench INTEGER,
    energy_std REAL, forces_std REAL, positions BLOB)"""
_ASE_TABLES = ("species", "keys", "text_key_values", "number_key_values", "information", "systems")


class SQLiteStore:
    """One archive file, held by this process alone.

    Raises
    ------
    BlockingIOError : another process has the file.
    ValueError : the file is missing and there is nothing to create it with, or it is not a search archive. It is left
        as it was, and nothing is made.
    """

    def __init__(self, path: Path, create_with: Mapping[str, str] | None) -> None:
        self.path = path
        if not _has_content(path) and create_with is None:
            raise InputError(_missing(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(path.with_name(path.name + ".lock"))
        try:
            if not _has_content(path):
                _create(path, {"format": FORMAT, **(create_with or {})})
            self.values = read_values(path)
            self._connection = sqlite3.connect(path, timeout=20, check_same_thread=False)
        except BaseException:
            self._lock.release()
            raise
        self._folded = -np.inf
        self._writing = self._closed = False

    def minima(self) -> Iterator[Minimum]:
        """All that are stored, in the order in which they were."""
        return read_minima(self._connection, self.path, self.values)

    def write(self, changed: Sequence[Minimum], gone: Sequence[Minimum], values: Mapping[str, str]) -> None:
        """In one transaction: minima that are new (without a row) or changed, minima to delete, texts to set."""
        if not self._writing:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._writing = True
        new = [minimum for minimum in changed if minimum.row is None]
        before = list(self.minima()) if self.values["format"] == ASE_FORMAT else None
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            if before is not None:
                values = {**values, "format": FORMAT}
                _leave_ase_tables(connection, before)
            insert = "INSERT INTO minima VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
            rows = [connection.execute(insert, _as_row(minimum)).lastrowid for minimum in new]
            old = [_as_row(minimum) for minimum in changed if minimum.row is not None]
            connection.executemany(insert.replace("INSERT", "INSERT OR REPLACE"), old)
            connection.executemany("DELETE FROM minima WHERE id=?", [(m.row,) for m in gone if m.row is not None])
            connection.executemany("INSERT OR REPLACE INTO search_state VALUES (?, ?)", list(values.items()))
        self.values.update(values)
        for minimum, row in zip(new, rows, strict=True):
            minimum.row = row
        if time.monotonic() - self._folded > FOLDED_EVERY:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._folded = time.monotonic()

    def close(self) -> None:
        """Let others have the file, which is then all there is; called again, nothing happens."""
        if self._closed:
            return
        self._closed = True
        if self._writing:
            with suppress(sqlite3.OperationalError):  # someone reads it: the last to close folds the log in
                self._connection.execute("PRAGMA journal_mode=DELETE")
        self._connection.close()
        self._lock.release()


@dataclass
class ReadOnlyStore:
    """What an archive file holds now, whoever has it. Nothing is locked, made or changed.

    Raises
    ------
    ValueError : the file is missing or not a search archive.
    """

    path: Path
    values: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        if not _has_content(self.path):
            raise InputError(_missing(self.path))
        self.values = read_values(self.path)

    def minima(self) -> Iterator[Minimum]:
        """All that are stored, in the order in which they were."""
        connection = _connect_to_read(self.path)
        try:
            yield from read_minima(connection, self.path, self.values)
        finally:
            connection.close()

    def write(self, changed: Sequence[Minimum], gone: Sequence[Minimum], values: Mapping[str, str]) -> None:
        """Refused."""
        raise InputError(f"{self.path} was opened for reading only")

    def close(self) -> None:
        """Nothing is held."""


def read_values(path: Path) -> dict[str, str]:
    """The texts of an archive file (InputError for what is none)."""
    with open(path, "rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            raise InputError(f"{path} is not a search archive (not an SQLite file); choose another name or folder")
    connection = _connect_to_read(path)
    try:
        values: dict[str, str] = dict(connection.execute("SELECT key, value FROM search_state"))
    except sqlite3.OperationalError as error:
        raise InputError(
            f"{path} is a database of something else, not a search archive; choose another name or folder"
        ) from error
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"{path} cannot be read as a search archive ({error}); restore it or choose another name or folder"
        ) from error
    finally:
        connection.close()
    if values.get("format") not in (FORMAT, ASE_FORMAT):
        raise InputError(f"{path} has format {values.get('format')!r}, this version reads {FORMAT!r}")
    return values


def is_archive(path: Path) -> bool:
    """Whether this file is a search archive."""
    try:
        return bool(_has_content(path) and read_values(path))
    except InputError:
        return False


def read_minima(connection: sqlite3.Connection, path: Path, values: Mapping[str, str]) -> Iterator[Minimum]:
    """The minima of an archive file of any version."""
    if values["format"] == ASE_FORMAT:
        yield from _read_ase_tables(path)
        return
    numbers = Composition.parse(values["composition"]).numbers
    for row, energy, fmax, times, first, energy_std, forces_std, positions in connection.execute(
        "SELECT id, energy, fmax, times_found, first_quench, energy_std, forces_std, positions FROM minima ORDER BY id"
    ):
        x = np.frombuffer(positions, dtype="<f8").astype(float).reshape(len(numbers), 3)
        yield Minimum(x, numbers, energy, fmax, times, first, energy_std, forces_std, row)


def _as_row(minimum: Minimum) -> tuple[object, ...]:
    positions = np.ascontiguousarray(minimum.positions, dtype="<f8").tobytes()
    counts = minimum.times_found, minimum.first_quench, minimum.energy_std, minimum.forces_std
    return minimum.row, minimum.energy, minimum.fmax, *counts, positions


def _read_ase_tables(path: Path) -> Iterator[Minimum]:
    """What version 1 of the format holds, through ASE."""
    import ase.db

    for row in ase.db.connect(path, type="db", use_lock_file=False).select(sort="id"):
        known = row.key_value_pairs
        counts = int(known["times_found"]), int(known["first_quench"])
        spread = known.get("energy_std"), known.get("forces_std")
        x, numbers = np.array(row.positions), np.array(row.numbers)
        yield Minimum(x, numbers, row.energy, known["residual_force"], *counts, *spread, row.id)


def _leave_ase_tables(connection: sqlite3.Connection, minima: Sequence[Minimum]) -> None:
    """Version 1 becomes this version, with the same rows."""
    connection.execute(_TABLE)
    connection.executemany("INSERT INTO minima VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [_as_row(m) for m in minima])
    for table in _ASE_TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {table}")


def _create(path: Path, values: Mapping[str, str]) -> None:
    """Made beside and moved into place, so that a file of this name is always whole."""
    made = path.with_name(f".{path.stem}.new.db")
    for leftover in (made, made.with_name(made.name + "-journal")):
        leftover.unlink(missing_ok=True)
    connection = sqlite3.connect(made)
    try:
        connection.execute("PRAGMA synchronous=OFF")  # there is nothing to lose yet, and the file is synced below
        with connection:
            connection.execute(_TABLE)
            connection.execute("CREATE TABLE search_state (key TEXT PRIMARY KEY, value TEXT)")
            connection.executemany("INSERT INTO search_state VALUES (?, ?)", list(values.items()))
    finally:
        connection.close()
    with open(made, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(made, path)


def _connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing; without a log beside the file it makes no files either."""
    log = path.with_name(path.name + "-wal")
    mode = "mode=ro" if _has_content(log) else "immutable=1"
    return sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, timeout=20)


def _has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _missing(path: Path) -> str:
    state = "is empty" if path.exists() else "does not exist yet"
    return f"{path} {state}; give the composition that an archive is to be made for"
