"""What a search of a formula should find: its lowest known minimum, on the potential that is searched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from iia_calc.common.structures import Accepts, read_cluster
from iia_calc.isomers.known import known_minima
from search.archive.minimum import sound
from search.errors import InputError
from search.geometry.composition import Composition
from search.geometry.seeds import random_cluster
from search.relaxers.base import Relaxer
from search.searchers.starts import in_order

if TYPE_CHECKING:
    from iia_calc.isomers.first_hits import FirstHitRequest

DEEPEST = 10.0
"""eV per atom; no element binds its atoms by more, so no cluster lies so far below any other."""


@dataclass(frozen=True)
class Target:
    """What is to be found: its energy, eV, and where that is from."""

    energy: float
    source: str


def find_target(request: FirstHitRequest, relaxer: Relaxer, level: str | None) -> Target:
    """The energy to be found: that asked for, or of the lowest of the known minima, relaxed on the potential.

    Raises
    ------
    InputError : none is known, or none relaxes to a sound structure.
    """
    composition = Composition.parse(request.formula)
    if request.target is not None:
        try:
            energy = float(request.target)
        except ValueError:
            atoms = read_cluster(request.target, Accepts()).atoms
        else:
            if not math.isfinite(energy):
                raise InputError(f"target is {request.target}; give a finite energy in eV, or a structure's file")
            _check_possible(energy, composition, relaxer, request.seed)
            return Target(energy, "given")
        structures, source = in_order([atoms], composition), f"{request.target}, relaxed"
    else:
        if request.calculator is not None:
            raise InputError("no minima of a calculator are known: give --target, an energy in eV or a file")
        known = known_minima(composition, level=level)
        if not known:
            raise InputError(
                f"no minimum of {composition} is in the shipped tables (models/lowest): give --target, an energy in eV "
                "or a structure's file"
            )
        structures = [minimum.atoms for minimum in known]
        source = f"lowest of {len(known)} known minima ({known[0].level}), relaxed"
    return Target(_lowest(relaxer, structures, source), source)


def _check_possible(energy: float, composition: Composition, relaxer: Relaxer, seed: int) -> None:
    """InputError for an energy that no cluster of the composition can have on this potential."""
    rng = np.random.default_rng(seed)
    starts = [random_cluster(composition, rng) for _ in range(4)]
    usual = min((float(result.energy) for result in relaxer.relax(starts) if sound(result)), default=-math.inf)
    if energy < usual - DEEPEST * composition.n_atoms:
        raise InputError(
            f"target is {energy:g} eV, which no {composition} can have on this potential: random starts end at "
            f"{usual:.3f} eV. Give an energy of this potential, or a structure's file"
        )


def _lowest(relaxer: Relaxer, structures: list[Atoms], source: str) -> float:
    relaxed = [result for result in relaxer.relax(structures) if sound(result)]
    if not relaxed:
        raise InputError(f"{source}: none is a sound minimum of this potential; give --target, an energy in eV")
    return min(float(result.energy) for result in relaxed)
