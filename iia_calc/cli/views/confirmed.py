"""What a confirmation by DFT tells its user: a table and remarks."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from iia_calc.cli.views.isomers import describe_bonds, plain_table
from iia_calc.confirm.api import confirmed_level
from iia_calc.confirm.result import Confirmed, rank_correlation
from iia_calc.isomers.ranking import Isomer
from iia_calc.report.picture import with_charge
from search.geometry.shape import dopant_bonds, shape_of


def confirmed_title(formula: str, confirmed: Sequence[Confirmed], relaxed_by: str) -> str:
    """Formula with its charge, and the levels that relaxed and ranked."""
    charge = confirmed[0].charge if confirmed else 0
    ranked_by = confirmed_level(confirmed)
    lines = [f"{with_charge(formula, charge)}: relaxed by {relaxed_by}"]
    if ranked_by is not None:
        lines.append(f"ranked by {ranked_by}")
    if charge:
        lines.append(f"searched as the neutral cluster, everything here with charge {charge:+d}")
    return "\n".join(lines)


def confirmed_table(confirmed: Sequence[Confirmed], isomers: Sequence[Isomer], title: str) -> Table:
    """Ranks, energies and states before and after; saddles and what failed come last and have no rank."""
    model = {isomer.rank: isomer for isomer in isomers}
    points = any(c.states for c in confirmed)
    vibrated = any(c.vibrations is not None for c in confirmed)
    limited = any(c.relaxed and not c.converged for c in confirmed)
    table = plain_table(title)
    for heading in ("rank\nDFT", "\nmodel", "eV above lowest\nDFT", "\nmodel", "moved\nÅ"):
        table.add_column(heading, justify="right")
    if limited:
        table.add_column("force left\neV/Å", justify="right")
    if points:
        for heading in ("2S+1\n", "next 2S+1\neV above", "⟨S²⟩\n(ideal)"):
            table.add_column(heading, justify="right")
        table.add_column("SCF\n")
    if vibrated:
        table.add_column("imaginary\nmodes", justify="right")
    table.add_column("shape\n")
    table.add_column("bonds\nÅ")
    for c in confirmed:
        computed = c.energy is not None
        row = [
            str(c.rank or "–"),
            str(c.model_rank),
            "–" if c.relative is None else f"{c.relative:.3f}",
            f"{model[c.model_rank].relative:.3f}",
            f"{c.rmsd:.2f}" if computed else "–",
        ]
        if limited:
            row.append("–" if c.fmax is None else f"{c.fmax:.2f}")
        if points:
            row += _state(c)
        if vibrated:
            row.append("–" if c.vibrations is None else str(c.vibrations.n_imaginary))
        row += [shape_of(c.atoms), describe_bonds(dopant_bonds(c.atoms))] if computed else ["–", "–"]
        table.add_row(*row)
    return table


def confirmed_remarks(confirmed: Sequence[Confirmed]) -> list[str]:
    """Lines below the table: how far the two orders agree, and what to mind about single isomers."""
    lines = []
    if (correlation := rank_correlation(confirmed)) is not None:
        lines.append(
            f"rank correlation of model and DFT over {correlation.n} isomers: "
            f"Spearman {correlation.spearman:.2f}, Kendall {correlation.kendall:.2f}"
        )
    return lines + [f"model rank {c.model_rank}: {note}" for c in confirmed for note in c.notes]


def _state(c: Confirmed) -> list[str]:
    """Cells of multiplicity, distance to the next one, ⟨S²⟩ (marked where it is contaminated) and stability."""
    if c.state is None:
        return ["–"] * 4
    mark = "" if c.spin_contamination is None else " !"
    spin = "–" if c.state.s_squared is None else f"{c.state.s_squared:.2f} ({c.state.ideal_s_squared:.2f}){mark}"
    gap = "–" if c.gap is None else f"{c.gap:.2f}"
    stability = (c.stability or "–").removeprefix("instability ")  # "followed": narrower, and as clear
    return [str(c.state.multiplicity), gap, spin, stability]
