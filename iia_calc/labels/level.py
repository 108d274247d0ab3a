"""A level of theory: what turns a structure into a label, and the one place that says how it failed."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from search.errors import InputError, JobFailed


class Label(NamedTuple):
    """Energy, eV, and forces [n_atoms, 3], eV/Å, of one structure.

    stability : of the SCF solution, as `labels.electronic` says it; "" where it was not tested.
    """

    energy: float
    forces: np.ndarray
    stability: str = ""


class LabelFailed(JobFailed):
    """The calculation did not converge, or ended in nonsense; such a number is never a label."""


class HessianUnavailable(JobFailed):
    """The method has no analytic second derivatives; differences of forces do instead."""


class LevelOfTheory(Protocol):
    """Charge, multiplicity and method are explicit; two levels with the same `name` give the same numbers."""

    @property
    def charge(self) -> int: ...

    @property
    def multiplicity(self) -> int | None: ...

    @property
    def name(self) -> str: ...

    def label(self, atoms: Atoms) -> Label:
        """Raises LabelFailed."""

    def element_energy(self, symbol: str) -> float:
        """Energy of the free atom in its ground state, eV."""


def multiplicity_of(atoms: Atoms, charge: int, multiplicity: int | None) -> int:
    """2S+1: the lowest possible one where None is given.

    Raises
    ------
    ValueError : the electron count does not allow `multiplicity`.
    """
    electrons = int(atoms.numbers.sum()) - charge
    if electrons < 0:
        raise InputError(f"charge {charge} leaves {atoms.get_chemical_formula()} without electrons")
    if multiplicity is None:
        return electrons % 2 + 1
    if multiplicity < 1 or (electrons - (multiplicity - 1)) % 2 or multiplicity - 1 > electrons:
        raise InputError(
            f"multiplicity {multiplicity} is impossible for {atoms.get_chemical_formula()} with charge {charge} "
            f"({electrons} electrons); it must be {'odd' if electrons % 2 == 0 else 'even'}"
        )
    return multiplicity


class LevelCalculator(Calculator):
    """An ASE calculator over a level of theory that keeps every frame it labelled.

    Attributes
    ----------
    frames : list of (Atoms, Label), in the order of evaluation; a relaxation path is made of labels.
    """

    implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012  (ASE's contract)

    def __init__(self, level: LevelOfTheory) -> None:
        super().__init__()
        self.level = level
        self.frames: list[tuple[Atoms, Label]] = []

    def calculate(self, atoms: Any = None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        structure = Atoms(atoms.numbers, atoms.positions)
        label = self.level.label(structure)
        self.frames.append((structure, label))
        self.results = {"energy": label.energy, "free_energy": label.energy, "forces": label.forces}
