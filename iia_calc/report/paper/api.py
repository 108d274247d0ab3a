"""The supporting information of confirmed searches, written to one folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iia_calc.common.files import check_folder_place, write_text
from iia_calc.properties.figures import draw_populations
from iia_calc.properties.symmetry import TOLERANCE
from iia_calc.report.paper.citations import bibliography, in_one_line
from iia_calc.report.paper.content import PaperSystem, read_system
from iia_calc.report.paper.methods import Cite, methods_paragraphs
from iia_calc.report.paper.tables import caption, latex, latex_table, markdown_table, notes, xyz_block
from iia_calc.report.picture import draw_isomers
from search.errors import InputError

PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{booktabs,graphicx,amsmath}
\begin{document}
\section*{Supporting information}
"""
FIGURES = ("svg", "pdf")


@dataclass(frozen=True)
class Paper:
    """What was written. folder : where. files : their names. remarks : what is missing, in words."""

    folder: Path
    files: tuple[str, ...]
    remarks: tuple[str, ...]


def write_paper(sources: Sequence[str | Path], out: str | Path = "paper", tolerance: float = TOLERANCE) -> Paper:
    """Write the supporting information of confirmed searches; `iia paper` is this function.

    The folder receives supporting.md, supporting.tex (to be compiled, tables by booktabs), references.bib, an xyz file
    for each search, and figures as SVG and PDF. Nothing is computed but point groups.

    Parameters
    ----------
    sources : folders of searches, or formulas whose folder is FORMULA-search. tolerance : Å, of point groups.

    Raises
    ------
    FileNotFoundError : no such search. OSError : `out` can't be written in.
    InputError : one isn't confirmed by DFT, or is given twice. MissingPackage : pymatgen isn't installed.
    """
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance is {tolerance!r}; it must be above 0 and below 1 Å, such as {TOLERANCE}")
    if not sources:
        raise InputError("name at least one confirmed search")
    check_folder_place(out)
    systems = [read_system(source, tolerance) for source in sources]
    names = [system.name for system in systems]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{', '.join(twice)} is given twice; each formula and charge once")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    keys: list[str] = []

    def number(key: str) -> str:
        if key not in keys:
            keys.append(key)
        return f"[{keys.index(key) + 1}]"

    figures = {system.name: _draw(system, folder) for system in systems}
    write_text(folder / "supporting.md", _markdown(systems, figures, tolerance, number, keys))
    write_text(folder / "supporting.tex", _latex(systems, figures, tolerance))
    write_text(folder / "references.bib", bibliography(keys))
    for system in systems:
        write_text(folder / f"{system.name}.xyz", "".join(xyz_block(isomer) for isomer in system.isomers))
    files = ["supporting.md", "supporting.tex", "references.bib", *(f"{name}.xyz" for name in names)]
    files += [f"{figure}.{kind}" for told in figures.values() for figure in told for kind in FIGURES]
    return Paper(folder, tuple(files), tuple(_remarks(systems)))


def _draw(system: PaperSystem, folder: Path) -> list[str]:
    """Figures of one system, as SVG and PDF; their names without suffix."""
    drawn = [f"{system.name}-isomers"]
    for kind in FIGURES:
        draw_isomers(
            [isomer.atoms for isomer in system.isomers],
            [isomer.energy for isomer in system.isomers],
            folder / f"{drawn[0]}.{kind}",
        )
    if system.found.populations is not None:
        drawn.append(f"{system.name}-populations")
        for kind in FIGURES:
            draw_populations(system.found, folder / f"{drawn[1]}.{kind}")
    return drawn


def _markdown(
    systems: Sequence[PaperSystem], figures: dict[str, list[str]], tolerance: float, cite: Cite, keys: list[str]
) -> str:
    parts = ["# Supporting information\n"]
    for system in systems:
        parts += [f"## {system.name}\n", caption(system) + "\n", markdown_table(system)]
        parts += [f"![{figure}]({figure}.svg)\n" for figure in figures[system.name]]
        if doubts := notes(system.isomers):
            parts.append("\n".join(f"- {doubt}" for doubt in doubts) + "\n")
        parts += ["### Methods\n", "\n\n".join(methods_paragraphs(system, tolerance, cite)) + "\n"]
        parts += ["### Structures\n", "```text\n" + "\n".join(map(xyz_block, system.isomers)) + "```\n"]
    listed = "\n".join(f"{k}. {in_one_line(key)} (`{key}` in references.bib)" for k, key in enumerate(keys, 1))
    return "\n".join([*parts, "## References\n", listed, ""])


def _latex(systems: Sequence[PaperSystem], figures: dict[str, list[str]], tolerance: float) -> str:
    parts = [PREAMBLE]
    for system in systems:
        parts += [rf"\subsection*{{{latex(system.name)}}}", latex_table(system)]
        for figure in figures[system.name]:
            parts.append(rf"\begin{{center}}\includegraphics[width=0.9\linewidth]{{{figure}.pdf}}\end{{center}}")
        if doubts := notes(system.isomers):
            items = "\n".join(rf"\item {latex(doubt)}" for doubt in doubts)
            parts.append(f"\\begin{{itemize}}\n{items}\n\\end{{itemize}}")
        parts.append(r"\paragraph{Methods}")
        # a mark of letters alone passes the escaping as it is, and becomes the citation after it
        text = "\n\n".join(methods_paragraphs(system, tolerance, lambda key: f"CITEOPEN{key}CITESHUT"))
        parts.append(latex(text).replace("CITEOPEN", r"\cite{").replace("CITESHUT", "}"))
        blocks = "\n".join(map(xyz_block, system.isomers))
        parts.append(f"\\paragraph{{Structures}}\n\\begin{{verbatim}}\n{blocks}\\end{{verbatim}}")
    return "\n\n".join([*parts, r"\bibliographystyle{unsrt}", r"\bibliography{references}", r"\end{document}", ""])


def _remarks(systems: Sequence[PaperSystem]) -> list[str]:
    """What a referee would ask for."""
    found = []
    for system in systems:
        if not system.has_frequencies:
            found.append(f"{system.name} has no frequencies: the same search with --frequencies makes them")
        if "3-21g" in system.energy_level.lower():
            found.append(f"{system.name} is ranked by {system.energy_level}: a small basis; --dft-basis def2-TZVP")
    return found
