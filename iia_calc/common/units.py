"""Units of energy, length and force as files declare them, in eV, Å and eV/Å."""

from __future__ import annotations

from ase.units import Bohr, Hartree, Rydberg, kcal, kJ, mol

from search.errors import InputError

_ENERGY = {
    "ev": 1.0,
    "mev": 1e-3,
    "hartree": Hartree,
    "ha": Hartree,
    "eh": Hartree,
    "au": Hartree,
    "rydberg": Rydberg,
    "ry": Rydberg,
    "kcal/mol": kcal / mol,
    "kj/mol": kJ / mol,
}
_ENERGY |= {
    **dict.fromkeys(("hartrees", "e_h"), Hartree),
    **dict.fromkeys(("electronvolt", "electronvolts", "electron_volt"), 1.0),
    **dict.fromkeys(("kcal_per_mol", "kcalmol^-1", "kcal*mol^-1", "kcalmol"), kcal / mol),
    **dict.fromkeys(("kj_per_mol", "kjmol^-1", "kj*mol^-1", "kjmol"), kJ / mol),
}
_LENGTH = {
    "å": 1.0,
    "a": 1.0,
    "ang": 1.0,
    "angstrom": 1.0,
    "ångström": 1.0,
    "bohr": Bohr,
    "a0": Bohr,
    "au": Bohr,
    "nm": 10.0,
    "pm": 0.01,
    **dict.fromkeys(("angs", "angstroms"), 1.0),
    **dict.fromkeys(("bohrs", "a_0"), Bohr),
    **dict.fromkeys(("nanometer", "nanometre"), 10.0),
    **dict.fromkeys(("picometer", "picometre"), 0.01),
}


def energy_in_ev(unit: str) -> float:
    """How many eV one `unit` is: eV, meV, hartree, Rydberg, kcal/mol or kJ/mol, in capitals or not.

    Raises
    ------
    InputError : another unit.
    """
    return _factor(unit, _ENERGY, "energy unit", "eV, hartree, Ry, kcal/mol or kJ/mol")


def length_in_angstrom(unit: str) -> float:
    """How many Å one `unit` is: Å, bohr, nm or pm.

    Raises
    ------
    InputError : another unit.
    """
    return _factor(unit, _LENGTH, "unit of length", "Å, bohr, nm or pm")


def force_in_ev_per_angstrom(unit: str) -> float:
    """How many eV/Å one `unit` is: an energy over a length, such as hartree/bohr or kcal/mol/Å; "au" too.

    Raises
    ------
    InputError : another unit.
    """
    if _plain(unit) == "au":
        return Hartree / Bohr
    energy, slash, length = _plain(unit).rpartition("/")
    if not slash:
        raise InputError(f"unit of force {unit!r} is not known; it is an energy over a length, for example eV/Å")
    return energy_in_ev(energy) / length_in_angstrom(length)


def _plain(unit: str) -> str:
    return unit.strip().lower().replace(" ", "").replace(".", "").replace("(", "").replace(")", "")


def _factor(unit: str, known: dict[str, float], what: str, examples: str) -> float:
    try:
        return known[_plain(unit)]
    except KeyError:
        raise InputError(f"{what} {unit!r} is not known; it must be {examples}") from None
