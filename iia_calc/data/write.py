"""Sets into files that name their units: npz (R, E, z, unit), extended XYZ, ASE databases. Energies leave in eV.

None of them is a database of labels: `LabelStore` refuses them, because energies of unknown origin
must never be mixed with computed ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.db import connect
from ase.io import write as ase_write

from iia_calc.common.files import replacing
from iia_calc.data.arrays import Floats
from iia_calc.data.columns import Wanted
from iia_calc.data.readers import Reading, contradicts_label, read_path
from iia_calc.data.records import UNKNOWN_LEVEL
from iia_calc.data.sets import StructureSet
from iia_calc.data.units import is_auto
from search.errors import InputError

SUFFIXES = (".npz", ".extxyz", ".xyz", ".db")
"""Kinds of files written; .xyz is written as .extxyz is."""
LEVEL = UNKNOWN_LEVEL


def convert(
    source: Path, target: Path, unit: str = "auto", geometry: str = "last", wanted: Wanted = Wanted()
) -> Reading:
    """Read `source` (see `readers.read_path`), write `target`; returns what was read.

    Raises
    ------
    FileNotFoundError, FileExistsError : no source, or a target that exists.
    InputError : nothing readable, an unknown kind of target, energies whose size contradicts their label (say
        `unit`), or an npz of several compositions.
    """
    check_target(target)
    found = read_path(source, unit, geometry, wanted)
    for item in found.sets:
        contradiction = contradicts_label(item)
        if contradiction and is_auto(unit):
            raise InputError(f"{source}: {contradiction}; say which it is with --unit hartree or --unit eV")
    write_sets(found.sets, target)
    return found


def check_target(target: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Raises InputError or FileExistsError where `target` can't be written."""
    if target.suffix.lower() not in suffixes:
        raise InputError(f"{target} is of no kind written here; name it {' or '.join('*' + s for s in suffixes)}")
    if target.exists():
        raise FileExistsError(f"{target} exists; name another file, or remove it")


def write_sets(sets: Sequence[StructureSet], target: Path) -> int:
    """Write all structures, energies in eV, forces in eV/Å, Å; returns how many. Half a file is never left behind.

    Raises
    ------
    InputError : an npz of several compositions, charges, multiplicities or levels, or without all energies.
    FileExistsError : `target` exists.
    """
    check_target(target)
    suffix = target.suffix.lower()
    arrays = _arrays(sets) if suffix == ".npz" else {}
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target, keep_suffix=True) as partial:
        partial.unlink(missing_ok=True)  # of a run that was killed
        if suffix == ".npz":
            with partial.open("wb") as file:
                np.savez(file, **arrays)
        elif suffix == ".db":
            _write_database(sets, partial)
        else:
            frames = []
            for item in sets:
                for k, atoms in enumerate(item):
                    atoms.info.update(_provenance(item, k) | _electrons(item))
                    frames.append(atoms)
            ase_write(partial, frames, format="extxyz")
    return sum(len(item) for item in sets)


def _write_database(sets: Sequence[StructureSet], path: Path) -> None:
    with connect(path, type="db", append=True, use_lock_file=False) as database:
        for item in sets:
            # ASE keeps the words charge and spin for itself
            electrons = {f"total_{key}" if key == "charge" else key: value for key, value in _electrons(item).items()}
            for k, atoms in enumerate(item):
                database.write(atoms, **(_provenance(item, k) | electrons))
        database.metadata = {
            "units": {"positions": "Å", "energy": "eV", "forces": "eV/Å"},
            "origin": "energies as others published them: not labels of any level of theory known here",
        }


def _provenance(item: StructureSet, k: int) -> dict[str, str | int | bool]:
    """Where structure `k` comes from: source file, place in it, and its level as far as its source says it."""
    found: dict[str, str | int | bool] = {
        "source": item.files[k] if item.files else str(item.source),
        "source_index": int(item.indices[k]),
        "level": item.level or LEVEL,
    }
    if item.converged is not None:
        found["scf_converged"] = bool(item.converged[k])
    return found


def _electrons(item: StructureSet) -> dict[str, int]:
    """Charge, e, and multiplicity, where the source declares them."""
    known = {"charge": item.charge, "multiplicity": item.multiplicity}
    return {key: value for key, value in known.items() if value is not None}


def _arrays(sets: Sequence[StructureSet]) -> dict[str, Any]:
    """What an npz gets.

    Raises
    ------
    InputError : not all of one composition, charge, multiplicity and level, or without all energies.
    """
    first = sets[0]
    if any(item.numbers.tobytes() != first.numbers.tobytes() for item in sets):
        formulas = ", ".join(sorted({item.formula for item in sets}))
        raise InputError(f"an npz holds one composition, these are {formulas}; write .extxyz or .db instead")
    states = {(item.charge, item.multiplicity, item.level) for item in sets}
    if len(states) > 1:
        names = "; ".join(item.name for item in sets)
        raise InputError(f"an npz holds one charge, multiplicity and level, these are {names}; write .extxyz or .db")
    arrays: dict[str, Any] = {
        "R": np.concatenate([item.positions for item in sets]),
        "E": np.concatenate([item.energies_in("eV") for item in sets])[:, None],
        "z": first.numbers,
        "unit": np.array("eV"),
        "level": np.array(first.level or LEVEL),
    } | {key: np.array(value) for key, value in _electrons(first).items()}
    if not np.isfinite(arrays["E"]).all():
        raise InputError("an npz needs an energy for every structure; write .extxyz or .db instead")
    forces = [item.forces_in("eV") for item in sets]
    known: list[Floats] = [f for f in forces if f is not None and np.isfinite(f).all()]
    if len(known) == len(sets):
        arrays["F"] = np.concatenate(known)
    if any(item.converged is not None for item in sets):
        arrays["scf_converged"] = np.concatenate(
            [np.ones(len(item), dtype=bool) if item.converged is None else item.converged for item in sets]
        )
    return arrays
