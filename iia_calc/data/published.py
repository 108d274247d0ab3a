"""Published sets: npz files with R, E and z, as SchNetPack's tools and the SchNet-IIA paper's authors write them.

The files say nothing of units. Those of the paper hold hartree, though the authors' script calls them
eV; the size of the energies decides unless the caller does.
"""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from iia_calc.data.sets import StructureSet, short_name
from iia_calc.data.units import EV_PER, UNITS, check_unit, total_energy_range, unit_by_size
from search.errors import InputError

__all__ = ["StructureSet", "choose_unit", "read_npz"]


def read_npz(path: str | Path, unit: str = "auto") -> StructureSet:
    """Read an npz of R [n, n_atoms, 3] Å, E [n] or [n, 1], z [n_atoms], and F [n, n_atoms, 3] where there is one.

    Parameters
    ----------
    unit : of the energies, "hartree" or "eV"; "auto" decides by their size, or where that tells nothing,
        by a string `unit` in the file (`iia convert` writes one).

    Raises
    ------
    FileNotFoundError : no such file.
    ValueError : not an npz or cut short, an array lacks, has another shape or isn't finite, or the size of
        the energies doesn't tell their unit.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    arrays = _arrays(path)
    missing = [key for key in ("R", "E", "z") if key not in arrays]
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(missing)} (it has {', '.join(arrays) or 'nothing'}); a published set has "
            "R [n, n_atoms, 3] in Å, E [n, 1] and z [n_atoms]"
        )
    for key in ("R", "E", "z", "F"):
        if key in arrays and not np.issubdtype(arrays[key].dtype, np.number):
            raise InputError(f"{path}: {key} is of type {arrays[key].dtype}; it must hold numbers")
    numbers, positions, energies = arrays["z"], arrays["R"], arrays["E"]
    if numbers.ndim == 2 and len(numbers) and (numbers == numbers[0]).all():
        numbers = numbers[0]  # the same row for every structure
    if numbers.ndim != 1:
        raise InputError(f"{path}: z has shape {numbers.shape}; it must be [n_atoms], the same for all structures")
    if positions.ndim == 3 and energies.shape == (len(positions), 1):
        energies = energies.reshape(len(positions))
    bad = np.flatnonzero(~np.isfinite(energies.ravel()))
    if len(bad):
        raise InputError(f"{path}: {len(bad)} energies aren't finite, the first is that of structure {bad[0]}")
    item = StructureSet(short_name(path), numbers, positions, energies, UNITS[0], path, forces=arrays.get("F"))
    said = str(arrays["unit"]) if "unit" in arrays else None if unit.strip().lower() == "auto" else unit
    labelled = None if said is None else check_unit(said)
    if labelled is not None and unit.strip().lower() == "auto":
        chosen = unit_by_size(item.numbers, item.energies) or labelled
    else:
        chosen = choose_unit(path, item.numbers, item.energies, unit)
    return replace(item, unit=chosen, labelled=labelled)


def choose_unit(path: Path, numbers: np.ndarray, energies: np.ndarray, unit: str) -> str:
    """`unit`, or where it is "auto", the one that the energies' [n] size tells.

    Raises
    ------
    ValueError : "auto", and the size doesn't tell.
    """
    if unit.strip().lower() != "auto":
        return check_unit(unit)
    found = unit_by_size(numbers, energies.ravel())
    if found is None:
        low, high = total_energy_range(numbers)
        ranges = " or ".join(
            f"{-high * EV_PER['hartree'] / EV_PER[u]:.4g} to {-low * EV_PER['hartree'] / EV_PER[u]:.4g} {u}"
            for u in UNITS
        )
        raise InputError(
            f"{path}: the size of the energies (median {np.median(energies):.6g}) doesn't tell their unit, total "
            f"energies of these atoms are {ranges}; say hartree or eV"
        )
    return found


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:  # np.load leaves a bad file open
            if not hasattr(archive, "files"):
                raise InputError("it holds a single array")
            return {key: archive[key] for key in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a sound npz file (cut short?): {error}; a published set has R, E and z"
        ) from error
