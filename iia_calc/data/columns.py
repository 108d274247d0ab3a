"""What the named values beside a structure mean: which is its energy, which its forces, its charge, its level.

Programs name them as they like: energy, REF_energy (MACE), dft_energy, TotEnergy, forces, force, REF_forces. A name is
cut into words, the words say what it is. Where one name alone can be meant, it is used; where two could be the energy
and differ, the user has to say which; whatever looks like an energy or like forces and isn't used is named, so that
nothing is lost without a word.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from search.errors import InputError

ENERGY_WORDS = {"energy", "energies", "etot", "toten", "epot", "e", "enthalpy", "enthalpies"}
FORCE_WORDS = {"force", "forces", "f", "gradient", "gradients", "grad", "grads"}
REFERENCE = {"ref", "reference"}
FILLERS = {"total", "tot", "potential", "pot", "electronic", "atomic", "scf", "true", "target", "label"} | REFERENCE
"""Words that leave the meaning as it is: the total energy is the energy."""
OTHER_ENERGY = {
    *("free", "kinetic", "kin", "zpe", "zpve", "gap", "binding", "formation", "reaction", "atomization", "atomisation"),
    *(
        "cohesive",
        "excess",
        "nuclear",
        "repulsion",
        "dispersion",
        "correlation",
        "corr",
        "exchange",
        "orbital",
        "fermi",
    ),
    *("interaction", "solvation", "excitation", "relative", "rel", "delta", "shift", "offset", "before", "enthalpy"),
    *("enthalpies", "per", "peratom", "atom", "site", "local", "node", "element", "mp2", "std", "var", "variance"),
    *("sigma", "error", "err", "uncertainty", "weight", "mask", "max", "min", "mean", "norm", "rms", "scale"),
}
"""Words that make an energy another quantity than the structure's total energy, or forces another than forces."""
OTHER_FORCE = (OTHER_ENERGY - {"atom"}) | {"gradient", "gradients", "grad", "grads", "constant", "constants", "field"}
UNIT_WORDS = {"unit", "units"}
LENGTH_WORDS = {
    "length",
    "lengths",
    "distance",
    "distances",
    "position",
    "positions",
    "pos",
    "coordinate",
    "coordinates",
}
LENGTH_WORDS |= {"coords", "r"}

LEVEL_NAMES = {"level", "level_of_theory", "theory"}
METHOD_NAMES = ("method", "functional", "xc", "xc_functional", "dft_functional")
BASIS_NAMES = ("basis", "basis_set")
LEVEL_PARTS = {"dispersion", "solvent", "solvation", "ecp", "pseudopotential", "relativistic", "frozen_core", "grid"}
"""Names of what belongs to a level of theory beside its method and basis."""


def words(name: str) -> list[str]:
    """A name's words in lower case: "REF_energy" and "REFEnergy" are both ref, energy."""
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    split = re.sub(r"(energies|energy|forces|force)", r"_\1_", split)
    return [word for word in re.split(r"[^a-z0-9]+", split) if word]


def looks_like_energy(name: str) -> bool:
    """Whether a name speaks of an energy, of whatever kind."""
    found = set(words(name))
    return bool(found & ENERGY_WORDS) and not found & UNIT_WORDS


def looks_like_forces(name: str) -> bool:
    """Whether a name speaks of forces or gradients, of whatever kind."""
    found = set(words(name))
    return bool(found & FORCE_WORDS) and not found & UNIT_WORDS


def method_words(name: str) -> frozenset[str]:
    """What a name says beyond being an energy or forces: "dft_forces" dft, "REF_energy" and "energy" nothing."""
    return frozenset(words(name)) - ENERGY_WORDS - FORCE_WORDS - FILLERS


def as_number(value: object) -> float | None:
    """A number, or an array of one, as a float; None for anything else."""
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, int | float | np.integer | np.floating):
        return float(value)
    if isinstance(value, np.ndarray) and value.size == 1 and is_numeric(value):
        return float(value.reshape(()))
    return None


def as_forces(value: object, n_atoms: int) -> NDArray[np.float64] | None:
    """An array [n_atoms, 3] of numbers; None for anything else."""
    if isinstance(value, np.ndarray) and value.shape == (n_atoms, 3) and is_numeric(value):
        return value.astype(float)
    return None


def is_numeric(value: NDArray[np.generic]) -> bool:
    """Whether an array holds integers or floats."""
    return bool(np.issubdtype(value.dtype, np.integer) or np.issubdtype(value.dtype, np.floating))


NO_COLUMN = "none"


@dataclass(frozen=True)
class Wanted:
    """The columns that the user names: of the energy and of the forces.

    None where the columns' names decide; "none" where no column is to be read.
    """

    energy: str | None = None
    forces: str | None = None


@dataclass(frozen=True)
class Choice:
    """Which columns of a source are its energy and its forces.

    Attributes
    ----------
    energy, forces : names; None where there is no such column, or of several forces none goes with the energy.
    remark : what of the columns isn't used, one sentence; None where there is nothing to say.
    """

    energy: str | None
    forces: str | None
    remark: str | None


def choose(
    energies: Mapping[str, Sequence[float]],
    forces: Collection[str],
    others: Collection[str] = (),
    wanted: Wanted = Wanted(),
) -> Choice:
    """The energy and the forces of a source among its columns.

    Parameters
    ----------
    energies : columns that look like energies and hold one number a structure, with the numbers of all structures.
    forces : columns that look like forces and have their shape. others : columns that look like either by their names
        and hold something else; they are named alone.
    wanted : columns that the user names.

    Raises
    ------
    InputError : two columns could be the energy and differ, or a column that the user names isn't there.
    """
    energy = _energy(energies) if wanted.energy is None else _find_column(wanted.energy, "energy", energies)
    chosen = _forces(forces, energy) if wanted.forces is None else _find_column(wanted.forces, "forces", forces)
    unused = sorted({*energies, *forces, *others} - {energy, chosen})
    said = []
    if energy is not None and words(energy) not in (["energy"], ["e"]):
        said.append(f"the energy is read from {energy}")
    if chosen is not None and words(chosen) not in (["forces"], ["f"]):
        said.append(f"the forces are read from {chosen}")
    if unused:
        said.append(f"{_as_list(unused)} {'looks' if len(unused) == 1 else 'look'} like energies or forces, not used")
    if wanted.forces is None and chosen is None and len(forces) > 1:
        said.append("--forces COLUMN says which forces are meant")
    return Choice(energy, chosen, "; ".join(said) or None)


def _find_column(name: str, what: str, columns: Collection[str]) -> str | None:
    """The column that the user names.

    Raises
    ------
    InputError : there is none of that name.
    """
    if name == NO_COLUMN:
        return None
    if name not in columns:
        shape = "a number for each structure" if what == "energy" else "three numbers for each atom"
        there = f"there is {', '.join(sorted(columns))}" if columns else "nor any other that could be meant"
        raise InputError(f"there is no column {name} with {shape} (--{what}); {there}")
    return name


def _energy(columns: Mapping[str, Sequence[float]]) -> str | None:
    """The column that is the total energy; InputError where two could be and differ."""
    meant = [name for name in columns if not set(words(name)) & OTHER_ENERGY]
    plain = [name for name in meant if not method_words(name)]
    for names in (plain, meant):
        if names and all(_equal(columns[names[0]], columns[name]) for name in names[1:]):
            return min(names, key=lambda name: (words(name) != ["energy"], name.lower(), name))
        if names:
            raise InputError(
                f"{' and '.join(sorted(names))} could both be the energy and differ; "
                f"say which is meant with --energy COLUMN, or --energy {NO_COLUMN} to read none"
            )
    return None


def _forces(columns: Collection[str], energy: str | None) -> str | None:
    """The forces that go with the energy's column: of the same method, or of none that is named."""
    meant = [name for name in columns if not set(words(name)) & OTHER_FORCE]
    if energy is not None:
        meant = [name for name in meant if method_words(name) in (method_words(energy), frozenset())]
        same = [name for name in meant if _prefix(name) == _prefix(energy)]
        own = [name for name in meant if method_words(name) == method_words(energy)]
        for names in (same, own, meant):
            if len(names) == 1:
                return names[0]
        return None
    return meant[0] if len(meant) == 1 else None


def _prefix(name: str) -> list[str]:
    return [word for word in words(name) if word not in ENERGY_WORDS | FORCE_WORDS]


def _equal(one: Sequence[float], other: Sequence[float]) -> bool:
    a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-12, atol=1e-9, equal_nan=True))


def _as_list(names: Sequence[str]) -> str:
    return ", ".join(names)
