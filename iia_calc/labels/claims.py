"""Who labels what: several jobs on one label database share the work, and none makes a label twice.

Claims stand in a small SQLite file beside the database. A job says every minute that it lives; what a job claimed that
was killed is free again at once on the same machine, and after ten minutes elsewhere.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path

BEAT, STALE = 60.0, 600.0
"""Seconds between two signs of life of a job, and after which one is taken for dead."""


class Claims:
    """The claims of one job; a context manager that gives up what is unfinished at its end.

    path : of the label database; the claims are in a hidden file beside it, which the last job takes away.

    Raises
    ------
    OSError : the file can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.with_name(f".{path.name}.claims")
        self.job = uuid.uuid4().hex
        try:
            self._database = self._register()
        except sqlite3.Error as error:
            raise OSError(f"{self.path} cannot be written: {error}; take the file away") from error
        self._beaten = time.monotonic()

    def __enter__(self) -> Claims:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def take(self, names: Collection[str]) -> tuple[set[str], bool]:
        """Which of `names` are this job's now; others are done or being labelled by another job.

        The second value says whether some were left by a job that is dead: it may have stored their labels
        without saying so, and the caller should look.
        """
        mine: set[str] = set()
        inherited = False
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            dead = self._dead_jobs()
            for name in names:
                row = self._database.execute("SELECT job, done FROM claims WHERE name = ?", (name,)).fetchone()
                if row is not None and (row[1] or row[0] not in (*dead, self.job)):
                    continue
                inherited |= row is not None and row[0] != self.job
                self._database.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, 0)", (name, self.job))
                mine.add(name)
        self.beat()
        return mine, inherited

    def finish(self, names: Collection[str]) -> None:
        """Say that `names` are labelled and stored, or failed."""
        with self._database:
            self._database.executemany("UPDATE claims SET done = 1 WHERE name = ?", [(name,) for name in names])

    def beat(self) -> None:
        """Say that this job lives, if a minute has passed since it last did."""
        if time.monotonic() - self._beaten > BEAT:
            with self._database:
                self._database.execute("UPDATE jobs SET beat = ? WHERE job = ?", (time.time(), self.job))
            self._beaten = time.monotonic()

    def others(self) -> int:
        """How many other jobs are at work on the database."""
        known = {job for (job,) in self._database.execute("SELECT job FROM jobs")}
        return len(known - self._dead_jobs() - {self.job})

    def close(self) -> None:
        """Give up what isn't finished; the last job takes the file away."""
        with suppress(sqlite3.Error), closing(self._database), self._database:  # else it counts as dead
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("DELETE FROM claims WHERE job = ? AND NOT done", (self.job,))
            self._database.execute("DELETE FROM jobs WHERE job = ?", (self.job,))
            if not self.others():
                self.path.unlink(missing_ok=True)

    def _register(self) -> sqlite3.Connection:
        """A connection to the file, this job entered; again where another job took the file away meanwhile."""
        while True:
            database = sqlite3.connect(self.path, timeout=30.0, isolation_level=None)
            database.execute("PRAGMA synchronous=OFF")  # claims end with the machine
            database.execute("CREATE TABLE IF NOT EXISTS claims (name TEXT PRIMARY KEY, job TEXT, done INTEGER)")
            database.execute(
                "CREATE TABLE IF NOT EXISTS jobs (job TEXT PRIMARY KEY, host TEXT, process INTEGER, beat REAL)"
            )
            entry = (self.job, socket.gethostname(), os.getpid(), time.time())
            database.execute("INSERT INTO jobs VALUES (?, ?, ?, ?)", entry)
            with closing(sqlite3.connect(self.path, timeout=30.0)) as second:
                try:
                    if second.execute("SELECT 1 FROM jobs WHERE job = ?", (self.job,)).fetchone():
                        return database
                except sqlite3.OperationalError:
                    pass  # the file is another one by now, and empty
            database.close()

    def _dead_jobs(self) -> set[str]:
        host, now = socket.gethostname(), time.time()
        rows = self._database.execute("SELECT job, host, process, beat FROM jobs").fetchall()
        known = {job for job, *_ in rows}
        dead = {job for job, at, process, beat in rows if now - beat > STALE or (at == host and not _lives(process))}
        left = {job for (job,) in self._database.execute("SELECT DISTINCT job FROM claims WHERE NOT done")}
        return dead | (left - known)


def _lives(process: int) -> bool:
    """Whether a process of this machine runs; on Windows, where asking would end it, as far as is known."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
