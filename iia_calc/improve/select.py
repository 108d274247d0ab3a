"""Which candidates are worth a label: the lowest, the least certain, the least alike; none twice.

Likeness is measured by sorted distances per element pair, the same for any order and orientation, so
only structures of one composition are compared.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from iia_calc.improve.candidates import Candidate
from search.geometry.composition import bond_lengths
from search.geometry.fingerprint import Fingerprint
from search.geometry.shape import shape_of

ALIKE = 0.04  # Å, root mean square difference of sorted distances: closer ones tell a fit nothing new
SAME_ENERGY = 0.02  # eV: of minima this close, the lower one stands for both
SHORTEST = 0.6  # bond lengths: what is closer is the core repulsion's business


def choose(
    candidates: Sequence[Candidate],
    labelled: Sequence[Atoms],
    n: int,
    share_lowest: float = 0.4,
    share_uncertain: float = 0.3,
) -> list[Candidate]:
    """At most `n` of the candidates of one formula, none alike another or alike one that is labelled.

    In turn: minima, the lowest of each shape before the next lowest of any, for a potential that has met few
    labels of a shape misplaces it as a whole; any by committee deviation; then whatever is farthest from all
    chosen and labelled ones. Deterministic.
    """
    pool = [item for item in candidates if _sane(item.atoms)]
    if not pool or n < 1:
        return []
    points = np.array([_point(item.atoms) for item in pool])  # [n_pool, n_distances]
    nearest = np.full(len(pool), np.inf)  # to anything labelled or chosen, Å
    for atoms in labelled:
        nearest = np.minimum(nearest, _rms(points, _point(atoms)))
    chosen: list[int] = []

    def take(k: int) -> None:
        nonlocal nearest
        chosen.append(k)
        nearest = np.minimum(nearest, _rms(points, points[k]))

    def take_in(order: Sequence[int], most: int) -> None:
        taken = 0
        for k in order:
            if taken == most:
                return
            if nearest[k] > ALIKE:
                take(k)
                taken += 1

    minima = [k for k, item in enumerate(pool) if item.origin == "minimum"]
    minima = _apart_in_energy(sorted(minima, key=lambda k: pool[k].energy), pool)
    new = [k for k in minima if nearest[k] > ALIKE]
    take_in(_shapes_first(new, pool), round(share_lowest * n))
    uncertain = sorted(range(len(pool)), key=lambda k: -pool[k].forces_std)
    take_in([k for k in uncertain if pool[k].forces_std > 0], round(share_uncertain * n))
    while len(chosen) < n and nearest.max() > ALIKE:
        take(int(nearest.argmax()) if np.isfinite(nearest).all() else int(np.flatnonzero(~np.isfinite(nearest))[0]))
    return [pool[k] for k in chosen]


def _apart_in_energy(order: Sequence[int], pool: Sequence[Candidate]) -> list[int]:
    kept: list[int] = []
    for k in order:
        if not kept or pool[k].energy - pool[kept[-1]].energy > SAME_ENERGY:
            kept.append(k)
    return kept


def _shapes_first(order: Sequence[int], pool: Sequence[Candidate]) -> list[int]:
    """The first of each shape, then the others, each in the given order."""
    shapes = [shape_of(pool[k].atoms) for k in order]
    firsts = [shapes.index(shape) for shape in dict.fromkeys(shapes)]
    return [order[k] for k in firsts] + [k for place, k in enumerate(order) if place not in firsts]


def _point(atoms: Atoms) -> np.ndarray:
    return Fingerprint(atoms.positions, atoms.numbers).pair_distances


def _rms(points: np.ndarray, point: np.ndarray) -> np.ndarray:
    return np.sqrt(((points - point) ** 2).mean(-1)) if points.shape[-1] else np.zeros(len(points))


def _sane(atoms: Atoms) -> bool:
    """Finite, no two atoms inside one another."""
    if len(atoms) < 2 or not np.isfinite(atoms.positions).all():
        return False
    distances = atoms.get_all_distances() / bond_lengths(atoms.numbers)
    return bool(distances[np.triu_indices(len(atoms), 1)].min() > SHORTEST)
