"""Molecular dynamics with ASE: a trajectory, the temperature it had, and how well energy was conserved."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.io import Trajectory, write
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary, ZeroRotation
from ase.md.verlet import VelocityVerlet

from search.errors import InputError
from search.geometry.composition import bond_lengths
from search.geometry.pieces import fragmented

ENSEMBLES = ("nve", "langevin")
FORMATS = (".traj", ".xyz", ".extxyz")
APART = 2.0
"""A cluster is in pieces when no chain of pairs closer than this multiple of a bond holds it together."""


@dataclass(frozen=True)
class DynamicsSettings:
    """How a trajectory is made.

    Attributes
    ----------
    temperature : K; of the first velocities, and of the bath. In NVE a start from a minimum cools to
        about half of it, as the other half becomes potential energy.
    steps, timestep : number and length (fs) of the steps.
    ensemble : "nve" (velocity Verlet) or "langevin".
    friction : of the bath, 1/fs.
    seed : of velocities and bath.
    every : steps between two frames.
    """

    temperature: float = 300.0
    steps: int = 1000
    timestep: float = 1.0
    ensemble: str = "nve"
    friction: float = 0.01
    seed: int = 0
    every: int = 10

    def __post_init__(self) -> None:
        if self.ensemble not in ENSEMBLES:
            raise InputError(f"ensemble {self.ensemble!r} is not known; choose one of {', '.join(ENSEMBLES)}")
        for name in ("temperature", "timestep", "friction"):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise InputError(f"{name} is {getattr(self, name)!r}; it must be above 0")
        for name in ("steps", "every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)!r}; it must be at least 1")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed!r}; it must be at least 0")


@dataclass(frozen=True)
class DynamicsResult:
    """What a trajectory was like.

    Attributes
    ----------
    steps : made. seconds : it took.
    temperature : mean of the second half, K.
    drift : slope of the total energy, eV/atom/ps. fluctuation : its standard deviation about that line,
        eV/atom. Both None with a bath, which exchanges energy.
    stopped_by : "steps", "interrupted", "fragmented" or "non-finite"; `message` says it in words.
    """

    steps: int
    seconds: float
    temperature: float
    drift: float | None
    fluctuation: float | None
    stopped_by: str
    message: str

    @property
    def sound(self) -> bool:
        return self.stopped_by in ("steps", "interrupted")


@dataclass(frozen=True)
class Moment:
    """What a callback sees: step, time (fs), temperature (K), potential and total energy (eV), seconds so far."""

    step: int
    time: float
    temperature: float
    potential: float
    total: float
    seconds: float


def run_dynamics(
    atoms: Atoms,
    calculator: Any,
    settings: DynamicsSettings,
    trajectory: str | Path | None = None,
    callback: Callable[[Moment], object] | None = None,
) -> DynamicsResult:
    """Run dynamics from `atoms` (left as they were) and write every frame that is due.

    Velocities are drawn from Maxwell and Boltzmann at the temperature, without total momentum and
    rotation. It ends early when the cluster falls apart or a number is not finite, and on Ctrl-C.

    Parameters
    ----------
    calculator : any ASE calculator with energy and forces.
    trajectory : .traj or .xyz / .extxyz; written anew.

    Raises
    ------
    ValueError : a single atom, a trajectory of another kind; and what the calculator refuses.
    """
    if len(atoms) < 2:
        raise InputError("dynamics need at least two atoms")
    if trajectory is not None and Path(trajectory).suffix not in FORMATS:
        raise InputError(f"{trajectory}: a trajectory ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    atoms = Atoms(atoms.numbers, atoms.positions)
    atoms.calc = calculator
    rng = np.random.default_rng(settings.seed)
    MaxwellBoltzmannDistribution(atoms, temperature_K=settings.temperature, rng=rng)
    Stationary(atoms)
    ZeroRotation(atoms)
    dynamics = _integrator(atoms, settings, rng)
    reach = APART * bond_lengths(atoms.numbers)
    moments: list[Moment] = []
    frames = _Frames(trajectory)
    start, stopped_by, message, done = time.perf_counter(), "steps", "all steps done", 0
    try:
        with np.errstate(all="ignore"):  # what overflows is reported as not finite below
            while True:
                moment = _look(atoms, done, settings, time.perf_counter() - start)
                if not np.isfinite([moment.temperature, moment.total]).all():
                    stopped_by, message = "non-finite", f"energy or forces were not finite after {moment.time:.0f} fs"
                    break
                moments.append(moment)
                frames.add(atoms)
                if callback is not None:
                    callback(moment)
                if fragmented(atoms.positions, reach):
                    stopped_by, message = "fragmented", f"the cluster fell apart after {moment.time:.0f} fs"
                    break
                if done >= settings.steps:
                    break
                count = min(settings.every, settings.steps - done)
                for _ in range(count):
                    dynamics.step()
                    done += 1
    except KeyboardInterrupt:
        stopped_by, message = "interrupted", f"interrupted after {done * settings.timestep:.0f} fs"
    except ValueError as error:
        if not done:
            raise
        stopped_by, message = "non-finite", f"after {done * settings.timestep:.0f} fs: {error}"
    finally:
        frames.close()
    drift, fluctuation = energy_drift(moments, len(atoms)) if settings.ensemble == "nve" else (None, None)
    half = [m.temperature for m in moments[len(moments) // 2 :]]
    return DynamicsResult(
        done,
        time.perf_counter() - start,
        float(np.mean(half)) if half else float("nan"),
        drift,
        fluctuation,
        stopped_by,
        message,
    )


def energy_drift(moments: list[Moment], n_atoms: int) -> tuple[float | None, float | None]:
    """Slope of the total energy, eV/atom/ps, and standard deviation about it, eV/atom; None below three moments."""
    if len(moments) < 3:
        return None, None
    picoseconds = np.array([m.time for m in moments]) / 1000.0
    total = np.array([m.total for m in moments]) / n_atoms
    slope, offset = np.polyfit(picoseconds, total - total[0], 1)
    return float(slope), float(np.std(total - total[0] - slope * picoseconds - offset))


def _integrator(atoms: Atoms, settings: DynamicsSettings, rng: np.random.Generator):
    timestep = settings.timestep * units.fs
    if settings.ensemble == "nve":
        return VelocityVerlet(atoms, timestep)
    return Langevin(atoms, timestep, temperature_K=settings.temperature, friction=settings.friction / units.fs, rng=rng)


def _look(atoms: Atoms, step: int, settings: DynamicsSettings, seconds: float) -> Moment:
    potential = float(atoms.get_potential_energy())
    return Moment(
        step,
        step * settings.timestep,
        float(atoms.get_temperature()),
        potential,
        potential + float(atoms.get_kinetic_energy()),
        seconds,
    )


class _Frames:
    """Writes frames to a .traj or an extended XYZ file, or nowhere."""

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else Path(path)
        self._binary = None
        if self.path is not None and self.path.suffix == ".traj":
            self._binary = Trajectory(str(self.path), "w")
        elif self.path is not None:
            self.path.unlink(missing_ok=True)

    def add(self, atoms: Atoms) -> None:
        if self._binary is not None:
            self._binary.write(atoms)
        elif self.path is not None:
            write(self.path, atoms, format="extxyz", append=True)

    def close(self) -> None:
        if self._binary is not None:
            self._binary.close()
