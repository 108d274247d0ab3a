"""What a search asks of a potential: relax these clusters, and be honest about each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from ase import Atoms


@dataclass(frozen=True)
class Relaxed:
    """One quench.

    Attributes
    ----------
    atoms : the final structure, without a calculator.
    energy : eV (the potential's own unit for a model system such as Lennard-Jones).
    fmax : largest force on any atom, eV/Å.
    converged : `fmax` fell below what was asked for, and the structure is sound.
    n_steps : optimiser steps taken.
    n_evaluations : energy-and-force evaluations spent on this structure.
    fragmented : the structure is no longer in one piece.
    reason : why it ended: "converged", "step limit", "non-finite", "collapsed", "failed: ...".
    energy_std : committee standard deviation of the energy, eV, where there is a committee.
    forces_std : largest committee standard deviation of the force on any atom, eV/Å, likewise.
    """

    atoms: Atoms
    energy: float
    fmax: float
    converged: bool
    n_steps: int
    n_evaluations: int
    fragmented: bool = False
    reason: str = "converged"
    energy_std: float | None = None
    forces_std: float | None = None
    info: dict[str, float] = field(default_factory=dict)


@runtime_checkable
class Relaxer(Protocol):
    """Relaxes many clusters at once; the result has the order of the input, which is left as it was."""

    def relax(self, structures: Sequence[Atoms]) -> list[Relaxed]: ...


def relax_each(relaxer: Relaxer, structures: Sequence[Atoms]) -> list[Relaxed]:
    """Results of a batch; where the relaxer raises, one by one, so that only the culprits fail."""
    try:
        return list(relaxer.relax(structures))
    except Exception:  # whatever it raises belongs to the structures that cause it
        return [_relax_one(relaxer, atoms) for atoms in structures]


def _relax_one(relaxer: Relaxer, atoms: Atoms) -> Relaxed:
    try:
        return relaxer.relax([atoms])[0]
    except Exception as error:
        nan = float("nan")
        return Relaxed(atoms, nan, nan, False, 0, 1, reason=f"failed: {type(error).__name__}: {error}")
