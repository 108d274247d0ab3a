"""How long searches of a formula take to its lowest known minimum: independent runs from random starts.

The searches are those of `iia search --no-known`; each ends when it has found the target. A run that has not found it
within its limit is censored (see `search.first_hit`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from iia_calc.common.device import cpu_threads
from iia_calc.isomers.relaxer import RequestRelaxer
from iia_calc.isomers.request import SearchRequest
from iia_calc.isomers.target import Target, find_target
from search.errors import InputError, whole
from search.first_hit import FirstHits
from search.geometry.shape import shape_of
from search.relaxers.base import Relaxer
from search.run import find_minima
from search.searchers.methods import find_method

WITHIN = 2e-3
"""eV above the target that count as a hit: relaxations end at residual forces, that of the target too."""
WALKERS = {"basin-hopping": "walkers", "bee-colony": "sources"}
"""Method -> its setting that says how many walk in step."""


@dataclass(frozen=True)
class FirstHitRequest:
    """What is to be measured; `iia bench FORMULA` builds one from its options.

    Attributes
    ----------
    formula : neutral composition, for example SeB8.
    runs : of each method and number of walkers. seed : of the first run; the others follow.
    methods : names of search methods. walkers : numbers that walk in step; empty for each method's own.
    max_quenches : after which a run is given up.
    target : an energy, eV, or a file whose first structure is relaxed on the same potential; None for the known minima.
    model, device, calculator, calculator_settings, threads, fmax : as in a `SearchRequest`.
    out : folder, by default bench-FORMULA.

    Raises
    ------
    InputError : a setting makes no sense.
    """

    formula: str
    runs: int = 20
    seed: int = 0
    methods: tuple[str, ...] = ("basin-hopping", "bee-colony")
    walkers: tuple[int, ...] = ()
    max_quenches: int = 1000
    target: str | None = None
    model: str | None = None
    device: str | None = None
    calculator: str | None = None
    calculator_settings: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    fmax: float = 0.005
    out: Path | None = None

    def __post_init__(self) -> None:
        for name, least in {"runs": 1, "seed": 0, "max_quenches": 1}.items():
            whole(name, getattr(self, name), least)
        if not self.methods:
            raise InputError(f"no method is given; choose of {', '.join(WALKERS)}")
        for method in self.methods:
            kind = find_method(method)
            if self.walkers and method not in WALKERS:
                raise InputError(f"walkers can't be set for {method}; only for {', '.join(WALKERS)}")
            for walkers in self.walkers:
                kind.Settings(**{WALKERS[method]: whole("walkers", walkers, least=1)})
                if walkers > self.max_quenches:
                    raise InputError(f"walkers is {walkers}; a run of {self.max_quenches} quenches has use for no more")
        object.__setattr__(self, "formula", self.search.formula)

    @property
    def search(self) -> SearchRequest:
        """The search that is measured."""
        return SearchRequest(
            self.formula,
            quenches=self.max_quenches,
            known=False,
            model=self.model,
            device=self.device,
            calculator=self.calculator,
            calculator_settings=self.calculator_settings,
            threads=self.threads,
            fmax=self.fmax,
            picture=False,
        )

    @property
    def folder(self) -> Path:
        """Where the runs are kept."""
        return self.out if self.out is not None else Path(f"bench-{self.formula}")

    def cases(self) -> Iterator[tuple[str, int]]:
        """Method and walkers, in the order in which they are reported."""
        for method in self.methods:
            for walkers in self.walkers or (_own_walkers(method, self.formula),):
                yield method, walkers


@dataclass(frozen=True)
class FormulaRun:
    """One run.

    Attributes
    ----------
    method, walkers, seed : of the run.
    hit : whether the target was found.
    quenches : until then, or all that were done. evaluations : of the potential, to the end of that batch.
    lowest : energy of the lowest minimum of the run, eV; None without one.
    seconds : of the run.
    """

    method: str
    walkers: int
    seed: int
    hit: bool
    quenches: int
    evaluations: int
    lowest: float | None
    seconds: float


@dataclass(frozen=True)
class FormulaHits:
    """What was measured.

    Attributes
    ----------
    target : what was to be found. runs : all of them.
    """

    target: Target
    runs: list[FormulaRun]

    def statistics(self) -> dict[tuple[str, int], dict[str, FirstHits]]:
        """(method, walkers) -> statistics in "quenches" and in "evaluations" of the potential."""
        result = {}
        for case in dict.fromkeys((run.method, run.walkers) for run in self.runs):
            mine = [run for run in self.runs if (run.method, run.walkers) == case]
            hit = [run.hit for run in mine]
            result[case] = {
                "quenches": FirstHits.of([run.quenches for run in mine], hit),
                "evaluations": FirstHits.of([run.evaluations for run in mine], hit),
            }
        return result

    @property
    def lower(self) -> float | None:
        """The lowest energy of all runs, eV, where that is another minimum below the target; else None."""
        lowest = min((run.lowest for run in self.runs if run.lowest is not None), default=self.target.energy)
        return lowest if lowest < self.target.energy - WITHIN else None


def measure_first_hits(
    request: FirstHitRequest, callback: Callable[[FormulaRun, int, int], object] | None = None
) -> FormulaHits:
    """Run what lacks of the request's runs, each kept in runs.jsonl of its folder as it ends, and give back all.

    callback : called with each new run, the number of runs done and that of all.

    Raises
    ------
    InputError : no target is known, or the folder holds runs of something else; no run was begun.
    KeyboardInterrupt : a signal ended a run; the runs before it are kept, and the same call goes on.
    """
    with cpu_threads(request.threads):
        here = RequestRelaxer.of(request.search)
        path = request.folder / "runs.jsonl"
        level = here.described.get("model", {}).get("level_of_theory")
        target, done = _begin(path, request, here.relaxer, level)
        cases = list(request.cases())
        wanted = [(*case, seed) for seed in range(request.seed, request.seed + request.runs) for case in cases]
        finished = sum(key in done for key in wanted)
        for method, walkers, seed in wanted:
            if (method, walkers, seed) in done:
                continue
            run = _run(request, here.relaxer, target, method, walkers, seed)
            _append(path, asdict(run))
            done[method, walkers, seed] = run
            finished += 1
            if callback is not None:
                callback(run, finished, len(wanted))
    ordered = [done[*case, seed] for case in cases for seed in range(request.seed, request.seed + request.runs)]
    return FormulaHits(target, ordered)


def _run(
    request: FirstHitRequest, relaxer: Relaxer, target: Target, method: str, walkers: int, seed: int
) -> FormulaRun:
    own = walkers == _own_walkers(method, request.formula)
    result = find_minima(
        request.formula,
        relaxer,
        method,
        quenches=request.max_quenches,
        seed=seed,
        settings=None if own else {WALKERS[method]: walkers},
        target_energy=target.energy + WITHIN,
        shape=shape_of,
    )
    if result.stopped_by == "interrupted":
        raise KeyboardInterrupt
    hit, quenches, seconds = (
        result.first_hit is not None,
        result.first_hit or result.n_quenches,
        round(result.seconds, 2),
    )
    return FormulaRun(method, walkers, seed, hit, quenches, result.n_evaluations, result.best_energy, seconds)


def _own_walkers(method: str, formula: str) -> int:
    """How many walk in step where nothing else is asked for."""
    kind = find_method(method)
    return int(asdict(kind.Settings())[WALKERS[method]]) if method in WALKERS else kind(formula).batch_size


Key = tuple[str, int, int]
"""Method, walkers, seed."""


def _begin(
    path: Path, request: FirstHitRequest, relaxer: Relaxer, level: str | None
) -> tuple[Target, dict[Key, FormulaRun]]:
    """Target and runs of the file, whose first line says what was asked for; a new file where there is none."""
    asked = {
        "formula": request.formula,
        "relaxer": relaxer.signature,
        "target": request.target,
        "max_quenches": request.max_quenches,
    }
    lines = [json.loads(line) for line in _whole_lines(path)]
    if not lines:
        target = find_target(request, relaxer, level)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
        _append(path, {"asked": asked, "target": asdict(target)})
        return target, {}
    before = lines[0]["asked"]
    if wrong := [name for name in asked if asked[name] != before.get(name)]:
        what = "; ".join(f"{name} was {before.get(name)!r}, now {asked[name]!r}" for name in wrong)
        raise InputError(f"{path} holds other runs: {what}. Use another folder (--out)")
    runs = [FormulaRun(**line) for line in lines[1:]]
    return Target(**lines[0]["target"]), {(run.method, run.walkers, run.seed): run for run in runs}


def _whole_lines(path: Path) -> list[str]:
    """The lines of a file, if there is one, without a last one that a kill cut short."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]


def _append(path: Path, line: Mapping[str, Any]) -> None:
    """One line; a last one that a kill cut short is cut off first."""
    if (text := path.read_bytes()) and not text.endswith(b"\n"):
        path.write_bytes(text[: text.rfind(b"\n") + 1])
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
