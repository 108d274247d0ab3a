"""What becomes of the paper's claims: each holds, doesn't hold, or can't be told (`gains`), with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from ase.units import Hartree

from iia_calc.reproduce import paper_values as printed
from iia_calc.reproduce.gains import (
    FAILS,
    HOLDS,
    LEARNT,
    OPEN,
    Lines,
    Verdict,
    gain,
    gain_interval,
    judge_gain,
    percent,
    plural,
    still_learning,
)
from iia_calc.reproduce.results import Line


def table2(lines: Lines) -> Iterable[Verdict | None]:
    """Table 2: what a transfer from each source does to the MAE."""
    for source in ("SeB19", "SeB19-O"):
        claim = "embeddings carried over lower the MAE"
        yield gain(claim, lines, "none", f"{source} embeddings", source, carries=True)
    claim = "SeB19 is a better source than B20, for it knows Se"
    yield gain(claim, lines, "B20 embeddings", "SeB19 embeddings", carries=True)
    for source in ("B20", "B21", "SeB19", "SeB19-O"):
        yield gain(
            "all weights carried over lower the MAE (not in the paper)", lines, "none", f"{source} weights", source
        )
    if "none" in lines and lines["none"].treatment == "published":
        yield unit_of_errors(lines["none"])
        yield rmse_near_mae(lines["none"])
        yield beyond_constant(lines["none"])


def table3(lines: Lines) -> Iterable[Verdict | None]:
    """Table 3: attention, SMU and transfer, alone and together."""
    for form in ("smooth", "hard", "untrained"):
        yield gain("attention lowers the MAE", lines, "SchNet", f"IIA, {form} attention", form)
    for form in ("smooth", "hard", "untrained"):
        claim = "attention, SMU and TL together lower the MAE"
        yield gain(claim, lines, "SchNet", f"IIA + SMU + TL, {form} attention", form)
    yield gain("SMU lowers the MAE", lines, "SchNet", "SMU")
    yield gain("TL lowers the MAE of the SMU network", lines, "SMU", "SMU + TL", carries=True)


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
        f"the printed number is that in {'eV' if nearer_ev else 'hartree, the unit of the files'}",
    )


def rmse_near_mae(line: Line) -> Verdict:
    """A root mean square error as small as the mean absolute one needs errors of equal size."""
    numbers = line.printed or printed.TABLE_2[None]
    ratio, given = float((line.rmse / line.mae).mean()), numbers[1] / numbers[0]
    fails = ratio > 1 + 3 * (given - 1)
    return Verdict(
        "the RMSE is all but equal to the MAE",
        f"RMSE / MAE = {given:.2f}",
        f"{ratio:.2f}",
        FAILS if fails else HOLDS,
        f"that needs errors of one size, and these are {'of very different ones' if fails else 'so'}",
    )


def beyond_constant(line: Line) -> Verdict:
    """Whether plain SchNet with the paper's settings is any better than the training median for all."""
    found, low, high = gain_interval(line.constant, line.mae)
    going_on = still_learning(line)
    verdict = HOLDS if low > LEARNT else FAILS if (high < 2 * LEARNT or found < 0) and not going_on else OPEN
    so_far = f"after {plural(line.epochs, 'epoch')} SchNet {'is' if low > LEARNT else 'is not'} better than a constant"
    return Verdict(
        "a SchNet trained so is better than one constant for all",
        "taken for granted",
        f"constant {line.constant.mean():.2f} eV/atom, SchNet {line.mae.mean():.2f}: {percent(found)}",
        verdict,
        so_far + (" and still learning" if going_on else ""),
    )


def fig4(lines: Lines) -> Iterable[Verdict | None]:
    """Fig. 4: whether the MAE of plain SchNet grows with the size of the cluster."""
    if not {"SeB19", "SeB20"} <= set(lines):
        return
    small, large = lines["SeB19"], lines["SeB20"]
    rise = float(large.mae.mean() / small.mae.mean())
    spread = float(large.constant.mean() / small.constant.mean())
    a, b = large.pairs_with(small)
    verdict = judge_gain(a, b, 0.05)
    cut = f", and training was cut to {plural(small.epochs, 'epoch')}" if small.epochs < printed.EPOCHS else ""
    yield Verdict(
        "from SeB19 to SeB20 the MAE rises sharply",
        "read off Fig. 4",
        f"× {rise:.2f}; the error of a constant × {spread:.2f}",
        verdict,
        f"the seeds disagree{cut}"
        if verdict == OPEN
        else f"it {'rises' if rise > 1 else 'falls'}, and so does a constant's"
        if (rise > 1) == (spread > 1)
        else f"it {'rises' if rise > 1 else 'falls'}, and a constant's does not",
    )
    if small.treatment == "published":
        fails = spread > 0.8 * rise
        yield Verdict(
            "it rises because larger clusters are harder to fit",
            "stated",
            f"the spread of the labels alone rises × {spread:.2f}",
            FAILS if fails else OPEN,
            "failed SCF energies make the spread, and the error follows it"
            if fails
            else "the error rises more than the spread of the labels",
        )


def continuous(lines: Lines) -> Iterable[Verdict | None]:
    """The chain of transfers from SeB16 to SeB23: its errors and its cost."""
    sizes = [n for n in range(16, 24) if f"SeB{n}" in lines and (n == 16 or f"chain SeB{n}" in lines)]
    if len(sizes) < 2 or sizes[0] != 16:
        return
    equal = ", of sets cut to equal size" if len({lines[f"SeB{n}"].n_train for n in sizes}) == 1 else ""
    for n in (20, 23):
        if n in sizes:
            steps = ["SeB16", *(f"chain SeB{m}" for m in sizes[1:] if m <= n)]
            ratio = _cost(lines, steps) / _cost(lines, [f"SeB{n}"])
            claim = "continuous transfer to one size costs 1.2 direct trainings of it"
            reason = f"every step before it is trained, too; structures times epochs{equal}"
            yield _cost_verdict(claim, ratio, reason, f"SeB{n}")
    if sizes[-1] == 23:
        chain = ["SeB16", *(f"chain SeB{n}" for n in sizes[1:])]
        ratio = _cost(lines, chain) / _cost(lines, [f"SeB{n}" for n in sizes])
        claim = "continuous transfer to all sizes costs at most 1.2 times as much as training each"
        yield _cost_verdict(claim, ratio, "each size is trained once either way")
    for n in sizes[1:]:
        yield gain("continuous transfer lowers the MAE", lines, f"SeB{n}", f"chain SeB{n}", f"SeB{n}", carries=True)


def _cost(lines: Lines, keys: Sequence[str]) -> float:
    """Structures times epochs of some rows, mean over seeds."""
    return sum(float(lines[key].structures.mean()) for key in keys)


def _cost_verdict(claim: str, ratio: float, reason: str, case: str = "") -> Verdict:
    verdict = HOLDS if ratio <= 1.1 * printed.CHAIN_COST else FAILS
    return Verdict(claim, f"× {printed.CHAIN_COST}", f"× {ratio:.2f}", verdict, reason, case)


def tables3(lines: Lines) -> Iterable[Verdict | None]:
    """Table S3: the same on other compositions."""
    for target in ("Ta2N3-", "Ta2N5-", "AlC21", "AlC22"):
        yield gain(
            "attention and SMU lower the MAE of other systems", lines, f"{target} SchNet", f"{target} IIA + SMU", target
        )


def best(lines: Lines) -> Iterable[Verdict | None]:
    """The lowest error that was reached at all."""
    if not lines:
        return
    line = min(lines.values(), key=lambda line: float(line.mae.mean()))
    mean, seeds = float(line.mae.mean()), len(line.mae)
    spread = f" ± {line.mae.std(ddof=1):.3f}" if seeds > 1 else ""
    yield Verdict(
        f"our goal: at most {printed.BEST_GOAL} eV/atom",
        f"{printed.BEST_GOAL} eV/atom",
        f"{mean:.3f}{spread} eV/atom",
        HOLDS if mean <= printed.BEST_GOAL else FAILS,
        f"mean of {plural(seeds, 'seed')}, {line.label}",
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
