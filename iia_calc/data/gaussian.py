"""Gaussian logs: the first or the last geometry with the energy that its own route asks for.

Gaussian prints a line "Convergence criterion not met" before the "SCF Done" of an SCF that failed, and
that energy looks like any other. Forces refer to the input orientation; where a log has only the
standard orientation (turned, unless symmetry was off), its forces don't belong to its positions and
are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.units import Bohr

from iia_calc.data.arrays import Floats
from iia_calc.data.gaussian_level import level_name, unknown_parts
from iia_calc.data.gaussian_log import Job, Step, read_jobs
from iia_calc.data.gaussian_route import AMPLITUDES, DOUBLE_HYBRID, LATER, SCF, wanted_energy
from search.errors import InputError

GEOMETRIES = ("first", "last")
SUFFIXES = (".log", ".out")


@dataclass(frozen=True)
class GaussianGeometry:
    """One geometry of a log.

    Attributes
    ----------
    atoms : numbers and positions, Å.
    energy : of the method that the job's route asks for, hartree. method : its name, "PBE1PBE", "HF" or "CCSD(T)".
    scf_energy : of the SCF before it, hartree; the same for HF and DFT.
    forces : [n_atoms, 3], hartree/Å; None where the log prints none in the frame of the positions.
    converged : whether the SCF converged.
    optimised : whether Gaussian called this geometry a stationary point.
    ended : whether every job of the log ended with "Normal termination".
    level : method and basis, with solvent and dispersion where there are any.
    charge : e. multiplicity : 2S+1. None where the log doesn't say.
    unknown : what changes the energies and isn't printed, in words.
    """

    atoms: Atoms
    energy: float
    forces: Floats | None
    converged: bool
    optimised: bool
    ended: bool
    method: str = SCF
    scf_energy: float = np.nan
    level: str = ""
    charge: int | None = None
    multiplicity: int | None = None
    unknown: tuple[str, ...] = ()


def read_gaussian(path: str | Path, geometry: str = "last") -> GaussianGeometry:
    """The first geometry of the first job of a log that has an energy, or the last of the last job that has one.

    Raises
    ------
    FileNotFoundError : no such file.
    InputError : not a Gaussian log, no geometry, no energy of the method that its route asks for, or one that isn't
        read here; or `geometry` is neither first nor last.
    """
    if geometry not in GEOMETRIES:
        raise InputError(f"geometry is {geometry!r}; it must be {' or '.join(GEOMETRIES)}")
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        text = path.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}") from error
    jobs = read_jobs(text if text.endswith(("\n", "\r")) or "Normal termination" not in text[-200:] else text + "\n")
    try:
        return _choose_geometry(jobs, geometry)
    except InputError as error:
        what = "" if "Gaussian" in text else "; it is perhaps no Gaussian log"
        raise InputError(f"{path} {error}{what}") from error


def _choose_geometry(jobs: Sequence[Job], geometry: str) -> GaussianGeometry:
    """InputError where the chosen job has no energy that can be used."""
    if not any(job.steps or job.problems for job in jobs):
        raise InputError("has no SCF energy (a line 'SCF Done'); give a log of a finished SCF")
    for job in jobs if geometry == "first" else reversed(jobs):
        if job.problems:
            raise InputError(f"can't be used: {job.problems[0]}")
        if not job.steps:
            continue  # cut short, or a job of other things; what it is for is told by `ended`
        if job.displaced and geometry == "last" and not job.route.vibrates:
            raise InputError("takes its forces from finite differences: its last geometry is a displaced one")
        steps = _last_of_each_geometry(job)
        step = steps[0] if geometry == "first" or job.displaced else steps[-1]
        energy, method = _energy(job, step)
        if energy is None and geometry == "last" and not (job.ended or job.archived) and len(steps) > 1:
            step = steps[-2]  # the last one was cut short
            energy, method = _energy(job, step)
        if energy is None:
            raise InputError(f"has no {method} energy, which its route asks for, only one of the SCF")
        return _geometry(job, step, energy, method, geometry, _all_jobs_end(jobs))
    raise InputError("has no SCF energy (a line 'SCF Done'); give a log of a finished SCF")


def _last_of_each_geometry(job: Job) -> list[Step]:
    """Of several SCFs at one geometry the last counts; displaced geometries that aren't printed belong to the first."""
    if job.displaced:
        return job.steps[:1]
    following = [*job.steps[1:], None]
    return [
        step
        for step, after in zip(job.steps, following, strict=True)
        if after is None or after.positions is not step.positions
    ]


def _energy(job: Job, step: Step) -> tuple[float | None, str]:
    """The energy that the route asks for, hartree, and its method; None where the step ended before.

    Raises
    ------
    InputError : it isn't read here.
    """
    if job.route.method is None and job.route.other is None and set(step.energies) - {SCF}:
        raise InputError("has energies of several methods, and its route doesn't say which is meant")
    wanted, method = wanted_energy(job.route, step.scf_label)
    name = "amplitudes" if wanted in AMPLITUDES else wanted
    beyond = LATER[LATER.index(name) + 1 :] if name in LATER else LATER
    if wanted != DOUBLE_HYBRID and (found := [other for other in beyond if other in step.energies]):
        raise InputError(f"has a {found[-1]} energy, but its route asks for {method}")
    return step.energies.get(name), method


def _geometry(job: Job, step: Step, energy: float, method: str, geometry: str, ended: bool) -> GaussianGeometry:
    forces = step.forces if step.input_frame and step.forces is not None and np.isfinite(step.forces).all() else None
    if geometry == "last" and not job.displaced and step is not job.steps[-1]:
        ended = False  # the step after it has no energy
    route = job.route
    level = level_name(route, job.printed, method, step.scf_label, job.multiplicity)
    return GaussianGeometry(
        Atoms(step.numbers, step.positions),
        energy,
        None if forces is None else forces / Bohr,
        step.converged,
        geometry == "last" and any(s.stationary for s in job.steps if s.positions is step.positions),
        ended,
        method,
        step.energies[SCF],
        level,
        job.charge,
        job.multiplicity,
        tuple(unknown_parts(route, job.printed)),
    )


def _all_jobs_end(jobs: Sequence[Job]) -> bool:
    """Whether every job ended, those included that a route promises and the log doesn't have."""
    last = jobs[-1].route
    promised = last.optimises and last.vibrates and not last.continues
    return all(job.ended for job in jobs) and not promised
