"""The levels of theory of a confirmation, checked before anything is computed."""

from __future__ import annotations

import re

import numpy as np
from ase import Atoms

from iia_calc.labels.dft.check import basis_shells, check_functional
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import multiplicity_of
from search.geometry.composition import Composition

FUNCTIONAL, BASIS, RANKING_BASIS = "PBE0", "3-21G", "def2-TZVP"
"""Where neither the user nor the model says another."""
_NAMED = re.compile(r"(?P<functional>[^/,]+)/(?P<basis>[^,]+)(?P<fitted>, density fitting)?, grid (?P<grid>\d+)")


def dft_level(
    formula: str,
    functional: str = FUNCTIONAL,
    basis: str = BASIS,
    charge: int = 0,
    multiplicity: int | None = None,
    *,
    larger_basis: str | None = None,
    gpu: bool | None = None,
) -> DFTLevel:
    """The level of the relaxation for `formula`, checked (with `larger_basis`) before anything is computed.

    Raises
    ------
    InputError : PySCF doesn't know functional or basis, or the electrons don't allow charge and multiplicity.
    MissingPackage : PySCF isn't installed.
    """
    composition = Composition.parse(formula)
    multiplicity_of(_placeholder(composition), charge, multiplicity)
    for name, example in ((basis, BASIS), (larger_basis, RANKING_BASIS)):
        if name is not None:
            basis_functions(composition, name, example)
    check_functional(functional)
    return DFTLevel(functional, basis, charge, multiplicity, gpu=gpu)


def like_labels(level: DFTLevel, labels: str | None) -> DFTLevel:
    """`level` with the grid and the density fitting of the labels' level where functional and basis are theirs.

    labels : name of the level of theory that a model was fitted to.
    """
    found = None if labels is None else _NAMED.match(labels)
    if found is None or (found["functional"], found["basis"]) != (level.functional, level.basis):
        return level
    return level.but(grid_level=int(found["grid"]), density_fit=found["fitted"] is not None)


def functional_and_basis(labels: str | None) -> tuple[str, str]:
    """Those of a model's labels, from the name of their level; PBE0 and 3-21G where no PySCF level made them."""
    found = None if labels is None else _NAMED.match(labels)
    return (FUNCTIONAL, BASIS) if found is None else (found["functional"], found["basis"])


def basis_functions(composition: Composition, basis: str, example: str = BASIS) -> int:
    """How many basis functions a cluster has.

    Raises
    ------
    InputError : PySCF has no such basis for an element. MissingPackage : PySCF isn't installed.
    """
    return sum(
        count * sum((2 * shell[0] + 1) * (len(shell[-1]) - 1) for shell in basis_shells(basis, symbol, example))
        for symbol, count in composition.counts
    )


def _placeholder(composition: Composition) -> Atoms:
    """Atoms that only count electrons."""
    return Atoms(composition.numbers, np.zeros((composition.n_atoms, 3)))
