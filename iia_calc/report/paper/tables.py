"""Tables and coordinates of the supporting information, in Markdown and in LaTeX (booktabs)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from iia_calc.report.paper.content import PaperIsomer, PaperSystem

HEADINGS = ("isomer", "PG", "state", "E / Eh", "ΔE / eV", "ΔE + ZPE / eV", "ZPE / eV", "lowest ν / cm⁻¹", "⟨S²⟩")
LATEX_HEADINGS = (
    "isomer",
    "PG",
    "state",
    r"$E$ / $E_\mathrm{h}$",
    r"$\Delta E$ / eV",
    r"$\Delta(E+\mathrm{ZPE})$ / eV",
    "ZPE / eV",
    r"$\tilde\nu_1$ / cm$^{-1}$",
    r"$\langle S^2\rangle$",
)
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "⟨S²⟩": r"$\langle S^2\rangle$",
    "⁻¹": r"$^{-1}$",
    "Å": r"\AA{}",
    "±": r"$\pm$",
    "–": "--",
}


def markdown_table(system: PaperSystem) -> str:
    """One table, a row for each isomer."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
    lines += ["| " + " | ".join(cells(isomer)) + " |" for isomer in system.isomers]
    return "\n".join(lines) + "\n"


def latex_table(system: PaperSystem) -> str:
    """One table environment with booktabs' rules, a caption and a label."""
    rows = []
    for isomer in system.isomers:
        name, group, state, *others = cells(isomer)
        rows.append(" & ".join([latex(name), _latex_group(group), _latex_state(state), *map(latex, others)]) + r" \\")
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{latex_caption(system)}}}",
            rf"\label{{tab:{system.name}}}",
            r"\centering",
            r"\begin{tabular}{lllrrrrrr}",
            r"\toprule",
            " & ".join(LATEX_HEADINGS) + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def caption(system: PaperSystem) -> str:
    """What the table shows, in one sentence."""
    return (
        f"Isomers of {system.formula}{_charge(system.charge)}: point groups, states, energies by "
        f"{system.energy_level}, zero-point energies (ZPE) and lowest harmonic frequencies by {system.level}."
    )


def latex_caption(system: PaperSystem) -> str:
    """`caption` for LaTeX, indices set low."""
    formula = re.sub(r"(\d+)", r"$_{\1}$", system.formula)
    return latex(caption(system)).replace(system.formula, formula, 1)


def xyz_block(isomer: PaperIsomer) -> str:
    """The structure in the xyz format, all that is known of it on the comment line."""
    parts = [
        isomer.name,
        isomer.point_group,
        isomer.state,
        f"E = {isomer.hartree:.6f} Eh",
        f"dE = {isomer.relative:.3f} eV",
    ]
    if isomer.zero_point_energy is not None:
        parts.append(f"ZPE = {isomer.zero_point_energy:.3f} eV")
    if isomer.lowest_frequency is not None:
        parts.append(f"lowest frequency {_frequency(isomer.lowest_frequency)} cm-1")
    if isomer.s_squared is not None:
        parts.append(f"<S^2> = {isomer.s_squared:.3f}")
    rows = [
        f"{symbol:<2s} {x:12.6f} {y:12.6f} {z:12.6f}"
        for symbol, (x, y, z) in zip(
            isomer.atoms.get_chemical_symbols(), isomer.atoms.positions.round(6) + 0.0, strict=True
        )
    ]
    about = ", ".join(parts).replace("∞", "inf")  # plain ASCII for old readers
    return "\n".join([str(len(rows)), about, *rows]) + "\n"


def cells(isomer: PaperIsomer) -> list[str]:
    """The row of a table; what isn't known is a dash."""
    return [
        isomer.name,
        isomer.point_group,
        isomer.state,
        f"{isomer.hartree:.6f}",
        f"{isomer.relative:.3f}",
        _number(isomer.relative_with_zpe, 3),
        _number(isomer.zero_point_energy, 3),
        "–" if isomer.lowest_frequency is None else _frequency(isomer.lowest_frequency),
        _number(isomer.s_squared, 3),
    ]


def latex(text: str) -> str:
    """`text` with LaTeX's special characters escaped."""
    pattern = re.compile("|".join(re.escape(key) for key in sorted(_SPECIAL, key=len, reverse=True)))
    return pattern.sub(lambda found: _SPECIAL[found[0]], text)


def notes(isomers: Sequence[PaperIsomer]) -> list[str]:
    """Doubts about single isomers, each with its name."""
    return [f"{isomer.name}: {note}" for isomer in isomers for note in isomer.notes]


def _latex_group(group: str) -> str:
    """D10d as a symbol with its index low; ∞ as a symbol."""
    index = group[1:].replace("∞", r"\infty ")
    return f"${group[0]}_{{{index}}}$" if index else f"${group[0]}$"


def _latex_state(state: str) -> str:
    """A term symbol, 3B1g (D2h of D∞h), with indices high and low; other words as they are."""
    parts = re.fullmatch(r"(\d+)([A-Z])([a-z0-9]*)('*)( \((\w+) of (.+)\))?", state)
    if parts is None:
        return latex(state)
    low = f"_{{{parts[3]}}}" if parts[3] else ""
    symbol = rf"$^{{{parts[1]}}}\mathrm{{{parts[2]}}}{low}{parts[4]}$"
    return symbol if not parts[5] else f"{symbol} ({_latex_group(parts[6])} of {_latex_group(parts[7])})"


def _charge(charge: int) -> str:
    return "" if not charge else f" (charge {charge:+d})"


def _frequency(value: float) -> str:
    return f"{abs(value):.0f}{'i' if value < 0 else ''}"


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
