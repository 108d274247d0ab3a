"""Charge and multiplicity: what a structure declares, and which of them its electrons allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms

from search.errors import InputError
from search.geometry.composition import parse_formula_and_charge

CHARGE_KEYS = ("charge", "total_charge", "label_charge")
MULTIPLICITY_KEYS = ("multiplicity", "spin", "spin_multiplicity", "label_multiplicity")
"""In `atoms.info`; `spin` is a multiplicity 2S+1, as in the structures that other potentials read."""
REAL = int | float | np.integer | np.floating
WHOLE = 1e-6
"""How far a sum of initial charges or moments may be from a whole number."""


def whole_number(value: object, what: str) -> int:
    """`value` as an int: 1, 1.0, NumPy's numbers, arrays of one, and "-1" or "+1" as text.

    Raises
    ------
    InputError : not a whole number; `what` begins the message.
    """
    plain: Any = value.reshape(-1)[0] if isinstance(value, np.ndarray) and value.size == 1 else value
    if isinstance(plain, str):
        text = plain.strip().replace("\N{MINUS SIGN}", "-")
        if text.lstrip("+-").isdecimal() and len(text) - len(text.lstrip("+-")) <= 1:
            return int(text)
    elif isinstance(plain, REAL) and not isinstance(plain, bool) and float(plain).is_integer():
        return int(float(plain))
    shown = plain.item() if isinstance(plain, np.generic) else value
    raise InputError(f"{what} is {shown!r}; it must be a whole number")


def charge_of_formulas(formulas: Sequence[str], asked: int | None) -> int | None:
    """Charge, e, that formulas (B12-) and what was `asked` for agree on; None where neither says one.

    Raises
    ------
    InputError : they don't agree.
    """
    charges = {parse_formula_and_charge(formula)[1] for formula in formulas}
    if len(charges) > 1:
        raise InputError(f"{', '.join(formulas)} are of several charges; give those of one")
    (written,) = charges or {0}
    if written and asked not in (None, written):
        raise InputError(f"{formulas[0]} has charge {written:+d}, but charge {asked:+d} was asked for")
    return written or asked


def declared_charge(atoms: Atoms) -> int | None:
    """Total charge, e, that `atoms.info` or initial charges declare; None where neither does.

    Raises
    ------
    InputError : it is no whole number, or two of them contradict each other.
    """
    found = {
        f'info["{key}"]': whole_number(atoms.info[key], f'the charge in info["{key}"]')
        for key in CHARGE_KEYS
        if atoms.info.get(key) is not None
    }
    if atoms.has("initial_charges"):
        charges = atoms.get_initial_charges()
        if not found or np.any(charges):
            found["the sum of initial charges"] = _rounded(float(charges.sum()), "the sum of initial charges")
    return _the_one(found, "charge")


def declared_multiplicity(atoms: Atoms) -> int | None:
    """Multiplicity 2S+1 that `atoms.info` or initial magnetic moments declare; None where neither does.

    Moments that cancel declare nothing: they may be those of an antiferromagnetic state.

    Raises
    ------
    InputError : it is no whole number of 1 or more, or two of them contradict each other.
    """
    found = {}
    for key in MULTIPLICITY_KEYS:
        if atoms.info.get(key) is not None:
            value = whole_number(atoms.info[key], f'the multiplicity 2S+1 in info["{key}"]')
            if value < 1:
                raise InputError(f'info["{key}"] is {value}; it is a multiplicity 2S+1, so 1 or more')
            found[f'info["{key}"]'] = value
    if atoms.has("initial_magmoms") and np.ndim(moments := atoms.get_initial_magnetic_moments()) == 1:
        unpaired = abs(float(moments.sum()))
        if not unpaired <= WHOLE:
            found["the sum of initial magnetic moments"] = 1 + _rounded(unpaired, "the sum of initial magnetic moments")
    return _the_one(found, "multiplicity")


def multiplicity_of(atoms: Atoms, charge: int, multiplicity: int | None) -> int:
    """2S+1: the lowest possible one where None is given.

    Raises
    ------
    InputError : the electron count does not allow `multiplicity`, or there are no electrons.
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


def _rounded(value: float, what: str) -> int:
    if not np.isfinite(value) or abs(value - round(value)) > WHOLE:
        raise InputError(f"{what} is {value:g}; it must be a whole number")
    return round(value)


def _the_one(found: dict[str, int], what: str) -> int | None:
    if len(set(found.values())) > 1:
        raise InputError(f"two {what} values: " + ", ".join(f"{where} is {value}" for where, value in found.items()))
    return next(iter(found.values()), None)
