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

from iia_calc.data.readers import contradicts_label, read_sets
from iia_calc.data.sets import StructureSet
from search.errors import InputError

SUFFIXES = (".npz", ".extxyz", ".db")
LEVEL = "published"


def convert(source: Path, target: Path, unit: str = "auto", geometry: str = "last") -> list[StructureSet]:
    """Read `source` (see `readers.read_sets`), write `target`; returns what was written.

    Raises
    ------
    FileNotFoundError, ValueError, FileExistsError : nothing readable, an unknown kind of target, a target that
        exists, energies whose size contradicts their label (say `unit`), or an npz of several compositions.
    """
    check_target(target)
    sets = read_sets(source, unit, geometry)
    for item in sets:
        contradiction = contradicts_label(item)
        if contradiction and unit.strip().lower() == "auto":
            raise InputError(f"{source}: {contradiction}; say which it is with --unit hartree or --unit eV")
    write_sets(sets, target)
    return sets


def check_target(target: Path, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Raises ValueError or FileExistsError where `target` can't be written."""
    if target.suffix not in suffixes:
        raise InputError(f"{target} is of no kind written here; name it {' or '.join('*' + s for s in suffixes)}")
    if target.exists():
        raise FileExistsError(f"{target} exists; name another file, or remove it")


def write_sets(sets: Sequence[StructureSet], target: Path) -> int:
    """Write all structures, energies in eV, forces in eV/Å, Å; returns how many. Half a file is never left behind."""
    check_target(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.stem}.part{target.suffix}")
    partial.unlink(missing_ok=True)
    if target.suffix == ".npz":
        _write_npz(sets, partial)
    elif target.suffix == ".extxyz":
        frames = []
        for item in sets:
            for k, atoms in enumerate(item):
                atoms.info.update(provenance(item, k))
                frames.append(atoms)
        ase_write(partial, frames, format="extxyz")
    else:
        with connect(partial, append=True, use_lock_file=False) as database:
            for item in sets:
                for k, atoms in enumerate(item):
                    database.write(atoms, **provenance(item, k))
            database.metadata = {
                "units": {"positions": "Å", "energy": "eV", "forces": "eV/Å"},
                "origin": "energies as others published them: not labels of any level of theory known here",
            }
    partial.rename(target)
    return sum(len(item) for item in sets)


def provenance(item: StructureSet, k: int) -> dict[str, str | int | bool]:
    """Where structure `k` comes from: source file, place in it, and that its level is only what was published."""
    found: dict[str, str | int | bool] = {
        "source": item.files[k] if item.files else str(item.source),
        "source_index": int(item.indices[k]),
        "level": LEVEL,
    }
    if item.converged is not None:
        found["scf_converged"] = bool(item.converged[k])
    return found


def _write_npz(sets: Sequence[StructureSet], path: Path) -> None:
    if len(sets) != 1:
        merged = {item.numbers.tobytes() for item in sets}
        if len(merged) > 1:
            formulas = ", ".join(sorted({item.formula for item in sets}))
            raise InputError(f"an npz holds one composition, these are {formulas}; write .extxyz or .db instead")
    arrays: dict[str, Any] = {
        "R": np.concatenate([item.positions for item in sets]),
        "E": np.concatenate([item.energies_in("eV") for item in sets])[:, None],
        "z": sets[0].numbers,
        "unit": np.array("eV"),
    }
    if not np.isfinite(arrays["E"]).all():
        raise InputError("an npz needs an energy for every structure; write .extxyz or .db instead")
    forces = [item.forces_in("eV") for item in sets]
    if all(f is not None for f in forces):
        arrays["F"] = np.concatenate([f for f in forces if f is not None])
    np.savez(path, **arrays)
