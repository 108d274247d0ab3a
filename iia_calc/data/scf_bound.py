"""How low an SCF gets on one structure: its ground state, or a bound from above where that is enough.

Every cycle of an SCF has orbitals and an energy, and the ground state is no higher (the variational principle). To
show that a published energy is too high it is thus enough to come below it by so much, converged or not. Where
an SCF is hard, as it is on most structures whose published SCF failed, that takes a tenth of the time.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ase import Atoms
from ase.units import Hartree

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LabelFailed, multiplicity_of


class Lowest(NamedTuple):
    """The lowest SCF energy found for a structure.

    energy : eV. converged : False where it is only a bound from above of the ground state's.
    """

    energy: float
    converged: bool


class _LowEnough(Exception):
    pass


def lowest_energy(level: DFTLevel, atoms: Atoms, enough: float = float("-inf")) -> Lowest:
    """The SCF energy, or the first below `enough`, eV; the lowest cycle's where no attempt converges.

    Two attempts: plain, then from another guess with a level shift and damping.

    Raises
    ------
    LabelFailed : no cycle gave a finite energy.
    """
    lowest = float("inf")

    def watch(environment: dict[str, Any]) -> None:
        nonlocal lowest
        lowest = min(lowest, float(environment["e_tot"]) * Hartree)
        if lowest < enough:
            raise _LowEnough

    for settings in ({}, {"init_guess": "huckel", "level_shift": 0.25, "damp": 0.3}):
        mean_field = level.mean_field(atoms, multiplicity_of(atoms, level.charge, level.multiplicity))
        for name, value in settings.items():
            setattr(mean_field, name, value)
        mean_field.callback = watch
        try:
            mean_field.kernel()
        except _LowEnough:
            return Lowest(lowest, False)
        if mean_field.converged:
            return Lowest(float(mean_field.e_tot) * Hartree, True)
    if lowest == float("inf"):
        raise LabelFailed(f"{level.name} on {atoms.get_chemical_formula()}: no cycle has an energy")
    return Lowest(lowest, False)
