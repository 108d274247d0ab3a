"""Charge and multiplicity: what a structure declares, and which of them its electrons allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms

from search.errors import InputError
from search.geometry.composition import parse_formula_and_charge

CHARGE_KEYS = ("charge", "total_charge", "net_charge", "molecular_charge", "label_charge")
MULTIPLICITY_KEYS = ("multiplicity", "spin", "spin_multiplicity", "mult", "label_multiplicity")
"""In `atoms.info`, in capitals or not; `spin` is a multiplicity 2S+1, as in structures that other potentials read."""
LOOKS_LIKE_ELECTRONS = ("charge", "spin", "multiplicity", "unpaired", "unpaired_electrons", "uhf")
"""Ends of names that speak of charge or spin."""
OURS = ("dft_", "input_")
"""Names of our own files that speak of the same structure in another calculation begin so."""
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


def electron_entries(info: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """Entries of `info` that are called like one of `keys`, by their own names: Charge, "total charge"."""
    return {name: value for name, value in info.items() if value is not None and _plain_name(name) in keys}


def unread_electrons(info: Mapping[str, Any]) -> list[str]:
    """Names of single numbers in `info` that look like a charge or a spin and aren't read as one."""
    return [
        name
        for name, value in info.items()
        if _plain_name(name).endswith(LOOKS_LIKE_ELECTRONS)
        and not _plain_name(name).startswith(OURS)
        and _plain_name(name) not in (*CHARGE_KEYS, *MULTIPLICITY_KEYS)
        and isinstance(value, REAL)
        and not isinstance(value, bool)
    ]


def _plain_name(name: str) -> str:
    return str(name).strip().lower().replace("-", "_").replace(" ", "_")


def declared_charge(atoms: Atoms) -> int | None:
    """Total charge, e, that `atoms.info` or initial charges declare; None where neither does.

    Raises
    ------
    InputError : it is no whole number, or two of them contradict each other.
    """
    found = {
        f'info["{key}"]': whole_number(value, f'the charge in info["{key}"]')
        for key, value in electron_entries(atoms.info, CHARGE_KEYS).items()
    }
    if atoms.has("initial_charges"):
        charges = atoms.get_initial_charges()
        if not found or np.any(charges):
            found["the sum of initial charges"] = _round_whole(float(charges.sum()), "the sum of initial charges")
    return _the_one(found, "charge")


def declared_multiplicity(atoms: Atoms) -> int | None:
    """Multiplicity 2S+1 that `atoms.info` or initial magnetic moments declare; None where neither does.

    Moments that cancel declare nothing: they may be those of an antiferromagnetic state.

    Raises
    ------
    InputError : it is no whole number of 1 or more, or two of them contradict each other.
    """
    found = {}
    for key, given in electron_entries(atoms.info, MULTIPLICITY_KEYS).items():
        value = whole_number(given, f'the multiplicity 2S+1 in info["{key}"]')
        if value < 1:
            raise InputError(f'info["{key}"] is {value}; it is a multiplicity 2S+1, so 1 or more')
        found[f'info["{key}"]'] = value
    if atoms.has("initial_magmoms") and np.ndim(moments := atoms.get_initial_magnetic_moments()) == 1:
        unpaired = abs(float(moments.sum()))
        if not unpaired <= WHOLE:
            found["the sum of initial magnetic moments"] = 1 + _round_whole(
                unpaired, "the sum of initial magnetic moments"
            )
    return _the_one(found, "multiplicity")


def multiplicity_of(atoms: Atoms, charge: int, multiplicity: int | None) -> int:
    """2S+1: the lowest possible one where None is given.

    Raises
    ------
    InputError : the electron count does not allow `multiplicity`, or there are no electrons.
    """
    electrons = int(atoms.numbers.sum()) - charge
    if electrons < 1:
        raise InputError(f"charge {charge} leaves {atoms.get_chemical_formula()} without electrons")
    if multiplicity is None:
        return electrons % 2 + 1
    if multiplicity < 1 or (electrons - (multiplicity - 1)) % 2 or multiplicity - 1 > electrons:
        raise InputError(
            f"multiplicity {multiplicity} is impossible for {atoms.get_chemical_formula()} with charge {charge} "
            f"({electrons} electrons); it must be {'odd' if electrons % 2 == 0 else 'even'}, "
            f"{electrons % 2 + 1} to {electrons + 1}"
        )
    return multiplicity


def _round_whole(value: float, what: str) -> int:
    if not np.isfinite(value) or abs(value - round(value)) > WHOLE:
        raise InputError(f"{what} is {value:g}; it must be a whole number")
    return round(value)


def _the_one(found: dict[str, int], what: str) -> int | None:
    if len(set(found.values())) > 1:
        raise InputError(f"two {what} values: " + ", ".join(f"{where} is {value}" for where, value in found.items()))
    return next(iter(found.values()), None)
