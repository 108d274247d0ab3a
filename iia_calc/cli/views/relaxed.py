"""What a relaxation tells its user."""

from __future__ import annotations

from rich.table import Table

from iia_calc.cli.views.isomers import plain_table
from iia_calc.relax.files import IN_PIECES, RelaxedFile
from search.geometry.composition import Composition


def relaxed_table(relaxed: RelaxedFile) -> Table:
    """A row per structure."""
    rows = plain_table(f"by {relaxed.model}, which was fitted to {relaxed.level_of_theory}")
    for heading in ("frame", "energy\neV", "fmax\neV/Å", "steps"):
        rows.add_column(heading, justify="right")
    rows.add_column("formula")
    rows.add_column("state")
    for k, result in enumerate(relaxed.results):
        rows.add_row(
            str(k + 1),
            f"{result.energy:.4f}",
            f"{result.fmax:.4f}",
            str(result.n_steps),
            Composition.parse(result.atoms).formula,
            result.reason + (", in pieces" if result.fragmented and result.reason != IN_PIECES else ""),
        )
    return rows


def relaxed_summary(relaxed: RelaxedFile) -> str:
    """One line: how many converged."""
    n = sum(result.converged for result in relaxed.results)
    return f"{n} of {len(relaxed.results) + relaxed.n_set_aside} structures converged"
