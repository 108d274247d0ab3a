"""The authors' files: how many structures of each can be used, and why the others can't.

Counted from the table that `iia audit data/published --usable usable.csv.gz --xtb` writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from iia_calc.data import usable
from iia_calc.data.usable import ABOVE_XTB, AGREES_WITH_XTB, COPY, IN_PIECES, NO_XTB, Usable

FILES = "usable*.csv.gz"
"""One table, or one for each of several audits."""
COLUMNS = ("structures", "usable", "of these in pieces", "copies", "unusable by the audit", "unusable by GFN1-xTB")


def read(folder: Path) -> list[Usable]:
    """The lines of all such tables in a folder."""
    return [row for path in sorted(folder.glob(FILES)) for row in usable.read(path)]


def counts(rows: Iterable[Usable], name: Callable[[str], str]) -> dict[str, Counter[str]]:
    """`COLUMNS` counted for each name that `name` gives a file."""
    found: dict[str, Counter[str]] = {}
    for row in rows:
        count = found.setdefault(name(row.file), Counter())
        count["structures"] += 1
        if row.usable == "yes":
            count["usable"] += 1
            count["of these in pieces"] += row.reason.endswith(IN_PIECES)
        elif row.reason.startswith(COPY):
            count["copies"] += 1
        elif row.reason in (ABOVE_XTB, NO_XTB):
            count["unusable by GFN1-xTB"] += 1
        else:
            count["unusable by the audit"] += 1
    return found


def table(found: dict[str, Counter[str]], what: str) -> list[str]:
    """Lines of a table in Markdown, the sum last."""
    total = sum(found.values(), Counter[str]())
    lines = [f"| {what} | {' | '.join(COLUMNS)} |", "|---|" + "---|" * len(COLUMNS)]
    for name, count in [*found.items(), ("all", total)]:
        lines.append(f"| {name} | {' | '.join(str(count[column]) for column in COLUMNS)} |")
    return lines


def summary(folder: Path) -> str:
    """The data note of the findings: counts for each folder of the authors' archive; `folder` has the tables."""
    rows = read(folder)
    if not rows:
        return ""
    links = " and ".join(f"[{path.name}]({path.name})" for path in sorted(folder.glob(FILES)))
    asked = {row.file.split("/")[0] for row in rows if row.reason.startswith((ABOVE_XTB, NO_XTB, AGREES_WITH_XTB))}
    good = sum(row.usable == "yes" for row in rows)
    others = f", and was asked of {', '.join(sorted(asked))}" if asked else ", and was not asked"
    text = ["## Which published structures can be used", ""]
    text += [
        f"{good} of {len(rows)}: {links} (`iia audit --usable`; file, place from 0, yes or no, one reason; no "
        f"coordinates, no energies). The audit finds energies that their bonds can't explain; GFN1-xTB finds "
        f"more{others}. Energies are in hartree, and hardly any structure of SeB_n, B_n and AlC_n is relaxed. "
        "[By file](tables.md#usable-structures-by-file).",
        "",
    ]
    return "\n".join([*text, *table(counts(rows, lambda file: file.split("/")[0]), "folder"), ""])


def section(rows: Sequence[Usable]) -> str:
    """Counts for each file."""
    if not rows:
        return ""
    return "\n".join(["## Usable structures by file", "", *table(counts(rows, str), "file"), ""])
