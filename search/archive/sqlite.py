"""The file under an archive: an ASE database that holds the searcher's state too, in one transaction.

`ase gui` and `ase db` open it as any other. Besides ASE's tables there is `search_state` (key, value):
format, composition, signature and the state of the search, so minima and state never disagree,
whenever the process is killed.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import ase.db
import numpy as np
from ase import Atoms
from ase.db.row import AtomsRow
from ase.io.jsonio import encode

from search.errors import InputError

FORMAT = "search archive 1"
KEYED_TABLES = ("species", "keys", "text_key_values", "number_key_values")
"""ASE's tables that repeat what a row of `systems` holds, by its id."""


class Store:
    """One archive file, held by this process alone.

    Raises
    ------
    BlockingIOError : another process has the file.
    ValueError : the file is not a search archive. It is left as it was.
    """

    def __init__(self, path: Path, create_with: Mapping[str, str] | None) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(path.with_name(path.name + ".lock"))
        try:
            if path.exists() and path.stat().st_size:
                self.values = _read_values(path)
            elif create_with is None:
                raise InputError(f"{path} does not exist yet; give the composition that it is for")
            else:
                self.values = {"format": FORMAT, **create_with}
                _create(path, self.values)
        except BaseException:
            os.close(self._lock)
            raise
        # One connection throughout, or ASE makes a new one for every row.
        self._connection = sqlite3.connect(path, timeout=20, check_same_thread=False)
        self._database = ase.db.connect(path, use_lock_file=False)
        self._database.connection = self._connection
        self._database.change_count = 0
        self._writing = False
        self._pattern: _Pattern | None = None

    def rows(self) -> Iterator[Any]:
        """All minima, in the order in which they were stored."""
        yield from self._database.select(sort="id")

    def write(
        self,
        minima: Sequence[tuple[int | None, Atoms | AtomsRow, dict[str, float]]],
        counts: list[tuple[int, dict[str, float]]],
        values: Mapping[str, str],
        gone: Sequence[int] = (),
    ) -> list[int]:
        """All of it or nothing.

        minima : (row or None for a new one, atoms with energy, key-value pairs). counts : (row, key-value
        pairs) where only `times_found` changed. values : into `search_state`. gone : rows to delete.
        Returned: rows of `minima`.
        """
        if not self._writing:
            # With the write-ahead log a transaction is one append; it is folded in as it grows and at the end.
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            self._writing = True
        self._database.change_count = 0  # ASE would commit in between at every 5000th write
        if self._pattern is not None:
            self._pattern.inserted = []  # of a transaction that failed
        with self._connection as cursor:
            rows = [self._put(cursor, row, atoms, pairs) for row, atoms, pairs in minima]
            if self._pattern is not None:
                self._pattern.complete(cursor)
            # What database.update does, without reading the row; the + keeps SQLite off the index on key.
            cursor.executemany(
                "UPDATE systems SET key_value_pairs=? WHERE id=?",
                [(encode(pairs), row) for row, pairs in counts],
            )
            cursor.executemany(
                "UPDATE number_key_values SET value=? WHERE id=? AND +key='times_found'",
                [(float(pairs["times_found"]), row) for row, pairs in counts],
            )
            for table in ("systems", *KEYED_TABLES):
                cursor.executemany(f"DELETE FROM {table} WHERE id=?", [(row,) for row in gone])
            cursor.executemany("INSERT OR REPLACE INTO search_state VALUES (?, ?)", list(values.items()))
        self.values.update(values)
        return rows

    def _put(
        self, connection: sqlite3.Connection, row: int | None, atoms: Atoms | AtomsRow, pairs: dict[str, float]
    ) -> int:
        """One minimum; all but what differs is copied from the first that ASE wrote, for ASE takes its time."""
        if row is not None or self._pattern is None or not isinstance(atoms, AtomsRow):
            row = self._database.write(atoms, key_value_pairs=pairs, id=row)
            if self._pattern is None:
                self._pattern = _Pattern(connection, row, self._database.blob)
            return row
        return self._pattern.insert(connection, atoms, pairs)

    def close(self) -> None:
        """Let others have the file."""
        if self._lock >= 0:
            with suppress(
                sqlite3.OperationalError
            ):  # refused while someone reads it: the last to close folds the log in
                self._connection.execute("PRAGMA journal_mode=DELETE")  # one plain file again
            self._connection.close()
            os.close(self._lock)
            self._lock = -1


class _Pattern:
    """A row that ASE wrote, and new ones of the same atoms made after it."""

    def __init__(self, connection: sqlite3.Connection, row: int, blob: Callable[[np.ndarray], Any]) -> None:
        """blob : how ASE packs an array."""
        self.blob = blob
        found = connection.execute("SELECT * FROM systems WHERE id=?", (row,))
        names = [column[0] for column in found.description]
        self.values = dict(zip(names, found.fetchone(), strict=True))
        self.values["id"] = None
        self.species = connection.execute("SELECT Z, n FROM species WHERE id=?", (row,)).fetchall()
        self.inserted: list[tuple[int, dict[str, float]]] = []  # whose other tables are still to be written
        self.insertion = f"INSERT INTO systems VALUES ({', '.join('?' * len(names))})"

    def insert(self, connection: sqlite3.Connection, minimum: AtomsRow, pairs: dict[str, float]) -> int:
        """The id of a new row with the positions, the energy and the key-value pairs of this minimum."""
        changed = {
            "unique_id": minimum["unique_id"],
            "ctime": minimum["ctime"],
            "mtime": minimum["mtime"],
            "positions": self.blob(minimum.positions),
            "energy": float(minimum["energy"]),
            "key_value_pairs": encode(pairs),
        }
        row = connection.execute(self.insertion, list({**self.values, **changed}.values())).lastrowid
        assert row is not None
        self.inserted.append((row, pairs))
        return row

    def complete(self, connection: sqlite3.Connection) -> None:
        """The rows of the other tables, of all that were inserted since the last time."""
        inserted, self.inserted = self.inserted, []
        connection.executemany(
            "INSERT INTO species VALUES (?, ?, ?)", [(z, n, row) for row, _ in inserted for z, n in self.species]
        )
        connection.executemany(
            "INSERT INTO number_key_values VALUES (?, ?, ?)",
            [(key, float(value), row) for row, pairs in inserted for key, value in pairs.items()],
        )
        connection.executemany(
            "INSERT INTO keys VALUES (?, ?)", [(key, row) for row, pairs in inserted for key in pairs]
        )


def _lock(path: Path) -> int:
    """A lock that the system lets go when the process ends, however it ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise BlockingIOError(
            f"another search (process {owner}) is running in {path.parent}; wait for it or choose another folder"
        ) from error
    os.ftruncate(handle, 0)
    os.write(handle, f"{os.getpid()}\n".encode())
    return handle


def _read_values(path: Path) -> dict[str, str]:
    with open(path, "rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            raise InputError(f"{path} is not a search archive (not an SQLite file); choose another name or folder")
    connection = sqlite3.connect(path, timeout=20)
    try:
        values = dict(connection.execute("SELECT key, value FROM search_state"))
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
    if values.get("format") != FORMAT:
        raise InputError(f"{path} has format {values.get('format')!r}, this version reads {FORMAT!r}")
    return values


def _create(path: Path, values: Mapping[str, str]) -> None:
    """Made beside and moved into place, so that a file of this name is always whole."""
    made = path.with_name(f".{path.stem}.new.db")
    for leftover in (made, made.with_name(made.name + "-journal")):
        leftover.unlink(missing_ok=True)
    with ase.db.connect(made, use_lock_file=False) as database:
        connection = database.connection
        connection.execute("PRAGMA synchronous=OFF")  # each table would wait for the disk; nothing is there to lose
        database.count()
        # ASE indexes keys only; changing one row must not scan all of them.
        for table in KEYED_TABLES:
            connection.execute(f"CREATE INDEX {table}_by_id ON {table}(id)")
        connection.execute("CREATE TABLE search_state (key TEXT PRIMARY KEY, value TEXT)")
        connection.executemany("INSERT INTO search_state VALUES (?, ?)", list(values.items()))
    with open(made, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(made, path)
