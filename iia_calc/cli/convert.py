"""`iia convert`: data that others made, as another kind of file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from iia_calc.cli.audit import EnergyColumn, ForcesColumn, Geometry, Unit, check_geometry
from iia_calc.cli.command import add_command, save_settings

if TYPE_CHECKING:
    from iia_calc.data.sets import StructureSet

CONVERSIONS = """
iia convert SeBn/B=20.npz SeB20.db
iia convert logs/ SeB20.extxyz --geometry first
iia convert mace.xyz mine.db --energy REF_energy --forces REF_forces
"""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    add_command(app, "convert", convert, CONVERSIONS)


def convert(
    source: Annotated[Path, typer.Argument(help="npz, Gaussian log, extxyz, ASE database, or a folder of them.")],
    target: Annotated[Path, typer.Argument(help="*.npz, *.extxyz, *.xyz or *.db; energies are written in eV.")],
    unit: Unit = "auto",
    energy: EnergyColumn = None,
    forces: ForcesColumn = None,
    geometry: Geometry = "last",
) -> None:
    """Convert structures and energies from one kind of file to another; units are said, never guessed twice.

    Energies leave in eV and forces in eV/Å; each structure keeps its source, its place there, and the charge,
    multiplicity and level of theory that its source declares. The databases are none of labels: no command mixes
    them with computed energies.
    """
    from iia_calc.data.columns import Wanted
    from iia_calc.data.sets import UNIT_ORIGINS
    from iia_calc.data.write import convert as convert_file

    check_geometry([source])
    found = convert_file(source, target, unit, geometry, Wanted(energy, forces))
    save_settings(target)
    for item in found.sets:
        if item.unit_origin == "none":
            what = "no energies"
        else:
            what = f"energies in {item.unit}, {UNIT_ORIGINS[item.unit_origin]}"
        typer.echo(f"{item.name}: {len(item)} structures of {item.formula}, {what}{_state(item)}")
    for item in found.sets:
        for remark in item.remarks:
            typer.echo(f"{item.name}: {remark}", err=True)
    for note in found.notes():
        typer.echo(note, err=True)
    has = any(item.unit_origin != "none" for item in found.sets)
    total = sum(len(item) for item in found.sets)
    typer.echo(f"{target}: {total} structures, {'energies in eV' if has else 'without energies'}")


def _state(item: StructureSet) -> str:
    """Charge, multiplicity and level, as far as they are declared."""
    parts = []
    if item.charge is not None:
        parts.append(f"charge {item.charge:+d}" if item.charge else "neutral")
    if item.multiplicity is not None:
        parts.append(f"multiplicity {item.multiplicity}")
    if item.level is not None:
        parts.append(item.level)
    return "".join(f", {part}" for part in parts)
