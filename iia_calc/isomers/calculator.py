"""Any ASE calculator in a model's place: named in the shell, tried on the composition, made anew on each worker."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from iia_calc.common.imports import import_class, is_class_path
from search.errors import InputError
from search.geometry.composition import Composition
from search.geometry.scale import LengthScale
from search.relaxers.ase import ASECalculator, ASERelaxer
from search.relaxers.base import Relaxed

EXAMPLE = "--calculator tblite.ase:TBLite --set method=GFN2-xTB"
TRIED = 3
"""Random starts that a calculator may fail on before it is taken for one that doesn't know the elements."""


@dataclass(frozen=True)
class CalculatorChoice:
    """An ASE calculator by name, with its settings.

    Attributes
    ----------
    path : MODULE:CLASS, for example tblite.ase:TBLite.
    settings : keywords of the class.

    Raises
    ------
    InputError : `path` has another form.
    """

    path: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not is_class_path(self.path):
            raise InputError(f"calculator {self.path!r} is not of the form MODULE:CLASS; write for example {EXAMPLE}")

    def __str__(self) -> str:
        """As files and tables name it: tblite.ase:TBLite(method=GFN2-xTB)."""
        if not self.settings:
            return self.path
        return f"{self.path}({', '.join(f'{name}={value}' for name, value in self.settings.items())})"

    def make(self) -> ASECalculator:
        """A new calculator.

        Raises
        ------
        InputError : no such class, it refuses its settings, or what it makes is no ASE calculator.
        """
        kind = import_class(self.path, "calculator")
        try:
            calculator = kind(**self.settings)
        except Exception as error:  # whatever a constructor raises, it doesn't take these settings
            raise InputError(f"{self} can't be made: {type(error).__name__}: {error}") from error
        if isinstance(calculator, type | Atoms) or not isinstance(calculator, ASECalculator):
            raise InputError(f"{self.path} is no ASE calculator: it has no get_potential_energy and get_forces")
        return calculator

    def remarks(self) -> list[str]:
        """A line where settings are not among those that the calculator says it has: it may ignore them."""
        calculator = self.make()
        known = sorted(calculator.default_parameters) if isinstance(calculator, Calculator) else []
        strange = [name for name in self.settings if known and name not in known]
        if not strange:
            return []
        return [f"{self.path} may ignore {', '.join(strange)}: it has {', '.join(known)}"]

    def check(self, composition: Composition, seed: int = 0) -> None:
        """Compute energy and forces of a random start, so that what can't be done is said before a search.

        Raises
        ------
        InputError : the calculator fails, or gives no finite numbers, on each of a few random starts.
        """
        rng, scale, reason = np.random.default_rng(seed), LengthScale.of(composition), ""
        for _ in range(TRIED):
            atoms = scale.atoms(scale.push_apart(scale.seed(rng)))
            atoms.calc = self.make()
            try:
                with quiet():
                    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
            except Exception as error:  # a calculator may raise anything
                reason = f"{type(error).__name__}: {error}"
                continue
            if np.isfinite(energy).all() and np.isfinite(forces).all():
                return
            reason = "energy or forces are not finite"
        raise InputError(f"{self} can't compute {composition}: {' '.join(reason.split())}")


@dataclass(frozen=True)
class CalculatorRelaxer:
    """Makes the relaxer of a calculator on a worker. fmax : eV/Å."""

    choice: CalculatorChoice
    fmax: float

    def __call__(self) -> QuietRelaxer:
        return QuietRelaxer(self.choice.make(), fmax=self.fmax)


class QuietRelaxer(ASERelaxer):
    """An `ASERelaxer` whose calculator's prints are dropped: some print a table for each evaluation."""

    def relax(self, structures: Sequence[Atoms]) -> list[Relaxed]:
        """As `ASERelaxer.relax`."""
        with quiet():
            return super().relax(structures)


@contextmanager
def quiet() -> Iterator[None]:
    """While inside, nothing that Python prints is shown."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield


def read_settings(given: Sequence[str]) -> dict[str, Any]:
    """Keywords from KEY=VALUE texts: numbers, True, False, None, lists and quoted text as Python has them, else text.

    Raises
    ------
    InputError : not of that form, or a key given twice.
    """
    settings: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip().isidentifier():
            raise InputError(f"--set {text!r} is not of the form KEY=VALUE; write for example --set method=GFN2-xTB")
        if key.strip() in settings:
            raise InputError(f"--set gives {key.strip()} twice")
        settings[key.strip()] = _value(value.strip())
    return settings


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False}.get(text, text)
