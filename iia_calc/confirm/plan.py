"""What a confirmation will do, known before it begins: levels, gradients, and about how long it takes."""

from __future__ import annotations

from dataclasses import dataclass

from iia_calc.common.device import cores
from iia_calc.confirm.levels import (
    BASIS,
    RANKING_BASIS,
    basis_functions,
    dft_level,
    functional_and_basis,
    like_labels,
)
from iia_calc.confirm.settings import AUTO, FULL, NONE, Checks, ConfirmRequest
from iia_calc.labels.dft.level import DFTLevel
from search.geometry.composition import Composition

GRADIENTS = 3
"""An isomer may take in a large basis: a Newton step by the potential's curvature, and one to put it right."""
FULL_GRADIENTS = 8
"""An isomer takes on average in full, to estimate the time."""
SECONDS, ATOMS_POWER, FUNCTIONS_POWER, BEGIN = 1.6e-4, 1.85, 1.5, 0.5
"""CPU seconds of energy and gradient of a closed shell on one core: BEGIN + SECONDS × atoms^1.85 × functions^1.5.

Measured with PBE0 on B6 and SeB8 in 3-21G and def2-TZVP: 1.9, 10.6, 7.4 and 56.7 s.
"""
OPEN_SHELL = 2.0
"""Times a closed shell's: two densities, more cycles. Measured in 3-21G: 1.5 (B5), 2.0 (SeB5), 2.4 (SeB4⁻)."""
STATE = 1.2
"""Times a gradient's: a single point with its test of stability."""


@dataclass(frozen=True)
class Plan:
    """Levels and lengths of a confirmation.

    Attributes
    ----------
    level : of the relaxation. checks : what follows it.
    gradients : an isomer may take at most; None relaxes in full.
    formula : of the isomers. n_functions : basis functions, of the relaxation and of the single points that rank.
    """

    level: DFTLevel
    checks: Checks
    gradients: int | None
    formula: str
    n_functions: tuple[int, ...]

    @property
    def is_open(self) -> bool:
        """Whether electrons stay unpaired in what is relaxed."""
        return is_open_shell(Composition.parse(self.formula), self.level.charge, self.level.multiplicity)

    def seconds(self, n_isomers: int, n_cores: int) -> float:
        """About how long it takes on `n_cores` cores without a GPU; right within a factor of three."""
        n_atoms = Composition.parse(self.formula).n_atoms
        closed = [gradient_seconds(n_atoms, n) for n in self.n_functions]
        gradients = FULL_GRADIENTS if self.gradients is None else self.gradients
        cost = [seconds * (OPEN_SHELL if self.is_open else 1.0) for seconds in closed]
        states = STATE * sum(cost)
        if self.checks.next_multiplicity:
            states += STATE * sum(closed) * OPEN_SHELL
        frequencies = 2 * n_atoms * cost[0] if self.checks.frequencies else 0.0
        return n_isomers * (gradients * cost[0] + states + frequencies) / max(1, n_cores)

    def announce(self, n_isomers: int) -> str:
        """One line before the search: about how long DFT takes after it."""
        count = f"{n_isomers} isomer{'s' if n_isomers != 1 else ''}"
        return f"DFT of {count} after the search: about {duration(self.seconds(n_isomers, cores()))} without a GPU"

    def describe(self, n_isomers: int, n_cores: int | None = None) -> str:
        """One line: levels, gradients, time, and the cheaper way where there is one."""
        how = "in full" if self.gradients is None else f"by at most {self.gradients} gradients each"
        points = f", single points in {self.checks.basis}" if self.checks.basis else ""
        seconds = self.seconds(n_isomers, cores() if n_cores is None else n_cores)
        text = (
            f"relaxing {n_isomers} isomer{'s' if n_isomers != 1 else ''} {how} with {self.level.name}{points}: "
            f"about {duration(seconds)} without a GPU"
        )
        return text + (f"; --basis {BASIS} is cheaper" if self.level.basis != BASIS and seconds > 300 else "")


def gradient_seconds(n_atoms: int, n_functions: int) -> float:
    """About how many seconds energy and gradient take on one core, with `n_functions` basis functions."""
    return float(BEGIN + SECONDS * n_atoms**ATOMS_POWER * n_functions**FUNCTIONS_POWER)


def is_open_shell(composition: Composition, charge: int, multiplicity: int | None) -> bool:
    """Whether a cluster of this charge and multiplicity (None for the lowest possible) has unpaired electrons."""
    electrons = int(sum(composition.numbers)) - charge
    return electrons % 2 == 1 if multiplicity is None else multiplicity > 1


def plan_confirmation(formula: str, labels: str | None, request: ConfirmRequest) -> Plan:
    """Levels and lengths of a confirmation of `formula`, all of it checked.

    Parameters
    ----------
    labels : name of the level of theory that the model was fitted to; None where there is none.

    Raises
    ------
    InputError : PySCF doesn't know functional or basis, or charge and multiplicity don't fit the electrons.
    MissingPackage : PySCF isn't installed.
    """
    composition = Composition.parse(formula)
    functional, basis = functional_and_basis(labels)
    functional, basis = request.functional or functional, request.basis or basis
    n_relaxed, n_reference = basis_functions(composition, basis), basis_functions(composition, RANKING_BASIS)
    wanted = request.ranking_basis.lower()
    ranking: str | None = request.ranking_basis
    if wanted == AUTO:
        ranking = RANKING_BASIS if n_relaxed < n_reference else None
    elif wanted == NONE:
        ranking = None
    level = dft_level(
        formula, functional, basis, request.charge, request.multiplicity, larger_basis=ranking, gpu=request.gpu
    )
    gradients: int | None = None
    if request.relax == AUTO:
        gradients = None if n_relaxed < n_reference else GRADIENTS
    elif request.relax != FULL:
        gradients = int(request.relax)
    sizes = (n_relaxed,) if ranking is None else (n_relaxed, basis_functions(composition, ranking))
    return Plan(like_labels(level, labels), request.checks(ranking), gradients, formula, sizes)


def duration(seconds: float) -> str:
    """A time to one figure: 40 s, 5 min, 2 h."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(1.0, seconds):.0f} s"
