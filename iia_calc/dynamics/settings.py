"""What dynamics are asked for, and what they give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from search.errors import InputError, finite, positive, whole, within

ENSEMBLES = ("nve", "langevin")
HOTTEST = 50_000.0
"""K; no cluster holds together up there."""
LONGEST_STEP = 10.0
"""fs; a bond between boron atoms swings in about 30."""
DRIFT, FLUCTUATION = 0.1, 0.01
"""eV/atom/ps and eV/atom, above which the energy isn't conserved."""


@dataclass(frozen=True)
class DynamicsSettings:
    """How a trajectory is made.

    Attributes
    ----------
    temperature : K; what the cluster has on average once it is equilibrated.
    steps, timestep : number and length (fs) of the steps that are recorded.
    ensemble : "nve" (velocity Verlet) or "langevin".
    friction : of the Langevin bath, 1/fs.
    equilibration : fs of Langevin dynamics before the first recorded step; 0 for none. Without it a start from a
        minimum cools to half of its temperature, since half of the kinetic energy becomes potential energy.
    seed : of velocities and bath.
    every : steps between two frames.
    """

    temperature: float = 300.0
    steps: int = 1000
    timestep: float = 1.0
    ensemble: str = "nve"
    friction: float = 0.01
    equilibration: float = 1000.0
    seed: int = 0
    every: int = 10

    def __post_init__(self) -> None:
        if self.ensemble not in ENSEMBLES:
            raise InputError(f"ensemble {self.ensemble!r} is not known; choose one of {', '.join(ENSEMBLES)}")
        for name in ("temperature", "timestep", "friction"):
            object.__setattr__(self, name, positive(name, getattr(self, name)))
        within("temperature", self.temperature, 0, HOTTEST, "K")
        if self.timestep > LONGEST_STEP:
            raise InputError(
                f"timestep is {self.timestep!r} fs; above {LONGEST_STEP:g} fs no vibration can be followed"
            )
        if self.friction * self.timestep > 1:
            raise InputError(
                f"friction is {self.friction!r} 1/fs; it must be at most 1 a step, {1 / self.timestep:g}: a bath that "
                "takes all motion within a step has no temperature"
            )
        if finite("equilibration", self.equilibration, "a time in fs, 0 for none") < 0:
            raise InputError(f"equilibration is {self.equilibration!r} fs; it must be 0 (none) or more")
        for name, least in (("steps", 1), ("every", 1), ("seed", 0)):
            object.__setattr__(self, name, whole(name, getattr(self, name), least))


@dataclass(frozen=True)
class DynamicsResult:
    """What a trajectory was like.

    Attributes
    ----------
    steps : made. seconds : it took.
    temperature : mean over the recorded steps, K; None where none was recorded.
    drift : slope of the total energy, eV/atom/ps. fluctuation : its standard deviation about that line,
        eV/atom. Both None with a bath, which exchanges energy.
    stopped_by : "steps", "interrupted", "fragmented" or "non-finite"; `message` says it in words.
    start_force : eV/Å, the largest on any atom of the structure that was given; far above 0.05 it was not relaxed.
    """

    steps: int
    seconds: float
    temperature: float | None
    drift: float | None
    fluctuation: float | None
    stopped_by: str
    message: str
    start_force: float

    @property
    def conserved(self) -> bool:
        """Whether the energy was, as far as it was to be; true where nobody can tell."""
        return abs(self.drift or 0.0) <= DRIFT and (self.fluctuation or 0.0) <= FLUCTUATION

    @property
    def sound(self) -> bool:
        """Whether the cluster held together and every number was finite."""
        return self.stopped_by in ("steps", "interrupted")


@dataclass(frozen=True)
class Moment:
    """What a callback sees: step, time (fs), temperature (K), potential and total energy (eV), seconds so far.

    Steps below zero belong to the equilibration.
    """

    step: int
    time: float
    temperature: float
    potential: float
    total: float
    seconds: float


def energy_drift(moments: list[Moment], n_atoms: int) -> tuple[float | None, float | None]:
    """Slope of the total energy, eV/atom/ps, and standard deviation about it, eV/atom; None below three moments."""
    if len(moments) < 3:
        return None, None
    picoseconds = np.array([m.time for m in moments]) / 1000.0
    total = np.array([m.total for m in moments]) / n_atoms
    slope, offset = np.polyfit(picoseconds, total - total[0], 1)
    return float(slope), float(np.std(total - total[0] - slope * picoseconds - offset))
