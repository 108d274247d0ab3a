"""XYZ, extended XYZ and ASE trajectories, a frame at a time: what is damaged costs that frame and no other."""

from __future__ import annotations

from pathlib import Path

from ase import Atoms
from ase.io import iread

from iia_calc.common.xyz import frame_atoms, one_line, read_lines, split_frames, unread_remarks
from iia_calc.data.columns import Wanted
from iia_calc.data.records import Contents, Raw, records_of
from search.errors import InputError

TRAJECTORY_SUFFIXES = (".traj",)


def read_xyz(path: Path, wanted: Wanted = Wanted()) -> Contents:
    """All sound frames of an XYZ or extended XYZ file.

    Raises
    ------
    InputError : it holds none, or it can't be told which column is the energy.
    """
    contents = Contents()
    raws: list[Raw] = []
    lines = read_lines(path)
    frames = split_frames(lines)
    for k, (begin, end, wrong) in enumerate(frames):
        where = f"frame {k + 1}"
        if wrong:
            contents.aside.append((where, wrong))
            continue
        try:
            raws.append(_raw(frame_atoms(lines[begin:end], begin + 1), k, where))
        except InputError as error:
            contents.aside.append((where, str(error)))
    contents.remarks += unread_remarks(lines, frames)
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


def _raw(atoms: Atoms, index: int, where: str) -> Raw:
    """A frame with its results, its comment's values and its columns, by name."""
    values: dict[str, object] = {
        name: column for name, column in atoms.arrays.items() if name not in ("numbers", "positions")
    }
    values |= {str(name): value for name, value in atoms.info.items()}
    if atoms.calc is not None:
        values |= {name: value for name, value in atoms.calc.results.items() if value is not None}
    return Raw(atoms, values, index=index, where=where)
