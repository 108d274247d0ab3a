"""Wells that others find: structures worth a label that the potential had no say in.

What a potential holds for too high its own searches never see, so labels at its own minima can't mend it. Here
GFN1- and GFN2-xTB relax random starts of every kind, shapes of the literature, and minima known elsewhere with an atom
more, an atom less or the dopant in another place; short basin hopping on xTB goes on from random starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from zlib import crc32

import numpy as np
from ase import Atoms

from iia_calc.improve.shapes import SHAPES, NothingToBeginWith, drawn_kind, literature_shape
from iia_calc.isomers.known import starts_from
from iia_calc.labels.level import LabelFailed, LevelCalculator, LevelOfTheory
from iia_calc.labels.xtb import XTBLevel
from search.errors import InputError
from search.geometry.composition import Composition, bond_lengths
from search.geometry.pieces import COLLAPSED, ONE_PIECE, is_fragmented
from search.geometry.seeds import KINDS, push_apart, random_cluster
from search.relaxers.ase import make_bfgs
from search.searchers.starts import in_order

FMAX, MAX_STEPS, MAX_STEP = 0.05, 250, 0.15
"""eV/Å, steps and longest move, Å, of an xTB relaxation."""
HOPS, HOP_AMPLITUDE, HOP_TEMPERATURE = 6, 0.45, 0.6
"""Of basin hopping: hops, Å by which atoms are moved, and kT in eV."""


@dataclass(frozen=True)
class WellStart:
    """One start of a search for wells: all that comes of it follows from these.

    source : one of `SOURCES`. method : "GFN1-xTB" or "GFN2-xTB". charge, multiplicity : as of `XTBLevel`.
    """

    source: str
    formula: str
    index: int
    seed: int = 0
    method: str = "GFN2-xTB"
    charge: int = 0
    multiplicity: int | None = None

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise InputError(f"source {self.source!r} is not known; choose of {', '.join(SOURCES)}")

    @property
    def name(self) -> str:
        """What labels call the start: formula, source, method, seed and number."""
        return f"{self.formula}-{self.source}-{self.method[:4].lower()}-{self.seed}-{self.index:06d}"

    @property
    def rng(self) -> np.random.Generator:
        """The generator of all that is random about the start, always the same."""
        return np.random.default_rng([self.seed, crc32(f"{self.formula} {self.source}".encode()), self.index])


@dataclass(frozen=True)
class Well:
    """A minimum of `level`.

    start : name of its start, the unit in which training and test are split.
    origin : its method and the kind of its start, e.g. "gfn2 planar", "gfn1 double ring", "gfn2 hopping".
    """

    atoms: Atoms
    start: str
    origin: str


def find_wells(start: WellStart, known: Sequence[Atoms] = ()) -> list[Well]:
    """The wells that one start leads to: one, of basin hopping every one it accepted, none where xTB failed.

    known : minima of this and neighbouring compositions; "neighbours" and "homotops" need them.

    Raises
    ------
    NothingToBeginWith : `known` lacks what "neighbours" or "homotops" need; no shape is of so few atoms.
    """
    composition, rng = Composition.parse(start.formula), start.rng
    level = XTBLevel(start.method, charge=start.charge, multiplicity=start.multiplicity)
    seed, kind = SOURCES[start.source](composition, rng, known)
    if start.source == "hopping":
        found, kind = list(_hopping(seed, level, rng)), "hopping"
    else:
        found = [atoms for atoms in [relax(seed, level)] if atoms is not None]
    return [Well(atoms, start.name, f"{start.method[:4].lower()} {kind}") for atoms in in_order(found, composition)]


def gather_wells(
    formula: str,
    sources: Sequence[str],
    n_starts: int,
    seed: int,
    known: Sequence[Atoms],
    executor: Executor,
    charge: int = 0,
    multiplicity: int | None = None,
) -> list[Atoms]:
    """Wells of one formula from `n_starts` starts, side by side; sources with nothing to begin with give none."""
    starts = [
        replace(start, charge=charge, multiplicity=multiplicity)
        for start in islice(plan({formula: 1}, sources, seed), n_starts)
    ]
    return [well.atoms for wells in executor.map(partial(_wells_or_none, known=known), starts) for well in wells]


def _wells_or_none(start: WellStart, known: Sequence[Atoms]) -> list[Well]:
    try:
        return find_wells(start, known)
    except NothingToBeginWith:
        return []


def relax(atoms: Atoms, level: LevelOfTheory, fmax: float = FMAX, max_steps: int = MAX_STEPS) -> Atoms | None:
    """The minimum of `level` that `atoms` relaxes to; None where it fails, doesn't converge or falls apart."""
    moving = atoms.copy()
    moving.calc = LevelCalculator(level)
    try:
        if not make_bfgs(moving, MAX_STEP).run(fmax=fmax, steps=max_steps):
            return None
    except LabelFailed:
        return None
    return Atoms(moving.numbers, moving.positions - moving.positions.mean(0)) if in_one_piece(moving) else None


def in_one_piece(atoms: Atoms) -> bool:
    """Whether every atom is bound to the others, and none has run into another."""
    lengths = bond_lengths(atoms.numbers)
    apart = atoms.get_all_distances() / lengths + 9.0 * np.eye(len(atoms))
    return bool(apart.min() > COLLAPSED) and not is_fragmented(atoms.positions, ONE_PIECE * lengths)


def plan(weights: dict[str, int], sources: Sequence[str], seed: int = 0) -> Iterator[WellStart]:
    """Endless sequence of starts: in each round every formula as often as its weight says, its sources in turn.

    Every third start is relaxed by GFN1-xTB, the others by GFN2-xTB.
    """
    if not weights or not sources:
        raise InputError("a plan of wells needs at least one formula and one source")
    made = dict.fromkeys(weights, 0)
    while True:
        for formula, weight in weights.items():
            for _ in range(weight):
                k = made[formula]
                made[formula] += 1
                method = "GFN1-xTB" if (k // len(sources)) % 3 == 2 else "GFN2-xTB"
                yield WellStart(sources[k % len(sources)], formula, k // len(sources), seed, method)


def _random(composition: Composition, rng: np.random.Generator, known: Sequence[Atoms]) -> tuple[Atoms, str]:
    """A random start of one of the kinds, and its kind."""
    kinds = (*KINDS, "bilayer") if composition.counts[-1][1] >= SHAPES["bilayer"][0] else KINDS
    kind = kinds[int(rng.integers(len(kinds)))]
    make = literature_shape if kind == "bilayer" else random_cluster
    return make(composition, rng, kind), kind


def _literature(composition: Composition, rng: np.random.Generator, known: Sequence[Atoms]) -> tuple[Atoms, str]:
    """A shape of the literature, and its name."""
    kind = drawn_kind(composition, rng)
    return literature_shape(composition, rng, kind), kind


def _neighbours(composition: Composition, rng: np.random.Generator, known: Sequence[Atoms]) -> tuple[Atoms, str]:
    """A known minimum of a neighbouring composition, with an atom attached or taken away."""
    others = [atoms for atoms in known if not composition.matches(atoms)]
    return _one_of(starts_from(others, composition), composition, rng), "neighbour"


def _homotops(composition: Composition, rng: np.random.Generator, known: Sequence[Atoms]) -> tuple[Atoms, str]:
    """A known minimum of the formula with a dopant and a host atom exchanged."""
    atoms = _one_of([atoms for atoms in known if composition.matches(atoms)], composition, rng)
    is_host = np.array(atoms.get_chemical_symbols()) == composition.host
    hosts, dopants = np.flatnonzero(is_host), np.flatnonzero(~is_host)
    if len(dopants):
        i, j = rng.choice(hosts), rng.choice(dopants)
        atoms.positions[[i, j]] = atoms.positions[[j, i]]
    return Atoms(atoms.numbers, push_apart(atoms.positions, atoms.numbers)), "homotop"


def _one_of(starts: Sequence[Atoms], composition: Composition, rng: np.random.Generator) -> Atoms:
    if not starts:
        raise NothingToBeginWith(
            f"no known minimum to begin with for {composition}: give some, or leave out this source"
        )
    chosen = starts[int(rng.integers(len(starts)))]
    return Atoms(chosen.numbers, chosen.positions + rng.normal(scale=0.05, size=chosen.positions.shape))


def _hopping(seed: Atoms, level: LevelOfTheory, rng: np.random.Generator) -> Iterator[Atoms]:
    """The wells that basin hopping accepts (Wales and Doye, J. Phys. Chem. A 1997, 101, 5111)."""
    here = relax(seed, level)
    if here is None:
        return
    yield here
    energy = level.label(here).energy
    for _ in range(HOPS):
        moved = here.positions + rng.normal(scale=HOP_AMPLITUDE / np.sqrt(3.0), size=here.positions.shape)
        there = relax(Atoms(here.numbers, push_apart(moved, here.numbers)), level)
        if there is None:
            continue
        change = level.label(there).energy - energy
        if rng.random() < np.exp(min(0.0, -change / HOP_TEMPERATURE)):
            here, energy = there, energy + change
            yield here


SOURCES: dict[str, Callable[[Composition, np.random.Generator, Sequence[Atoms]], tuple[Atoms, str]]] = {
    "xtb": _random,
    "shapes": _literature,
    "hopping": _random,
    "neighbours": _neighbours,
    "homotops": _homotops,
}
"""Name: what gives a structure to begin with, of a composition and known minima, and the kind of start it is."""
