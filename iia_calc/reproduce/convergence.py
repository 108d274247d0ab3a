"""How soon a training has converged, by three definitions, from its validation losses alone.

The paper doesn't say what it calls convergence; its Tables S4 and S5 list the epoch of the lowest validation loss, and
23.47 % is taken for the mean gain in that. One lucky epoch decides it. Two definitions that one epoch can't decide
stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from iia_calc.reproduce import paper_values as printed
from iia_calc.reproduce.gains import NOTABLE, OPEN, beats_constant, judge_gain, percent, plural, still_learning
from iia_calc.reproduce.results import Line

NEAR = 0.05
"""Share above its lowest loss within which a training counts as converged."""
DEFINITIONS = {
    "lowest": "epoch of the lowest validation loss",
    "near": f"first epoch with a loss within {100 * NEAR:.0f} % of the lowest",
    "level": "first epoch that reaches the lowest loss of the network without the change",
}
CLAIMS = (  # experiment, claim, row without the change, row with it, printed gain
    ("table2", "embeddings from SeB19 converge sooner (S4)", "none", "SeB19 embeddings", None),
    ("table2", "embeddings from SeB19-O converge sooner (S4)", "none", "SeB19-O embeddings", None),
    ("table3", "SMU converges sooner (S5)", "SchNet", "SMU", printed.CONVERGENCE / 100),
    ("table3", "SMU with TL converges sooner (S5)", "SchNet", "SMU + TL", printed.CONVERGENCE / 100),
)
Curves = Mapping[int, np.ndarray]
"""Validation losses [n_epochs] by seed."""


@dataclass(frozen=True)
class Speed:
    """One claim under one treatment.

    by : for each of `DEFINITIONS`, epochs before and after as text with the gain, and the verdict. reason : a sentence.
    """

    claim: str
    treatment: str
    printed: str
    by: Mapping[str, tuple[str, str]]
    reason: str


def best_epoch(losses: np.ndarray) -> int:
    """Epoch, from 1, of the lowest loss [n_epochs]."""
    return int(np.argmin(losses)) + 1


def epoch_near_best(losses: np.ndarray) -> int:
    """First epoch, from 1, with a loss within `NEAR` of the lowest [n_epochs]."""
    return epoch_at(losses, (1 + NEAR) * float(losses.min()))


def epoch_at(losses: np.ndarray, level: float) -> int:
    """First epoch, from 1, with a loss of at most `level`; one more than there are where none has [n_epochs]."""
    reached = np.flatnonzero(losses <= level)
    return int(reached[0]) + 1 if len(reached) else len(losses) + 1


def epochs_by(definition: str, before: Curves, after: Curves) -> tuple[np.ndarray, np.ndarray]:
    """Epochs [n_seeds] until convergence of the seeds that both have."""
    seeds = sorted(set(before) & set(after))
    of: dict[str, Callable[[int], tuple[int, int]]] = {
        "lowest": lambda seed: (best_epoch(before[seed]), best_epoch(after[seed])),
        "near": lambda seed: (epoch_near_best(before[seed]), epoch_near_best(after[seed])),
        "level": lambda seed: (best_epoch(before[seed]), epoch_at(after[seed], float(before[seed].min()))),
    }
    pairs = np.array([of[definition](seed) for seed in seeds], dtype=float).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def speeds(experiment: str, lines: Sequence[Line], curves: Mapping[str, Curves]) -> list[Speed]:
    """What the curves of one table say of each claim about convergence."""
    of = {line.key: line for line in lines}
    found = []
    for name, claim, first, second, claimed in CLAIMS:
        if name == experiment and {first, second} <= set(of) and {first, second} <= set(curves):
            found.append(_compare(claim, of[first], of[second], curves[first], curves[second], claimed))
    return found


def _compare(claim: str, a: Line, b: Line, before: Curves, after: Curves, claimed: float | None) -> Speed:
    unlearnt = not beats_constant(a) and not beats_constant(b)
    going_on = still_learning(a) or still_learning(b)
    by = {}
    for definition in DEFINITIONS:
        x, y = epochs_by(definition, before, after)
        undecided = unlearnt or (going_on and definition != "level") or not len(x)
        verdict = OPEN if undecided else judge_gain(x, y, NOTABLE if claimed is None else claimed)
        by[definition] = (f"{_list_epochs(x, a.epochs)} → {_list_epochs(y, b.epochs)}", verdict)
    if unlearnt:
        reason = f"after {plural(a.epochs, 'epoch')} neither network is better than a constant"
    elif going_on:
        last = f"the lowest loss comes with the last of {plural(a.epochs, 'epoch')} or the one before"
        third = f"{plural(len(a.seeds), 'seed')} are too few" if by["level"][1] == OPEN else "the seeds agree"
        reason = f"{last}, so that (1) and (2) tell nothing; by (3) {third}"
    else:
        unclear = [f"({k})" for k, (_, verdict) in enumerate(by.values(), 1) if verdict == OPEN]
        reason = f"the seeds disagree by {', '.join(unclear)}" if unclear else "the seeds agree"
    return Speed(claim, a.treatment, "" if claimed is None else percent(claimed), by, reason)


def _list_epochs(epochs: np.ndarray, last: int) -> str:
    """The epochs of all seeds, a dash for those beyond the last."""
    return ", ".join(f"{epoch:.0f}" if epoch <= last else "–" for epoch in epochs)


def section(found: Sequence[Speed]) -> str:
    """For the page; empty where nothing is known."""
    if not found:
        return ""
    text = ["## Convergence (Tables S4 and S5, 23.47 %)", ""]
    text += [
        "The paper doesn't define it; its tables list the **epoch of the lowest validation loss** (1). Beside it: the "
        f"**{DEFINITIONS['near']}** (2), and the **{DEFINITIONS['level']}** (3), against the epoch of that loss. "
        "As corrected the learning rate falls to zero at the last epoch, which draws the lowest loss there in any "
        "network. Epochs of each seed, without the change → with it; a loss that is never reached (–) counts "
        "as reached one epoch after the last.",
        "",
        "| claim | reading | printed | (1) lowest loss | (2) within 5 % of it | (3) to the same loss | why |",
        "|---|---|---|---|---|---|---|",
    ]
    for speed in found:
        cells = [f"**{verdict}**: {epochs}" for epochs, verdict in speed.by.values()]
        text.append(f"| {speed.claim} | {speed.treatment} | {speed.printed} | {' | '.join(cells)} | {speed.reason} |")
    return "\n".join([*text, ""])
