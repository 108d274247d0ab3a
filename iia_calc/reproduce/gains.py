"""Whether one row of a table has smaller errors than another, seed by seed, and the reason in one sentence.

Two rows are compared on equal splits. The ratio of their errors is averaged as a logarithm, for errors of
diverging fits differ by factors; its 90 % interval (Student's t over the seeds) decides. The interval of the gain
wholly above zero: the claim holds. Reaching to zero but not up to what is printed (5 % where nothing is): it doesn't
hold. Anything else can't be told. One seed has no interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
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
    """A claim in the paper's words or near them, what is printed, what was obtained, and what follows.

    reason : one sentence. case : which of several systems or models the claim is asked of; "" where there is one.
    """

    claim: str
    printed: str
    obtained: str
    verdict: str
    reason: str
    case: str = ""


def gain_interval(before: np.ndarray, after: np.ndarray) -> tuple[float, float, float]:
    """Mean relative gain of paired numbers [n], and the ends of its 90 % interval (infinite for n = 1)."""
    ratios = np.log(after / before)
    mean = float(ratios.mean())
    if len(ratios) < 2:
        return -float(np.expm1(mean)), -np.inf, np.inf
    reach = float(stats.t.ppf(0.95, len(ratios) - 1) * ratios.std(ddof=1) / len(ratios) ** 0.5)
    return -float(np.expm1(mean)), -float(np.expm1(mean + reach)), -float(np.expm1(mean - reach))


def judge_gain(before: np.ndarray, after: np.ndarray, claimed: float) -> str:
    """Whether `after` is smaller than `before`, as claimed by a relative gain > 0."""
    if not len(before):
        return OPEN
    _, low, high = gain_interval(before, after)
    if low > 0:
        return HOLDS
    return FAILS if high < claimed else OPEN


def gain(
    claim: str,
    lines: Lines,
    before: str,
    after: str,
    case: str = "",
    claimed: float | None = None,
    carries: bool = False,
) -> Verdict | None:
    """Whether the row `after` has a smaller MAE than the row `before`; None where one is missing.

    claimed : relative gain; None for that of the printed numbers. carries : embeddings carried over are all the
        difference.
    """
    if before not in lines or after not in lines:
        return None
    a, b = lines[before], lines[after]
    if claimed is None and a.printed and b.printed:
        claimed = (a.printed[0] - b.printed[0]) / a.printed[0]
    shown = "" if claimed is None else percent(claimed)
    if (a.epochs, a.n_train) != (b.epochs, b.n_train):
        return Verdict(claim, shown, "", OPEN, "the two were trained with unequal budgets", case)
    x, y = a.pairs_with(b)
    verdict = judge_gain(x, y, NOTABLE if claimed is None else claimed)
    shift = max(float(line.embedding_shift.max()) for line in lines.values()) if carries else None
    return Verdict(claim, shown, show_gain(x, y), verdict, _reason(a, b, x, y, verdict, shift), case)


def _reason(a: Line, b: Line, x: np.ndarray, y: np.ndarray, verdict: str, shift: float | None) -> str:
    """shift : by how much of their length training moves rows of the embedding table, where rows are all that
    is carried."""
    if len(x) < 2:
        return "one seed tells nothing of a gain"
    if shift is not None and verdict != HOLDS:
        text = f"next to nothing is carried: training moves a row of embeddings by {100 * shift:.2g} % at most"
    elif (y < x).all() or (y > x).all():
        text = f"{'lower' if (y < x).all() else 'higher'} with each of {len(x)} seeds"
        text += ", but by too unequal amounts" if verdict == OPEN else ""
    else:
        text = "the seeds disagree" if verdict == OPEN else "no gain as large as claimed in any seed's reach"
    if not beats_constant(a) and not beats_constant(b):
        joint = ", but" if verdict == HOLDS else ", and"
        return f"{text}{joint} neither is better than a constant after {plural(a.epochs, 'epoch')}"
    if verdict == OPEN and shift is None and a.epochs < printed.EPOCHS:
        return f"{text}, and training was cut to {plural(a.epochs, 'epoch')}"
    return text


def show_gain(before: np.ndarray, after: np.ndarray) -> str:
    """ "+17.7 % (+8.4 to +27.0)", or "error × 3.1 (1.2 to 8.3)" where it more than doubles."""
    if not len(before):
        return "no common seed"
    mean, low, high = gain_interval(before, after)
    one = not np.isfinite(low)
    if mean < -1:
        return f"error × {_factor(mean)}" + (" (one seed)" if one else f" ({_factor(high)} to {_factor(low)})")
    return percent(mean) + (" (one seed)" if one else f" ({percent(low)[:-2]} to {percent(high)[:-2]})")


def _factor(share: float) -> str:
    return f"{1 - share:.0f}" if share < -9 else f"{1 - share:.1f}"


def percent(share: float) -> str:
    """ "+12.7 %", and "0.0 %" without a sign."""
    text = f"{100 * share:+.1f} %"
    return "0.0 %" if text[1:] == "0.0 %" else text


def beats_constant(line: Line) -> bool:
    """Whether a model is better than one number for all structures."""
    return bool(line.mae.mean() < (1 - LEARNT) * line.constant.mean())


def still_learning(line: Line) -> bool:
    """Whether the best epoch of half the runs was the last one, or the last but one: a fit that isn't over."""
    return bool(np.median(line.best_epoch) >= line.epochs - 1)


def plural(number: int, what: str) -> str:
    """ "1 epoch", "3 epochs"."""
    return f"{number} {what}{'' if number == 1 else 's'}"
