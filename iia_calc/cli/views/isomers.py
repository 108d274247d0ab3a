"""What a search tells its user: tables for a terminal, JSON for a program."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from iia_calc.confirm.result import Confirmed, rank_correlation
from iia_calc.isomers.search import Isomer, IsomerSearch
from iia_calc.report.picture import subscripted
from search import Convergence
from search.geometry.shape import DopantBonds, dopant_bonds, shape_of

STOPPED = {
    "time": "time is up",
    "quenches": "all quenches done",
    "target": "target energy reached",
    "found": "the lowest was found again from as many starts as asked",
    "interrupted": "interrupted; the same command goes on",
}


def isomer_table(isomers: Sequence[Isomer], limit: int = 20) -> Table:
    """The lowest `limit` isomers of a search."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("rank", justify="right")
    table.add_column("relative energy\neV", justify="right")
    table.add_column("\nmeV/atom", justify="right")
    table.add_column("shape")
    table.add_column(f"bonds of {_dopants(isomers)}\nÅ" if _dopants(isomers) else "bonds")
    calibrated = any(isomer.error is not None for isomer in isomers)
    table.add_column(f"{'expected error' if calibrated else 'committee'}\n± meV/atom", justify="right")
    table.add_column("times\nfound", justify="right")
    for isomer in isomers[:limit]:
        spread = isomer.error if calibrated else isomer.deviation
        deviation = "–" if spread is None else f"{1e3 * spread / len(isomer.atoms):.0f}"
        table.add_row(
            str(isomer.rank),
            f"{isomer.relative:.3f}",
            f"{1e3 * isomer.relative_per_atom:.1f}",
            isomer.shape,
            describe_bonds(isomer.bonds),
            deviation,
            str(isomer.times_found),
        )
    return table


def confirmed_table(confirmed: Sequence[Confirmed], isomers: Sequence[Isomer], level: str) -> Table:
    """Ranks, energies and states before and after; saddles and what failed come last and have no rank."""
    model = {isomer.rank: isomer for isomer in isomers}
    points = any(c.states for c in confirmed)
    vibrated = any(c.vibrations is not None for c in confirmed)
    table = Table(title=level, title_justify="left", box=None, header_style="bold", pad_edge=False)
    for heading in ("rank\nDFT", "\nmodel", "eV above lowest\nDFT", "\nmodel", "moved\nÅ"):
        table.add_column(heading, justify="right")
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
    """Cells of multiplicity, distance to the next one, ⟨S²⟩ and stability."""
    if c.state is None:
        return ["–"] * 4
    spin = "–" if c.state.s_squared is None else f"{c.state.s_squared:.2f} ({c.state.ideal_s_squared:.2f})"
    gap = "–" if c.gap is None else f"{c.gap:.2f}"
    stability = (c.stability or "–").removeprefix("instability ")  # "followed": narrower, and as clear
    return [str(c.state.multiplicity), gap, spin, stability]


def describe_bonds(bonds: Sequence[DopantBonds]) -> str:
    """ "3× 1.98"; one entry per dopant atom, with symbols where they are of several elements."""
    if not bonds:
        return "–"
    several = len({b.symbol for b in bonds}) > 1
    return ", ".join(f"{b.symbol} {b}" if several else str(b) for b in bonds)


def summary(found: IsomerSearch) -> str:
    """One or two lines: what was done, what became of it, and why it ended."""
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
        f"{subscripted(result.formula)}: {len(found.isomers)} distinct minima ({kinds or 'none'}) "
        f"from {result.n_quenches} quenches{' (' + ', '.join(lost) + ')' if lost else ''}, {result.method}, "
        f"{begun_from(found)}"
        f"seed {result.seed}; {STOPPED[result.stopped_by]}"
        + (f"; lowest energy {found.isomers[0].energy:.4f} eV" if found.isomers else "")
        + best_of_each_shape(found.isomers)
        + convergence_line(result.convergence)
    )


def begun_from(found: IsomerSearch) -> str:
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


def convergence_line(convergence: Convergence) -> str:
    """How much may be missing; nothing where no minimum was found."""
    if convergence.unseen is None:
        return ""
    starts = "1 start" if convergence.lowest_found == 1 else f"{convergence.lowest_found} independent starts"
    lowest = f"lowest found from {starts}"
    if not convergence.lowest_found:
        lowest = "the lowest is a given structure or came from one; no independent start has led to it"
    return f"\n{lowest}; {convergence.unseen:.0%} of further quenches would give a new minimum"


def files(folder: Path) -> list[str]:
    """What a user may want to open, as far as it is there."""
    labels = sorted(path.name for path in folder.glob("dft*.db"))
    names = ("isomers.extxyz", "isomers.png", "confirmed.extxyz", "archive.db", *labels, "run.json")
    return [name for name in names if (folder / name).exists()]


def as_plain(
    found: IsomerSearch, confirmed: Sequence[Confirmed] | None = None, about: dict[str, Any] | None = None
) -> dict:
    """The whole result as plain data for JSON: energies in eV, lengths in Å.

    about : what `confirm.as_plain` says of `confirmed`; the relaxed structures are added.
    """
    result = found.result
    if confirmed is not None:
        about = about or {}
        pairs = zip(about.get("isomers", [{}] * len(confirmed)), confirmed, strict=True)
        about = {**about, "isomers": [{**plain, **_structure(c.atoms)} for plain, c in pairs]}
    return {
        "formula": result.formula,
        "method": result.method,
        "seed": result.seed,
        "stopped_by": result.stopped_by,
        "seconds": result.seconds,
        "counts": found.run["counts"],
        "convergence": result.convergence.as_plain(),
        "folder": str(found.folder),
        "model": found.run.get("model"),
        "units": {"energy": "eV", "length": "Å"},
        "best_of_each_shape": {isomer.shape: isomer.rank for isomer in reversed(found.isomers)},
        "isomers": [_isomer(isomer) for isomer in found.isomers],
        "confirmed": about,
    }


def _isomer(isomer: Isomer) -> dict[str, Any]:
    return {
        "rank": isomer.rank,
        "energy": isomer.energy,
        "relative_energy": isomer.relative,
        "relative_energy_per_atom": isomer.relative_per_atom,
        "committee_deviation": isomer.deviation,
        "expected_error": isomer.error,
        "times_found": isomer.times_found,
        "first_quench": isomer.first_quench,
        **_structure(isomer.atoms),
    }


def _structure(atoms) -> dict[str, Any]:
    return {
        "shape": shape_of(atoms),
        "bonds": [
            {"atom": b.index, "symbol": b.symbol, "lengths": [round(d, 4) for d in b.lengths]}
            for b in dopant_bonds(atoms)
        ],
        "symbols": atoms.get_chemical_symbols(),
        "positions": atoms.positions.round(6).tolist(),
    }


def _dopants(isomers: Sequence[Isomer]) -> str:
    return ", ".join(sorted({b.symbol for isomer in isomers for b in isomer.bonds}))
