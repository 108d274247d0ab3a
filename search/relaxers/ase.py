"""Any ASE calculator as a relaxer: one structure after another, each failure its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from ase import Atoms
from ase.optimize import BFGS

from search.errors import InputError, InputTypeError, positive, quote, whole
from search.geometry.composition import bond_lengths
from search.geometry.pieces import ONE_PIECE, is_fragmented
from search.relaxers.base import Relaxed, Relaxer
from search.relaxers.identity import calculator_signature
from search.relaxers.model_hessian import COVALENT, model_hessian


@runtime_checkable
class ASECalculator(Protocol):
    """What is used of an ASE calculator."""

    def get_potential_energy(self, atoms: Any = None, force_consistent: bool = False) -> Any:
        """Energy, eV."""

    def get_forces(self, atoms: Any = None) -> Any:
        """Forces [n_atoms, 3], eV/Å."""


def as_relaxer(relaxer: Relaxer | ASECalculator) -> Relaxer:
    """`relaxer` itself if it is a `Relaxer`, an `ASERelaxer` of it if it is an ASE calculator.

    Raises
    ------
    TypeError : neither, or a class where an instance is wanted; what is missing is said.
    """
    if isinstance(relaxer, type):
        raise InputTypeError(f"the relaxer is the class {relaxer.__name__}; give an instance, {relaxer.__name__}()")
    if isinstance(relaxer, Relaxer):
        return relaxer
    if isinstance(relaxer, ASECalculator) and not isinstance(relaxer, Atoms):
        return ASERelaxer(relaxer)
    lacking = [name for name in ("relax", "signature", "bond_length") if not hasattr(relaxer, name)]
    raise InputTypeError(
        f"the relaxer is a {type(relaxer).__name__}; give something with relax(), signature and bond_length "
        f"(see search.Relaxer; it lacks {', '.join(lacking)}), or an ASE calculator"
    )


def make_bfgs(atoms: Atoms, max_step: float, bonds: np.ndarray | None = None) -> BFGS:
    """ASE's BFGS for `atoms` that begins with a model Hessian in place of a number.

    max_step : longest move of an atom, Å. bonds : bond lengths [n, n] of the pairs, Å; None for covalent radii.
    """
    optimizer = BFGS(atoms, logfile=None, maxstep=max_step)
    lengths = bond_lengths(atoms.numbers) if bonds is None else bonds
    optimizer.H0 = model_hessian(atoms.positions[None], lengths, COVALENT)[0]
    return optimizer


class ASERelaxer:
    """Relaxes with ASE's BFGS, begun with a model Hessian, under `calculator`.

    Parameters
    ----------
    calculator : any ASE calculator that gives energy and forces.
    fmax : largest force on any atom of a converged structure, eV/Å.
    max_steps : optimiser steps per structure.
    max_step : longest move of an atom in one step, Å.
    bond_length : the host's bond length, Å, where covalent radii don't give it.
    signature : what tells this calculator from others, where class, parameters and weights don't (see
        `search.relaxers.identity`): for example of one that reads its parameters from a file.

    Raises
    ------
    TypeError, ValueError : not a calculator, or a setting that is not positive.
    """

    def __init__(
        self,
        calculator: ASECalculator,
        fmax: float = 0.02,
        max_steps: int = 500,
        max_step: float = 0.2,
        bond_length: float | None = None,
        signature: str | None = None,
    ) -> None:
        if isinstance(calculator, Atoms | type) or not isinstance(calculator, ASECalculator):
            raise InputTypeError(f"{quote(calculator)} is not an ASE calculator")
        if signature is not None and not isinstance(signature, str):
            raise InputTypeError(f"signature is {quote(signature)}; it must be text")
        self.calculator = calculator
        self.bond_length = None if bond_length is None else positive("bond_length", bond_length, "a length")
        self.fmax, self.max_step = positive("fmax", fmax), positive("max_step", max_step)
        self.max_steps = whole("max_steps", max_steps, least=1)
        settings = f"fmax {self.fmax}, max_steps {self.max_steps}, max_step {self.max_step}"
        self.signature = f"{signature or calculator_signature(calculator)}, {settings}"

    def relax(self, structures: Sequence[Atoms]) -> list[Relaxed]:
        """Relaxed copies in the order given; what the calculator raises ends up in `reason`."""
        return [self._relax(atoms) for atoms in structures]

    def _relax(self, structure: Atoms) -> Relaxed:
        counting = _Counting(self.calculator)
        atoms = structure.copy()
        atoms.calc = counting
        steps, energy, fmax, reason = 0, float("nan"), float("nan"), "step limit"
        last = atoms.positions.copy()
        try:
            optimizer = make_bfgs(atoms, self.max_step, self._bonds(atoms.numbers))
            while True:
                energy, forces = atoms.get_potential_energy(), atoms.get_forces()
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
        return Relaxed(
            Atoms(structure.numbers, last),
            energy,
            fmax,
            reason == "converged",
            steps,
            counting.evaluations,
            is_fragmented(last, self._reach(structure.numbers)),
            reason,
        )

    def _reach(self, numbers: np.ndarray) -> np.ndarray:
        """Distance [n_atoms, n_atoms] up to which two atoms hold together."""
        return ONE_PIECE * self._bonds(numbers)

    def _bonds(self, numbers: np.ndarray) -> np.ndarray:
        """Bond lengths [n_atoms, n_atoms]."""
        lengths: np.ndarray = bond_lengths(numbers)
        return lengths if self.bond_length is None else lengths * (self.bond_length / lengths[0, 0])


class _Counting:
    """A calculator for ASE's optimiser: counts the structures it was asked for anew, and checks what it is given.

    Some calculators give their energy as an array of one.
    """

    def __init__(self, calculator: ASECalculator) -> None:
        self._calculator, self.evaluations = calculator, 0
        self._seen: np.ndarray | None = None

    def __getattr__(self, name: str) -> object:
        return getattr(self._calculator, name)

    def get_potential_energy(self, atoms: Atoms, force_consistent: bool = False) -> float:
        """eV."""
        self._count(atoms)
        energy = np.asarray(self._calculator.get_potential_energy(atoms), dtype=float)
        if energy.size != 1:
            raise InputError(f"the calculator gives an energy of shape {list(energy.shape)}, not one number")
        return float(energy.item())

    def get_forces(self, atoms: Atoms) -> np.ndarray:
        """[n_atoms, 3], eV/Å."""
        self._count(atoms)
        forces = np.asarray(self._calculator.get_forces(atoms), dtype=float)
        if forces.size != 3 * len(atoms):
            raise InputError(f"the calculator gives forces of shape {list(forces.shape)} for {len(atoms)} atoms")
        return forces.reshape(-1, 3)

    def _count(self, atoms: Atoms) -> None:
        if self._seen is None or (self._seen != atoms.positions).any():
            self._seen = atoms.positions.copy()
            self.evaluations += 1
