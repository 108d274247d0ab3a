"""What `iia properties` tells its user."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from iia_calc.cli.views.isomers import plain_table
from iia_calc.properties.api import DFT, MODEL, Properties
from iia_calc.properties.results import PropertySet
from iia_calc.properties.tables import table_of
from iia_calc.report.picture import with_subscripts

HEADINGS = {
    "rank": "rank",
    "formula": "formula",
    "model_rank": "model\nrank",
    "relative_energy": "relative\nenergy, eV",
    "relative_energy_with_zpe": "with\nZPE, eV",
    "rank_with_zpe": "rank\nwith ZPE",
    "relative_free_energy": "free\nenergy, eV",
    "population": "share\n%",
    "point_group": "point\ngroup",
    "multiplicity": "2S+1",
    "term": "state",
    "dipole_moment": "dipole\nD",
    "gap": "gap\neV",
    "dopant_charges": "dopants:\ncharge",
    "dopant_spins": "spin",
    "dopant_valences": "bond\norders",
    "first_vertical": "VDE\neV",
    "adiabatic_with_zpe": "ADE\neV",
    "verdict": "functionals\nagree",
    "lowest_frequency": "lowest\ncm⁻¹",
}
"""Of the columns, narrower than those of a page."""


def titles(found: Properties) -> dict[str, str]:
    """Of each table that is shown, by the set's name; DFT's first."""
    formulas = {entry.formula for entry in found.sets[MODEL].entries}
    formula = with_subscripts(formulas.pop()) if len(formulas) == 1 else "structures"
    kelvin = f"free energies and shares at {found.request.temperature:g} K"
    shown = {}
    for name in (DFT, MODEL):
        if name in found.sets:
            one = found.sets[name]
            about = f", {kelvin}" if one.populations is not None else ""
            mark = " (vibrations: a preview by the potential)" if one.preview and one.populations is not None else ""
            shown[name] = f"{formula} by {one.isomers.energy_level}{about}{mark}"
    return shown


def property_table(found: PropertySet, title: str, limit: int = 20) -> Table:
    """A row for each of the lowest `limit` isomers."""
    told = table_of(found.as_plain())
    table = plain_table(title)
    keys = [key for key in told.columns if key in HEADINGS and (key != "model_rank" or not found.preview)]
    for key in keys:
        table.add_column(HEADINGS[key], justify="left" if key == "point_group" else "right")
    for row in told.rows[:limit]:
        table.add_row(*(_cell(key, row.get(key)) for key in keys))
    return table


def property_remarks(found: Properties, limit: int = 20) -> list[str]:
    """Lines below the tables: remarks, then doubts about single isomers of the best level."""
    best = found.sets.get(DFT, found.sets[MODEL])
    lines = list(found.remarks)
    if best.ranking is not None:
        lines += best.ranking.flips()
    for entry in best.entries[:limit]:
        lines += [f"rank {entry.subject.rank}: {doubt}" for doubt in entry.doubts]
    return lines


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "–"
    if key == "population":
        return f"{100 * value:.1f}"
    if key == "lowest_frequency":
        return f"{abs(value):.0f}{'i' if value < 0 else ''}"
    if key in ("dipole_moment", "gap", "first_vertical", "adiabatic_with_zpe"):
        return f"{value:.2f}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
