"""A level of theory whose labels are computed in the lane of whoever asks."""

from __future__ import annotations

from ase import Atoms

from iia_calc.confirm.workers import Lanes
from iia_calc.labels.dft.electronic import ElectronicState
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import Label, LevelOfTheory


class InLane:
    """`level` itself with one lane, in the lane's process with more."""

    def __init__(self, level: LevelOfTheory, pool: Lanes) -> None:
        self.level, self.pool = level, pool
        self.charge, self.multiplicity, self.name = level.charge, level.multiplicity, level.name

    def label(self, atoms: Atoms) -> Label:
        """Energy and forces, computed in a worker process."""
        return self.pool.call(self.level.label, atoms)

    def element_energy(self, symbol: str) -> float:
        """Energy of the free atom, eV."""
        return self.level.element_energy(symbol)


def state_of(
    level: DFTLevel, atoms: Atoms, multiplicity: int, checked: bool, start: DFTLevel | None, check_start: bool
) -> ElectronicState:
    """`level.state` for a lane: a function of a module, and all by position."""
    return level.state(atoms, multiplicity, check_stability=checked, start=start, check_start=check_start)
