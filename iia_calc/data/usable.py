"""Which structures of a data set can be used, and why: a line for each, for others who use the same files.

A line has the file, the place in it, yes or no, and one reason. It has no coordinates and no energy, so that the
table can be passed on where the data can't.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from iia_calc.common.files import replacing
from iia_calc.data.audit import Audit
from iia_calc.data.audit_report import file_of
from iia_calc.data.flags import AuditedSet
from iia_calc.data.recompute import EXCESS
from iia_calc.data.sets import StructureSet
from iia_calc.data.xtb_filter import can_judge
from search.errors import InputError

SUFFIXES = (".csv", ".csv.gz")
UNUSABLE = {
    "no-energy": "it has no energy",
    "unconverged": "its source says that the SCF did not converge",
    "above-free-atoms": "its energy is above that of the separate atoms",
    "too-low": "its energy is far below what its bonds explain",
    "too-high": "its energy is far above what its bonds explain",
}
"""Reasons of the audit's flags, in the order in which they are given: a structure has one reason alone."""
COPY = "copy of"
ABOVE_XTB = f"its energy is more than {EXCESS:g} eV/atom above GFN1-xTB's"
NO_XTB = "GFN1-xTB does not converge for it"
AGREES_WITH_XTB = "its energy agrees with its bonds and with GFN1-xTB"
AGREES = "its energy agrees with its bonds; GFN1-xTB was not asked"
BELOW_ATOMS = "its energy is below that of the separate atoms; the set is too small for other tests"
IN_PIECES = "; in pieces"
Excess = Callable[[StructureSet], np.ndarray]
"""[n] eV/atom by which energies exceed GFN1-xTB's (`xtb_filter.excess_over_xtb`)."""


@dataclass(frozen=True)
class Usable:
    """One structure: `index` counts from 0 within `file` (folder and name); usable : yes or no."""

    file: str
    index: int
    usable: str
    reason: str


COLUMNS = tuple(field.name for field in fields(Usable))


def usable_structures(audit: Audit, excess: Excess | None = None) -> list[Usable]:
    """One line for each structure of an audit.

    excess : asked of what passes the audit in sets of boron and selenium; None to ask nobody.
    """
    first = {
        int(group): _place(a, k)
        for a, groups in zip(audit.sets, audit.copies.group, strict=True)
        for k, group in enumerate(groups)
        if not a.copy[k]
    }
    rows = []
    for a, groups in zip(audit.sets, audit.copies.group, strict=True):
        above = _above_xtb(a, excess)
        for k, group in enumerate(groups):
            file, index = _place(a, k)
            if a.copy[k]:
                other, place = first[int(group)]
                usable, reason = "no", f"{COPY} {other} {place}"
            else:
                usable, reason = _verdict(a, k, None if above is None else float(above[k]))
            rows.append(Usable(file, index, usable, reason))
    return rows


def _place(a: AuditedSet, k: int) -> tuple[str, int]:
    """File, with its folder, and place there of structure `k`."""
    path = Path(file_of(a, k)).resolve()
    return f"{path.parent.name}/{path.name}", int(a.item.indices[k])


def _above_xtb(a: AuditedSet, excess: Excess | None) -> np.ndarray | None:
    """[n] eV/atom above GFN1-xTB, NaN where it isn't known; None where it isn't asked."""
    passed = ~a.failed
    if excess is None or not can_judge(a.item) or passed.sum() < 4:
        return None
    above = np.full(len(a.item), np.nan)
    above[passed] = excess(a.item.select(passed))
    return above


def _verdict(a: AuditedSet, k: int, above: float | None) -> tuple[str, str]:
    """Yes or no, and why, of a structure that is no copy; above : eV/atom above GFN1-xTB."""
    for flag, reason in UNUSABLE.items():
        if a.flags[flag][k]:
            return "no", reason
    if above is not None and not above <= EXCESS:
        return "no", NO_XTB if np.isnan(above) else ABOVE_XTB
    passed = BELOW_ATOMS if np.isnan(a.energy.scatter) else AGREES if above is None else AGREES_WITH_XTB
    return "yes", passed + (IN_PIECES if a.geometry.fragments[k] > 1 else "")


def check_path(path: Path) -> None:
    """Refuse a table of another kind.

    Raises
    ------
    InputError : the name doesn't end in .csv or .csv.gz.
    """
    if not path.name.endswith(SUFFIXES):
        raise InputError(f"{path} is no table of usable structures; name it *.csv or *.csv.gz")


def write(rows: Sequence[Usable], path: Path) -> Path:
    """A CSV, compressed where the name says so; equal rows give equal files."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((row.file, row.index, row.usable, row.reason) for row in rows)
    content = text.getvalue().encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


def read(path: Path) -> list[Usable]:
    """The lines of such a table; an absent one has none.

    Raises
    ------
    InputError : it isn't such a table.
    """
    if not path.exists():
        return []
    content = path.read_bytes()
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    reader = csv.DictReader(io.StringIO(text))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise InputError(f"{path} is no table of usable structures: its columns must be {', '.join(COLUMNS)}")
    return [Usable(row["file"], int(row["index"]), row["usable"], row["reason"]) for row in reader]


def reason_counts(rows: Sequence[Usable]) -> Counter[tuple[str, str]]:
    """How many structures there are of each verdict and reason; all copies count as one reason."""
    return Counter((row.usable, COPY + " another" if row.reason.startswith(COPY) else row.reason) for row in rows)


def sentences(rows: Sequence[Usable]) -> Iterator[str]:
    """Counts for people: the whole, then a line for each reason, the most frequent first."""
    good = sum(row.usable == "yes" for row in rows)
    yield f"{good} of {len(rows)} structures can be used"
    for (usable, reason), count in sorted(reason_counts(rows).items(), key=lambda found: (found[0][0], -found[1])):
        yield f"{count:6d}  {'usable' if usable == 'yes' else 'unusable'}: {reason}"
