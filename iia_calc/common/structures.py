"""Structures from files, with errors that say what is wrong with the file."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read
from ase.io.formats import UnknownFileTypeError

from search.errors import InputError


def read_structures(path: str | Path, elements: Collection[str] | None = None) -> list[Atoms]:
    """All frames of any file ASE reads; cells are dropped where the structure isn't periodic.

    Parameters
    ----------
    elements : those allowed.

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : ASE can't read it, it has no structures, or one is empty, not finite, periodic, or of
        other elements; the frame is named.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        frames = list(read(path, index=":"))
    except UnknownFileTypeError as error:
        raise InputError(f"{path} is of no format that ASE knows; write for example .xyz, .extxyz or .traj") from error
    except Exception as error:  # parsers raise anything
        raise InputError(f"{path} can't be read: {type(error).__name__}: {error}") from error
    if not frames:
        raise InputError(f"{path} holds no structures")
    for number, atoms in enumerate(frames):
        where = f"{path}, frame {number + 1} of {len(frames)}"
        if not len(atoms):
            raise InputError(f"{where}: there are no atoms")
        if not np.isfinite(atoms.positions).all():
            raise InputError(f"{where}: positions are not finite")
        if atoms.pbc.any():
            raise InputError(f"{where} is periodic; clusters only (set pbc to False if it is one)")
        unknown = sorted(set(atoms.get_chemical_symbols()) - set(elements)) if elements is not None else []
        if unknown:
            known = ", ".join(sorted(elements or ()))
            raise InputError(f"{where} has {', '.join(unknown)}; this potential knows {known}")
    return frames
