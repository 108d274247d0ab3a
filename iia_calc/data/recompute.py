"""Is the audit right? A sample of what it flagged, and of what it passed, recomputed with PySCF or GFN1-xTB.

**Right** means: flagged, and the published energy lies more than `EXCESS` above the recomputed one; or
passed, and it does not. The two levels of theory (grid, basis conventions, multiplicities) differ by a
constant of each set, which is taken as the median difference of its passed structures. `EXCESS`,
0.25 eV/atom, is some 5 eV for SeB20: more than twice what sound published energies scatter around that
constant (0.1 eV/atom), and a twentieth of boron's cohesive energy.

PySCF's own SCF can end in an excited solution. That hides a failure and makes a flag look wrong; it can't
make a sound published energy look failed. Of a flagged structure a bound from above is enough (`bound.py`).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from ase import Atoms

from iia_calc.common.pools import process_pool
from iia_calc.data.scf_bound import lowest_energy
from iia_calc.data.sets import StructureSet
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LabelFailed, LevelOfTheory
from iia_calc.labels.xtb import XTBLevel
from search.errors import InputError

EXCESS = 0.25
"""eV/atom above PySCF, after the set's shift, from which on a published energy counts as failed."""
ENOUGH = 0.75
"""eV/atom below a flagged energy at which its SCF is stopped: no set's shift is as large as ENOUGH - EXCESS."""


@dataclass(frozen=True)
class Recomputed:
    """One structure of the sample; energies in eV, `recomputed` NaN where the recalculation failed.

    bound : `recomputed` is no converged energy, but one that the ground state's does not exceed.
    """

    source: str
    formula: str
    index: int
    flagged: bool
    published: float
    recomputed: float
    level: str
    error: str = ""
    bound: bool = False

    @property
    def n_atoms(self) -> int:
        """Atoms of the structure."""
        from search.geometry.composition import Composition

        return Composition.parse(self.formula).n_atoms


NAMES = [field.name for field in fields(Recomputed)]
"""Columns of the table."""


def check_level(name: str = "dft") -> LevelOfTheory:
    """ "dft": the paper's, SCF converged to 0.03 eV; "gfn1": 25 ms a structure instead of 10 s (SeB16, one core).

    Raises
    ------
    ValueError : another name.
    """
    if name == "dft":
        return DFTLevel(conv_tol=1e-3, grid_level=0, threads=1, gpu=False)
    if name == "gfn1":
        return XTBLevel()
    raise InputError(f"the level of the check is {name!r}; choose dft or gfn1")


def draw(
    flags: Sequence[np.ndarray], flagged: int, passed: int, seed: int, done: Collection[tuple[int, int]] = ()
) -> list[tuple[int, int, bool]]:
    """So many flagged and passed structures, (set, index in the set, flagged), evenly over the sets.

    The two kinds alternate and the sets take turns, so that a sample cut short is a smaller sample.
    flags : [n] bool of each set. done : (set, index) of structures that are not drawn again.
    """
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(of_set)) for of_set in flags]  # one order for both, whatever is flagged
    kinds = []
    for wanted, count in ((True, flagged), (False, passed)):
        piles = [
            [int(k) for k in order if bool(of_set[k]) == wanted and (s, int(k)) not in done]
            for s, (order, of_set) in enumerate(zip(orders, flags, strict=True))
        ]
        longest = max((len(pile) for pile in piles), default=0)
        turns = [(s, pile[k], wanted) for k in range(longest) for s, pile in enumerate(piles) if k < len(pile)]
        kinds.append(turns[: max(count, 0)])
    longest = max(len(kind) for kind in kinds)
    return [kind[k] for k in range(longest) for kind in kinds if k < len(kind)]


def recompute(
    sets: Sequence[StructureSet],
    flags: Sequence[np.ndarray],
    count: int,
    path: Path,
    seed: int = 0,
    level: LevelOfTheory | None = None,
    workers: int = 1,
    callback: Callable[[int, int], None] | None = None,
) -> list[Recomputed]:
    """Single points until `count` flagged and `count` passed structures of these sets are in the table `path`.

    The table, a CSV, gets a row as each ends; rows that are there count with today's verdict.
    callback : called with the rows done and all rows.

    Raises
    ------
    ValueError : fewer than one structure, elements that the level can't do, or `path` isn't such a CSV, or one
        of an earlier version that lacks rows.
    """
    if count < 1:
        raise InputError(f"{count} structures can't be checked; it must be at least 1")
    level = level or check_level()
    done = _rows_of(path, sets, flags, level)
    found = list(done.values())
    sound = [row.flagged for row in found if np.isfinite(row.recomputed)]
    sample = draw(flags, count - sum(sound), count - (len(sound) - sum(sound)), seed, done)
    waiting = [(sets[s], k, flagged) for s, k, flagged in sample]
    if not waiting:
        return found
    for symbol in sorted({symbol for item, _, _ in waiting for symbol in Atoms(item.numbers).get_chemical_symbols()}):
        level.element_energy(symbol)  # what it can't do it says before anything is computed
    new = _begin_table(path)
    with path.open("a", newline="", encoding="utf-8") as file, process_pool(workers) as pool:
        writer = csv.DictWriter(file, NAMES, lineterminator="\n")
        if new:
            writer.writeheader()
            file.flush()
        jobs = {
            pool.submit(
                _single_point,
                level,
                Atoms(item.numbers, item.positions[k]),
                float(item.energies_in("eV")[k]) - ENOUGH * item.n_atoms if flagged else None,
            ): (item, k, flagged)
            for item, k, flagged in waiting
        }
        for job in as_completed(jobs):
            item, k, flagged = jobs[job]
            row = _row(item, k, flagged, level, *job.result())
            writer.writerow(asdict(row))
            file.flush()
            found.append(row)
            if callback:
                callback(len(found), len(done) + len(sample))
    return found


def _row(
    item: StructureSet, k: int, flagged: bool, level: LevelOfTheory, energy: float, bound: bool, error: str
) -> Recomputed:
    """Structure `k` of a set with what the level found, energies in eV."""
    published = float(item.energies_in("eV")[k])
    index = int(item.indices[k])
    return Recomputed(str(item.source), item.formula, index, flagged, published, energy, level.name, error, bound)


def _rows_of(
    path: Path, sets: Sequence[StructureSet], flags: Sequence[np.ndarray], level: LevelOfTheory
) -> dict[tuple[int, int], Recomputed]:
    """The table's rows of this level by (set, index in the set), each with today's verdict."""
    places = {
        (item.source.resolve(), item.formula, int(index)): (s, k)
        for s, item in enumerate(sets)
        for k, index in enumerate(item.indices)
    }
    done: dict[tuple[int, int], Recomputed] = {}
    for row in _rows(path):
        place = places.get((Path(row.source).resolve(), row.formula, row.index))
        if place is not None and row.level == level.name:
            done[place] = replace(row, flagged=bool(flags[place[0]][place[1]]), source=str(sets[place[0]].source))
    return done


def _begin_table(path: Path) -> bool:
    """Whether the table is a new one.

    Raises
    ------
    InputError : it has other columns.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or not path.stat().st_size:
        return True
    if path.read_text(encoding="utf-8").partition("\n")[0] != ",".join(NAMES):
        raise InputError(f"{path} was begun by an earlier version and can't be added to; name another folder")
    return False


def _single_point(level: LevelOfTheory, atoms: Atoms, enough: float | None) -> tuple[float, bool, str]:
    """Energy, eV, whether it is only a bound, and what went wrong; `enough`: a bound below it will do."""
    try:
        if not isinstance(level, DFTLevel):
            return level.label(atoms).energy, False, ""
        if enough is None:
            return level.energy(atoms), False, ""
        found = lowest_energy(level, atoms, enough)
        return found.energy, not found.converged, ""
    except LabelFailed as error:
        return float("nan"), False, str(error)


def _rows(path: Path) -> Iterator[Recomputed]:
    if not path.exists() or not path.stat().st_size:
        return
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is None or "recomputed" not in reader.fieldnames:
            raise InputError(f"{path} is no table of recomputed energies; name another file")
        for row in reader:
            yield Recomputed(
                row["source"],
                row["formula"],
                int(row["index"]),
                row["flagged"] == "True",
                float(row["published"]),
                float(row["recomputed"]),
                row["level"],
                row["error"] or "",
                row.get("bound") == "True",
            )


@dataclass(frozen=True)
class CheckResult:
    """How often the verdict was right.

    Attributes
    ----------
    flagged, flagged_right : flagged structures that could be recomputed, and those truly too high.
    passed, passed_right : likewise passed ones, and those that agree.
    not_recomputed : structures on which the recalculation failed, too, or found only a bound too high to tell;
        they say nothing.
    excess : for each recomputed row (source, index), eV above it after the set's shift.
    """

    flagged: int
    flagged_right: int
    passed: int
    passed_right: int
    not_recomputed: int
    excess: Mapping[tuple[str, int], float]

    @property
    def share_right(self) -> float:
        """Right verdicts over all that could be judged, 0 to 1."""
        return (self.flagged_right + self.passed_right) / max(self.flagged + self.passed, 1)


def judge(rows: Sequence[Recomputed], excess: float = EXCESS) -> CheckResult:
    """Count right verdicts; `excess` in eV/atom, see the module's docstring."""
    known = [row for row in rows if np.isfinite(row.recomputed)]
    shifts: dict[str, float] = {}
    everywhere = [row.published - row.recomputed for row in known if not row.flagged and not row.bound]
    for source in {row.source for row in known}:
        passed = [
            row.published - row.recomputed for row in known if row.source == source and not (row.flagged or row.bound)
        ]
        shifts[source] = float(np.median(passed or everywhere or [0.0]))
    above = {(row.source, row.index): row.published - row.recomputed - shifts[row.source] for row in known}
    known = [row for row in known if not row.bound or above[row.source, row.index] > excess * row.n_atoms]
    failed = [above[row.source, row.index] > excess * row.n_atoms for row in known]
    flagged = [truth for row, truth in zip(known, failed, strict=True) if row.flagged]
    passed_rows = [truth for row, truth in zip(known, failed, strict=True) if not row.flagged]
    return CheckResult(
        len(flagged), sum(flagged), len(passed_rows), len(passed_rows) - sum(passed_rows), len(rows) - len(known), above
    )


def as_plain(result: CheckResult) -> dict[str, object]:
    """For JSON."""
    plain = {key: value for key, value in asdict(result).items() if key != "excess"}
    return {**plain, "share_right": result.share_right, "excess_limit": EXCESS}


def sentences(result: CheckResult, level: str) -> list[str]:
    """The result in words."""
    lines = [
        f"{level}: {result.flagged_right} of {result.flagged} flagged energies are more than {EXCESS} eV/atom too "
        f"high, {result.passed_right} of {result.passed} passed ones are not: right for {result.share_right:.0%}"
    ]
    if result.not_recomputed:
        lines.append(f"on {result.not_recomputed} more the SCF did not converge here, either")
    return lines
