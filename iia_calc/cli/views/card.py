"""A model's card as text and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from iia_calc.model.calibration import Calibration
from iia_calc.model.card import Card
from iia_calc.model.storage import find, models_folder, read_card


def describe(card: Card) -> list[Table]:
    """What it is; then labels and held-out errors by formula."""
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="bold")
    facts.add_column()
    network = card.network
    form = f"{network.get('attention')} attention" if network.get("attention") else "no attention"
    rows = {
        "model": card.name,
        "elements": ", ".join(card.elements),
        "level of theory": card.level_of_theory,
        "charge, spin": f"{card.charge}, {card.spin}",
        "cutoff": f"{card.cutoff:g} Å",
        "network": f"{network.get('n_interactions')} blocks of {network.get('n_atom_basis')} features, {form}, "
        f"{network.get('activation')}"
        + (
            f", directions to degree {network['angular']} in the {network.get('directions', 'attention')}"
            if network.get("angular")
            else ""
        )
        + (", distances in the logits" if network.get("distance_logits") else ""),
        "members": f"{len(card.members)}" + (" (a committee; the first leads)" if len(card.members) > 1 else ""),
        "weights": ", ".join(member["sha256"][:12] for member in card.members),
        "labels": f"{sum(card.label_counts.values())}, hash {card.data_hash[:12] or 'not given'}",
        "fitted together with": ", ".join(
            f"{sum(counts.values())} labels of {level}" for level, counts in card.fitted_together.items()
        ),
        "element energies": ", ".join(f"{symbol} {energy:.4f} eV" for symbol, energy in card.element_energies.items()),
        "calibration": _calibration(card.calibration),
        "code version": card.code_version,
        "notes": card.notes,
    }
    for name, text in rows.items():
        if text:
            facts.add_row(name, text)
    tables = [facts]
    if card.label_counts or card.held_out_errors:
        tables.append(_by_formula(card))
    return tables


def _calibration(found: Mapping[str, Any]) -> str:
    """What the committee's spread is worth, in a sentence; nothing where it was not measured."""
    if not found:
        return ""
    told = Calibration.from_card(found)
    energy, forces = told.energy_coverage, told.forces_coverage
    per_distance = f" and {1e3 * told.distance_factor:.1f} meV/atom per unit of distance from the nearest label" * bool(
        told.distance_factor
    )
    differences = (
        f"; of an energy difference, {told.difference_factor:.2f} times the root of both squared ({told.n_differences} "
        "pairs of held-out labels)"
    ) * bool(told.n_differences)
    floors = f", at least {1e3 * told.energy_floor:.0f} meV/atom and {told.forces_floor:.2f} eV/Å," * bool(
        told.energy_floor or told.forces_floor
    )
    return (
        f"expected errors are {told.energy_factor:.1f} (energy) and {told.forces_factor:.1f} (forces) times the "
        f"committee's deviation{per_distance}{floors} and hold {energy[0]:.0%} and {forces[0]:.0%} of the errors on "
        f"{told.n_structures} held-out labels, twice as much {energy[1]:.0%} and {forces[1]:.0%}{differences}; "
        f"quenches end as uncertain above {told.forces_std_limit or float('inf'):.2f} eV/Å"
    )


def listing(names: Sequence[str]) -> Table:
    """One row per shipped model; the default is marked."""
    default = models_folder() / "default.txt"
    chosen = find(None).name if default.is_file() else None
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("model", "elements", "level of theory", "labels", ""):
        table.add_column(heading)
    for name in names:
        card = read_card(models_folder() / name)
        mark = "default" if name == chosen else ""
        table.add_row(name, ", ".join(card.elements), card.level_of_theory, str(sum(card.label_counts.values())), mark)
    return table


def _by_formula(card: Card) -> Table:
    """Columns are whatever errors the card has, named as it names them."""
    columns = list(dict.fromkeys(key for errors in card.held_out_errors.values() for key in errors))
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("\nformula")
    table.add_column("\nlabels", justify="right")
    for level in card.fitted_together:
        table.add_column(f"labels of\n{level.split(',')[0]}", justify="right")
    for column in columns:
        table.add_column(f"held out\n{column}", justify="right")
    formulas = list(dict.fromkeys([*card.label_counts, *card.held_out_errors]))
    together = list(card.fitted_together.values())
    for formula in formulas:
        errors = card.held_out_errors.get(formula, {})
        table.add_row(
            formula,
            str(card.label_counts.get(formula, "")),
            *(str(counts.get(formula, "")) for counts in together),
            *(f"{errors[column]:.4g}" if column in errors else "" for column in columns),
        )
    return table
