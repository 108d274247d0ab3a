"""Doing a label job: structures gathered, labelled side by side, and one line that says what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from iia_calc.common.pools import process_pool
from iia_calc.labels.claims import Claims
from iia_calc.labels.dft.check import check_method
from iia_calc.labels.given import Given, read_given
from iia_calc.labels.jobs import boron_plan, plan_starts, run_starts, run_structures
from iia_calc.labels.level import FOLLOWED, STABLE, UNSTABLE, LevelOfTheory
from iia_calc.labels.minima import model_minima, rattle
from iia_calc.labels.recheck import Rechecked, recheck
from iia_calc.labels.request import LabelRequest
from iia_calc.labels.store import OPEN_SHELL, LabelStore
from iia_calc.labels.xtb import XTBLevel
from search.errors import JobFailed
from search.stopping import Interrupts


@dataclass(frozen=True)
class LabelOutcome:
    """What a label job did.

    Attributes
    ----------
    path : of the database. level : its level of theory. total : labels it holds now.
    made : new labels by formula. stability : new labels by what is known of their SCF solution.
    failed : starts or structures that gave no label. failed_before : those of earlier jobs, which aren't tried again.
    reason : of the last failure.
    others : other jobs at work on the database. interrupted : stopped by a signal.
    """

    path: Path
    level: str
    total: int
    made: dict[str, int]
    stability: dict[str, int]
    failed: int
    failed_before: int = 0
    reason: str = ""
    others: int = 0
    interrupted: bool = False

    def line(self) -> str:
        """The outcome in one line."""
        new = sum(self.made.values())
        parts = ", ".join(f"{formula} {count}" for formula, count in sorted(self.made.items()))
        text = f"{self.path}: {new} new labels of {self.level}" + (f" ({parts})" if parts else "")
        text += f", {self.total} in all"
        tested = {word: self.stability[word] for word in (STABLE, FOLLOWED, UNSTABLE) if word in self.stability}
        if tested:
            text += "; SCF solutions: " + ", ".join(f"{count} {word}" for word, count in tested.items())
        text += f"; {self.failed} failed, the last: {self.reason}" if self.failed else "; none failed"
        text += f"; {self.failed_before} failed earlier and are not tried again" if self.failed_before else ""
        text += f"; {self.others} other jobs are at work on it" if self.others else ""
        return text + ("; interrupted: the same command goes on" if self.interrupted else "")


def run_labels(
    request: LabelRequest,
    on_progress: Callable[[int, int], object] | None = None,
    on_remark: Callable[[str], object] | None = None,
) -> LabelOutcome:
    """Do the job, or go on with it.

    Ctrl-C, SIGTERM and SIGHUP end it with what there is.

    Parameters
    ----------
    on_progress : called with how many labels the database holds and how many it is to hold.
    on_remark : called with lines on what was set aside.

    Raises
    ------
    InputError : what is wrong with the request or its structures, before anything is computed.
    JobFailed : all that was tried failed, or a worker process was lost.
    """
    _check_dft(request, (symbol for composition in request.compositions for symbol in composition.symbols))
    given = _read_structures(request)
    _check_dft(request, (symbol for _, atoms in (given.structures if given else ()) for symbol in atoms.symbols))
    if given is not None and on_remark is not None:
        for remark in given.remarks:
            on_remark(remark)
    level = request.level_of_theory() if given is None else request.level_with(given.charge, given.multiplicity)
    store = LabelStore(request.out, level.name)
    before, failed_before = store.tally(), len(store.failures())
    interrupted = False
    with Interrupts() as interrupts:
        try:
            with process_pool(request.workers) as executor:
                _label(request, given, store, level, executor, on_progress, interrupts)
        except KeyboardInterrupt:
            interrupted = True
    outcome = _outcome(store, before, failed_before, interrupted)
    if not outcome.made and not interrupted and (outcome.failed or (outcome.failed_before and not outcome.total)):
        raise JobFailed(f"no label could be made: {outcome.line()}")
    return outcome


def _check_dft(request: LabelRequest, symbols: Iterable[str]) -> None:
    """InputError where PySCF can't do the level for these elements."""
    if request.level == "dft":
        level = request.dft_level()
        check_method(level.functional, level.basis, symbols)


def run_recheck(request: LabelRequest, on_progress: Callable[[int, int], object] | None = None) -> Rechecked:
    """Test the SCF stability of the doubtful labels in `request.out`; lower ones replace them.

    on_progress : called with how many are tested and how many are to be.
    """
    level = request.dft_level()
    store = LabelStore(request.out, level.name)
    which = request.recheck or OPEN_SHELL
    n_wanted = len(store.list_doubtful(which, request.largest))

    def report(now: Rechecked) -> None:
        if on_progress is not None:
            on_progress(now.n_tested, n_wanted)

    with process_pool(request.workers) as executor:
        return recheck(store, level, executor, report, which, request.largest)


def _label(
    request: LabelRequest,
    given: Given | None,
    store: LabelStore,
    level: LevelOfTheory,
    executor: Executor,
    on_progress: Callable[[int, int], object] | None,
    interrupts: Interrupts,
) -> None:
    before = len(store)
    n_wanted = request.wanted if given is None else before + len(given.structures)

    def report(n: int) -> None:
        if on_progress is not None:
            on_progress(n, n_wanted)

    if given is not None:
        run_structures(
            store,
            given.structures,
            level,
            origin="given" if request.minima_of is None else "model-minimum",
            executor=executor,
            on_progress=report,
            storing=interrupts.hold,
        )
        return
    weights = dict.fromkeys((composition.formula for composition in request.compositions), 1) or boron_plan()
    cheap = XTBLevel(charge=level.charge)
    run_starts(
        store,
        plan_starts(weights, request.seed),
        level,
        n_labels=request.wanted,
        executor=executor,
        workers=request.workers,
        sampling=request.sampling(),
        guide=None if request.is_cheap and not request.walls else cheap,
        walls=request.walls,
        on_progress=report,
        storing=interrupts.hold,
    )


def _read_structures(request: LabelRequest) -> Given | None:
    """Structures of a file or minima of a model; None where random starts are asked for."""
    if request.structures is not None:
        return read_given(request.structures, request.charge, request.multiplicity)
    if request.minima_of is None:
        return None
    formulas = tuple(composition.formula for composition in request.compositions)
    minima: list[tuple[str, Atoms]] = model_minima(
        request.minima_of, formulas, request.wanted, request.seed, request.lowest
    )
    copies = rattle(minima, request.rattle, request.seed) if request.rattle else []
    return Given([*minima, *copies], request.total_charge or 0, request.multiplicity, [])


def _outcome(
    store: LabelStore, before: Counter[tuple[str, str]], failed_before: int, interrupted: bool
) -> LabelOutcome:
    new = store.tally() - before
    failures = store.failures()
    made: Counter[str] = Counter()
    stability: Counter[str] = Counter()
    for (formula, word), count in new.items():
        made[formula] += count
        stability[word] += count
    with Claims(store.path) as claims:
        others = claims.others()
    reason = str(failures[-1]["reason"]) if failures else ""
    failed = len(failures) - failed_before
    return LabelOutcome(
        store.path,
        store.level,
        len(store),
        dict(made),
        dict(stability),
        failed,
        failed_before,
        reason,
        others,
        interrupted,
    )
