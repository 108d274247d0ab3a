"""The page of a search: one HTML file with all that belongs to it, which opens anywhere and needs no network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from iia_calc.common.files import check_file_place, write_text
from iia_calc.report import words
from iia_calc.report.findings import Findings, read_findings
from iia_calc.report.picture import with_charge
from iia_calc.report.sections import SECTIONS
from iia_calc.report.templates import asset, render

NAME = "report.html"
RELOADED_EVERY = 5.0
"""Seconds after which a live page loads itself again."""


def write_report(
    source: str | Path, out: Path | None = None, *, live: bool = False, say: Callable[[str], object] | None = None
) -> Path:
    """Write the page of a search's folder, or of a file of structures; where it is.

    Parameters
    ----------
    source : folder of a search, which may be running, or any file of structures that ASE reads.
    out : of the page; by default report.html in the folder, or beside the file and called like it.
    live : the page loads itself again every few seconds.
    say : called with a line about each thing of a file that isn't on the page.

    Raises
    ------
    FileNotFoundError, InputError : as `iia_calc.report.findings.read_findings`; `out` is no place for a file.
    """
    if out is not None:
        check_file_place(out)
    findings = read_findings(source)
    if say is not None:
        for line in findings.remarks:
            say(line)
    path = page_path(Path(source)) if out is None else out
    write_text(path, page(findings, reload=RELOADED_EVERY if live else None))
    return path


def page_path(source: Path) -> Path:
    """Where the page of a folder or file is kept."""
    return source / NAME if source.is_dir() else source.with_suffix(".html")


def page(findings: Findings, reload: float | None = None) -> str:
    """The page as HTML. reload : seconds after which it loads itself again; None for never."""
    sections = [section for section in (make(findings) for make in SECTIONS) if section is not None]
    model = findings.model
    return render(
        "page.html",
        cluster=with_charge(findings.formula, findings.charge),
        source=findings.source.resolve().name,
        made=findings.made,
        model=model.get("name"),
        model_level=words.short_level(model.get("level_of_theory")),
        dft_level=words.short_level(findings.dft.get("ranked_by")) if findings.by_dft else None,
        n_isomers=len(findings.isomers),
        running=findings.running,
        sections=sections,
        reload=reload,
        style=asset("style.css"),
        script=asset("page.js"),
    )
