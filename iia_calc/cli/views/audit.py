"""What an audit of data sets tells its user."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from iia_calc.cli.views.isomers import plain_table
from iia_calc.data.audit import Audit
from iia_calc.data.audit_report import share, summary


def audit_table(audit: Audit) -> Table:
    """One line per set."""
    shown = plain_table()
    shown.add_column("set", no_wrap=True)
    shown.add_column("holds")
    for heading in (
        "n",
        "unit",
        "median, eV",
        "highest, eV",
        "failed",
        "> atoms",
        "copies",
        "in pieces",
        "planar",
        "unrelaxed",
    ):
        shown.add_column(heading, justify="right")
    for a in audit.sets:
        line, n = summary(a), len(a.item)
        misnamed = line["name_says"] not in (None, line["holds"])
        shown.add_row(
            a.item.name,
            Text(line["holds"], style="red") if misnamed else line["holds"],
            str(n),
            line["unit"],
            f"{line['median']:.1f}",
            f"{line['highest']:.1f}",
            share(line["failed"], n),
            share(line["above_free_atoms"], n),
            str(line["copy"] or "–"),
            share(line["fragments"], n),
            share(line["planar"], n),
            share(line["unrelaxed"], n),
        )
    return shown
