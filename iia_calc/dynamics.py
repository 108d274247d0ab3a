"""Molecular dynamics with ASE: a trajectory, the temperature it had, and how well energy was conserved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.constraints import FixCom
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
        for name, value in (
            ("temperature", self.temperature),
            ("timestep", self.timestep),
            ("friction", self.friction),
        ):
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"{name} is {value!r}; it must be above 0")
        if not (np.isfinite(self.equilibration) and self.equilibration >= 0):
            raise InputError(f"equilibration is {self.equilibration!r} fs; it must be 0 (none) or more")
        for name, count in (("steps", self.steps), ("every", self.every)):
            if count < 1:
                raise InputError(f"{name} is {count!r}; it must be at least 1")
        if self.seed < 0:
            raise InputError(f"seed is {self.seed!r}; it must be at least 0")


@dataclass(frozen=True)
class DynamicsResult:
    """What a trajectory was like.

    Attributes
    ----------
    steps : made. seconds : it took.
    temperature : mean over the recorded steps, K.
    drift : slope of the total energy, eV/atom/ps. fluctuation : its standard deviation about that line,
        eV/atom. Both None with a bath, which exchanges energy.
    stopped_by : "steps", "interrupted", "fragmented" or "non-finite"; `message` says it in words.
    start_force : eV/Å, the largest on any atom of the structure that was given; far above 0.05 it was not relaxed.
    """

    steps: int
    seconds: float
    temperature: float
    drift: float | None
    fluctuation: float | None
    stopped_by: str
    message: str
    start_force: float

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


def run_dynamics(
    atoms: Atoms,
    calculator: Calculator,
    settings: DynamicsSettings,
    trajectory: str | Path | None = None,
    callback: Callable[[Moment], object] | None = None,
) -> DynamicsResult:
    """Run dynamics from `atoms` (left as they were) and write every frame that is due.

    Velocities are drawn from Maxwell and Boltzmann at the temperature, without total momentum and rotation. The
    cluster is equilibrated in a Langevin bath first; at constant energy its velocities are then scaled once, so that
    the energy is what the temperature asks for on average. It ends early when the cluster falls apart or a number is
    not finite, and on Ctrl-C.

    Parameters
    ----------
    calculator : any ASE calculator with energy and forces.
    trajectory : .traj or .xyz / .extxyz; written anew.

    Raises
    ------
    InputError : a single atom, a trajectory of another kind; and what the calculator refuses.
    """
    if len(atoms) < 2:
        raise InputError("dynamics need at least two atoms")
    if trajectory is not None and Path(trajectory).suffix not in FORMATS:
        raise InputError(f"{trajectory}: a trajectory ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    run = _Run(atoms, calculator, settings, callback)
    start_force = float(np.linalg.norm(run.atoms.get_forces(), axis=1).max())
    frames = _Frames(trajectory)
    stopped_by, message = "steps", "all steps done"
    try:
        with np.errstate(all="ignore"):  # what overflows is reported as not finite
            run.equilibrate()
            run.record(frames)
    except KeyboardInterrupt:
        stopped_by, message = "interrupted", f"interrupted after {run.step * settings.timestep:.0f} fs"
    except _Ended as end:
        stopped_by, message = end.why, str(end)
    finally:
        frames.close()
    drift, fluctuation = energy_drift(run.moments, len(atoms)) if settings.ensemble == "nve" else (None, None)
    temperatures = [moment.temperature for moment in run.moments]
    return DynamicsResult(
        steps=max(run.step, 0),
        seconds=run.seconds,
        temperature=float(np.mean(temperatures)) if temperatures else float("nan"),
        drift=drift,
        fluctuation=fluctuation,
        stopped_by=stopped_by,
        message=message,
        start_force=start_force,
    )


class _Ended(Exception):
    """The trajectory can't go on; `why` is the word for it."""

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why = why


class _Run:
    """One trajectory while it is made."""

    def __init__(
        self,
        atoms: Atoms,
        calculator: Calculator,
        settings: DynamicsSettings,
        callback: Callable[[Moment], object] | None,
    ) -> None:
        self.settings, self.callback = settings, callback
        self.atoms = Atoms(atoms.numbers, atoms.positions)
        self.atoms.calc = calculator
        self.rng = np.random.default_rng(settings.seed)
        self.reach = APART * bond_lengths(atoms.numbers)
        self.moments: list[Moment] = []
        self.step = 0
        self._began = time.perf_counter()
        MaxwellBoltzmannDistribution(self.atoms, temperature_K=settings.temperature, rng=self.rng)
        self._stop_moving_as_a_whole()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def equilibrate(self) -> None:
        """A bath until the temperature is in the vibrations too; then, at constant energy, the right energy."""
        count = round(self.settings.equilibration / self.settings.timestep)
        potentials: list[float] = []
        for moment in self._steps(self._langevin(), -count, 0):
            if moment.step >= -count // 2:
                potentials.append(moment.potential)
        if not potentials or self.settings.ensemble == "langevin":
            return
        self.atoms.set_constraint()
        self._stop_moving_as_a_whole()
        wanted = 0.5 * self.freedoms * units.kB * self.settings.temperature
        wanted += float(np.mean(potentials)) - float(self.atoms.get_potential_energy())
        kinetic = float(self.atoms.get_kinetic_energy())
        if wanted > 0 and kinetic > 0:
            self.atoms.set_momenta(self.atoms.get_momenta() * np.sqrt(wanted / kinetic))

    def record(self, frames: _Frames) -> None:
        """The steps that were asked for, from 0 on."""
        integrator: VelocityVerlet | Langevin = self._langevin()
        if self.settings.ensemble == "nve":
            self.atoms.set_constraint()
            integrator = VelocityVerlet(self.atoms, self.settings.timestep * units.fs)
        for moment in self._steps(integrator, 0, self.settings.steps):
            self.moments.append(moment)
            frames.add(self.atoms)

    @property
    def freedoms(self) -> int:
        """Degrees of freedom that hold kinetic energy: at constant energy the cluster neither moves nor turns."""
        n = 3 * len(self.atoms)
        if self.settings.ensemble == "langevin":
            return n - 3  # the bath sets the cluster turning
        return max(1, n - (5 if len(self.atoms) == 2 else 6))

    def _langevin(self) -> Langevin:
        self.atoms.set_constraint(FixCom())  # Langevin's own `fixcm` makes small clusters too hot by n / (n - 1)
        return Langevin(
            self.atoms,
            self.settings.timestep * units.fs,
            temperature_K=self.settings.temperature,
            friction=self.settings.friction / units.fs,
            rng=self.rng,
            fixcm=False,
        )

    def _stop_moving_as_a_whole(self) -> None:
        Stationary(self.atoms)
        ZeroRotation(self.atoms)

    def _steps(self, integrator: VelocityVerlet | Langevin, first: int, last: int) -> Iterator[Moment]:
        """What a look every so many steps sees, the first and the last one included."""
        self.step = first
        while True:
            moment = self._look()
            yield moment
            if self.callback is not None:
                self.callback(moment)
            if fragmented(self.atoms.positions, self.reach):
                raise _Ended("fragmented", f"the cluster fell apart after {self._fs:.0f} fs")
            if self.step >= last:
                return
            for _ in range(min(self.settings.every, last - self.step)):
                self._one_step(integrator)

    def _one_step(self, integrator: VelocityVerlet | Langevin) -> None:
        try:
            integrator.step()  # type: ignore[no-untyped-call]
        except InputError:
            if np.isfinite(self.atoms.positions).all():
                raise
            raise _Ended("non-finite", f"positions were not finite after {self._fs:.0f} fs") from None
        self.step += 1

    @property
    def _fs(self) -> float:
        return self.step * self.settings.timestep

    def _look(self) -> Moment:
        potential, kinetic = float(self.atoms.get_potential_energy()), float(self.atoms.get_kinetic_energy())
        temperature = 2.0 * kinetic / (self.freedoms * units.kB)
        moment = Moment(self.step, self._fs, temperature, potential, potential + kinetic, self.seconds)
        if not np.isfinite([temperature, potential]).all():
            raise _Ended("non-finite", f"energy or forces were not finite after {self._fs:.0f} fs")
        return moment


def energy_drift(moments: list[Moment], n_atoms: int) -> tuple[float | None, float | None]:
    """Slope of the total energy, eV/atom/ps, and standard deviation about it, eV/atom; None below three moments."""
    if len(moments) < 3:
        return None, None
    picoseconds = np.array([m.time for m in moments]) / 1000.0
    total = np.array([m.total for m in moments]) / n_atoms
    slope, offset = np.polyfit(picoseconds, total - total[0], 1)
    return float(slope), float(np.std(total - total[0] - slope * picoseconds - offset))


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
