"""Text in the form of Gaussian logs, written here line by line: jobs with a route, steps, energies after the SCF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

HEAD = " Entering Gaussian System, Link 0=g16\n Initial command:\n /opt/g16/l1.exe in.gjf\n"
LINK = " Entering Link 1 = /opt/g16/l1.exe PID=      4242.\n \n Gaussian 16:  ES64L-G16RevC.01  3-Jul-2019\n"
INTERNAL = " (Enter /opt/g16/l1.exe)\n Link1:  Proceeding to internal job step number  2.\n"
ENERGY_LINES = {
    "MP2": " E2 =    {half:.10E} EUMP2 =    {value}",
    "MP3": " E3=       {half:.8E}        EUMP3=      {value}",
    "MP4(DQ)": " E4(DQ)=   {half:.8E}        UMP4(DQ)=   {value}",
    "MP4(SDQ)": " E4(SDQ)=  {half:.8E}        UMP4(SDQ)=  {value}",
    "MP4(SDTQ)": " E4(SDTQ)= {half:.8E}        UMP4(SDTQ)= {value}",
    "iteration": " DE(Corr)= {half:.8E} E(CORR)=     {plain:.9f}     Delta=-4.27D-03",
    "amplitudes": " Wavefunction amplitudes converged. E(Corr)=     {plain:.9f}    ",
    "CCSD(T)": " CCSD(T)= {value}",
    "B2PLYP": " E2(B2PLYP) =    {half:.10E} E(B2PLYP) =    {value}",
}


@dataclass
class Step:
    """positions [n_atoms, 3], Å; SCF energy, hartree; energies after it by name; forces [n_atoms, 3], hartree/bohr."""

    positions: np.ndarray
    energy: float
    after: dict[str, float] = field(default_factory=dict)
    forces: np.ndarray | None = None
    converged: bool = True
    stationary: bool = False
    kind: str = "Input"


@dataclass
class Job:
    route: str
    steps: Sequence[Step]
    label: str = "RPBE1PBE"
    charge: int = 0
    multiplicity: int = 1
    ended: bool = True


def log(jobs: Sequence[Job], numbers: Sequence[int] = (5, 5)) -> str:
    """The log of jobs that follow one another; one with GenChk in its route is Gaussian's own next step."""
    text = HEAD
    for k, job in enumerate(jobs):
        text += INTERNAL if "GenChk" in job.route else (LINK if k == 0 else " Initial command:\n" + LINK)
        text += _route(job.route)
        text += f" ----\n made\n ----\n Charge = {job.charge:2d} Multiplicity = {job.multiplicity}\n"
        for step in job.steps:
            text += _step(step, job.label, numbers)
        if job.ended:
            text += " 1\\1\\GINC-HERE\\SP\\made\\0\\\\#P made\\\\@\n"
            text += " Normal termination of Gaussian 16 at Mon Jan  1 00:00:00 2024.\n"
        else:
            text += " Error termination request processed by link 9999.\n"
    return text


def _route(route: str, width: int = 70) -> str:
    """Between dashes; wrapped where a line is full, even within a word."""
    lines = [route[k : k + width] for k in range(0, len(route), width)]
    dashes = " " + "-" * max(map(len, lines))
    return "\n".join([dashes, *(f" {line.rstrip()}" for line in lines), dashes, " 1/38=1,172=1/1;", ""])


def _step(step: Step, label: str, numbers: Sequence[int]) -> str:
    rows = "\n".join(
        f" {k:6d} {z:10d} {0:11d} {x:15.6f} {y:11.6f} {w:11.6f}"
        for k, (z, (x, y, w)) in enumerate(zip(numbers, step.positions, strict=True), 1)
    )
    line = " " + "-" * 69
    heads = (
        " Center     Atomic      Atomic             Coordinates (Angstroms)\n"
        " Number     Number       Type             X           Y           Z"
    )
    text = f"{' ' * 26}{step.kind} orientation:{' ' * 26}\n{line}\n{heads}\n{line}\n{rows}\n{line}\n"
    text += "" if step.converged else " >>>>>>>>>> Convergence criterion not met.\n"
    text += f" SCF Done:  E({label}) =  {step.energy:.10f}     A.U. after   11 cycles\n"
    for name, value in step.after.items():
        written = f"{value / 100:.12f}D+02"
        text += (
            ENERGY_LINES[name].format(value=written, plain=value, half=value - step.energy).replace("E-", "D-") + "\n"
        )
    if step.forces is not None:
        rows = "\n".join(
            f" {k:6d} {z:8d} {x:19.9f} {y:14.9f} {w:14.9f}"
            for k, (z, (x, y, w)) in enumerate(zip(numbers, step.forces, strict=True), 1)
        )
        line = " " + "-" * 67
        text += f"{line}\n Center     Atomic                   Forces (Hartrees/Bohr)\n"
        text += f" Number     Number              X              Y              Z\n{line}\n{rows}\n{line}\n"
    if step.stationary:
        text += " Optimization completed.\n    -- Stationary point found.\n"
    return text
