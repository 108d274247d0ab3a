"""A level of theory: what turns a structure into a label, and the one place that says how it failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from iia_calc.common.electrons import multiplicity_of as multiplicity_of
from search.errors import InputTypeError, JobFailed

STABLE, FOLLOWED, UNSTABLE = "stable", "instability followed", "unstable"
"""SCF solutions that were tested: a minimum; the minimum that instabilities led to; not one, and none lower found."""
ALREADY_LOWER = "lower than found again"
"""Of a label tested later: the solutions found then lie above it, and it was kept."""
UNCHECKED = "not checked"
CARRIED = "carried"
"""Of an older label whose SCF started from the solution of a structure close by: its own was not tested."""
TESTED = (STABLE, FOLLOWED, UNSTABLE, ALREADY_LOWER)


class Label(NamedTuple):
    """Energy, eV, and forces [n_atoms, 3], eV/Å, of one structure.

    stability : of the SCF solution, one of the words of this module; "" where there is nothing to test
        or it was not tested.
    """

    energy: float
    forces: np.ndarray
    stability: str = ""

    @property
    def is_tested(self) -> bool:
        """Whether the SCF solution was tested for instabilities."""
        return self.stability in TESTED


class LabelFailed(JobFailed):
    """The calculation did not converge, or ended in nonsense; such a number is never a label."""


class HessianUnavailable(JobFailed):
    """The method has no analytic second derivatives; differences of forces do instead."""


@runtime_checkable
class LevelOfTheory(Protocol):
    """A method that labels structures; this is all that a level of your own has to provide.

    Two levels with the same `name` give the same numbers: whatever changes one is in the name. A label depends on
    its structure and the level alone, not on what was labelled before. Levels are sent to worker processes, so they
    can be pickled.
    """

    @property
    def charge(self) -> int:
        """Total charge, e, of everything it labels."""

    @property
    def multiplicity(self) -> int | None:
        """2S+1; None for the lowest that the electrons allow."""

    @property
    def name(self) -> str:
        """Method, settings, charge and multiplicity in words: what label databases and models are compared by."""

    def label(self, atoms: Atoms) -> Label:
        """Energy and forces of `atoms`, which stay as they are. Raises LabelFailed where there is no sound answer."""

    def element_energy(self, symbol: str) -> float:
        """Energy of the free atom in its ground state, eV. Raises InputError for elements it can't treat."""


@dataclass(frozen=True)
class CheckedLevel:
    """A level of somebody else's making, whose answers are checked: plain finite numbers of the right shape."""

    level: LevelOfTheory

    @property
    def charge(self) -> int:
        """Total charge, e."""
        return self.level.charge

    @property
    def multiplicity(self) -> int | None:
        """2S+1; None for the lowest that the electrons allow."""
        return self.level.multiplicity

    @property
    def name(self) -> str:
        """As `LevelOfTheory.name`."""
        return self.level.name

    def label(self, atoms: Atoms) -> Label:
        """Energy and forces of `atoms`.

        Raises
        ------
        LabelFailed : the level gave something else than one finite energy and finite forces [n_atoms, 3].
        """
        given = self.level.label(atoms.copy())  # whatever it does to the structure
        if not isinstance(given, Label):
            raise LabelFailed(
                f"{self.name}: label() gave a {type(given).__name__}; it must give a Label(energy, forces)"
            )
        try:
            energy, forces = np.asarray(given.energy, dtype=float), np.asarray(given.forces, dtype=float)
        except (TypeError, ValueError) as error:
            raise LabelFailed(f"{self.name}: energy or forces are not numbers: {error}") from error
        if energy.size != 1 or forces.shape != (len(atoms), 3):
            shapes = f"an energy of shape {list(energy.shape)} and forces of shape {list(forces.shape)}"
            raise LabelFailed(f"{self.name}: {shapes}; for {len(atoms)} atoms they must be [] and [{len(atoms)}, 3]")
        if not (np.isfinite(energy).all() and np.isfinite(forces).all()):
            raise LabelFailed(f"{self.name}: energy or forces are not finite")
        return Label(float(energy.item()), forces, given.stability)

    def element_energy(self, symbol: str) -> float:
        """Energy of the free atom, eV.

        Raises
        ------
        LabelFailed : it isn't one finite number.
        """
        energy = np.asarray(self.level.element_energy(symbol), dtype=float)
        if energy.size != 1 or not np.isfinite(energy).all():
            raise LabelFailed(f"{self.name}: the energy of a free {symbol} atom is {energy}, not one finite number")
        return float(energy.item())


def checked_level(level: LevelOfTheory, called: str = "the level") -> CheckedLevel:
    """`level` with its answers checked.

    called : how errors call it.

    Raises
    ------
    InputTypeError : something of `LevelOfTheory` is missing, or the name is no text; it is said what.
    """
    if isinstance(level, CheckedLevel):
        return level
    if not isinstance(level, LevelOfTheory):
        lacking = [
            name for name in ("charge", "multiplicity", "name", "label", "element_energy") if not hasattr(level, name)
        ]
        hint = (
            "; an ASE calculator becomes one by a short class (docs/extending/level.md)"
            if callable(getattr(level, "get_potential_energy", None))
            else ""
        )
        raise InputTypeError(f"{called} is no level of theory: it lacks {', '.join(lacking)}{hint}")
    if not isinstance(level.name, str) or not level.name.strip():
        raise InputTypeError(f"{called} has the name {level.name!r}; it must be a text with all that changes a number")
    return CheckedLevel(level)


def level_key(name: str) -> str:
    """What two names of one level have in common: equal for the same level, however it is written.

    Capitals, spaces and hyphens of functional and basis don't matter, nor does the order of the settings; a DFT
    level that says nothing of its convergence has 1e-7 hartree.
    """
    method, *settings = (part.strip().lower() for part in name.split(","))
    method = method.replace("-", "").replace("_", "").replace(" ", "")
    return ", ".join([method, *sorted(setting for setting in map(_plain_setting, settings) if setting)])


def same_level(one: str, other: str) -> bool:
    """Whether two level names mean the same level."""
    return level_key(one) == level_key(other)


def _plain_setting(setting: str) -> str:
    """A setting in one spelling; "" where it says what holds anyway."""
    key, _, value = setting.partition(" ")
    if key != "conv_tol":
        return setting
    try:
        return "" if np.isclose(float(value), 1e-7, rtol=1e-6, atol=0) else f"conv_tol {float(value):g}"
    except ValueError:
        return setting


class LevelCalculator(Calculator):
    """An ASE calculator over a level of theory that keeps every frame it labelled.

    Attributes
    ----------
    frames : list of (Atoms, Label), in the order of evaluation; a relaxation path is made of labels.
    """

    implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012  (ASE's contract)

    def __init__(self, level: LevelOfTheory) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.level = level
        self.frames: list[tuple[Atoms, Label]] = []

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Sequence[str] = tuple(all_changes)
    ) -> None:
        """Label `atoms` and keep the frame; ASE calls this."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        structure = Atoms(atoms.numbers, atoms.positions)
        label = self.level.label(structure)
        self.frames.append((structure, label))
        self.results = {"energy": label.energy, "free_energy": label.energy, "forces": label.forces}
