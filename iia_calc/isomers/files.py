"""What a search leaves in its folder: isomers.extxyz and uncertain.extxyz, and reading the former again."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from iia_calc.common.files import write_frames
from iia_calc.common.plain import COUNT, FLAG, NUMBER, PLACE, TEXT, WHOLE, Kind, ListOf, Parts, Single
from iia_calc.common.structure_files import read_frames
from iia_calc.common.structures import check_geometry
from iia_calc.isomers.ranking import Isomer
from search.errors import InputError
from search.relaxers.base import Relaxed

ISOMERS, CONFIRMED = "isomers.extxyz", "confirmed.extxyz"


def _are_numbers(value: Any) -> bool:
    """Whether it is a number, or a list of them."""
    try:
        ListOf(NUMBER).check(value if isinstance(value, list) else [value], "")
    except InputError:
        return False
    return True


_KINDS: dict[str, Kind] = {
    "rank": PLACE,
    "model_rank": PLACE,
    "same_as_model_rank": PLACE,
    "charge": WHOLE,
    "multiplicity": PLACE,
    "final_multiplicity": PLACE,
    "final_energy": NUMBER,
    "relative_energy": NUMBER,
    "relative_energy_error": NUMBER,
    "known_dft_relative_energy": NUMBER,
    "times_found": COUNT,
    "first_quench": COUNT,
    "known_region": FLAG,
    "shape": TEXT,
    "frequencies": Single("numbers", _are_numbers),
}
_NEEDED = {CONFIRMED: ("model_rank", "charge", "multiplicity")}


def write_isomers(
    isomers: Sequence[Isomer],
    path: Path,
    more: Mapping[int, dict[str, Any]] | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write an extended XYZ file, lowest first; each comment line has rank, relative energy (eV), errors and shape.

    Parameters
    ----------
    more : by rank, what else goes there.
    about : what goes into every comment line, such as the level of theory.
    """
    frames = []
    for isomer in isomers:
        atoms = isomer.atoms.copy()
        atoms.calc = isomer.atoms.calc
        atoms.info.update(rank=isomer.rank, relative_energy=isomer.relative, shape=isomer.shape)
        if isomer.known_region is not None:
            atoms.info["known_region"] = isomer.known_region
        if isomer.relative_error is not None:
            atoms.info["relative_energy_error"] = isomer.relative_error
        if isomer.known is not None:
            atoms.info.update(
                known_dft_energy=isomer.known.energy,
                known_dft_relative_energy=isomer.known.relative,
                known_dft_level=isomer.known.level,
            )
        atoms.info.update(about or {})
        atoms.info.update((more or {}).get(isomer.rank, {}))
        frames.append(atoms)
    write_frames(path, frames)


def read_written(path: Path) -> list[Atoms]:
    """The structures of isomers.extxyz or confirmed.extxyz of a search, each with the numbers that were written.

    Raises
    ------
    FileNotFoundError : no such file.
    InputError : as `read_checked`.
    """
    try:
        return read_checked(path, Parts(_KINDS, _NEEDED.get(path.name, ())))
    except InputError as error:
        raise InputError(f"{error}; the search's own command writes {path.name} anew") from error


def read_checked(path: Path, told: Parts) -> list[Atoms]:
    """The structures of a file that this package wrote. told : what their comment lines hold.

    Raises
    ------
    FileNotFoundError : no such file.
    InputError : a structure can't be read, isn't finite, or a number of it isn't what was written; the message says so.
    """
    found = read_frames(path)
    if found.lost:
        raise InputError(" ".join(found.lost[0]))
    for where, atoms in found.named:
        plain = {k: v.tolist() if isinstance(v, np.generic | np.ndarray) else v for k, v in atoms.info.items()}
        told.check(plain, f"{where}:")
        if atoms.calc is not None:
            NUMBER.check(atoms.calc.results.get("energy", 0.0), f"{where}: energy")
        try:
            check_geometry(atoms)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
    return found.atoms


def write_uncertain(uncertain: Iterable[Relaxed], path: Path, about: Mapping[str, Any] | None = None) -> None:
    """Append to `path` the structures where quenches left what the model knows, for `iia label --structures`."""
    frames = []
    for relaxed in (r for r in uncertain if math.isfinite(r.energy)):
        atoms = relaxed.atoms.copy()
        atoms.calc = SinglePointCalculator(atoms, energy=relaxed.energy)
        atoms.info.update(about or {})
        atoms.info["forces_std"] = relaxed.forces_std
        frames.append(atoms)
    if frames:
        write(path, frames, format="extxyz", append=path.exists())
