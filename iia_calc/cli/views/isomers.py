"""What a search tells its user: a table of isomers, and a summary of what was done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from iia_calc.isomers.ranking import Isomer
from iia_calc.isomers.search import IsomerSearch
from iia_calc.report.picture import with_subscripts
from search.convergence import Convergence
from search.geometry.shape import DopantBonds

STOPPED = {
    "time": "time is up",
    "quenches": "all quenches done",
    "target": "target energy reached",
    "found": "the lowest was found again from as many starts as asked",
    "interrupted": "interrupted; the same command goes on",
}

LISTED = 3
"""Dopants whose bonds the table lists one by one."""


def plain_table(title: str | None = None) -> Table:
    """A table without lines, as wide as what is in it."""
    return Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)


def isomer_title(found: IsomerSearch) -> str:
    """Formula, and what the energies are of: model and level of theory, or a calculator."""
    formula, model = with_subscripts(found.result.formula), found.run.get("model")
    if model is None:
        return f"{formula} by {found.surface or found.run.get('relaxer', 'a relaxer')}"
    return f"{formula} by {model['name']}, which was fitted to {model['level_of_theory']}"


def isomer_table(isomers: Sequence[Isomer], limit: int = 20, title: str | None = None) -> Table:
    """The lowest `limit` isomers of a search."""
    shown = isomers[:limit]
    calibrated, known = any(i.relative_error is not None for i in shown), any(i.known is not None for i in shown)
    table = plain_table(title)
    table.add_column("rank", justify="right")
    table.add_column("relative\nenergy, eV", justify="right")
    if calibrated:
        table.add_column("±\neV", justify="right")
    if known:
        table.add_column("known:\nDFT, eV", justify="right")
    table.add_column("shape")
    table.add_column(f"bonds of {_dopants(isomers)}\nÅ" if _dopants(isomers) else "bonds")
    table.add_column("quenches\nended here", justify="right")
    for isomer in shown:
        marks = "? " * (isomer.known_region is False) + "≈ " * isomer.tied
        row = [f"{marks}{isomer.rank}", f"{isomer.relative:.3f}"]
        if calibrated:
            error = isomer.relative_error if isomer.rank > 1 else None
            row.append("–" if error is None else f"{error:.2f}")
        if known:
            row.append("" if isomer.known is None else f"{isomer.known.relative:.2f}")
        row += [isomer.shape, describe_bonds(isomer.bonds), str(isomer.times_found)]
        table.add_row(*row)
    return table


def isomer_remarks(isomers: Sequence[Isomer], limit: int = 20) -> list[str]:
    """What marks in the table mean, as far as they are there."""
    shown, lines = isomers[:limit], []
    if any(isomer.relative_error is not None for isomer in shown[1:]):
        lines.append(
            "±: expected error of the relative energy, two thirds within; from how far the committee's members differ "
            "and how far the structures are from any label"
        )
    if any(isomer.tied for isomer in shown):
        lines.append("≈: closer to the lowest than ±; DFT decides the order (--dft K)")
    if any(isomer.known_region is False for isomer in shown):
        lines.append(
            "?: outside of what the model knows: its members differ, or no label is near; only DFT can tell (--dft K)"
        )
    if (known := next((isomer.known for isomer in shown if isomer.known is not None), None)) is not None:
        lines.append(f"known: minima of models/lowest, energies above the lowest of these by {known.level}")
    return lines


def describe_bonds(bonds: Sequence[DopantBonds]) -> str:
    """ "3× 1.98"; one entry per dopant atom, with symbols where they are of several elements.

    Of more than `LISTED` dopants one entry per element, "Au 5–6× 2.51–2.67": their fewest and most bonds, the shortest
    and the longest.
    """
    if not bonds:
        return "–"
    several = len({b.symbol for b in bonds}) > 1
    if len(bonds) > LISTED:
        return ", ".join(_of_element(symbol, bonds) for symbol in dict.fromkeys(b.symbol for b in bonds))
    return ", ".join(f"{b.symbol} {b}" if several else str(b) for b in bonds)


def _of_element(symbol: str, bonds: Sequence[DopantBonds]) -> str:
    counts = sorted(len(b.lengths) for b in bonds if b.symbol == symbol)
    lengths = sorted(length for b in bonds if b.symbol == symbol for length in b.lengths)
    many = f"{counts[0]}" if counts[0] == counts[-1] else f"{counts[0]}–{counts[-1]}"
    return f"{symbol} {many}× {lengths[0]:.2f}–{lengths[-1]:.2f}" if lengths else f"{symbol} none"


def summary(found: IsomerSearch) -> str:
    """A few lines: what was done, what became of it, and why it ended."""
    result, shapes = found.result, Counter(isomer.shape for isomer in found.isomers)
    kinds = ", ".join(f"{count} {shape}" for shape, count in shapes.most_common())
    lost = [
        f"{count} {word}"
        for count, word in (
            (result.n_unconverged, "not converged"),
            (result.n_uncertain, "left what the potential knows"),
            (result.n_fragmented, "fell apart"),
            (result.n_failed, "failed"),
        )
        if count
    ]
    return (
        f"{with_subscripts(result.formula)}: {len(found.isomers)} distinct "
        f"{'minimum' if len(found.isomers) == 1 else 'minima'} ({kinds or 'none'}) "
        f"from {result.n_quenches} quenches{' (' + ', '.join(lost) + ')' if lost else ''}, {result.method}, "
        f"{starts_in_words(found)}"
        f"seed {result.seed}; {STOPPED[result.stopped_by]}"
        + (f"; lowest energy {found.isomers[0].energy:.4f} eV" if found.isomers else "")
        + best_of_each_shape(found.isomers)
        + convergence_line(result.convergence, found.isomers[0].times_found if found.isomers else 0)
    )


def starts_in_words(found: IsomerSearch) -> str:
    """How many structures the search was given; nothing where it began at random."""
    count = found.run.get("settings", {}).get("starts", 0)
    return f"begun with {count} given or known structure{'s' if count > 1 else ''}, " if count else ""


def best_of_each_shape(isomers: Sequence[Isomer]) -> str:
    """Rank and relative energy of the lowest of each shape; nothing where all have one."""
    best: dict[str, Isomer] = {}
    for isomer in isomers:
        best.setdefault(isomer.shape, isomer)
    if len(best) < 2:
        return ""
    return "\nlowest of each shape: " + ", ".join(
        f"{shape} rank {isomer.rank} ({isomer.relative:.3f} eV)" for shape, isomer in best.items()
    )


def convergence_line(convergence: Convergence, times_found: int) -> str:
    """How much may be missing; nothing where no minimum was found. times_found : quenches that ended in the lowest."""
    if convergence.unseen is None:
        return ""
    quenches = f"{times_found} quench{'es' if times_found != 1 else ''} ended in the lowest"
    if convergence.lowest_found:
        starts = f"{convergence.lowest_found} independent random start{'s' if convergence.lowest_found > 1 else ''}"
        bound = f"a lower one, if any, is found at most {convergence.lower_at_most:.1f} times as often, 95 %"
        lowest = f"{quenches}, from {starts} ({bound})"
    else:
        lowest = f"{quenches}, all of a given or known structure or what was made of one; no random start led there"
    return f"\n{lowest}; {convergence.unseen:.0%} of further quenches would give a new minimum"


def files(folder: Path) -> list[str]:
    """What a user may want to open, as far as it is there."""
    labels = sorted(path.name for path in folder.glob("dft*.db"))
    names = (
        "report.html",
        "isomers.extxyz",
        "isomers.png",
        "confirmed.extxyz",
        "uncertain.extxyz",
        "archive.db",
        *labels,
        "run.json",
        "config.yml",
    )
    return [name for name in names if (folder / name).exists()]


def _dopants(isomers: Sequence[Isomer]) -> str:
    return ", ".join(sorted({b.symbol for isomer in isomers for b in isomer.bonds}))
