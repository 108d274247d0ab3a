"""Searches for the lowest minimum that others offer: ASE's basin hopping and minima hopping, the algorithm of ase-ga.

Each is a function of a `Surface` and of a start; it goes on until the calculator raises `Ended`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import LBFGS
from ase.optimize.basin import BasinHopping
from ase.optimize.minimahopping import MinimaHopping

MAX_STEPS = 500
"""Of a relaxation in the genetic algorithm."""
POPULATION = 20
MUTATED = 0.3
"""The population of ase-ga's tutorial and its share of mutated children."""


class Ended(Exception):
    """The lowest minimum was found, or the calls are spent."""


@dataclass(frozen=True)
class Surface:
    """A cluster on a potential.

    name : of the cluster. target : lowest energy known. near : how far above it a call counts as a hit.
    start : seed -> a random compact cluster. evaluate : a cluster -> its energy and forces [N, 3].
    kT, step, fmax : of basin hopping, in the potential's units (energy, length, energy/length).
    hot : temperature at which minima hopping begins, K. timestep : of its dynamics, fs. apart : lengths that tell
    minima apart there. shortest : distance below which the genetic algorithm makes no pair.
    """

    name: str
    target: float
    near: float
    start: Callable[[int], Atoms]
    evaluate: Callable[[Atoms], tuple[float, np.ndarray]]
    kT: float
    step: float
    fmax: float
    hot: float
    timestep: float
    apart: float
    shortest: Callable[[int, int], float]


class Counted(Calculator):
    """A surface that counts its calls and ends the search."""

    implemented_properties = ("energy", "forces")

    def __init__(self, surface: Surface, limit: int) -> None:
        super().__init__()
        self.surface, self.limit = surface, limit
        self.calls, self.hit = 0, False

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        super().calculate(atoms, properties, system_changes)
        energy, forces = self.surface.evaluate(self.atoms)
        self.results = {"energy": energy, "forces": forces}
        self.calls += 1
        self.hit = energy <= self.surface.target + self.surface.near
        if self.hit or self.calls >= self.limit:
            raise Ended


def basin_hopping(surface: Surface, counted: Counted, seed: int) -> None:
    """ASE's, every hop relaxed by L-BFGS."""
    atoms = surface.start(seed)
    atoms.calc = counted
    quiet = {"logfile": None, "optimizer_logfile": None, "trajectory": None, "local_minima_trajectory": None}
    BasinHopping(atoms, temperature=surface.kT, dr=surface.step, fmax=surface.fmax, optimizer=LBFGS, **quiet).run(10**9)


def minima_hopping(surface: Surface, counted: Counted, seed: int) -> None:
    """ASE's own settings, the temperature and the lengths in the potential's units."""
    atoms = surface.start(seed)
    atoms.calc = counted
    MinimaHopping(
        atoms,
        T0=surface.hot,
        fmax=surface.fmax,
        minima_threshold=surface.apart,
        timestep=surface.timestep,
        optimizer=LBFGS,
    )()


def genetic_algorithm(surface: Surface, counted: Counted, seed: int) -> None:
    """ase-ga as its tutorial has it: cut and splice, rattled, mirrored and (of two elements) permuted children."""
    from ase_ga.cutandsplicepairing import CutAndSplicePairing
    from ase_ga.data import DataConnection, PrepareDB
    from ase_ga.offspring_creator import OperationSelector
    from ase_ga.population import Population
    from ase_ga.standard_comparators import InteratomicDistanceComparator
    from ase_ga.standardmutations import MirrorMutation, PermutationMutation, RattleMutation

    rng = np.random.RandomState(seed)
    starts = [surface.start(1000 * seed + k) for k in range(POPULATION)]
    box = 3.0 * max(float(np.ptp(atoms.positions)) for atoms in starts)
    for atoms in starts:
        atoms.cell = [box] * 3
        atoms.center()
    numbers = starts[0].numbers
    empty, n = Atoms(cell=starts[0].cell), len(numbers)
    kinds = sorted(set(numbers.tolist()))
    shortest = {(a, b): surface.shortest(a, b) for a in kinds for b in kinds}
    data = PrepareDB("ga.db", simulation_cell=empty, stoichiometry=numbers.tolist())
    for atoms in starts:
        data.add_unrelaxed_candidate(atoms)
    data = DataConnection("ga.db")
    for _ in range(POPULATION):
        data.add_relaxed_step(_relax(data.get_an_unrelaxed_candidate(), counted, surface.fmax))
    comparator = InteratomicDistanceComparator(n, pair_cor_cum_diff=0.015, pair_cor_max=0.7, dE=surface.near, mic=False)
    population = Population(data, POPULATION, comparator=comparator, rng=rng)
    pairing = CutAndSplicePairing(empty, n, shortest, rng=rng)
    mutations: list[Any] = [MirrorMutation(shortest, n, rng=rng), RattleMutation(shortest, n, rng=rng)]
    if len(kinds) > 1:
        mutations.append(PermutationMutation(n, rng=rng))
    mutation = OperationSelector([1.0] * len(mutations), mutations, rng=rng)
    while True:
        child, description = pairing.get_new_individual(population.get_two_candidates())
        if child is None:
            continue
        data.add_unrelaxed_candidate(child, description=description)
        if rng.random_sample() < MUTATED:
            mutant, description = mutation.get_new_individual([child])
            if mutant is not None:
                child = mutant
                data.add_unrelaxed_step(child, description)
        data.add_relaxed_step(_relax(child, counted, surface.fmax))
        population.update()


def _relax(atoms: Atoms, counted: Counted, fmax: float) -> Atoms:
    """Relaxed, with the score that ase-ga reads."""
    atoms.calc = counted
    LBFGS(atoms, logfile=None).run(fmax=fmax, steps=MAX_STEPS)
    atoms.info.setdefault("key_value_pairs", {})["raw_score"] = -atoms.get_potential_energy()
    return atoms


PEERS: dict[str, Callable[[Surface, Counted, int], None]] = {
    "ASE's BasinHopping": basin_hopping,
    "ASE's MinimaHopping": minima_hopping,
    "ase-ga": genetic_algorithm,
}
