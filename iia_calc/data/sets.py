"""Structures of one composition with their energies, as a source gives them: the form every reader hands over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from iia_calc.data.units import EV_PER, check_unit
from search.errors import InputError
from search.geometry.composition import Composition

UNIT_ORIGINS = {
    "declared": "as the file says",
    "format": "by the convention of its format: the file says nothing",
    "size": "by the size of the energies",
    "user": "as was said",
    "none": "it has no energies",
}
"""What the unit of a set's energies rests on, in words."""


@dataclass(frozen=True)
class StructureSet:
    """Structures of one composition.

    Attributes
    ----------
    name : short, for tables: folder and file, "SeBn/B=16".
    numbers : [n_atoms] int64, the same for all structures.
    positions : [n, n_atoms, 3], Å.
    energies : [n], in `unit`; NaN where the source has none.
    unit : "hartree" or "eV".
    source : file they were read from.
    forces : [n, n_atoms, 3], `unit`/Å, NaN for structures without; None where the source has none.
    converged : [n] bool, False where the source says that the SCF did not converge; None where it says nothing.
    indices : [n] int64, each structure's place in the source, from 0.
    labelled : unit that the file itself (or its format's convention) gives; None where it gives none.
    unit_origin : what `unit` rests on, one of `UNIT_ORIGINS`.
    charge : total charge, e. multiplicity : 2S+1. level : of theory. None where the source doesn't say.
    remarks : what a reader noticed and its user should know.
    files : [n] each structure's file, where the source is a folder; otherwise empty.

    Raises
    ------
    InputError : shapes that don't fit together, no structures, numbers that aren't finite, an unknown unit.
    """

    name: str
    numbers: np.ndarray
    positions: np.ndarray
    energies: np.ndarray
    unit: str
    source: Path
    forces: np.ndarray | None = None
    converged: np.ndarray | None = None
    indices: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    labelled: str | None = None
    remarks: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    charge: int | None = None
    multiplicity: int | None = None
    level: str | None = None
    unit_origin: str = "user"

    def __post_init__(self) -> None:
        numbers = np.asarray(self.numbers)
        positions = np.asarray(self.positions, dtype=float)
        energies = np.asarray(self.energies, dtype=float)
        where = f"{self.source}"
        if numbers.ndim != 1 or not len(numbers) or ((numbers < 1) | (numbers > 118) | (numbers % 1 != 0)).any():
            raise InputError(f"{where}: atomic numbers must be [n_atoms] whole numbers from 1 to 118")
        if positions.ndim != 3 or positions.shape[1:] != (len(numbers), 3):
            raise InputError(
                f"{where}: positions have shape {positions.shape}; {len(numbers)} atomic numbers need "
                f"(n_structures, {len(numbers)}, 3)"
            )
        if not len(positions):
            raise InputError(f"{where} holds no structures")
        if energies.shape != (len(positions),):
            raise InputError(
                f"{where}: energies have shape {energies.shape}; {len(positions)} structures need ({len(positions)},)"
            )
        bad = np.flatnonzero(~np.isfinite(positions).all((1, 2)))
        if len(bad):
            raise InputError(f"{where}: positions of {len(bad)} structures aren't finite, the first is {bad[0]}")
        if np.isinf(energies).any():
            raise InputError(f"{where}: the energy of structure {np.flatnonzero(np.isinf(energies))[0]} is infinite")
        indices = np.asarray(self.indices, dtype=np.int64)
        if not len(indices):
            indices = np.arange(len(positions))
        for name, value, shape in (
            ("forces", self.forces, positions.shape),
            ("converged", self.converged, energies.shape),
            ("indices", indices, energies.shape),
        ):
            if value is not None and np.shape(value) != shape:
                raise InputError(f"{where}: {name} have shape {np.shape(value)}; it must be {shape}")
        changes = {
            "numbers": numbers.astype(np.int64),
            "positions": positions,
            "energies": energies,
            "indices": indices,
            "unit": check_unit(self.unit),
            "source": Path(self.source),
        }
        for key, changed in changes.items():
            object.__setattr__(self, key, changed)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def formula(self) -> str:
        """Read from the atomic numbers, as the field writes it: SeB16."""
        return Composition.parse(Atoms(self.numbers)).formula

    @property
    def n_atoms(self) -> int:
        """Atoms of each structure."""
        return len(self.numbers)

    def energies_in(self, unit: str) -> np.ndarray:
        """Energies [n] in "eV" or "hartree"."""
        return self.energies * (EV_PER[self.unit] / EV_PER[check_unit(unit)])

    def forces_in(self, unit: str) -> np.ndarray | None:
        """Forces [n, n_atoms, 3] in "eV" or "hartree" per Å; None where there are none."""
        return None if self.forces is None else self.forces * (EV_PER[self.unit] / EV_PER[check_unit(unit)])

    def select(self, chosen: np.ndarray) -> StructureSet:
        """The structures `chosen` (a mask or indices into this set), in that order; at least one."""
        return replace(
            self,
            positions=self.positions[chosen],
            energies=self.energies[chosen],
            indices=self.indices[chosen],
            forces=None if self.forces is None else self.forces[chosen],
            converged=None if self.converged is None else np.asarray(self.converged)[chosen],
            files=tuple(np.array(self.files)[chosen].tolist()) if self.files else (),
        )

    def atoms(self, k: int) -> Atoms:
        """Structure `k` with its energy (eV) and forces (eV/Å), where known, as a single-point calculator."""
        atoms = Atoms(self.numbers, self.positions[k])
        results: dict[str, object] = {}
        if np.isfinite(self.energies[k]):
            results["energy"] = float(self.energies_in("eV")[k])
        if self.forces is not None and np.isfinite(self.forces[k]).all():
            results["forces"] = self.forces[k] * EV_PER[self.unit]
        if results:
            atoms.calc = SinglePointCalculator(atoms, **results)
        return atoms

    def __iter__(self) -> Iterator[Atoms]:
        return (self.atoms(k) for k in range(len(self)))


def short_name(path: Path) -> str:
    """Folder and file without its ending: "SeBn/B=16", for files of like names in several folders."""
    path = Path(path).resolve()
    return f"{path.parent.name}/{path.stem}" if path.parent.name else path.stem
