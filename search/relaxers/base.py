"""What a search needs of a potential: a relaxer that quenches clusters and reports how each quench ended."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from ase import Atoms

from search.errors import InputTypeError, quote


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
    reason : why it ended: "converged", "step limit", "non-finite", "collapsed", "uncertain" (where the relaxer
        doesn't trust its potential), "failed: ...".
    energy_std : expected error of the energy, eV, where a committee of potentials tells one.
    forces_std : largest expected error of the force on any atom, eV/Å, likewise.
    known_region : whether the committee can judge this structure; None where nobody tells.
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
    known_region: bool | None = None

    @property
    def failed(self) -> bool:
        """Whether the potential raised an error or gave no finite energy."""
        return not math.isfinite(self.energy) or self.reason.startswith("failed")


@runtime_checkable
class Relaxer(Protocol):
    """All that a search uses of a potential. Any class with these three attributes is one; none need derive from it."""

    @property
    def signature(self) -> str:
        """What tells this potential energy surface and its settings from others, the same in every process.

        An archive is tied to it: two relaxers with one signature must give the same minima. Make it of weights and
        parameters, not of a name or a memory address.
        """
        ...

    @property
    def bond_length(self) -> float | None:
        """Bond length between two host atoms, Å or the model's unit; None where covalent radii give it."""
        ...

    def relax(self, structures: Sequence[Atoms]) -> list[Relaxed]:
        """Quench many clusters at once.

        The results have the order of `structures`, which are left as they were. A quench that fails is a `Relaxed`
        with a reason; what is raised here counts against each structure that raises it on its own.
        """
        ...


def relax_each(relaxer: Relaxer, structures: Sequence[Atoms]) -> list[Relaxed]:
    """Results of a batch; where the relaxer raises, one by one, so that only the culprits fail.

    Raises
    ------
    InputTypeError : the relaxer gives something else than a `Relaxed` for each structure.
    """
    try:
        results = relaxer.relax(structures)
    except Exception:  # whatever it raises belongs to the structures that cause it
        return [_relax_one(relaxer, atoms) for atoms in structures]
    return _check(results, relaxer, len(structures))


def _check(results: Any, relaxer: Relaxer, n_structures: int) -> list[Relaxed]:
    """What a relaxer of anyone's gave, if it is a `Relaxed` for each structure."""
    name = type(relaxer).__name__
    if not isinstance(results, Iterable):
        raise InputTypeError(f"{name}.relax gives {quote(results)}; it must give a list with a Relaxed per structure")
    found = list(results)
    if wrong := [item for item in found if not isinstance(item, Relaxed)]:
        raise InputTypeError(f"{name}.relax gives {quote(wrong[0])} in its list; it must give a Relaxed per structure")
    if len(found) != n_structures:
        raise InputTypeError(f"{name}.relax gives {len(found)} results for {n_structures} structures")
    return found


def _relax_one(relaxer: Relaxer, atoms: Atoms) -> Relaxed:
    try:
        results = relaxer.relax([atoms])
    except Exception as error:
        nan = float("nan")
        return Relaxed(atoms, nan, nan, False, 0, 1, reason=f"failed: {type(error).__name__}: {error}")
    return _check(results, relaxer, 1)[0]
