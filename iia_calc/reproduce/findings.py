"""The findings in Markdown: one row for each claim, both readings side by side, and why.

Verdicts on the same claim about several systems or models (their `case`) share a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ase.units import Hartree

from iia_calc.reproduce.gains import FAILS, HOLDS, OPEN, Verdict
from iia_calc.reproduce.results import Line
from iia_calc.reproduce.sets import TREATMENTS

MANY = 3
"""Cases of one verdict up to which each has its interval; of more only the gain is shown."""


@dataclass
class Group:
    """The claims of one table or figure.

    run : for each treatment, the budget in a few words. verdicts : for each treatment.
    """

    title: str
    run: dict[str, str] = field(default_factory=dict)
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)

    def claims(self) -> list[str]:
        """In the order in which they come."""
        return list(dict.fromkeys(v.claim for t in TREATMENTS for v in self.verdicts.get(t, [])))

    def of(self, claim: str, treatment: str) -> list[Verdict]:
        """All cases of a claim under one treatment."""
        return [v for v in self.verdicts.get(treatment, []) if v.claim == claim]


def budget(lines: Sequence[Line]) -> str:
    """ "12 epochs × 3 seeds, 240 structures"."""
    parts = []
    for numbers, word in (
        ([line.epochs for line in lines], "epochs × "),
        ([len(line.seeds) for line in lines], "seeds, "),
        ([line.n_train for line in lines], "structures"),
    ):
        low, high = min(numbers), max(numbers)
        parts.append(f"{low if low == high else f'{low} to {high}'} {word}")
    return "".join(parts)


def summary(groups: Sequence[Group]) -> str:
    """What holds, what doesn't and what can't be told, a line each, by the corrected reading where there is one."""
    text = []
    for verdict, word in ((HOLDS, "Holds"), (FAILS, "Doesn't hold"), (OPEN, "Can't be told")):
        claims = []
        for group in groups:
            for claim in group.claims():
                asked = group.of(claim, "corrected") or group.of(claim, "published")
                cases = [v.case for v in asked if v.verdict == verdict]
                if cases:
                    several = len(cases) < len(asked) and any(cases)
                    claims.append(claim + (f" ({', '.join(cases)})" if several else ""))
        text.append(f"- **{word}**: {'; '.join(claims) or 'nothing'}.")
    return "\n".join(["## In short, as corrected where both were asked", "", *text, ""])


def table(groups: Sequence[Group]) -> str:
    """All verdicts."""
    lines = ["## Claim by claim", ""]
    lines += ["| claim | printed | as published | as corrected | why |", "|---|---|---|---|---|"]
    for group in groups:
        run = [f"*{group.run[t]}*" if t in group.run else "" for t in TREATMENTS]
        lines.append(f"| **{group.title}** | | {run[0]} | {run[1]} | |")
        for claim in group.claims():
            of = {t: group.of(claim, t) for t in TREATMENTS}
            cells = [_cell(of[t]) for t in TREATMENTS]
            lines.append(
                f"| {claim} | {_paper_value([*of['published'], *of['corrected']])} | {' | '.join(cells)} | {_why(of)} |"
            )
    return "\n".join([*lines, ""])


def _paper_value(verdicts: Sequence[Verdict]) -> str:
    """What the paper has, once where it is the same for all cases."""
    by_case = {v.case: v.printed for v in verdicts if v.printed}
    if len(set(by_case.values())) <= 1:
        return next(iter(by_case.values()), "")
    return ", ".join(f"{case} {value}" for case, value in by_case.items())


def _cell(verdicts: Sequence[Verdict]) -> str:
    """Verdicts and what was obtained, the cases of one verdict together."""
    parts = []
    for verdict in dict.fromkeys(v.verdict for v in verdicts):
        same = [v for v in verdicts if v.verdict == verdict]
        values = [v.obtained if len(same) <= MANY else v.obtained.split(" (")[0] for v in same]
        shown = ", ".join(f"{v.case} {value}".strip() for v, value in zip(same, values, strict=True))
        parts.append(f"**{verdict}**: {shown}" if shown else f"**{verdict}**")
    return "; ".join(parts)


def _why(of: dict[str, list[Verdict]]) -> str:
    """The reasons: each once, with its cases where they have several, and with its reading where the two differ."""
    texts = {t: _reasons(verdicts) for t, verdicts in of.items() if verdicts}
    if len(set(texts.values())) == 1:
        return _sentence(next(iter(texts.values())))
    return " ".join(_sentence(f"{t}: {text}") for t, text in texts.items())


def _reasons(verdicts: Iterable[Verdict]) -> str:
    cases: dict[str, list[str]] = {}
    for v in verdicts:
        cases.setdefault(v.reason, []).append(v.case)
    if len(cases) == 1:
        return next(iter(cases))
    return "; ".join(f"{', '.join(names)}: {reason}" if all(names) else reason for reason, names in cases.items())


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def errors(published: Sequence[Line], corrected: Sequence[Line], left_out: Sequence[str] = ()) -> str:
    """Printed errors beside obtained ones in both units; rows without a printed error only where neither has one.

    left_out : keys of rows that are not shown.
    """
    of = {t: {line.key: line for line in lines} for t, lines in zip(TREATMENTS, (published, corrected), strict=True)}
    rows = {line.key: line for line in (*published, *corrected) if line.printed and line.key not in left_out}
    if not rows:
        return ""
    text = ["## Errors on SeB20, printed and obtained", ""]
    text += [
        "Test MAE per atom. The paper calls its unit eV; the eV beside it are what it comes to if it is hartree.",
        "",
        "| | printed | as hartree, eV | as published, hartree | eV | as corrected, hartree | eV |",
        "|---|---|---|---|---|---|---|",
    ]
    first = next(iter(rows))
    constants = [float(of[t][first].constant.mean()) if first in of[t] else None for t in TREATMENTS]
    text.append(f"| *one number for all* | | | {' | '.join(_both(value, '') for value in constants)} |")
    for key, line in rows.items():
        cells = []
        for t in TREATMENTS:
            found = of[t].get(key)
            deviation = f" ± {found.mae.std(ddof=1):.3f}" if found and len(found.mae) > 1 else ""
            cells.append(_both(float(found.mae.mean()) if found else None, deviation))
        assert line.printed is not None
        given = line.printed[0]
        text.append(f"| {line.label} | {given:.3f} | {given * Hartree:.2f} | {' | '.join(cells)} |")
    return "\n".join([*text, ""])


def _both(ev: float | None, deviation: str) -> str:
    """Two cells: hartree, and eV with its deviation."""
    return " | " if ev is None else f"{ev / Hartree:.4f} | {ev:.3f}{deviation}"
