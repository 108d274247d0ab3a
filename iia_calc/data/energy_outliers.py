"""Which energies can't be those of their geometries: too high for a converged SCF ground state, or too low.

Two tests, neither of which needs a level of theory.

**Above the free atoms.** A cluster binds less than the bulk, so its atoms apart lie at most the sum of
their cohesive energies above the lowest structure of the set. Higher than that is no bound cluster.
A bound only, and a loose one: half of what the next test finds lies below it.

**Discontinuous against its neighbours.** Structures of one composition that have like bonds have like
energies. The set itself tells how: energies are fitted to coordination numbers and their square roots
(cohesion goes with the root of coordination: Friedel's second-moment law), counted within several
distances for each pair of elements. An SCF that ends in another than the ground state can only be too
high, never too low (the variational principle), so that half of the energies may be wrong and all on
one side. The fit therefore begins as the regression of the lower quartile, then keeps whatever isn't
far above; the scatter is taken from the lower side alone. An energy more than `HIGH` scatters above
what its geometry explains, and 0.4 eV/atom at least, is flagged.

How good that is: of 638 structures of the published SeB_n sets, half of them flagged, GFN1-xTB agrees on
94 % (`iia audit SeBn SeBn-O --check 320 --check-level gfn1 --seed 7`): flags are right for 99 %, and 12 %
of what passed lies more than 0.25 eV/atom too high, a third of it by less than 0.4. On 29,637 of this
project's own GFN1-xTB labels, whose energies are all sound, it flags 6 %: a fifth of the compressed
structures, a twentieth of the frames of relaxations, none of the minima; of small sets, 170 structures
of each composition, 8 %.

Why not a cheap level of theory instead: it is known for few elements and costs 25 ms a structure, and
its own scatter against PBE0 is 3 eV. It is the check of this test, not its base.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from iia_calc.data.geometry import chunks, pair_distances
from search.geometry.composition import bond_lengths
from search.geometry.pieces import BONDED

EDGES = (0.8, 0.9, 1.05, 1.15, 1.3, 1.5, 1.8)
"""Distances, in bond lengths, within which neighbours are counted, softened by `SOFT`."""
FEW_EDGES = EDGES[1::2]
"""For sets too small for all of them."""
SOFT = 0.06
LONE = (0.5, 1.5)
"""Atoms with fewer neighbours than this are counted, too."""

HIGH, LOW = 4.0, 8.0
"""Scatters above, and below, the expected energy from which on it can't be right."""
LEAST_SCATTER = 0.1
"""eV/atom, so that no excess below 0.4 eV/atom counts: near minima, where structures crowd, the scatter comes out
smaller than it is among strained ones."""
ENOUGH = 9
"""Structures per coefficient that a fit needs: half of them may be wrong, and the rest must not be fitted by heart."""
FEWEST = 150
"""Structures that any fit needs."""

COHESIVE = {  # eV/atom of the solid at 0 K: Kittel, Introduction to Solid State Physics, 8th ed., chapter 3, table 1
    3: 1.63,
    4: 3.32,
    5: 5.81,
    6: 7.37,
    7: 4.92,
    8: 2.60,
    9: 0.84,
    11: 1.113,
    12: 1.51,
    13: 3.39,
    14: 4.63,
    15: 3.43,
    16: 2.85,
    17: 1.40,
    19: 0.934,
    20: 1.84,
    21: 3.90,
    22: 4.85,
    23: 5.31,
    24: 4.10,
    25: 2.92,
    26: 4.28,
    27: 4.39,
    28: 4.44,
    29: 3.49,
    30: 1.35,
    31: 2.81,
    32: 3.85,
    33: 2.96,
    34: 2.46,
    35: 1.22,
    38: 1.72,
    39: 4.37,
    40: 6.25,
    41: 7.57,
    42: 6.82,
    44: 6.74,
    45: 5.75,
    46: 3.89,
    47: 2.95,
    48: 1.16,
    49: 2.52,
    50: 3.14,
    51: 2.75,
    52: 2.19,
    53: 1.11,
    72: 6.44,
    73: 8.10,
    74: 8.90,
    75: 8.03,
    76: 8.17,
    77: 6.94,
    78: 5.84,
    79: 3.81,
    81: 1.88,
    82: 2.03,
    83: 2.18,
}
UNKNOWN_COHESIVE = 9.0
"""Of elements not in the table: above all that are."""


@dataclass(frozen=True)
class EnergyVerdict:
    """What the tests say of the energies of a set: arrays [n], one entry a structure, but `scatter` and `free_atoms`.

    Attributes
    ----------
    excess : eV above what the geometry explains; NaN where the set is too small for a fit.
    scatter : eV, standard deviation of the excess of sound energies; NaN likewise.
    free_atoms : eV, an energy that no bound cluster of the set exceeds.
    above_free_atoms, too_high, too_low : the tests.
    """

    excess: np.ndarray
    scatter: float
    free_atoms: float
    above_free_atoms: np.ndarray
    too_high: np.ndarray
    too_low: np.ndarray

    @property
    def failed(self) -> np.ndarray:
        """[n] bool: any of the three tests says that the energy is wrong."""
        return np.asarray(self.above_free_atoms | self.too_high | self.too_low)


def judge_energies(numbers: np.ndarray, positions: np.ndarray, energies: np.ndarray) -> EnergyVerdict:
    """The tests on structures of one composition.

    Parameters
    ----------
    numbers : [n_atoms]. positions : [n, n_atoms, 3], Å. energies : [n], eV; NaN is judged neither way.
        Where half of them are frames of a few relaxations the scatter comes out too small: judge minima, not paths.
    """
    known = np.isfinite(energies)
    n = len(energies)
    excess, scatter = np.full(n, np.nan), np.nan
    for edges in (EDGES, FEW_EDGES):
        features = coordination_features(numbers, positions, edges)
        features = features[:, np.ptp(features, axis=0) > 1e-9]
        if known.sum() >= max(FEWEST, ENOUGH * (features.shape[1] + 1)):
            excess[known], scatter = one_sided_excess(features[known], energies[known])
            scatter = max(scatter, LEAST_SCATTER * len(numbers))
            break
    with np.errstate(invalid="ignore"):
        too_low = excess < -LOW * scatter
        too_high = excess > HIGH * scatter
        sound = known & ~too_low
        bound = sum(COHESIVE.get(int(z), UNKNOWN_COHESIVE) for z in numbers)
        free_atoms = float(energies[sound].min() + bound) if sound.any() else np.nan
        above = energies > free_atoms
    return EnergyVerdict(excess, float(scatter), free_atoms, above, too_high, too_low)


def coordination_features(numbers: np.ndarray, positions: np.ndarray, edges: tuple[float, ...] = EDGES) -> np.ndarray:
    """[n, n_features]: coordination within each of `edges`, its square root, and lone atoms, summed over atoms."""
    bonds = bond_lengths(numbers)
    blocks = [np.flatnonzero(numbers == z) for z in np.unique(numbers)]
    parts = []
    for x in chunks(positions):
        relative = pair_distances(x) / bonds
        columns = []
        for edge in edges:
            near = _softly_within(relative, edge)
            counts = [[near[:, p][:, :, q].sum(2) for q in blocks] for p in blocks]  # [c, atoms of p] each
            for p, q in combinations_with_replacement(range(len(blocks)), 2):
                columns.append(counts[p][q].sum(1))
            columns += [np.sqrt(count + 1e-3).sum(1) for row in counts for count in row]
        total = _softly_within(relative, BONDED).sum(2)
        columns += [(total < few).sum(1) for few in LONE]
        parts.append(np.stack(columns, axis=1))
    return np.concatenate(parts).astype(float)


def _softly_within(relative: np.ndarray, edge: float) -> np.ndarray:
    """1 for pairs far closer than `edge`, 0 for pairs far beyond."""
    return 0.5 * (1.0 + np.tanh((edge - relative) / (2.0 * SOFT)))


def one_sided_excess(features: np.ndarray, energies: np.ndarray) -> tuple[np.ndarray, float]:
    """Energies [n] over a linear fit to features [n, k] that errors upwards don't move, and its scatter.

    Deterministic; the excess of sound energies lies around 0.
    """
    x = (features - features.mean(0)) / features.std(0)
    x = np.column_stack([np.ones(len(x)), x])
    rest = energies - np.quantile(energies, 0.25)
    start = rest.copy()
    for _ in range(60):  # regression of the lower quartile, by reweighting
        weights = np.where(rest > 0.0, 0.25, 0.75) / np.maximum(np.abs(rest), 0.5)
        fitted = x @ _ridge(x, start, weights)
        moved = np.abs(start - fitted - rest).max()
        rest = start - fitted
        if moved < 0.05:
            break
    kept = np.zeros(len(rest), dtype=bool)
    for _ in range(50):
        centre, scatter = crowded_and_scatter(rest)
        sound = rest < centre + 2.5 * scatter
        if (sound == kept).all():
            break
        kept = sound
        rest = start - x @ _ridge(x, start, kept.astype(float))
    freedom = kept.sum() / max(kept.sum() - x.shape[1], 1)  # a fit lies closer to what it was fitted to
    return rest - centre, scatter * np.sqrt(freedom)


def crowded_and_scatter(values: np.ndarray) -> tuple[float, float]:
    """Where values crowd most (the shortest quarter's middle), and their scatter below it."""
    ordered = np.sort(values)
    quarter = max(len(ordered) // 4, 3)
    at = int((ordered[quarter:] - ordered[:-quarter]).argmin())
    centre = float(ordered[at : at + quarter].mean())
    below = centre - ordered[ordered < centre]
    if not len(below):
        return centre, 0.0
    # The tail counts where it is heavier than a normal distribution's: strained structures scatter more than minima.
    return centre, float(max(1.4826 * np.median(below), np.quantile(below, 0.95) / 1.96))


def _ridge(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted least squares; the small penalty spares columns that say the same."""
    penalty = 1e-3 * weights.sum() * np.eye(x.shape[1])
    penalty[0, 0] = 0.0
    return np.linalg.solve((x * weights[:, None]).T @ x + penalty, (x * weights[:, None]).T @ y)
