"""DFT for properties, each step stored as it ends, so that the same command goes on after any stop."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ase import Atoms

from iia_calc.common.device import cores
from iia_calc.confirm.journal import StoredSteps
from iia_calc.confirm.levels import dft_level
from iia_calc.confirm.relaxation import start_name
from iia_calc.confirm.workers import Lanes, WorkerLost
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LabelFailed, multiplicity_of, same_level
from iia_calc.properties.coupled_cluster import NAME as CCSD_T
from iia_calc.properties.coupled_cluster import check_coupled_cluster
from iia_calc.properties.request import PHOTOELECTRON, RANKING, PropertiesRequest
from iia_calc.properties.sources import Source, need_confirmed
from search.errors import InputError

STEPS = "properties.steps.jsonl"
_NAME = re.compile(
    r"(?P<functional>[^/,]+)/(?P<basis>[^,]+)(?P<fitted>, density fitting)?, grid (?P<grid>\d+), "
    r"charge (?P<charge>-?\d+)(, (?P<spin>lowest multiplicity|multiplicity \d+))?"
)


def level_of_name(name: str, threads: int | None = None) -> DFTLevel:
    """The level of theory that has this name.

    Raises
    ------
    InputError : no DFT level of PySCF is called so.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise InputError(
            f"{name!r} is no DFT level that can be made again from its name; confirm with iia search --dft K"
        )
    spin = found["spin"]
    multiplicity = int(spin.split()[1]) if spin and spin.startswith("multiplicity") else None
    level = DFTLevel(
        found["functional"],
        found["basis"],
        int(found["charge"]),
        multiplicity,
        density_fit=found["fitted"] is not None,
        grid_level=int(found["grid"]),
        threads=threads,
    )
    if not same_level(level.name, name if spin else f"{name}, lowest multiplicity"):
        raise InputError(f"{name!r} can't be made again from its name: that would be {level.name!r}")
    return level


def check_dft(source: Source, request: PropertiesRequest) -> None:
    """Whether DFT can do what is asked for, before anything is computed.

    Raises
    ------
    InputError : PySCF doesn't know a functional or the basis, or the confirmed levels can't be made again.
    MissingPackage : PySCF isn't installed.
    """
    confirmed = need_confirmed(source, "DFT")
    for name in (confirmed.level, confirmed.energy_level):
        level_of_name(name)
    charge = confirmed.subjects[0].charge
    if PHOTOELECTRON in request.what:
        if charge >= 0:
            raise InputError(
                f"photoelectron: of anions, and these have charge {charge}; search {source.formula}- with --dft K"
            )
        dft_level(source.formula, basis=request.diffuse_basis, charge=charge)
    functionals = request.functionals if RANKING in request.what else ()
    check_coupled_cluster(functionals, source.formula, len(confirmed.subjects[0].atoms))
    for functional in [name for name in functionals if name != CCSD_T] or ["PBE0"]:
        dft_level(source.formula, functional, request.basis, charge)


class DFTSteps:
    """Steps of isomers, side by side in worker processes, each stored as it ends.

    Parameters
    ----------
    source : whose folder of results receives properties.steps.jsonl; steps of the confirmation are used, too.
    pool : computes. tell : called with what is under way, how many steps are done, of how many.
    """

    def __init__(self, source: Source, pool: Lanes, tell: Callable[[str, int, int], object]) -> None:
        self.pool, self.tell = pool, tell
        source.folder.mkdir(parents=True, exist_ok=True)
        self.steps = StoredSteps(source.folder / STEPS)
        self.earlier = [StoredSteps(path) for path in sorted(source.path.glob("dft*.steps.jsonl"))]
        self.computed, self._done, self._total, self._text = 0, 0, 0, ""
        self._lock = threading.Lock()

    @property
    def stopped(self) -> bool:
        """Whether Ctrl-C ended it; what is stored is still taken."""
        return self.pool.stopped

    def map[T](self, text: str, total: int, jobs: Sequence[Callable[[], T]]) -> list[T | None]:
        """Run jobs that call `step`; None of one that was interrupted. text : what is under way. total : steps."""
        self._text, self._done, self._total = text, 0, total
        return self.pool.map(jobs)

    def step(
        self,
        about: dict[str, Any],
        atoms: Atoms,
        level: DFTLevel,
        multiplicity: int | None,
        compute: Callable[..., dict[str, Any]],
        *arguments: Any,
    ) -> dict[str, Any]:
        """The stored result, or that of compute(*arguments); {"failed": why} where it failed, which is stored too.

        about : kind and parameters of the step. multiplicity : None for the level's.
        """
        key = {
            **about,
            "structure": start_name(atoms),
            "level": level.name,
            "charge": level.charge,
            "multiplicity": multiplicity_of(atoms, level.charge, multiplicity or level.multiplicity),
        }
        result: dict[str, Any] | None = None
        for store in (self.steps, *self.earlier):
            result = result or store.get(key)
        if result is None:
            try:
                result = self.pool.call(compute, *arguments)
            except WorkerLost as error:
                return {"failed": str(error)}  # a repetition may go well
            except LabelFailed as error:
                result = {"failed": str(error)}
            self.steps.add(key, result)
            self.computed += 1
        with self._lock:
            self._done += 1
            self.tell(self._text, self._done, self._total)
        return result


def threads_each(workers: int) -> int:
    """CPU threads of PySCF for each of `workers` processes."""
    return max(1, cores() // workers)


def bind[T](function: Callable[..., T], *arguments: Any) -> Callable[[], T]:
    """A job of `DFTSteps.map`."""
    return partial(function, *arguments)
