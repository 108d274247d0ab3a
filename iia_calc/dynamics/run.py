"""Molecular dynamics of one cluster: equilibration, and the steps that are recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.constraints import FixCom
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution, Stationary, ZeroRotation
from ase.md.verlet import VelocityVerlet

from iia_calc.dynamics.settings import DynamicsResult, DynamicsSettings, Moment, energy_drift
from iia_calc.dynamics.trajectory import FORMATS, Frames
from search.errors import InputError
from search.geometry.composition import bond_lengths
from search.geometry.pieces import is_fragmented

APART = 2.0
"""A cluster is in pieces when no chain of pairs closer than this multiple of a bond holds it together."""


def run_dynamics(
    atoms: Atoms,
    calculator: Calculator,
    settings: DynamicsSettings,
    trajectory: str | Path | None = None,
    callback: Callable[[Moment], object] | None = None,
    info: Mapping[str, str] | None = None,
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
    info : what every frame says of itself, such as the level of theory.

    Raises
    ------
    InputError : a single atom, a cluster in pieces or with constraints, a trajectory of another kind; and what the
        calculator refuses.
    """
    _check(atoms, trajectory)
    run = _Run(atoms, calculator, settings, callback)
    start_force = float(np.linalg.norm(run.atoms.get_forces(), axis=1).max())
    run.atoms.info.update(info or {})
    frames = Frames(trajectory)
    stopped_by, message = "steps", "all steps done"
    try:
        with np.errstate(all="ignore"):  # what overflows is reported as not finite
            run.equilibrate()
            run.record(frames)
    except KeyboardInterrupt:
        stopped_by, message = "interrupted", f"interrupted {run.when}"
    except _Ended as end:
        stopped_by, message = end.why, str(end)
    finally:
        frames.close()
    drift, fluctuation = energy_drift(run.moments, len(atoms)) if settings.ensemble == "nve" else (None, None)
    temperatures = [moment.temperature for moment in run.moments]
    return DynamicsResult(
        steps=max(run.step, 0),
        seconds=run.seconds,
        temperature=float(np.mean(temperatures)) if temperatures else None,
        drift=drift,
        fluctuation=fluctuation,
        stopped_by=stopped_by,
        message=message,
        start_force=start_force,
    )


def _check(atoms: Atoms, trajectory: str | Path | None) -> None:
    """InputError where dynamics can't begin from `atoms`, or `trajectory` is of another kind."""
    if len(atoms) < 2:
        raise InputError("dynamics need at least two atoms")
    if atoms.constraints:
        raise InputError("the start has constraints, which these dynamics don't keep; remove them first")
    if trajectory is not None and Path(trajectory).suffix not in FORMATS:
        raise InputError(f"{trajectory}: a trajectory ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    if is_fragmented(atoms.positions, APART * bond_lengths(atoms.numbers)):
        raise InputError(
            f"the start is in pieces, which no pair of atoms closer than {APART:g} bond lengths holds together"
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
        self.atoms = Atoms(atoms.numbers, atoms.positions, masses=atoms.get_masses())
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

    def record(self, frames: Frames) -> None:
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
            if is_fragmented(self.atoms.positions, self.reach):
                raise _Ended("fragmented", f"the cluster fell apart {self.when}")
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
            raise _Ended("non-finite", f"positions were not finite {self.when}") from None
        self.step += 1

    @property
    def when(self) -> str:
        """For messages: how long it had been recorded, or equilibrated."""
        if self._fs < 0:
            return f"in the equilibration, {-self._fs:.0f} fs before its end"
        return f"after {self._fs:.0f} fs"

    @property
    def _fs(self) -> float:
        return self.step * self.settings.timestep

    def _look(self) -> Moment:
        potential, kinetic = float(self.atoms.get_potential_energy()), float(self.atoms.get_kinetic_energy())
        temperature = 2.0 * kinetic / (self.freedoms * units.kB)
        moment = Moment(self.step, self._fs, temperature, potential, potential + kinetic, self.seconds)
        if not np.isfinite([temperature, potential]).all():
            raise _Ended("non-finite", f"energy or forces were not finite {self.when}")
        return moment
