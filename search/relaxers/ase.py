"""Any ASE calculator as a relaxer: one structure after another, each failure its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.optimize import BFGS

from search.errors import InputError, InputTypeError
from search.geometry.composition import bond_lengths
from search.relaxers.base import Relaxed
from search.relaxers.lennard_jones import fragmented


class ASERelaxer:
    """Relaxes with ASE's BFGS under `calculator`.

    Parameters
    ----------
    calculator : any ASE calculator that gives energy and forces.
    fmax : largest force on any atom of a converged structure, eV/Å.
    max_steps : optimiser steps per structure.
    max_step : longest move of an atom in one step, Å.
    bond_length : the host's bond length, Å, where covalent radii don't give it.

    Raises
    ------
    TypeError, ValueError : not a calculator, or a setting that is not positive.
    """

    def __init__(
        self,
        calculator: BaseCalculator,
        fmax: float = 0.02,
        max_steps: int = 500,
        max_step: float = 0.2,
        bond_length: float | None = None,
    ) -> None:
        if isinstance(calculator, Atoms | type) or not hasattr(calculator, "get_potential_energy"):
            raise InputTypeError(f"{calculator!r} is not an ASE calculator")
        settings = {"fmax": fmax, "max_steps": max_steps, "max_step": max_step}
        for name, value in settings.items():
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value!r}; it must be above 0")
        self.calculator, self.bond_length = calculator, bond_length
        self.fmax, self.max_steps, self.max_step = float(fmax), int(max_steps), float(max_step)
        parameters = {key: value for key, value in sorted(getattr(calculator, "parameters", {}).items())}
        self.signature = f"{type(calculator).__name__}({parameters}) {settings}"

    def relax(self, structures: Sequence[Atoms]) -> list[Relaxed]:
        """Relaxed copies in the order given; what the calculator raises ends up in `reason`."""
        return [self._relax(atoms) for atoms in structures]

    def _relax(self, structure: Atoms) -> Relaxed:
        atoms = structure.copy()
        atoms.calc = _Counting(self.calculator)
        steps, energy, fmax, reason = 0, float("nan"), float("nan"), "step limit"
        last = atoms.positions.copy()
        try:
            optimizer = BFGS(atoms, logfile=None, maxstep=self.max_step)  # type: ignore[arg-type]
            while True:
                energy, forces = float(atoms.get_potential_energy()), atoms.get_forces()
                fmax = float(np.sqrt((forces**2).sum(1).max()))
                if not (np.isfinite(energy) and np.isfinite(fmax)):
                    reason = "non-finite"
                    break
                last = atoms.positions.copy()
                if fmax < self.fmax:
                    reason = "converged"
                    break
                if steps >= self.max_steps:
                    break
                optimizer.step()
                steps += 1
        except Exception as error:  # a calculator may raise anything; it is this structure's result
            reason = f"failed: {type(error).__name__}: {error}"
        final = Atoms(structure.numbers, last)
        reach = 1.5 * bond_lengths(final.numbers)
        if self.bond_length is not None:
            reach *= self.bond_length / bond_lengths(final.numbers)[0, 0]
        return Relaxed(
            final,
            energy,
            fmax,
            reason == "converged",
            steps,
            atoms.calc.evaluations,
            fragmented(last, reach),
            reason,
        )


class _Counting:
    """Passes everything on to a calculator and counts the structures it was asked for anew."""

    def __init__(self, calculator: BaseCalculator) -> None:
        self._calculator, self.evaluations = calculator, 0
        self._seen: np.ndarray | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._calculator, name)

    def _count(self, atoms: Atoms) -> None:
        if self._seen is None or (self._seen != atoms.positions).any():
            self._seen = atoms.positions.copy()
            self.evaluations += 1

    def get_potential_energy(self, atoms: Atoms, force_consistent: bool = False) -> float:
        self._count(atoms)
        return self._calculator.get_potential_energy(atoms)

    def get_forces(self, atoms: Atoms) -> np.ndarray:
        self._count(atoms)
        return self._calculator.get_forces(atoms)
