"""npz files: R, E and z, as SchNetPack's tools and the SchNet-IIA paper's authors write them, and like ones.

The files of the paper say nothing of units. They hold hartree, though the authors' script calls them eV; the size of
the energies decides unless the file or the caller does. Pickles are never read.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from iia_calc.common.xyz import one_line
from iia_calc.data.columns import NO_COLUMN, Wanted, is_numeric, words
from iia_calc.data.grouping import make_sets
from iia_calc.data.records import Contents, Raw, records_of
from iia_calc.data.sets import StructureSet
from iia_calc.data.units import is_auto
from search.errors import InputError

__all__ = ["StructureSet", "read_npz", "read_npz_file"]

POSITIONS = ("R", "coords", "coordinates", "positions", "pos", "xyz", "coord")
NUMBERS = ("z", "Z", "numbers", "atomic_numbers", "nuclear_charges", "atNUM", "species")
"""Names of the arrays, the usual one first."""


def read_npz(path: str | Path, unit: str = "auto") -> StructureSet:
    """Read an npz of R [n, n_atoms, 3] Å, E [n] or [n, 1], z [n_atoms], and F [n, n_atoms, 3] where there is one.

    Parameters
    ----------
    unit : of the energies, "hartree" or "eV"; "auto" decides by their size, or where that tells nothing,
        by a string `unit` in the file (`iia convert` writes one).

    Raises
    ------
    FileNotFoundError : no such file.
    InputError : not an npz or cut short, an array lacks, has another shape or isn't finite, the size of
        the energies doesn't tell their unit, or it holds several compositions.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    is_auto(unit)
    contents = read_npz_file(path)
    sets = make_sets(contents.records, path, None, unit, contents.notes())
    if len(sets) > 1:
        raise InputError(f"{path} holds {len(sets)} sets, {', '.join(item.name for item in sets)}; one is wanted")
    return sets[0]


def read_npz_file(path: Path, wanted: Wanted = Wanted()) -> Contents:
    """All sound structures of an npz.

    Raises
    ------
    InputError : it is no sound npz of structures, holds none, or it can't be told which array is the energy.
    """
    arrays, objects = _arrays(path)
    position_name, number_name = _present(arrays, POSITIONS), _present(arrays, NUMBERS)
    energy_names: list[str] | str | None = wanted.energy
    if wanted.energy is None:
        energy_names = [name for name in arrays if "energy" in words(name) or "energies" in words(name) or name == "E"]
    missing = [name for name, found in (("R", position_name), ("E", energy_names), ("z", number_name)) if not found]
    if missing or position_name is None or number_name is None:
        unread = f"; {', '.join(objects)} would have to be unpickled, which is never done" if objects else ""
        raise InputError(
            f"{path} lacks {', '.join(missing)} (it has {', '.join([*arrays, *objects]) or 'nothing'}); a published "
            f"set has R [n, n_atoms, 3] in Å, E [n, 1] and z [n_atoms]{unread}"
        )
    positions, numbers = _numeric(path, position_name, arrays), _numeric(path, number_name, arrays)
    numbers = _atomic_numbers(path, positions, numbers)
    used = {position_name, number_name}
    for name in (name for name in ("E", "energy", "energies", "F", "forces") if name in arrays):
        _check_labels(path, name, _numeric(path, name, arrays), len(positions))
    contents = Contents()
    if objects:
        contents.remarks.append(f"{', '.join(objects)} would have to be unpickled, which is never done: not used")
    plain = {name: array for name, array in arrays.items() if name not in used}
    raws = (_raw(plain, positions[k], numbers[k], k, len(positions)) for k in range(len(positions)))
    records_of(raws, contents, wanted)
    bad = sum(not np.isfinite(record.energy) for record in contents.records)
    if bad and bad == len(contents.records) and wanted.energy != NO_COLUMN:
        raise InputError(f"{path}: {bad} energies aren't finite, or it isn't clear which are meant{_said(contents)}")
    return contents.sound(path)


def _said(contents: Contents) -> str:
    return f": {'; '.join(contents.remarks)}" if contents.remarks else ""


def _atomic_numbers(path: Path, positions: NDArray[np.generic], numbers: NDArray[np.generic]) -> NDArray[np.int64]:
    """Atomic numbers [n, n_atoms] of positions [n, n_atoms, 3].

    Raises
    ------
    InputError : shapes that don't fit, no structures, or numbers that are no atomic numbers.
    """
    if positions.ndim == 2 and positions.shape[1] == 3 and numbers.shape == positions.shape[:1]:
        raise InputError(f"{path}: positions have shape {positions.shape}; they must be (n_structures, n_atoms, 3)")
    n_atoms = numbers.shape[-1] if numbers.ndim else 0
    if positions.ndim != 3 or positions.shape[1:] != (n_atoms, 3) or not n_atoms:
        raise InputError(
            f"{path}: positions have shape {positions.shape}; {n_atoms} atomic numbers need "
            f"(n_structures, {n_atoms}, 3)"
        )
    if not len(positions):
        raise InputError(f"{path} holds no structures")
    if numbers.ndim != 1 and numbers.shape != positions.shape[:2]:
        raise InputError(f"{path}: z has shape {numbers.shape}; it must be [n_atoms] or [n, n_atoms]")
    plain = numbers.astype(float)
    if not np.isfinite(plain).all() or ((plain < 1) | (plain > 118) | (plain % 1 != 0)).any():
        raise InputError(f"{path}: atomic numbers must be [n_atoms] whole numbers from 1 to 118")
    bad = np.flatnonzero(~np.isfinite(positions.astype(float)).all((1, 2)))
    if len(bad) == len(positions):
        raise InputError(f"{path}: positions of {len(bad)} structures aren't finite, the first is {bad[0]}")
    return np.broadcast_to(plain.astype(np.int64), positions.shape[:2])


def _check_labels(path: Path, name: str, array: NDArray[np.generic], n: int) -> None:
    """Raises InputError where energies or forces aren't one for each of the `n` structures."""
    if array.ndim == 0 or len(array) != n:
        what = "energies" if name == "E" else name
        raise InputError(f"{path}: {what} have shape {array.shape}; {n} structures need ({n},)")
    if name == "E" and array.size != n:
        raise InputError(f"{path}: energies have shape {array.shape}; {n} structures need ({n},)")


def _raw(
    arrays: dict[str, NDArray[np.generic]], positions: NDArray[np.generic], numbers: NDArray[np.int64], k: int, n: int
) -> Raw:
    """Structure `k` of `n` with its part of every array, and what holds for all structures."""
    values: dict[str, object] = {}
    for name, array in arrays.items():
        if array.ndim == 0:
            values[name] = array.item() if array.dtype.kind in "USb" else array
        elif array.size == 1 and array.dtype.kind in "US":
            values[name] = array.reshape(()).item()
        elif len(array) == n:
            part = np.asarray(array[k])
            values[name] = part.item() if part.ndim == 0 and array.dtype.kind in "USb" else part
        else:
            values[name] = array
    values = {
        name: value.decode(errors="replace") if isinstance(value, bytes) else value for name, value in values.items()
    }
    return Raw(Atoms(numbers, positions.astype(float)), values, index=k, where=f"structure {k}")


def _present(arrays: dict[str, NDArray[np.generic]], names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in arrays), None)


def _numeric(path: Path, name: str, arrays: dict[str, NDArray[np.generic]]) -> NDArray[np.generic]:
    """InputError where an array holds no numbers."""
    if not is_numeric(arrays[name]):
        raise InputError(f"{path}: {name} is of type {arrays[name].dtype}; it must hold numbers")
    return arrays[name]


def _arrays(path: Path) -> tuple[dict[str, NDArray[np.generic]], list[str]]:
    """All arrays of an npz by name, and the names of those that are pickles and aren't read.

    Raises
    ------
    InputError : it is no zip archive of arrays, or damaged.
    """
    found: dict[str, NDArray[np.generic]] = {}
    objects: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if not info.filename.endswith(".npy"):
                    continue
                name = info.filename.removesuffix(".npy")
                with archive.open(info) as file:
                    shape, fits, pickled = _header(file, info.file_size)
                if pickled:
                    objects.append(name)
                    continue
                if not fits:
                    raise InputError(f"{name} is said to have shape {shape}, more than the file holds")
                with archive.open(info) as file:
                    found[name] = np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:  # zipfile, zlib and numpy raise anything on a damaged file
        raise InputError(
            f"{path} is not a sound npz file (cut short?): {one_line(error)}; a published set has R, E and z"
        ) from error
    return found, objects


def _header(file: IO[bytes], size: int) -> tuple[tuple[int, ...], bool, bool]:
    """Shape of an array, whether its `size` in bytes holds it, and whether it is a pickle."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, math.prod(shape) * dtype.itemsize <= size, bool(dtype.hasobject)
