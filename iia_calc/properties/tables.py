"""Properties as tables: CSV files, and the one that the page and the terminal show."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iia_calc.common.files import replacing
from iia_calc.properties.infrared import broaden, spectrum_grid
from iia_calc.properties.results import PropertySet
from iia_calc.properties.stored import read_properties
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
    "term": "state",
    "dipole_moment": "dipole / D",
    "gap": "HOMO–LUMO gap / eV",
    "dopant_charges": "charge of dopants / e",
    "dopant_spins": "spin of dopants",
    "dopant_valences": "bond orders of dopants",
    "first_vertical": "VDE / eV",
    "adiabatic_with_zpe": "ADE with zero-point energy / eV",
    "verdict": "functionals agree",
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
    plain = read_properties(folder)
    return {name: table_of(plain[name], tuple(plain.get("remarks", ()))) for name in ("dft", "model") if name in plain}


def table_of(plain: dict[str, Any], remarks: tuple[str, ...] = ()) -> PropertyTable:
    """The table of one set, as `PropertySet.as_plain` gives it."""
    rows = []
    several = len({isomer["formula"] for isomer in plain["isomers"]}) > 1
    for isomer in plain["isomers"]:
        row = {key: isomer[key] for key in COLUMNS if key in isomer and (several or key != "formula")}
        if isomer.get("frequencies"):
            row["lowest_frequency"] = isomer["frequencies"][0]
        row |= _electrons(isomer)
        detached = isomer.get("photoelectron", {})
        row |= {key: detached[key] for key in ("first_vertical", "adiabatic_with_zpe") if detached.get(key) is not None}
        rows.append(row)
    columns = {key: heading for key, heading in COLUMNS.items() if any(key in row for row in rows)}
    doubts = {isomer["rank"]: tuple(isomer["doubts"]) for isomer in plain["isomers"] if "doubts" in isomer}
    return PropertyTable(
        plain["level_of_theory"], plain["energies_by"], plain["preview"], columns, tuple(rows), doubts, remarks
    )


def _electrons(isomer: dict[str, Any]) -> dict[str, Any]:
    """Of an isomer's electrons what a table has room for."""
    told = isomer.get("electronic")
    if told is None:
        return {}
    row: dict[str, Any] = {"dipole_moment": told["dipole_moment"], "gap": told["gap"]}
    row |= {"term": told["term"]} if told.get("term") else {}
    dopants = [k for k, symbol in enumerate(isomer.get("symbols", ())) if symbol != "B"]
    if dopants:
        for key, name in (("charges", "dopant_charges"), ("spins", "dopant_spins"), ("valences", "dopant_valences")):
            row[name] = ", ".join(f"{told[key][k]:.2f}" for k in dopants)
    return row


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


def write_infrared(found: PropertySet, lines: Path, spectra: Path) -> None:
    """CSV files: every line of every isomer, and the broadened spectra side by side."""
    told = [(entry.subject.rank, entry.infrared) for entry in found.entries if entry.infrared is not None]
    rows = [
        [str(rank), str(mode), f"{frequency:.2f}", f"{intensity:.3f}"]
        for rank, spectrum in told
        for mode, (frequency, intensity) in enumerate(zip(spectrum.frequencies, spectrum.intensities, strict=True), 1)
    ]
    write_csv(lines, ["rank", "mode", "frequency_cm-1", "intensity_km_mol-1"], rows)
    grid = spectrum_grid([spectrum for _, spectrum in told])
    curves = [broaden(spectrum, grid) for _, spectrum in told]
    rows = [[f"{wavenumber:g}", *(f"{curve[k]:.5f}" for curve in curves)] for k, wavenumber in enumerate(grid.tolist())]
    write_csv(spectra, ["wavenumber_cm-1", *(f"rank_{rank}_km_mol-1_cm" for rank, _ in told)], rows)


def write_photoelectron(found: PropertySet, path: Path) -> None:
    """CSV: vertical and adiabatic detachment energies of every anion, eV."""
    rows = []
    for entry in found.entries:
        if (told := entry.photoelectron) is None:
            continue
        for multiplicity, energy in told.vertical.items():
            rows.append([str(entry.subject.rank), "vertical", str(multiplicity), f"{energy:.4f}"])
        for name, value in (("adiabatic", told.adiabatic), ("adiabatic with ZPE", told.adiabatic_with_zpe)):
            if value is not None:
                rows.append([str(entry.subject.rank), name, "", f"{value:.4f}"])
    write_csv(path, ["rank", "kind", "multiplicity", "energy_eV"], rows)


def write_csv(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """A CSV file, whole or not at all."""
    with replacing(path) as part, part.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(header)
        writer.writerows(rows)
