"""properties.json, read: each part that a table or a paper needs is of the right kind, or the line says which isn't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from iia_calc.common.files import read_json
from iia_calc.common.plain import FLAG, NUMBER, PLACE, TEXT, WHOLE, ByName, Kind, ListOf, OrNull, Parts
from search.errors import InputError

FILE = "properties.json"
_ELECTRONIC = Parts(
    {
        "dipole_moment": NUMBER,
        "gap": NUMBER,
        "term": OrNull(TEXT),
        "charges": ListOf(NUMBER),
        "spins": ListOf(NUMBER),
        "valences": ListOf(NUMBER),
    },
    ("dipole_moment", "gap", "charges", "spins", "valences"),
)
_PHOTOELECTRON = Parts(
    {
        "vertical_by_multiplicity": ByName(NUMBER),
        "first_vertical": NUMBER,
        "adiabatic": OrNull(NUMBER),
        "adiabatic_with_zpe": OrNull(NUMBER),
        "level": TEXT,
    }
)
_NUMBERS = (
    "energy",
    "relative_energy",
    "relative_energy_with_zpe",
    "zero_point_energy",
    "free_energy",
    "relative_free_energy",
    "population",
)
_ISOMER_KINDS: dict[str, Kind] = {
    "rank": PLACE,
    "model_rank": PLACE,
    "rank_with_zpe": PLACE,
    "formula": TEXT,
    "symbols": ListOf(TEXT),
    "charge": WHOLE,
    "multiplicity": PLACE,
    "point_group": TEXT,
    "verdict": TEXT,
    "frequencies": ListOf(NUMBER),
    "doubts": ListOf(TEXT),
    "electronic": _ELECTRONIC,
    "photoelectron": _PHOTOELECTRON,
    **dict.fromkeys(_NUMBERS, NUMBER),
}
_SET = Parts(
    {
        "level_of_theory": TEXT,
        "energies_by": TEXT,
        "preview": FLAG,
        "isomers": ListOf(Parts(_ISOMER_KINDS, ("rank", "formula"))),
    },
    ("level_of_theory", "energies_by", "preview", "isomers"),
)
_FILE = Parts({"dft": _SET, "model": _SET, "remarks": ListOf(TEXT)})


def read_properties(folder: str | Path) -> dict[str, Any]:
    """What properties.json of a folder holds; empty where there is none.

    Raises
    ------
    InputError : it isn't JSON, or not what `iia properties` writes; the message names the place.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return {}
    told: dict[str, Any] = read_json(path)
    try:
        _FILE.check(told, f"{path}:")
    except InputError as error:
        raise InputError(f"{error}; delete {path.name} and make it again with iia properties {folder}") from error
    return told
