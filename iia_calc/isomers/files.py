"""What a search leaves in its folder: isomers.extxyz and uncertain.extxyz."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

from iia_calc.common.files import write_frames
from iia_calc.isomers.ranking import Isomer
from search.relaxers.base import Relaxed


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
