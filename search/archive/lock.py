"""One process at a time in a search's folder."""

from __future__ import annotations

import errno
import os
import warnings
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_HELD_BY_ANOTHER = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)


class FileLock:
    """A lock that the system lets go when the process ends, however it ends.

    Where the system or the file system has no such locks, a warning says so and nothing is locked.

    Raises
    ------
    BlockingIOError : another process holds it.
    """

    def __init__(self, path: Path) -> None:
        self._handle: int | None = None
        if fcntl is None:
            _warn(path, "this system has no file locks")
            return
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            if error.errno not in _HELD_BY_ANOTHER:
                _warn(path, f"this file system has no file locks ({error.strerror})")
                return
            raise BlockingIOError(
                f"another search (process {owner}) is running in {path.parent}; wait for it or choose another folder"
            ) from error
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle

    def release(self) -> None:
        """Let others have it; called again, nothing happens."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def is_locked(path: Path) -> bool:
    """Whether a process holds the lock just now; False where the system has none. Nothing is made or changed."""
    if fcntl is None or not path.exists():
        return False
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _HELD_BY_ANOTHER
    finally:
        os.close(handle)
    return False


def _warn(path: Path, why: str) -> None:
    warnings.warn(f"{why}: make sure that no other search runs in {path.parent}", RuntimeWarning, stacklevel=2)
