"""Files that are whole or not there: written beside, then moved into place; JSON and extended XYZ that way."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import write

from search.errors import InputError


@contextmanager
def replacing(path: str | Path, *, keep_suffix: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; at the end of the block it takes the place of `path`, all at once.

    Where the block raises, `path` stays what it was and nothing is left beside it. A link stays one: what it leads to
    is written.

    keep_suffix : the temporary name ends like `path`, for writers that go by it; else it ends in .part.

    Raises
    ------
    InputError : a folder, a device or a pipe is there.
    """
    path = Path(path).resolve() if Path(path).is_symlink() else Path(path)
    _check_replaceable(path)
    part = path.with_name(f".{path.stem}.part{path.suffix}" if keep_suffix else f".{path.name}.part")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def check_file_place(path: str | Path) -> None:
    """Raise an InputError where no file can be at `path`: something else is there, or there is no folder to hold it."""
    path = Path(path)
    _check_replaceable(path)
    if not path.parent.is_dir():
        raise InputError(f"{path} can't be written: there is no folder {path.parent}")


def _check_replaceable(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is a device or a pipe; name a file")


def check_folder_place(path: str | Path) -> None:
    """Raise an OSError where no folder can be at `path`, or nothing can be written in it. The folder isn't made."""
    path = Path(path)
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if not nearest.is_dir():
        raise FileExistsError(errno.EEXIST, "exists and is no folder", str(nearest))
    if not os.access(nearest, os.W_OK):
        raise PermissionError(errno.EACCES, "can't be written in", str(nearest))


def write_text(path: str | Path, text: str) -> None:
    """`text` as UTF-8, whole or not at all."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: str | Path, data: object) -> None:
    """Indented JSON, whole or not at all."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, default=builtin) + "\n")


def builtin(value: object) -> object:
    """NumPy's numbers and arrays as those of Python, and paths as text, for `json.dumps(default=builtin)`.

    Raises
    ------
    TypeError : it is none of these.
    """
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} can't be written as JSON")


def read_json(path: str | Path) -> Any:
    """What `write_json` wrote.

    Raises
    ------
    FileNotFoundError : no such file.
    InputError : it isn't JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error


def write_frames(path: str | Path, frames: Sequence[Atoms]) -> None:
    """Structures as extended XYZ, whole or not at all."""
    with replacing(path) as part:
        write(part, list(frames), format="extxyz")
