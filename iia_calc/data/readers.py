"""Sources of structures as sets of one composition: npz, ASE databases, extxyz, Gaussian logs, folders of them.

A file that can't be read costs nothing but itself: it is named with the reason, and the others are used. So is a
structure among others in a file.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from iia_calc.common.xyz import XYZ_SUFFIXES
from iia_calc.data import databases, gaussian
from iia_calc.data.columns import Wanted
from iia_calc.data.frames import TRAJECTORY_SUFFIXES, read_trajectory, read_xyz
from iia_calc.data.grouping import make_sets
from iia_calc.data.published import read_npz_file
from iia_calc.data.records import Contents, Record, reasons
from iia_calc.data.sets import StructureSet
from iia_calc.data.units import EV_PER, check_unit, has_size_of, is_auto, unit_by_size
from search.errors import IIAError, InputError

NPZ_SUFFIXES = (".npz",)
SUFFIXES = (*NPZ_SUFFIXES, *databases.SUFFIXES, *XYZ_SUFFIXES, *TRAJECTORY_SUFFIXES, *gaussian.SUFFIXES)


@dataclass(frozen=True)
class Reading:
    """What a file or folder held.

    Attributes
    ----------
    sets : of one composition, charge, multiplicity and level of theory each.
    unread : (file, reason) of those that couldn't be read.
    others : files of other kinds, not looked at.
    """

    sets: list[StructureSet] = field(default_factory=list)
    unread: list[tuple[Path, str]] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)

    def notes(self) -> list[str]:
        """A sentence for every file that wasn't read, and one on those of other kinds."""
        lines = [f"{path} was left out: {reason}" for path, reason in self.unread]
        if self.others:
            kinds = Counter(path.suffix.lower() or "no ending" for path in self.others)
            listed = ", ".join(kind for kind, _ in kinds.most_common(5))
            lines.append(f"{len(self.others)} file(s) of other kinds were not looked at ({listed})")
        return lines


def read_sets(
    path: str | Path, unit: str = "auto", geometry: str = "last", wanted: Wanted = Wanted()
) -> list[StructureSet]:
    """All structures of a file or a folder; the first set's remarks tell of files that couldn't be read.

    Parameters and errors as for `read_path`.
    """
    found = read_path(path, unit, geometry, wanted)
    notes = tuple(f"{file} was left out: {reason}" for file, reason in found.unread)
    return [replace(found.sets[0], remarks=(*found.sets[0].remarks, *notes)), *found.sets[1:]]


def read_path(path: str | Path, unit: str = "auto", geometry: str = "last", wanted: Wanted = Wanted()) -> Reading:
    """All structures of a file or a folder; the logs of a folder go together.

    Parameters
    ----------
    unit : of the energies: "hartree", "eV", or "auto" (what a file declares; Gaussian's are hartree; ASE's files hold
        eV, unless their size says hartree; of an npz the size decides).
    geometry : of Gaussian logs, "first" or "last".
    wanted : the columns of energy and forces, where their names don't say it or several could be meant.

    Raises
    ------
    FileNotFoundError : no such file or folder.
    InputError : nothing readable in it; the message names the file and what is wrong.
    """
    is_auto(unit)
    if geometry not in gaussian.GEOMETRIES:
        raise InputError(f"geometry is {geometry!r}; it must be {' or '.join(gaussian.GEOMETRIES)}")
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file or folder {path}")
    files, others = files_of(path)
    found = Reading(others=others)
    logs: dict[Path, list[Path]] = defaultdict(list)
    named = wanted != Wanted()
    for file in files:
        if file.suffix.lower() in gaussian.SUFFIXES and named:
            found.unread.append((file, "a Gaussian log has no columns to choose from; leave out --energy and --forces"))
        elif file.suffix.lower() in gaussian.SUFFIXES:
            logs[file.parent if path.is_dir() else file].append(file)
        else:
            _read_into(found, file, partial(_sets_of, file, unit, wanted))
    for source, members in sorted(logs.items()):
        _read_into(found, source, partial(_from_logs, members, source, unit, geometry, found))
    if not found.sets:
        if len(found.unread) == 1:
            raise InputError(_with_path(*found.unread[0]))
        listed = _with_path(*found.unread[0])
        raise InputError(f"none of the {len(found.unread)} files in {path} can be read; the first: {listed}")
    return found


def files_of(path: Path) -> tuple[list[Path], list[Path]]:
    """The file itself, or the files below a folder that can be read, sorted; and those of other kinds.

    Raises
    ------
    InputError : of no known kind, or none in the folder.
    """
    if path.is_dir():
        everything = sorted(_entries_below(path))
        found = [file for file in everything if file.suffix.lower() in SUFFIXES]
        if not found:
            raise InputError(f"the folder {path} has no {', '.join(SUFFIXES)} files")
        return found, [file for file in everything if file.suffix.lower() not in SUFFIXES]
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path} is of no kind read here; give {', '.join(SUFFIXES)}")
    return [path], []


def _entries_below(folder: Path) -> Iterator[Path]:
    """All files below, those of linked folders too, each folder once; links that lead nowhere as they are."""
    entered: set[Path] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        true = Path(parent).resolve()
        if true in entered:
            folders.clear()
            continue
        entered.add(true)
        yield from (Path(parent) / name for name in names)


def _check_file(file: Path) -> None:
    """Raises InputError where it is no file with something in it: a link that leads nowhere, a pipe."""
    if file.is_symlink() and not file.exists():
        raise InputError("it is a link that leads nowhere")
    if not file.is_file():
        raise InputError("it is no file")
    if not file.stat().st_size:
        raise InputError(f"{file} is empty")


def _read_into(found: Reading, file: Path, read: Callable[[], list[StructureSet]]) -> None:
    """Add a file's sets, or the reason why there are none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # parsers warn of what is reported here anyway
            found.sets.extend(read())
    except IIAError as error:
        found.unread.append((file, str(error)))
    except OSError as error:
        found.unread.append((file, f"it can't be opened: {error.strerror or error}"))


def _with_path(path: Path, reason: str) -> str:
    return reason if str(path) in reason else f"{path}: {reason}"


def _sets_of(file: Path, unit: str, wanted: Wanted) -> list[StructureSet]:
    """InputError where a file can't be read."""
    suffix = file.suffix.lower()
    _check_file(file)
    if suffix in NPZ_SUFFIXES:
        contents: Contents = read_npz_file(file, wanted)
        convention = None
    else:
        read = {".db": databases.read_database, ".traj": read_trajectory}.get(suffix, read_xyz)
        contents, convention = read(file, wanted), "eV"
    return make_sets(contents.records, file, convention, unit, contents.notes())


def _from_logs(files: Sequence[Path], source: Path, unit: str, geometry: str, found: Reading) -> list[StructureSet]:
    """InputError where none of the logs can be read."""
    if not is_auto(unit) and check_unit(unit) != "hartree":
        raise InputError(f"{source}: Gaussian prints hartree, not {unit}; leave the unit out")
    records: list[Record] = []
    left_out: list[tuple[str, str]] = []
    abrupt = 0
    unknown: Counter[str] = Counter()
    for k, file in enumerate(files):
        try:
            _check_file(file)
            read = gaussian.read_gaussian(file, geometry)
            record = Record(
                read.atoms,
                read.energy,
                read.forces,
                "hartree",
                "hartree",
                read.charge,
                read.multiplicity,
                read.level or None,
                read.converged,
                k,
                file,
            )
            record.check()
        except IIAError as error:
            left_out.append((file.name, str(error).removeprefix(f"{file} ")))
            if len(files) > 1:
                found.unread.append((file, str(error).removeprefix(f"{file} ")))
            continue
        abrupt += not read.ended
        unknown.update(read.unknown)
        records.append(record)
    if not records:
        if len(files) == 1:
            raise InputError(f"{files[0]} {left_out[0][1]}")
        found.unread[:] = [item for item in found.unread if item[0] not in files]
        raise InputError(f"none of the {len(files)} logs in {source} can be read: {reasons(left_out)}")
    remarks = []
    if left_out:
        remarks.append(f"{len(left_out)} of {len(files)} logs were left out: {reasons(left_out)}")
    if abrupt:
        remarks.append(f"{abrupt} of {len(files)} logs did not end normally")
    for part, times in unknown.items():
        remarks.append(
            f"{times} of {len(files)} logs don't print their {part} (#P does): two of the same size count as one level"
        )
    return make_sets(records, source, "hartree", "hartree", tuple(remarks))


def contradicts_label(item: StructureSet) -> str | None:
    """What is odd where the energies' size says another unit than the file's label; None where nothing is.

    The size was followed (or the user's word); the label is what the file or its format says.
    """
    if item.labelled is None or has_size_of(item.labelled, item.numbers, item.energies):
        return None
    by_size = unit_by_size(item.numbers, item.energies)
    if by_size is None or by_size == item.labelled:
        return None
    factor = EV_PER[by_size] / EV_PER[item.labelled]
    return (
        f"energies look like {by_size} though labelled {item.labelled} (median {np.nanmedian(item.energies):.6g}; "
        f"total energies of {item.formula} in {item.labelled} would be {factor:.3g} times that)"
    )
