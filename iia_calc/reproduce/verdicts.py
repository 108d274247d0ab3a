"""What becomes of the paper's claims: each holds, doesn't hold, or can't be told, by one rule.

Two rows of a table are compared seed by seed, that is on equal splits, as relative gains (a - b) / a. The
mean's 90 % interval (Student's t over the seeds) decides: wholly above zero, the claim holds; reaching to
zero but not up to what is printed, it doesn't hold (a claim without a number is taken to mean 5 %);
anything else can't be told. One seed has no interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase.units import Hartree
from scipy import stats

from iia_calc.reproduce import paper_values as printed
from iia_calc.reproduce.results import Line

HOLDS, FAILS, OPEN = "holds", "doesn't hold", "can't be told"
LEARNT = 0.05
"""Share by which a model must be better than a constant before it has learnt anything."""
NOTABLE = 0.05
"""Relative gain that a claim without a number is taken to mean."""
Lines = Mapping[str, Line]


@dataclass(frozen=True)
class Verdict:
    """A claim in the paper's words or near them, what is printed, what was obtained, and what follows."""

    claim: str
    printed: str
    obtained: str
    verdict: str


def gain_interval(before: np.ndarray, after: np.ndarray) -> tuple[float, float, float]:
    """Mean relative gain of paired numbers [n], and the ends of its 90 % interval (infinite for n = 1)."""
    gains = (before - after) / before
    mean = float(gains.mean())
    if len(gains) < 2:
        return mean, -np.inf, np.inf
    reach = float(stats.t.ppf(0.95, len(gains) - 1) * gains.std(ddof=1) / len(gains) ** 0.5)
    return mean, mean - reach, mean + reach


def judge_gain(before: np.ndarray, after: np.ndarray, claimed: float) -> str:
    """Whether `after` is smaller than `before`, as claimed by a relative gain > 0."""
    if not len(before):
        return OPEN
    _, low, high = gain_interval(before, after)
    if low > 0:
        return HOLDS
    return FAILS if high < claimed else OPEN


def _gain(
    claim: str, lines: Lines, before: str, after: str, what: str = "mae", claimed: float | None = None
) -> Verdict | None:
    if before not in lines or after not in lines:
        return None
    if (lines[before].epochs, lines[before].n_train) != (lines[after].epochs, lines[after].n_train):
        return Verdict(claim, "", "trained with unequal budgets", OPEN)
    a, b = lines[before].pairs_with(lines[after], what)
    p, q = lines[before].printed, lines[after].printed
    printed_gain = claimed if claimed is not None else (p[0] - q[0]) / p[0] if p and q and what == "mae" else None
    if what == "best_epoch" and (_still_learning(lines[before]) or _still_learning(lines[after])):
        shown = "" if claimed is None else f"{100 * claimed:+.1f} %"
        return Verdict(claim, shown, f"still learning at the last of {lines[before].epochs} epochs", OPEN)
    mean, low, high = gain_interval(a, b) if len(a) else (np.nan, np.nan, np.nan)
    reach = f" ({100 * low:+.1f} to {100 * high:+.1f})" if np.isfinite(low) else " (one seed)"
    obtained = f"{100 * mean:+.1f} %{reach}"
    if what == "mae" and not _learnt(lines[before]) and not _learnt(lines[after]):
        obtained += "; neither is better than a constant"
    shown = "" if printed_gain is None else f"{100 * printed_gain:+.1f} %"
    return Verdict(claim, shown, obtained, judge_gain(a, b, NOTABLE if printed_gain is None else printed_gain))


def _still_learning(line: Line) -> bool:
    """Whether the best epoch of half the runs was the last one, or the last but one: a fit that isn't over."""
    return bool(np.median(line.best_epoch) >= line.epochs - 1)


def _learnt(line: Line) -> bool:
    return bool(line.mae.mean() < (1 - LEARNT) * line.constant.mean())


def table2(lines: Lines) -> Iterable[Verdict | None]:
    """Table 2: what a transfer from each source does to the MAE."""
    for source in ("B20", "B21", "SeB19", "SeB19-O"):
        if source in ("SeB19", "SeB19-O"):
            yield _gain(f"embeddings from {source} lower the MAE", lines, "none", f"{source} embeddings")
        yield _gain(f"all weights from {source} lower the MAE (not in the paper)", lines, "none", f"{source} weights")
    claim = "SeB19 is a better source than B20 (what counts is that it knows Se)"
    yield _gain(claim, lines, "B20 embeddings", "SeB19 embeddings")
    if "none" in lines and lines["none"].treatment == "published":
        yield unit_of_errors(lines["none"])
        yield rmse_near_mae(lines["none"])
        yield beyond_constant(lines["none"])
    for source in ("SeB19", "SeB19-O"):
        yield _gain(
            f"with embeddings from {source} the best epoch comes earlier (S4)",
            lines,
            "none",
            f"{source} embeddings",
            "best_epoch",
        )


def table3(lines: Lines) -> Iterable[Verdict | None]:
    """Table 3: attention, SMU and transfer, alone and together."""
    for form in ("smooth", "hard", "untrained"):
        yield _gain(f"attention ({form}) lowers the MAE", lines, "SchNet", f"IIA, {form} attention")
        yield _gain(f"attention ({form}), SMU and TL together do", lines, "SchNet", f"IIA + SMU + TL, {form} attention")
    yield _gain("SMU lowers the MAE", lines, "SchNet", "SMU")
    yield _gain("TL lowers the MAE of the SMU network", lines, "SMU", "SMU + TL")
    claimed = printed.CONVERGENCE / 100
    yield _gain("SMU reaches its best epoch sooner (S5)", lines, "SchNet", "SMU", "best_epoch", claimed)
    yield _gain("SMU with TL does (S5)", lines, "SchNet", "SMU + TL", "best_epoch", claimed)


def unit_of_errors(line: Line) -> Verdict:
    """Which of the two units the printed number is nearer to, on a logarithmic scale."""
    numbers = line.printed or printed.TABLE_2[None]
    ev, hartree = float(line.mae.mean()), float(line.mae.mean() / Hartree)
    nearer_ev = abs(np.log(ev / numbers[0])) < abs(np.log(hartree / numbers[0]))
    return Verdict(
        "the tables' errors are in eV/atom",
        f"{numbers[0]} eV/atom",
        f"{ev:.3f} eV/atom = {hartree:.3f} hartree/atom",
        HOLDS if nearer_ev else FAILS,
    )


def rmse_near_mae(line: Line) -> Verdict:
    """A root mean square error as small as the mean absolute one needs errors of equal size."""
    numbers = line.printed or printed.TABLE_2[None]
    ratio, given = float((line.rmse / line.mae).mean()), numbers[1] / numbers[0]
    return Verdict(
        "the RMSE is all but equal to the MAE",
        f"RMSE / MAE = {given:.2f}",
        f"{ratio:.2f}",
        FAILS if ratio > 1 + 3 * (given - 1) else HOLDS,
    )


def beyond_constant(line: Line) -> Verdict:
    """Whether plain SchNet with the paper's settings is any better than the training median for all."""
    gain, low, high = gain_interval(line.constant, line.mae)
    reach = f" ({100 * low:+.1f} to {100 * high:+.1f})" if np.isfinite(low) else " (one seed)"
    going_on = _still_learning(line)
    if going_on:
        reach += f"; still learning at the last of {line.epochs} epochs"
    return Verdict(
        "a SchNet trained so predicts energies (better than one constant for all)",
        "taken for granted",
        f"constant {line.constant.mean():.2f} eV/atom, SchNet {line.mae.mean():.2f}: {100 * gain:+.1f} %{reach}",
        HOLDS if low > LEARNT else FAILS if (high < 2 * LEARNT or gain < 0) and not going_on else OPEN,
    )


def fig4(lines: Lines) -> Iterable[Verdict | None]:
    """Fig. 4: whether the MAE of plain SchNet grows with the size of the cluster."""
    if not {"SeB19", "SeB20"} <= set(lines):
        return
    small, large = lines["SeB19"], lines["SeB20"]
    rise = float(large.mae.mean() / small.mae.mean())
    spread = float(large.constant.mean() / small.constant.mean())
    a, b = large.pairs_with(small)
    yield Verdict(
        "from SeB19 to SeB20 the MAE rises sharply",
        "read off Fig. 4",
        f"× {rise:.2f}; the error of a constant × {spread:.2f}",
        judge_gain(a, b, 0.05),
    )
    if small.treatment == "published":
        yield Verdict(
            "because larger clusters are harder to fit",
            "stated",
            f"the spread of the labels alone rises × {spread:.2f}: failed SCF solutions",
            FAILS if spread > 0.8 * rise else OPEN,
        )


def continuous(lines: Lines) -> Iterable[Verdict | None]:
    """The chain of transfers from SeB16 to SeB23: its errors and its cost."""
    sizes = [n for n in range(16, 24) if f"SeB{n}" in lines and (n == 16 or f"chain SeB{n}" in lines)]
    if len(sizes) < 2 or sizes[0] != 16:
        return
    equal = "; sets cut to equal size" if len({lines[f"SeB{n}"].n_train for n in sizes}) == 1 else ""
    for n in (20, 23):
        if n in sizes:
            steps = ["SeB16", *(f"chain SeB{m}" for m in sizes[1:] if m <= n)]
            chain = sum(float(lines[step].structures.mean()) for step in steps)
            ratio = chain / float(lines[f"SeB{n}"].structures.mean())
            yield Verdict(
                f"a SeB{n} by continuous transfer costs 1.2 direct trainings of it",
                f"× {printed.CHAIN_COST}",
                f"× {ratio:.2f} (structures times epochs, every step counted{equal})",
                HOLDS if ratio <= 1.1 * printed.CHAIN_COST else FAILS,
            )
    if sizes[-1] == 23:
        direct = sum(float(lines[f"SeB{n}"].structures.mean()) for n in sizes)
        whole = sum(float(lines[f"chain SeB{n}"].structures.mean()) for n in sizes[1:])
        ratio = (whole + float(lines["SeB16"].structures.mean())) / direct
        yield Verdict(
            "where every size from 16 to 23 is wanted, it costs at most 1.2 times as much as training each",
            "× 1.2",
            f"× {ratio:.2f}",
            HOLDS if ratio <= 1.1 * printed.CHAIN_COST else FAILS,
        )
    for n in sizes[1:]:
        yield _gain(f"continuous transfer lowers the MAE of SeB{n}", lines, f"SeB{n}", f"chain SeB{n}")


def tables3(lines: Lines) -> Iterable[Verdict | None]:
    """Table S3: the same on other compositions."""
    for target in ("Ta2N3-", "Ta2N5-", "AlC21", "AlC22"):
        yield _gain(f"attention and SMU lower the MAE of {target}", lines, f"{target} SchNet", f"{target} IIA + SMU")


def best(lines: Lines) -> Iterable[Verdict | None]:
    """The lowest error that was reached at all."""
    if not lines:
        return
    line = min(lines.values(), key=lambda line: float(line.mae.mean()))
    mean, seeds = float(line.mae.mean()), len(line.mae)
    spread = f" ± {line.mae.std(ddof=1):.3f}" if seeds > 1 else ""
    yield Verdict(
        f"our goal: at most {printed.BEST_GOAL} eV/atom ({line.label})",
        f"{printed.BEST_GOAL} eV/atom",
        f"{mean:.3f}{spread} eV/atom",
        HOLDS if mean <= printed.BEST_GOAL else FAILS,
    )


JUDGES: dict[str, Callable[[Lines], Iterable[Verdict | None]]] = {
    "table2": table2,
    "table3": table3,
    "fig4": fig4,
    "continuous": continuous,
    "tableS3": tables3,
    "best": best,
}


def verdicts(experiment: str, lines: Sequence[Line]) -> list[Verdict]:
    """Of the claims that an experiment speaks to, as far as its lines go."""
    by_key = {line.key: line for line in lines}
    if experiment not in JUDGES:
        return []
    return [verdict for verdict in JUDGES[experiment](by_key) if verdict is not None]
