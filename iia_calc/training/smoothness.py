"""How smooth a curve of energies and forces along a path is, in two numbers."""

from __future__ import annotations

import numpy as np

TURN = 0.02
"""eV/Å: smaller turns of a force don't count."""


def turns(forces: np.ndarray, smallest: float = TURN) -> int:
    """How often a curve turns round, up or down, by more than `smallest`: once where a bond is pulled apart."""
    count, direction, extreme = 0, 0, float(forces[0])
    for force in map(float, forces[1:]):
        step = force - extreme
        if direction == 0 and abs(step) > smallest:
            direction, extreme = int(np.sign(step)), force
        elif direction * step > 0:
            extreme = force
        elif direction and abs(step) > smallest:
            count, direction, extreme = count + 1, -direction, force
    return count


def tortuosity(energies: np.ndarray) -> float:
    """The way an energy goes over that of a curve with the same ends and the same lowest point, and no other turn.

    1 for a perfect bond; MLIP Arena's measure.
    """
    way = float(np.abs(np.diff(energies)).sum())
    straight = float(energies[0] + energies[-1] - 2 * energies.min())
    return way / straight if straight > 0 else np.inf
