"""What was tested of the lowest minima known: frequencies, and other multiplicities. `checks.json` beside a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ase import Atoms

from iia_calc.common.files import read_json, write_json
from iia_calc.common.plain import NUMBER, TEXT, ByName, ListOf, OrNull, Parts
from iia_calc.confirm.relaxation import start_name
from iia_calc.confirm.vibrations import IMAGINARY
from search.errors import InputError

TABLE, FILE, SPINS = "lowest.extxyz", "checks.json", "spins.extxyz"
"""Names in a folder of a level of theory: its minima, what was tested of them, their relatives of other spins."""

_SPIN = Parts(
    {"vertical": NUMBER, "s_squared": OrNull(NUMBER), "relaxed": OrNull(NUMBER), "structure": TEXT},
    ("vertical",),
)
_CHECKED = Parts(
    {
        "formula": TEXT,
        "frequencies": OrNull(ListOf(NUMBER)),
        "method": TEXT,
        "spins": ByName(_SPIN),
        "falls_to": TEXT,
    },
    ("formula", "frequencies", "method", "spins", "falls_to"),
)
_FILE = Parts({"structures": ByName(_CHECKED)}, ("structures",))


@dataclass(frozen=True)
class OtherSpin:
    """Another multiplicity of a structure.

    Attributes
    ----------
    vertical : eV above the structure's own state, at its geometry. s_squared : ⟨S²⟩ there; None where restricted.
    relaxed : eV above the structure once relaxed in this multiplicity; None where it wasn't.
    structure : name of the relaxed one, which is in spins.extxyz; empty where it wasn't relaxed.
    """

    vertical: float
    s_squared: float | None = None
    relaxed: float | None = None
    structure: str = ""


@dataclass(frozen=True)
class Checked:
    """What was tested of one structure, at the level of its energy.

    Attributes
    ----------
    formula : of the structure.
    frequencies : cm⁻¹, ascending, imaginary ones negative; None where there are none.
    method : "analytic" or "central differences"; empty without frequencies.
    spins : other multiplicities by 2S+1.
    falls_to : of a saddle, the name of the minimum that it relaxes to once pushed off.
    """

    formula: str
    frequencies: tuple[float, ...] | None = None
    method: str = ""
    spins: Mapping[int, OtherSpin] = field(default_factory=dict)
    falls_to: str = ""

    @property
    def n_imaginary(self) -> int:
        """How many frequencies are imaginary beyond numerical noise."""
        return sum(f < -IMAGINARY for f in self.frequencies or ())


def read_checks(folder: Path) -> dict[str, Checked]:
    """What was tested of the structures of `folder`, by their names; empty where nothing was.

    Raises
    ------
    InputError : the file isn't one of these.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    told = read_json(path)
    _FILE.check(told, f"{path}:")
    for name, plain in told["structures"].items():
        for multiplicity in plain["spins"]:
            if not multiplicity.isdecimal():
                raise InputError(f"{path}: spins of {name} has {multiplicity!r}; it must be a multiplicity, as 3")
    return {name: _from_plain(plain) for name, plain in told["structures"].items()}


def write_checks(folder: Path, level: str, checks: Mapping[str, Checked]) -> None:
    """Write what was tested. level : of theory, of all of it."""
    structures = {name: _as_plain(checked) for name, checked in checks.items()}
    write_json(folder / FILE, {"level": level, "units": "cm⁻¹, eV", "structures": structures})


def checks_of(atoms: Atoms, checks: Mapping[str, Checked]) -> Checked | None:
    """What was tested of this structure; None where nothing was."""
    return checks.get(start_name(atoms))


def _as_plain(checked: Checked) -> dict[str, Any]:
    frequencies = None if checked.frequencies is None else [round(f, 1) for f in checked.frequencies]
    return {
        **asdict(checked),
        "frequencies": frequencies,
        "spins": {str(k): asdict(spin) for k, spin in checked.spins.items()},
    }


def _from_plain(plain: Mapping[str, Any]) -> Checked:
    frequencies = plain["frequencies"]
    spins = {int(k): _spin_from_plain(spin) for k, spin in plain["spins"].items()}
    given = None if frequencies is None else tuple(float(f) for f in frequencies)
    return Checked(plain["formula"], given, plain["method"], spins, plain["falls_to"])


def _spin_from_plain(plain: Mapping[str, Any]) -> OtherSpin:
    return OtherSpin(plain["vertical"], plain.get("s_squared"), plain.get("relaxed"), plain.get("structure", ""))
