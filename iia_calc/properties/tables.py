"""Properties as tables: CSV files, and the one that the page and the terminal show."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iia_calc.common.files import read_json, replacing
from iia_calc.properties.results import PropertySet
from search.errors import InputError

COLUMNS = {
    "rank": "rank",
    "formula": "formula",
    "model_rank": "model rank",
    "relative_energy": "relative energy / eV",
    "relative_energy_with_zpe": "with zero-point energy / eV",
    "rank_with_zpe": "rank with zero-point energy",
    "relative_free_energy": "relative free energy / eV",
    "population": "population",
    "point_group": "point group",
    "multiplicity": "2S+1",
    "lowest_frequency": "lowest frequency / cm⁻¹",
}
"""Keys of a row in the order of the columns, and their headings; those that no isomer has are left out."""


@dataclass(frozen=True)
class PropertyTable:
    """Properties of the isomers of one level of theory, for a page or a terminal.

    Attributes
    ----------
    level : of structures and vibrations. energies_by : level of the energies. preview : vibrations are a potential's.
    columns : key and heading of each column. rows : values by key; a value that isn't known is missing.
    doubts : by rank, in words. remarks : on all of it.
    """

    level: str
    energies_by: str
    preview: bool
    columns: dict[str, str]
    rows: tuple[dict[str, Any], ...]
    doubts: dict[int, tuple[str, ...]]
    remarks: tuple[str, ...]


def property_tables(folder: str | Path) -> dict[str, PropertyTable]:
    """The tables of a folder's properties.json: "dft" where isomers are confirmed, then "model"; empty without one.

    Raises
    ------
    InputError : the file is not one of properties.
    """
    path = Path(folder) / "properties.json"
    if not path.exists():
        return {}
    plain = read_json(path)
    try:
        remarks = tuple(plain["remarks"])
        return {name: table_of(plain[name], remarks) for name in ("dft", "model") if name in plain}
    except (KeyError, TypeError) as error:
        raise InputError(f"{path} holds no properties; make them again with iia properties {folder}") from error


def table_of(plain: dict[str, Any], remarks: tuple[str, ...] = ()) -> PropertyTable:
    """The table of one set, as `PropertySet.as_plain` gives it."""
    rows = []
    several = len({isomer["formula"] for isomer in plain["isomers"]}) > 1
    for isomer in plain["isomers"]:
        row = {key: isomer[key] for key in COLUMNS if key in isomer and (several or key != "formula")}
        if isomer.get("frequencies"):
            row["lowest_frequency"] = isomer["frequencies"][0]
        rows.append(row)
    columns = {key: heading for key, heading in COLUMNS.items() if any(key in row for row in rows)}
    doubts = {isomer["rank"]: tuple(isomer["doubts"]) for isomer in plain["isomers"] if "doubts" in isomer}
    return PropertyTable(
        plain["level_of_theory"], plain["energies_by"], plain["preview"], columns, tuple(rows), doubts, remarks
    )


def write_populations(found: PropertySet, path: Path) -> None:
    """CSV: a line for each temperature, a column for each isomer's share.

    Raises
    ------
    InputError : there are no populations.
    """
    if found.populations is None:
        raise InputError("there are no populations: the isomers have no vibrations")
    rows = [
        [f"{temperature:g}", *(f"{share:.6f}" for share in shares)]
        for temperature, shares in zip(found.temperatures, found.populations, strict=True)
    ]
    write_csv(path, ["temperature_K", *(f"rank_{rank}" for rank in found.ranks)], rows)


def write_csv(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """A CSV file, whole or not at all."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)
