"""The parts of the page, in order. Each is a function of the findings that gives a `Section`, or None for nothing.

To add one, write such a function with its template and name it in `SECTIONS`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from markupsafe import Markup

from iia_calc.properties.tables import property_tables
from iia_calc.report import citations, words
from iia_calc.report.charts import step_chart
from iia_calc.report.drawing import structure_svg
from iia_calc.report.findings import Entry, Findings
from iia_calc.report.ladder import LEVELS, ladder_svg
from iia_calc.report.templates import render
from iia_calc.report.viewer import MISSING, dft_places, viewer_data, viewer_script

DRAWN = 12
"""Rows of the table with a drawing."""
DRAWN_PROPERTIES = {
    "populations": "populations of the isomers over temperature",
    "infrared": "infrared spectra",
    "photoelectron": "photoelectron spectra",
}
"""Figures of `iia properties`, and what they show."""
UNFOLDED = 40
"""Rows of the table that are there at once."""
LOST = {
    "n_uncertain": "left what the potential knows",
    "n_unconverged": "did not converge",
    "n_fragmented": "fell apart",
    "n_failed": "failed",
}
"""Quenches that gave no minimum, and why, in words."""


@dataclass(frozen=True)
class Section:
    """A part of the page. anchor : its id, for links. title : its heading, short. html : what stands below it."""

    anchor: str
    title: str
    html: Markup


def lowest(findings: Findings) -> Section | None:
    """Which isomer is the lowest, what it is like, and how sure that is."""
    if not findings.ranked:
        return None
    best = findings.ranked[0]
    energy = None if best.dft is None else best.dft.plain.get("final_energy")
    if energy is None and best.atoms.calc is not None:
        energy = best.atoms.calc.results.get("energy")
    html = render(
        "lowest.html",
        best=best,
        drawing=structure_svg(best.best, f"the lowest isomer of {findings.formula}"),
        energy=energy,
        level=words.short_level(findings.dft.get("ranked_by")) if findings.by_dft else "the potential",
        by_dft=findings.by_dft,
        remarks=words.remarks(findings),
        searched=bool(findings.run),
        anyorder=best.relative is None,
    )
    return Section("lowest", "The lowest isomer" if best.relative is not None else "The first structure", html)


def ladder(findings: Findings) -> Section | None:
    """Relative energies by the potential and by DFT."""
    if len(findings.isomers) < 2 or findings.isomers[0].relative is None:
        return None
    shown = min(LEVELS, len(findings.isomers))
    return Section(
        "ladder",
        "Energy ladder",
        render(
            "ladder.html",
            drawing=ladder_svg(findings.shown),
            shown=shown,
            total=len(findings.isomers),
            by_dft=findings.by_dft,
            agreement=findings.dft.get("rank_correlation"),
        ),
    )


def explore(findings: Findings) -> Section | None:
    """Every isomer in three dimensions, and all of them on a map by shape and energy."""
    if not findings.isomers:
        return None
    script = viewer_script()
    pictures: list[tuple[Entry, Markup]] = []
    if script is None:
        pictures = [(e, structure_svg(e.best, f"isomer {e.rank}")) for e in findings.ranked[:DRAWN]]
    html = render(
        "explore.html",
        script=None if script is None else Markup(script),
        data=None if script is None else Markup(viewer_data(findings)),
        missing=MISSING,
        pictures=pictures,
        shown=len(findings.shown),
        total=len(findings.isomers),
        has_dft=bool(dft_places(findings.shown)),
    )
    return Section("explore", "Turn and compare", html)


def table(findings: Findings) -> Section | None:
    """All isomers as a table that sorts by a click."""
    if not findings.isomers:
        return None
    order = {entry.rank: k for k, entry in enumerate(findings.ranked)}
    entries = sorted(findings.shown, key=lambda e: order.get(e.rank, len(order) + e.rank))
    drawings = {e.rank: structure_svg(e.best, f"isomer {e.rank}") for e in entries[:DRAWN]}
    return Section(
        "isomers",
        "Isomers",
        render(
            "table.html",
            entries=entries,
            places={entry.rank: k for k, entry in enumerate(findings.shown)},
            dft_places=dft_places(findings.shown),
            drawings=drawings,
            columns=_columns(entries, findings),
            unfolded=UNFOLDED,
            total=len(findings.isomers),
            notes=words.isomer_notes(findings),
            level=words.short_level(findings.dft.get("ranked_by")),
        ),
    )


def properties(findings: Findings) -> Section | None:
    """What `iia properties` found: point groups, free energies, populations."""
    tables = property_tables(findings.source) if findings.source.is_dir() else {}
    if not tables:
        return None
    paths = {text: findings.source / f"{name}.png" for name, text in DRAWN_PROPERTIES.items()}
    pictures = {text: b64encode(path.read_bytes()).decode() for text, path in paths.items() if path.exists()}
    html = render("properties.html", tables=list(tables.values()), pictures=pictures)
    return Section("properties", "Properties", html)


def course(findings: Findings) -> Section | None:
    """How the search went: best energy, distinct minima, what may be missing, and the moves that paid."""
    if not findings.n_sound:
        return None
    by_quench = sorted((e for e in findings.isomers if e.first_quench), key=lambda e: e.first_quench)
    counts = findings.run.get("counts", {})
    total = int(counts.get("n_quenches", 0)) or max(findings.n_sound, by_quench[-1].first_quench)
    quenches = [entry.first_quench for entry in by_quench]
    best = list(accumulate((entry.relative or 0.0 for entry in by_quench), min))
    minima = list(range(1, len(by_quench) + 1))
    moves = findings.run.get("moves") or {}
    return Section(
        "course",
        "How the search went",
        render(
            "course.html",
            best=step_chart([*quenches, total], [*best, best[-1]], "relaxations", "best energy above the lowest, eV"),
            minima=step_chart([0, *quenches, total], [0, *minima, minima[-1]], "relaxations", "distinct minima"),
            total=total,
            n_minima=len(findings.isomers),
            unseen=findings.unseen,
            lost=[f"{counts[name]:,} {text}" for name, text in LOST.items() if counts.get(name)],
            seconds=sum(float(call.get("seconds", 0.0)) for call in findings.run.get("calls", [])),
            moves=sorted(moves.items(), key=lambda item: -item[1]["share"]),
            most=max((move["share"] for move in moves.values()), default=0.0),
        ),
    )


def level(findings: Findings) -> Section | None:
    """Levels of theory, the potential's errors and what it was fitted to."""
    if not findings.run:
        return None
    return Section(
        "level",
        "Level of theory",
        render(
            "level.html",
            model=findings.model,
            relaxer=findings.run.get("relaxer"),
            labels=findings.run.get("labels"),
            dft=findings.dft,
            errors=[e.error for e in findings.isomers[1:20] if e.error is not None],
        ),
    )


def repeat(findings: Findings) -> Section | None:
    """The command, versions and weights that give this result again."""
    if not findings.run:
        return None
    return Section(
        "repeat",
        "How to repeat it",
        render(
            "repeat.html",
            command=citations.command(findings),
            config=findings.source / "config.yml" if (findings.source / "config.yml").exists() else None,
            versions=findings.run.get("versions", {}),
            model=findings.model,
            device=findings.run.get("device"),
        ),
    )


def cite(findings: Findings) -> Section | None:
    """A sentence for the methods and the references to cite."""
    if not findings.run:
        return None
    sentence, bibtex = citations.methods_sentence(findings), "\n\n".join(citations.references(findings))
    return Section("cite", "How to cite it", render("cite.html", sentence=sentence, bibtex=bibtex))


SECTIONS: tuple[Callable[[Findings], Section | None], ...] = (
    lowest,
    explore,
    ladder,
    table,
    properties,
    course,
    level,
    repeat,
    cite,
)
"""In the order of the page."""


def _columns(entries: list[Entry], findings: Findings) -> dict[str, Any]:
    """Which columns of the table have anything in them."""
    return {
        "dft": any(e.dft is not None for e in entries),
        "relative": any(e.relative is not None for e in entries),
        "error": any(e.error is not None for e in entries),
        "known": any(e.known is not None for e in entries),
        "spin": any(e.dft is not None and e.dft.plain.get("final_multiplicity") for e in entries),
        "frequencies": any(e.dft is not None and e.dft.frequencies for e in entries),
        "bonds": any(e.bonds for e in entries[:200]),
        "found": findings.n_sound > 0,
    }
