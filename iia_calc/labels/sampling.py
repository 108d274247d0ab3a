"""Which structures get a label: what a relaxation meets on its way, and what a search must not fall into.

A potential fitted to minima alone has never seen a repulsive wall or a bond being torn, and a search
finds exactly those holes. So from each random start come its relaxation path, the minimum, rattled
copies of it, and compressed, expanded, pulled-apart and pressed-together ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

import numpy as np
from ase import Atoms
from ase.optimize import LBFGS

from iia_calc.common.electrons import multiplicity_of
from iia_calc.labels.level import Label, LabelFailed, LevelCalculator, LevelOfTheory
from iia_calc.labels.store import LabelledStructure
from search.geometry.composition import Composition, bond_lengths
from search.geometry.seeds import random_cluster


@dataclass(frozen=True)
class Start:
    """One random start: a formula and a number, from which everything about it follows."""

    formula: str
    index: int
    seed: int = 0

    @property
    def name(self) -> str:
        """What labels call the start: formula, seed and number."""
        return f"{self.formula}-{self.seed}-{self.index:06d}"

    @property
    def rng(self) -> np.random.Generator:
        """The generator of all that is random about the start, always the same."""
        return np.random.default_rng([self.seed, crc32(self.formula.encode()), self.index])


@dataclass(frozen=True)
class Sampling:
    """How much is taken from one start.

    max_steps, fmax : of the relaxation, eV/Å.
    path_frames : frames kept of the path, spread evenly in log(step), the minimum included.
    rattles : amplitudes, Å, of the rattled copies of the minimum.
    distortions : how many compressed, expanded, pulled and pressed copies of each.
    keep_distorted : of the rattled and distorted copies, how many (drawn at random) are labelled; None for all.
    shortest : closest pair of a label that is kept, in units of its bond length.
    """

    max_steps: int = 45
    fmax: float = 0.08
    path_frames: int = 9
    rattles: tuple[float, ...] = (0.03, 0.06, 0.1, 0.15, 0.25)
    distortions: int = 1
    keep_distorted: int | None = None
    shortest: float = 0.62


DFT_SAMPLING = Sampling(max_steps=4, path_frames=9, rattles=(0.05, 0.1, 0.15), keep_distorted=1)
"""A DFT label costs a thousand xTB ones: every frame of a short relaxation and one distorted copy per start."""

WALL_ORIGINS = ("raw", "compressed", "pressed")
WALL_COPIES = ("compressed", "pressed", "pressed")
"""What `sample_walls` labels of a start: fits that lack such labels forget what repels (models/README.md)."""


def sample_start(
    start: Start,
    level: LevelOfTheory,
    sampling: Sampling = Sampling(),
    guide: LevelOfTheory | None = None,
) -> list[LabelledStructure]:
    """Label what one random start leads to; of two atoms, a piece of their curve.

    guide : a cheaper level that relaxes the start first, so that the labels lie near minima.

    Frames whose calculation fails are left out; a relaxation that fails midway gives what it had.

    Raises
    ------
    LabelFailed : not even the first structure could be labelled.
    """
    composition, rng = Composition.parse(start.formula), start.rng
    if composition.n_atoms == 1:
        raise LabelFailed("a single atom has its element energy and needs no label")
    if composition.n_atoms == 2:
        return _sample_dimer(start, level)
    seed = random_cluster(composition, rng)
    if guide is not None:
        seed = _relaxed_with(guide, seed)
    calculator = LevelCalculator(level)
    atoms = seed.copy()
    atoms.calc = calculator
    converged = False
    try:
        optimiser = LBFGS(atoms, logfile=None, maxstep=0.15)  # type: ignore[arg-type]
        converged = bool(optimiser.run(fmax=sampling.fmax, steps=sampling.max_steps))
    except LabelFailed:
        if not calculator.frames:
            raise
    frames = calculator.frames
    kept = np.unique(np.geomspace(1, len(frames), sampling.path_frames).round().astype(int) - 1)
    multiplicity = multiplicity_of(seed, level.charge, level.multiplicity)

    def pack(atoms: Atoms, label: Label, origin: str) -> LabelledStructure:
        return LabelledStructure(atoms, label, start.name, origin, level.charge, multiplicity)

    labelled = [pack(frames[k][0], frames[k][1], "path") for k in kept[:-1]]
    labelled.append(pack(frames[-1][0], frames[-1][1], "minimum" if converged else "path"))
    distortions = list(distort(frames[-1][0], rng, sampling))
    if sampling.keep_distorted is not None:
        distortions = [distortions[k] for k in rng.permutation(len(distortions))[: sampling.keep_distorted]]
    for distorted, origin in distortions:
        try:
            labelled.append(pack(distorted, level.label(distorted), origin))
        except LabelFailed:
            continue
    return [item for item in labelled if _is_usable(item, sampling.shortest)]


def sample_walls(start: Start, level: LevelOfTheory, guide: LevelOfTheory) -> list[LabelledStructure]:
    """Label compressed and pressed-together copies of one random start, itself included where it is raw.

    Starts of even index are relaxed with `guide` first, the others are taken as they are drawn: as dense as
    what a search starts from. Nothing is relaxed at `level`.

    Raises
    ------
    LabelFailed : none of them could be labelled.
    """
    composition, rng = Composition.parse(start.formula), start.rng
    if composition.n_atoms < 3:
        raise LabelFailed("an atom or a pair has no walls but those of its curve")
    seed, is_raw = random_cluster(composition, rng), start.index % 2 == 1
    if not is_raw:
        seed = _relaxed_with(guide, seed)
    wanted = [(seed, "raw")] if is_raw else []
    for kind in WALL_COPIES:
        wanted += [item for item in distort(seed, rng, Sampling(rattles=())) if item[1] == kind]
    multiplicity = multiplicity_of(seed, level.charge, level.multiplicity)
    labelled = []
    for atoms, origin in wanted:
        try:
            label = level.label(atoms)
        except LabelFailed:
            continue
        labelled.append(LabelledStructure(atoms, label, start.name, origin, level.charge, multiplicity))
    if not labelled:
        raise LabelFailed(f"none of {len(wanted)} dense structures of {start.name} could be labelled")
    return [item for item in labelled if _is_usable(item, Sampling.shortest)]


def distort(minimum: Atoms, rng: np.random.Generator, sampling: Sampling) -> Iterator[tuple[Atoms, str]]:
    """Rattled, compressed, expanded, pulled-apart and pressed-together copies of one structure."""
    positions, n = minimum.positions, len(minimum)
    for amplitude in sampling.rattles:
        yield _move(minimum, positions + rng.normal(scale=amplitude, size=positions.shape)), "rattled"
    for _ in range(sampling.distortions):
        rattled = positions + rng.normal(scale=0.05, size=positions.shape)
        centre = rattled.mean(0)
        yield _move(minimum, centre + rng.uniform(0.78, 0.96) * (rattled - centre)), "compressed"
        yield _move(minimum, centre + rng.uniform(1.03, 1.35) * (rattled - centre)), "expanded"
        # Everything on one side of a random plane is drawn away along its normal.
        normal = rng.normal(size=3)
        normal /= np.linalg.norm(normal)
        height = (rattled - centre) @ normal
        moved = height >= np.sort(height)[-int(rng.integers(1, max(2, n // 2 + 1)))]
        yield (
            _move(minimum, rattled + np.where(moved[:, None], rng.uniform(0.3, 4.0) * normal, 0.0)),
            "pulled",
        )
        # A bonded pair is pressed together.
        distance = minimum.get_all_distances() / bond_lengths(minimum.numbers) + 9.0 * np.eye(n)
        i, j = divmod(int(rng.choice(np.argsort(distance, axis=None)[: 2 * n])), n)
        target = rng.uniform(0.63, 0.88) * bond_lengths(minimum.numbers)[i, j]
        delta = rattled[j] - rattled[i]
        shift = 0.5 * (1.0 - target / np.linalg.norm(delta)) * delta
        pressed = rattled.copy()
        pressed[i] += shift
        pressed[j] -= shift
        yield _move(minimum, pressed), "pressed"


def _relaxed_with(guide: LevelOfTheory, seed: Atoms, fmax: float = 0.05, max_steps: int = 250) -> Atoms:
    atoms = seed.copy()
    atoms.calc = LevelCalculator(guide)
    LBFGS(atoms, logfile=None, maxstep=0.15).run(fmax=fmax, steps=max_steps)  # type: ignore[arg-type]
    return Atoms(atoms.numbers, atoms.positions)


def _sample_dimer(start: Start, level: LevelOfTheory, n: int = 12) -> list[LabelledStructure]:
    """The curve of a diatomic at `n` distances drawn between 0.65 and 2.4 bond lengths."""
    numbers = Composition.parse(start.formula).numbers
    multiplicity = multiplicity_of(Atoms(numbers), level.charge, level.multiplicity)
    result = []
    for distance in np.sort(start.rng.uniform(0.65, 2.4, size=n)) * bond_lengths(numbers)[0, 1]:
        atoms = Atoms(numbers, [[0.0, 0.0, 0.0], [distance, 0.0, 0.0]])
        try:
            label = level.label(atoms)
        except LabelFailed:
            continue
        result.append(LabelledStructure(atoms, label, start.name, "dimer", level.charge, multiplicity))
    if not result:
        raise LabelFailed(f"no distance of {start.formula} could be labelled")
    return result


def _move(atoms: Atoms, positions: np.ndarray) -> Atoms:
    return Atoms(atoms.numbers, positions)


def _is_usable(item: LabelledStructure, shortest: float) -> bool:
    """No overlap beyond what the core repulsion governs, no force that only speaks of one."""
    distance = item.atoms.get_all_distances() / bond_lengths(item.atoms.numbers)
    np.fill_diagonal(distance, np.inf)
    return bool(distance.min() > shortest and np.abs(item.label.forces).max() < 40.0)
