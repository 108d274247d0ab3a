"""XYZ, extended XYZ and ASE trajectories, a frame at a time: what is damaged costs that frame and no other.

ASE reads each frame; where frames begin and end is found here, since ASE gives up a whole file for one of them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import iread, read

from iia_calc.data.columns import Wanted
from iia_calc.data.records import Contents, Raw, records_of
from search.errors import InputError

XYZ_SUFFIXES = (".extxyz", ".xyz")
TRAJECTORY_SUFFIXES = (".traj",)
MOST_ATOMS = 100_000
"""Atoms of a frame: a greater number is no count of them."""
_COUNT = re.compile(r"^\s*\d{1,9}\s*$")
_STRESS = re.compile(r"""(?<!\S)(virial|stress)=("[^"]*"|'[^']*'|\[[^\]]*\]|\{[^}]*\}|\S*)""")
"""Of no use for clusters; ASE gives up a frame for one that isn't 3 × 3."""
_EXTRA = re.compile(r"^\s*[A-Za-z]{1,2}(\s+[-+.\deEdD]+){4,}\s*$")


def read_xyz(path: Path, wanted: Wanted = Wanted()) -> Contents:
    """All sound frames of an XYZ or extended XYZ file.

    Raises
    ------
    InputError : it holds none, or it can't be told which column is the energy.
    """
    contents = Contents()
    raws: list[Raw] = []
    lines = _lines(path)
    for k, (begin, end, wrong) in enumerate(_frames(lines)):
        where = f"frame {k + 1}"
        if wrong:
            contents.aside.append((where, wrong))
            continue
        try:
            raws.append(_raw(_atoms(lines[begin:end]), k, where))
        except InputError as error:
            contents.aside.append((where, str(error)))
    contents.remarks += _nameless_numbers(lines)
    return records_of(raws, contents, wanted).sound(path)


def read_trajectory(path: Path, wanted: Wanted = Wanted()) -> Contents:
    """All sound frames of an ASE trajectory; those after a damaged one are lost.

    Raises
    ------
    InputError : it holds none.
    """
    contents = Contents()
    raws: list[Raw] = []
    try:
        for k, atoms in enumerate(iread(path, index=":", format="traj")):
            raws.append(_raw(atoms, k, f"frame {k + 1}"))
    except Exception as error:  # parsers raise anything
        contents.aside.append((f"frame {len(raws) + 1} and what follows", f"can't be read: {one_line(error)}"))
    return records_of(raws, contents, wanted).sound(path)


def one_line(error: BaseException) -> str:
    """An exception in one line, with its kind where it says little."""
    text = " ".join(str(error).split())[:200]
    return text if " " in text else f"{type(error).__name__} {text}".strip()


def _lines(path: Path) -> list[str]:
    """Lines without their ends, whichever they are; the last is empty where the file ends with a line's end."""
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    return re.split(r"\r\r\n|\r\n|\n|\r", text)


def _frames(lines: list[str]) -> Iterator[tuple[int, int, str]]:
    """First line, line after the last, and what is wrong (or "") of each frame."""
    at = 0
    frames: list[tuple[int, int, str]] = []
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        if not _COUNT.match(lines[at]):
            if frames and _EXTRA.match(f"{lines[at]} 0"):  # an atom's line: the frame before has more than it counts
                frames[-1] = (*frames[-1][:2], "has more atoms than its first line counts")
            frames.append((at, at, f"can't be read, nor what follows: line {at + 1} is no number of atoms"))
            break
        n_atoms = int(lines[at])
        end = at + 2 + n_atoms
        if not 0 < n_atoms <= MOST_ATOMS:
            frames.append((at, at, f"has {n_atoms} atoms by its first line"))
            break
        if end > len(lines) or (end == len(lines) and not lines[-1].strip()):
            frames.append((at, at, "is cut short: it has fewer atoms than its first line counts"))
            break
        wrong = "is cut short in its last number" if end == len(lines) and _cut(lines[at + 2 : end]) else ""
        frames.append((at, end, wrong))
        at = end
    yield from frames


def _cut(rows: list[str]) -> bool:
    """Whether the last of a frame's rows, which no line's end follows, lacks words or the end of its last number.

    Numbers are printed with as many decimals as the others of their column, or as the others of their row.
    """
    words = [row.split() for row in rows]
    if not words[-1] or len({len(row) for row in words}) > 1:
        return True
    others = [row[-1] for row in words[:-1]] or words[-1][1:-1]
    shared = {len(word.partition(".")[2]) for word in others}
    return len(shared) == 1 and min(shared) >= 3 and len(words[-1][-1].partition(".")[2]) < min(shared)


def _atoms(lines: list[str]) -> Atoms:
    """One frame by ASE.

    Raises
    ------
    InputError : ASE can't read it, or its rows are of different lengths.
    """
    if len({len(line.split()) for line in lines[2:]}) > 1:
        raise InputError("can't be read: its rows have different numbers of columns")
    try:
        text = "\n".join([lines[0], _STRESS.sub("", lines[1]), *lines[2:]])
        found = read(io.StringIO(f"{text}\n"), format="extxyz", index=0)
    except Exception as error:  # parsers raise anything
        raise InputError(f"can't be read: {one_line(error)}") from error
    if not isinstance(found, Atoms):
        raise InputError("can't be read")
    return found


def _raw(atoms: Atoms, index: int, where: str) -> Raw:
    """A frame with its results, its comment's values and its columns, by name."""
    values: dict[str, object] = {
        name: column for name, column in atoms.arrays.items() if name not in ("numbers", "positions")
    }
    values |= {str(name): value for name, value in atoms.info.items()}
    if atoms.calc is not None:
        values |= {name: value for name, value in atoms.calc.results.items() if value is not None}
    return Raw(atoms, values, index=index, where=where)


def _nameless_numbers(lines: list[str]) -> list[str]:
    """Remarks on numbers of the first frame that no name goes with."""
    start = next((k for k, line in enumerate(lines) if line.strip()), len(lines))
    if start + 2 >= len(lines):
        return []
    comment, row = lines[start + 1], lines[start + 2]
    found = []
    if "properties" not in comment.lower() and _EXTRA.match(row):
        columns = len(row.split()) - 4
        found.append(f"{columns} column{'s' * (columns > 1)} beside the positions without a name, not used")
    if any(_is_number(word) for word in comment.split()) and "=" not in comment:
        found.append("the comment lines hold numbers without a name, not used")
    return found


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False
