"""What a committee's spread is worth: how far energies and forces are off where it is so large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import minimize

from iia_calc.labels.store import LabelledStructure
from iia_calc.model.calibration import Calibration
from iia_calc.model.committee import Committee
from iia_calc.training.distances import distances_from
from iia_calc.training.evaluate import Predicted, is_near_minimum, predict
from search.errors import InputError
from search.geometry.composition import Composition

WITHIN = 0.68  # share of the errors that an expected error is to hold, as a normal deviation does
BEYOND, REACHED = 1.5, 0.97  # times the expected force error that this share of them stays below: beyond, a guess
RIGHT = 0.02  # eV/atom: an energy that is right
FLAGGED = 0.05  # share of the structures with right energies that may be called unknown
FLOORS = 25  # tried
STARTS = 4  # held-out starts that a calibration needs
PAIRS = 20  # of structures of one formula, that tell what an energy difference is worth
SHIFTS = (0.0, np.array([0.7, -3.0, 0.0]), np.array([-2.0, 0.0, 0.7]))  # starts of the fit, logarithms of its factors


def calibrate(committee: Committee, labelled: Sequence[LabelledStructure]) -> Calibration:
    """Measure on labels of at least `STARTS` starts that no member was fitted to.

    Factors and floor hold 68 % of the errors together. Of forces, of such pairs the one is taken that leaves the
    smallest errors, in expected ones, beyond. Of energies, where the committee has a `distance` from the nearest label,
    they are those that make the errors most likely, were these normal. The limits are set so that 5 % of the structures
    whose energies are right within 20 meV/atom are called unknown, and that a quench ends at 1.5 times the largest
    expected force error that 97 % of those near minima stay below (single ones can be far off).

    Raises
    ------
    ValueError : fewer starts.
    """
    starts = sorted({item.start for item in labelled})
    if len(starts) < STARTS:
        raise InputError(f"a calibration needs held-out labels of at least {STARTS} starts, not {len(starts)}")
    side = {start: k % 2 for k, start in enumerate(starts)}
    seen = _measure(committee, labelled)
    energies, forces = _fit_energies([s.energy for s in seen]), _fit([s.forces for s in seen])
    halves = [[s for s in seen if side[s.item.start] == k] for k in (0, 1)]
    expected = _expect_energies(np.concatenate([s.energy for s in seen]), energies)
    difference, n_differences = _differences(seen, expected)
    largest = np.array([float(_expect(s.forces[:, 1], *forces).max()) for s in seen])
    near = np.array([is_near_minimum(s.item) for s in seen])
    right = np.array([s.energy[0, 0] < RIGHT for s in seen])
    counted = near if near.any() else np.ones_like(near)
    judged = right & counted if (right & counted).any() else counted
    return Calibration(
        energy_factor=energies[0],
        energy_floor=energies[1],
        distance_factor=energies[2],
        difference_factor=difference,
        n_differences=n_differences,
        forces_factor=forces[0],
        forces_floor=forces[1],
        energy_std_limit=float(np.quantile(expected[judged], 1 - FLAGGED)),
        forces_std_limit=BEYOND * float(np.quantile(largest[counted], REACHED)),
        energy_coverage=_across_energies([[s.energy for s in half] for half in halves]),
        forces_coverage=_across([[s.forces for s in half] for half in halves]),
        n_structures=len(labelled),
    )


def unlikelihood(committee: Committee, labelled: Sequence[LabelledStructure]) -> float:
    """Twice the mean negative log-likelihood of the leader's energy errors per atom, were they normal, less log 2π."""
    rows = np.concatenate([_Seen.of(leader, told, 0.0).energy for leader, told in _both(committee, labelled)])
    return float((2 * np.log(rows[:, 1]) + np.square(rows[:, 0] / rows[:, 1])).mean())


@dataclass(frozen=True)
class Foreseen:
    """Whether a committee foresaw its leader's errors on some labels.

    energies, forces : shares of the errors below 1 and 2 expected ones.
    worst_in_third : of the worst tenth of the energies (per atom), the share among the third with the largest
        expected error per atom.
    unknown : share of the structures outside the known region; unknown_right : of those right within 20 meV/atom.
    """

    energies: tuple[float, float]
    forces: tuple[float, float]
    worst_in_third: float
    unknown: float
    unknown_right: float


def foresee(committee: Committee, labelled: Sequence[LabelledStructure]) -> Foreseen:
    """Ask a calibrated committee about labels; on those it was calibrated with the answer flatters a little."""
    both = list(_both(committee, labelled))
    seen = [_Seen.of(leader, told, 0.0) for leader, told in both]
    energy = np.concatenate([s.energy for s in seen])  # [n, 3]
    forces = np.concatenate([s.forces for s in seen])
    known = np.array([
        committee.calibration.known_region(len(told.item.atoms), told.energy_std, float(told.forces_std.max()))
        for _, told in both
    ])  # fmt: skip
    n_worst, n_third = max(1, round(len(energy) / 10)), max(1, round(len(energy) / 3))
    worst = set(np.argsort(-energy[:, 0])[:n_worst].tolist())
    third = set(np.argsort(-energy[:, 1])[:n_third].tolist())
    right = energy[:, 0] < RIGHT
    return Foreseen(
        energies=_shares(energy[:, 0] / np.maximum(energy[:, 1], 1e-12)),
        forces=_shares(forces[:, 0] / np.maximum(forces[:, 1], 1e-12)),
        worst_in_third=len(worst & third) / len(worst),
        unknown=float((~known).mean()),
        unknown_right=float((~known)[right].mean()) if right.any() else float("nan"),
    )


@dataclass(frozen=True)
class _Seen:
    """Of one structure the leader's error and the committee's deviation.

    energy [1, 3] : both in eV/atom, and the distance from the nearest label. forces [n, 2] : both in eV/Å.
    signed : error of the energy, eV.
    """

    item: LabelledStructure
    energy: np.ndarray
    forces: np.ndarray
    signed: float

    @classmethod
    def of(cls, leader: Predicted, told: Predicted, distance: float) -> _Seen:
        item, n = leader.item, len(leader.item.atoms)
        wrong = np.linalg.norm(leader.forces - item.label.forces, axis=1)  # [n]
        signed = leader.energy - item.label.energy
        energy = np.array([[abs(signed) / n, told.energy_std / n, distance]])
        return cls(item, energy, np.stack([wrong, told.forces_std], 1), signed)


def _measure(committee: Committee, labelled: Sequence[LabelledStructure]) -> list[_Seen]:
    """Errors, bare spreads and distances on labels."""
    both = list(_both(Committee(committee.members), labelled))
    distance = np.zeros(len(both))
    if committee.distance is not None:
        distance = distances_from(committee.distance, committee.leader, [leader.item for leader, _ in both])
    return [_Seen.of(leader, told, float(d)) for (leader, told), d in zip(both, distance, strict=True)]


def _both(committee: Committee, labelled: Sequence[LabelledStructure]) -> Iterator[tuple[Predicted, Predicted]]:
    """What the leader and the committee say of each label."""
    return zip(predict(committee.leader, labelled), predict(committee, labelled), strict=True)


def _expect(spread: np.ndarray, factor: float, floor: float) -> np.ndarray:
    return np.hypot(factor * spread, floor)


def _fit_energies(parts: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """Factor, floor and distance factor from errors, spreads and distances, [n, 3]."""
    rows = np.concatenate(parts)
    if not rows[:, 2].any():
        return *_fit([rows[:, :2]]), 0.0
    typical = np.maximum(np.sqrt((rows**2).mean(0)), 1e-9)

    def unlikely(logs: np.ndarray) -> float:
        variance = _expect_energies(rows, tuple(np.exp(logs))) ** 2
        return float((np.log(variance) + rows[:, 0] ** 2 / variance).mean())

    begin = np.log([1.0, 0.5 * typical[0], typical[0] / typical[2]])
    found = min((minimize(unlikely, begin + shift, method="Nelder-Mead") for shift in SHIFTS), key=lambda f: f.fun)
    factors = np.exp(found.x)
    scale = np.quantile(rows[:, 0] / _expect_energies(rows, tuple(factors)), WITHIN)
    factor, floor, distance = (float(scale * f) for f in factors)
    return factor, floor, distance


def _expect_energies(rows: np.ndarray, factors: tuple[float, ...]) -> np.ndarray:
    """Expected errors [n], eV/atom, of rows [n, 3] as `_Seen.energy`."""
    factor, floor, distance = factors
    return np.sqrt(np.square(factor * rows[:, 1]) + floor**2 + np.square(distance * rows[:, 2])) + 1e-12


def _differences(seen: Sequence[_Seen], expected: np.ndarray) -> tuple[float, int]:
    """The factor that holds 68 % of the errors of energy differences within one formula, and of how many pairs.

    expected : [n] eV/atom. Fewer than `PAIRS` pairs tell nothing: 1.
    """
    by_formula: dict[str, list[tuple[float, float]]] = {}
    for one, error in zip(seen, expected, strict=True):
        atoms = one.item.atoms
        by_formula.setdefault(Composition.parse(atoms).formula, []).append((one.signed, float(error) * len(atoms)))
    ratios = [
        abs(a[0] - b[0]) / float(np.hypot(a[1], b[1])) for rows in by_formula.values() for a, b in combinations(rows, 2)
    ]
    return (float(np.quantile(ratios, WITHIN)), len(ratios)) if len(ratios) >= PAIRS else (1.0, 0)


def _fit(parts: Sequence[np.ndarray]) -> tuple[float, float]:
    """Factor and floor from errors and spreads, [n, 2] each."""
    error, spread = np.concatenate(parts).T
    spread = np.maximum(spread, 1e-9)
    best: tuple[float, float, float] | None = None
    for floor in np.linspace(0.0, float(np.quantile(error, WITHIN)), FLOORS, endpoint=False):
        # the factor that an error needs to lie within, 0 where the floor is enough
        needed = np.sqrt(np.maximum(error**2 - floor**2, 0.0)) / spread
        factor = float(np.quantile(needed, WITHIN))
        tail = float(np.quantile(error / _expect(spread, factor, floor), 0.95))
        if best is None or tail < best[0]:
            best = tail, factor, float(floor)
    assert best is not None
    return best[1], best[2]


def _across_energies(halves: Sequence[Sequence[np.ndarray]]) -> tuple[float, float]:
    """As `_across`, of energies."""
    ratios = []
    for k in (0, 1):
        rows = np.concatenate(halves[k])
        ratios.append(rows[:, 0] / _expect_energies(rows, _fit_energies(halves[1 - k])))
    return _shares(np.concatenate(ratios))


def _across(halves: Sequence[Sequence[np.ndarray]]) -> tuple[float, float]:
    """Shares within, each half counted with the other half's factor and floor."""
    ratios = []
    for k in (0, 1):
        error, spread = np.concatenate(halves[k]).T
        ratios.append(error / _expect(np.maximum(spread, 1e-9), *_fit(halves[1 - k])))
    return _shares(np.concatenate(ratios))


def _shares(ratios: np.ndarray) -> tuple[float, float]:
    return float((ratios < 1).mean()), float((ratios < 2).mean())
