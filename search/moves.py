"""How the next trial is made from a minimum: rattle, surface, twist, swap and relocate.

Each move takes positions [n_atoms, 3] (in the order of the composition) and gives new ones without
overlaps; the input is left as it was. Lengths come from the `LengthScale`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np

from search.composition import Composition
from search.scale import LengthScale


@dataclass(frozen=True)
class Move:
    """One kind of move.

    Attributes
    ----------
    name : as settings and results call it.
    change : (positions, scale, rng, step) -> positions, which may overlap.
    step : first step size (in bond lengths, or in half turns), adapted in a search; None where there is none.
    min_atoms, min_elements : what a composition must have for the move to make sense.
    """

    name: str
    change: Callable[[np.ndarray, LengthScale, np.random.Generator, float], np.ndarray]
    step: float | None = None
    min_atoms: int = 2
    min_elements: int = 1

    def applicable(self, composition: Composition) -> bool:
        return composition.n_atoms >= self.min_atoms and len(composition.counts) >= self.min_elements

    def __call__(
        self, positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float | None = None
    ) -> np.ndarray:
        """New positions [n_atoms, 3] without overlaps."""
        size = (self.step or 0.0) if step is None else step
        return scale.push_apart(self.change(positions.copy(), scale, rng, size))


@dataclass
class MoveCount:
    """What a move has done: tries, how many were accepted, how many gave a walker or source a new best."""

    tries: int = 0
    accepted: int = 0
    improved: int = 0


@dataclass
class Step:
    """A step size that follows the acceptance: shorter when too little is accepted, longer when too much."""

    size: float
    tries: int = 0
    accepted: int = 0

    def record(self, accepted: bool, target: float, interval: int, largest: float) -> None:
        self.tries += 1
        self.accepted += accepted
        if self.tries >= interval:
            self.size *= 0.9 if self.accepted < target * self.tries else 1.0 / 0.9
            self.size = float(np.clip(self.size, 0.02, largest))
            self.tries = self.accepted = 0


@dataclass
class MoveSet:
    """The moves of one search, with their shares, step sizes and counts."""

    shares: dict[str, float]
    counts: dict[str, MoveCount] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)

    @classmethod
    def of(cls, composition: Composition, shares: dict[str, float]) -> MoveSet:
        """Moves of `shares` (name -> weight) that apply to `composition`, weights brought to a sum of 1.

        Raises
        ------
        ValueError : an unknown move, a negative weight, or nothing left.
        """
        check_shares(shares)
        usable = {name: share for name, share in shares.items() if share > 0 and MOVES[name].applicable(composition)}
        total = sum(usable.values())
        usable = {name: share / total for name, share in usable.items()}
        steps = {name: Step(size) for name in usable if (size := MOVES[name].step) is not None}
        return cls(usable, {name: MoveCount() for name in usable}, steps)

    def draw(self, rng: np.random.Generator) -> str | None:
        """Name of a move by its share; None where no move applies (a single atom)."""
        names = list(self.shares)
        return names[int(rng.choice(len(names), p=list(self.shares.values())))] if names else None

    def apply(
        self, name: str | None, positions: np.ndarray, scale: LengthScale, rng: np.random.Generator
    ) -> np.ndarray:
        if name is None:
            return positions.copy()
        return MOVES[name](positions, scale, rng, self.steps[name].size if name in self.steps else None)

    def record(
        self,
        name: str,
        accepted: bool,
        improved: bool,
        target: float = 0.5,
        interval: int = 50,
        largest: float = 0.8,
    ) -> None:
        count = self.counts.setdefault(name, MoveCount())
        count.tries += 1
        count.accepted += bool(accepted)
        count.improved += bool(improved)
        if name in self.steps:
            self.steps[name].record(accepted, target, interval, largest)

    def state(self) -> dict:
        return {
            "counts": {name: asdict(count) for name, count in self.counts.items()},
            "steps": {name: asdict(step) for name, step in self.steps.items()},
        }

    def restore(self, state: dict) -> None:
        self.counts = {name: MoveCount(**count) for name, count in state["counts"].items()}
        self.steps = {name: Step(**step) for name, step in state["steps"].items()}


def check_shares(shares: dict[str, float]) -> None:
    """Raise a ValueError that names the moves there are, unless `shares` is a weight per move."""
    unknown = sorted(set(shares) - set(MOVES))
    if unknown:
        raise ValueError(f"moves {', '.join(unknown)} are not known; choose among {', '.join(MOVES)}")
    if any(not share >= 0 for share in shares.values()) or not sum(shares.values()) > 0:
        raise ValueError(f"move shares are {shares}; they must be 0 or above, and not all 0")
    if all(MOVES[name].min_elements > 1 for name, share in shares.items() if share > 0):
        raise ValueError(f"move shares are {shares}; at least one must suit a single element, such as rattle")


def coordination(positions: np.ndarray, scale: LengthScale) -> np.ndarray:
    """Smooth number of bonds [n_atoms]: the sum of (bond length / distance)⁶ over the other atoms."""
    squares = ((positions[:, None] - positions[None, :]) ** 2).sum(-1)
    np.fill_diagonal(squares, np.inf)
    return (np.minimum(scale.bonds**2 / np.maximum(squares, 1e-12), 1.5) ** 3).sum(1)


def rattle(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """Every coordinate moved by up to `step` bond lengths."""
    return positions + step * scale.bond * rng.uniform(-1.0, 1.0, size=positions.shape)


def surface(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """One of the worst-bound atoms taken off and set down elsewhere on the surface, from outside."""
    bonds = coordination(positions, scale)
    worst = int(np.argsort(bonds)[min(int(rng.geometric(0.6)) - 1, len(bonds) - 1)])
    rest = np.delete(np.arange(len(positions)), worst)
    others, lengths = positions[rest], scale.bonds[worst, rest]
    directions = rng.normal(size=(int(rng.integers(1, 9)), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)  # [k, 3]
    centre = others.mean(0)
    along = (others - centre) @ directions.T  # [n - 1, k]
    across = ((others - centre) ** 2).sum(1)[:, None] - along**2
    reach = lengths[:, None] ** 2 - across
    touch = np.where(reach > 0, along + np.sqrt(np.clip(reach, 0.0, None)), -np.inf).max(0)  # [k]
    touch = np.where(np.isfinite(touch), touch, along.max(0))
    sites = centre + touch[:, None] * directions
    near = lengths[:, None] / np.linalg.norm(others[:, None] - sites[None], axis=-1)
    positions[worst] = sites[int((near**6).sum(0).argmax())]
    return positions


def twist(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """One side of a random plane turned about the plane's normal by up to `step` half turns."""
    normal = rng.normal(size=3)
    normal /= np.linalg.norm(normal)
    centred = positions - positions.mean(0)
    along, quarter = centred @ normal, len(centred) // 4
    side = along > np.sort(along)[rng.integers(max(quarter - 1, 0), len(centred) - max(quarter, 1))]
    angle = np.pi * step * rng.uniform(-1.0, 1.0)
    x = centred[side]
    turned = np.cos(angle) * x + np.sin(angle) * np.cross(normal, x)
    turned += (1.0 - np.cos(angle)) * np.outer(x @ normal, normal)
    centred[side] = turned
    return centred


def swap(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """Two atoms of different elements change places (Se and B)."""
    numbers = scale.numbers
    i = int(rng.choice(np.flatnonzero(scale.is_dopant)))
    j = int(rng.choice(np.flatnonzero(numbers != numbers[i])))
    positions[[i, j]] = positions[[j, i]]
    return positions


def relocate(positions: np.ndarray, scale: LengthScale, rng: np.random.Generator, step: float) -> np.ndarray:
    """A dopant taken off and set on a rim, cap or bridge site of what is left."""
    i = int(rng.choice(np.flatnonzero(scale.is_dopant)))
    rest = np.delete(np.arange(len(positions)), i)
    kinds = dopant_sites(positions[rest], scale.bonds[np.ix_(rest, rest)], scale.bonds[i, rest])
    kinds = {kind: sites for kind, sites in kinds.items() if len(sites)}
    if not kinds:
        return surface(positions, scale, rng, step)
    sites = kinds[sorted(kinds)[int(rng.integers(len(kinds)))]]
    positions[i] = sites[int(rng.integers(len(sites)))]
    return positions


def dopant_sites(positions: np.ndarray, bonds: np.ndarray, lengths: np.ndarray) -> dict[str, np.ndarray]:
    """Free sites on a skeleton: kind -> [n_sites, 3].

    "rim": bound to one atom, away from its neighbours; "bridge": over a bond, on its open side;
    "cap": over either face of a triangle. A site overlaps nothing.

    positions : [m, 3] of the skeleton. bonds : [m, m] its bond lengths. lengths : [m] from the new
    atom to each.
    """
    gaps = np.linalg.norm(positions[:, None] - positions[None, :], axis=-1)
    bound = (gaps < 1.3 * bonds) & ~np.eye(len(positions), dtype=bool)
    degree = np.maximum(bound.sum(1), 1)
    # From the middle of an atom's neighbours to the atom; from the centroid where that is nothing.
    outward = positions - (bound @ positions) / degree[:, None]
    flat = np.linalg.norm(outward, axis=1) < 0.15 * lengths
    outward[flat] = positions[flat] - positions.mean(0)
    rim = positions + lengths[:, None] * _unit(outward)

    p, q = np.nonzero(np.triu(bound))
    middle, half = 0.5 * (positions[p] + positions[q]), 0.5 * gaps[p, q]
    along = _unit(positions[q] - positions[p])
    open_side = outward[p] + outward[q]
    open_side -= (open_side * along).sum(1, keepdims=True) * along
    height = np.sqrt(np.maximum((0.5 * (lengths[p] + lengths[q])) ** 2 - half**2, 0.01 * half**2))
    bridge = middle + height[:, None] * _unit(open_side)

    i, j, k = _triangles(bound)
    middle = (positions[i] + positions[j] + positions[k]) / 3.0
    normal = _unit(np.cross(positions[j] - positions[i], positions[k] - positions[i]))
    base = np.linalg.norm(positions[i] - middle, axis=1)
    reach = (lengths[i] + lengths[j] + lengths[k]) / 3.0
    height = np.sqrt(np.maximum(reach**2 - base**2, (0.3 * reach) ** 2))[:, None]
    cap = np.concatenate([middle + height * normal, middle - height * normal])

    def free(sites: np.ndarray) -> np.ndarray:
        clear = np.linalg.norm(sites[:, None] - positions[None, :], axis=-1) > 0.85 * lengths
        return sites[clear.all(1)]

    return {"rim": free(rim), "bridge": free(bridge), "cap": free(cap)}


def _triangles(bound: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Atoms i < j < k that are bound to each other, [n_triangles] each."""
    i, j = np.nonzero(np.triu(bound))
    row, k = np.nonzero(bound[i] & bound[j])
    keep = k > j[row]
    return i[row[keep]], j[row[keep]], k[keep]


def _unit(x: np.ndarray) -> np.ndarray:
    """Vectors [n, 3] of length one; a fixed direction for those of no length."""
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.where(length > 1e-9, x / np.maximum(length, 1e-9), np.array([0.0, 0.0, 1.0]))


MOVES = {
    move.name: move
    for move in (
        Move("rattle", rattle, step=0.36, min_atoms=2),
        Move("surface", surface, min_atoms=3),
        Move("twist", twist, step=0.5, min_atoms=4),
        Move("swap", swap, min_elements=2),
        Move("relocate", relocate, min_atoms=3, min_elements=2),
    )
}
