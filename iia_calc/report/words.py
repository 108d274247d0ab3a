"""How sure a result is, in sentences that the page shows beside the lowest isomer."""

from __future__ import annotations

from dataclasses import dataclass

from iia_calc.confirm.ions import warn_left_out
from iia_calc.report.findings import Entry, Findings
from search.convergence import lower_at_most

FEW_UNSEEN = 0.1
"""Of further quenches that would find something new: below it a search counts as nearly complete."""
SMALL_BASES = ("3-21G", "6-31G", "STO-3G", "def2-SVP", "SVP")
SMALL_BASIS_ERROR = 0.5
"""eV within which a larger basis was seen to turn boron clusters' isomers around (docs/trust.md)."""
FUNCTIONAL_ERROR = 0.1
"""eV: differences that small often change with the density functional."""
GOOD, MIND = "good", "mind"


@dataclass(frozen=True)
class Remark:
    """One sentence. kind : "good", or "mind" for what a reader must mind."""

    kind: str
    text: str


def remarks(findings: Findings) -> list[Remark]:
    """What speaks for the lowest isomer and what against, the weightiest first."""
    if not findings.ranked:
        return []
    found = [*_state(findings), *_level(findings), *_separation(findings), *_search(findings)]
    return found + [Remark(MIND, sentence(line)) for line in findings.run.get("warnings", [])]


def isomer_notes(findings: Findings) -> list[str]:
    """What to mind about single isomers: states, saddles, twins, and where the potential can't judge."""
    lines = [f"Isomer {e.rank}: {note}." for e in findings.confirmed if e.dft is not None for note in e.dft.notes]
    lost = [entry.rank for entry in findings.shown[:100] if entry.known_region is False and entry.dft is None]
    if lost:
        named = ", ".join(map(str, lost[:12])) + (", …" if len(lost) > 12 else "")
        lines.append(
            f"Outside of what the potential knows, so that only DFT can tell: isomer{'s' * (len(lost) > 1)} {named}."
        )
    return lines


def sentence(line: str) -> str:
    """A line with a capital letter and a full stop."""
    return line[:1].upper() + line[1:] + ("" if line.endswith((".", "!", "?")) else ".")


def short_level(level: str | None) -> str:
    """PBE0/3-21G of the whole name of a level of theory."""
    return "" if level is None else level.split(",")[0]


def _state(findings: Findings) -> list[Remark]:
    """What the reader must know of the folder before all else."""
    if findings.running:
        return [Remark(MIND, "The search has not ended; this is what it has found so far.")]
    if findings.run.get("stopped_by") == "running":
        return [Remark(MIND, "The search was broken off, killed perhaps; the same command goes on.")]
    if findings.run.get("stopped_by") == "interrupted":
        return [Remark(MIND, "The search was interrupted before its limit; the same command goes on.")]
    return []


def _level(findings: Findings) -> list[Remark]:
    """Who says that it is the lowest, and whether it is a minimum and one state."""
    if not findings.run:
        return []
    if not findings.by_dft:
        why = "DFT ranked none of them" if findings.dft else "No DFT has confirmed it"
        return [Remark(MIND, f"{why}: the order is that of the potential. Add --dft 5 to the search's command.")]
    best = findings.ranked[0]
    level = short_level(findings.dft.get("ranked_by"))
    n = len(findings.ranked)
    agreed = "as by the potential" if best.rank == 1 else f"the potential had it as isomer {best.rank}"
    among = f"It is the lowest of {n} isomers relaxed" if n > 1 else "It was relaxed"
    found = [Remark(GOOD, f"{among} by DFT and ranked with {level}; {agreed}.")]
    return found + _ion(findings) + _minimum(best)


def _ion(findings: Findings) -> list[Remark]:
    """Of ions: which surface was searched, and where the charge moved each isomer."""
    if not findings.charge or not findings.model:
        return []
    moves = [f"{e.rank} → {e.dft.rank}" for e in findings.ranked if e.dft is not None and e.dft.rank is not None]
    text = f"The neutral's surface was searched, DFT has charge {findings.charge:+d}".replace("-", "−")
    found = [Remark(MIND, f"{text}; ranks by the potential → by DFT: {', '.join(moves)}.")]
    relative = {e.rank: e.relative for e in findings.isomers if e.relative is not None}
    left_out = warn_left_out(relative, {e.rank for e in findings.confirmed})
    return found + ([Remark(MIND, sentence(left_out))] if left_out else [])


def _minimum(best: Entry) -> list[Remark]:
    """Frequencies, and the notes on the state of the lowest."""
    if best.dft is None:
        return []
    found = [Remark(MIND, sentence(note)) for note in best.dft.notes]
    if frequencies := best.dft.frequencies:
        lowest = min(frequencies)
        if lowest > 0:
            found.insert(0, Remark(GOOD, f"It is a minimum: all frequencies are real, the lowest {lowest:.0f} cm⁻¹."))
    else:
        found.append(Remark(MIND, "No frequencies tell whether it is a minimum; --frequencies computes them."))
    return found


def _separation(findings: Findings) -> list[Remark]:
    """How far above the next isomer lies, against the error of that."""
    if len(findings.ranked) < 2:
        return []
    second = findings.ranked[1]
    if not findings.by_dft:
        if second.relative is None:
            return []
        text = f"The next isomer lies {second.relative:.2f} eV above"
        if second.error is None:
            return [Remark(GOOD, text + ".")]
        safe = second.relative > 2.0 * second.error
        return [Remark(GOOD if safe else MIND, f"{text}; the expected error of that is {second.error:.2f} eV.")]
    above = second.dft.relative if second.dft is not None else None
    if above is None:
        return []
    level = short_level(findings.dft.get("ranked_by"))
    text = f"The next one (isomer {second.rank}, {second.shape}) lies {above:.2f} eV above"
    if level.rpartition("/")[2] in SMALL_BASES and above < SMALL_BASIS_ERROR:
        return [Remark(MIND, f"{text}: a larger basis than {level.rpartition('/')[2]} may turn the two around.")]
    if above < FUNCTIONAL_ERROR:
        return [Remark(MIND, f"{text}: another functional may turn the two around.")]
    return [Remark(GOOD, f"{text}.")]


def _search(findings: Findings) -> list[Remark]:
    """Whether the search found it more than once, and how much it may have missed."""
    found = []
    starts = (findings.run.get("convergence") or {}).get("lowest_found")
    if starts is not None and not findings.running:
        if starts:
            reached = f"{starts} independent random start{'s led' if starts > 1 else ' led'} to the potential's lowest"
            times = lower_at_most(starts)
            text = f"{reached} isomer: a lower one, if there is any, is found at most {times:.1f} times as often (95 %)"
            found.append(Remark(GOOD if times <= 1.0 else MIND, f"{text}."))
        else:
            text = "No random start led to the potential's lowest isomer: it comes from a known or given structure"
            found.append(Remark(MIND, f"{text}."))
    if findings.unseen is not None:
        kind = GOOD if findings.unseen <= FEW_UNSEEN else MIND
        text = f"About {findings.unseen:.0%} of further relaxations would find a new isomer"
        found.append(Remark(kind, f"{text}{'' if kind == GOOD else ': the search is not finished'}."))
    best = findings.ranked[0]
    if best.known is not None:
        text = "the lowest" if best.known == 0.0 else f"a minimum {best.known:.2f} eV above the lowest"
        found.append(Remark(GOOD, f"It is {text} that was known of this formula before."))
    return found
