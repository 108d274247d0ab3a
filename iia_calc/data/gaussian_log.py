"""A Gaussian log as the jobs it consists of, each with its steps: one geometry, its energies by name, its forces.

A log can hold several jobs (Link1) and steps that Gaussian adds itself (frequencies after an optimisation); each has
a route, and each ends by itself. Parsers that read a log as one calculation (ASE's, cclib's) lose which energy belongs
to which route and whether every SCF converged; both decide here what a number is worth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from iia_calc.data.arrays import Floats, Numbers
from iia_calc.data.gaussian_level import Printed
from iia_calc.data.gaussian_route import DOUBLE_HYBRID, SCF, Route, read_route

_NUMBER = r"(-?\d*\.\d+(?:[DE][-+]?\d+)?)"
_DONE = re.compile(rf"^\s*SCF Done:\s+E\((.+?)\)\s*=\s*{_NUMBER}\s+(?:A\.U\.|a\.u\.)\s+after\s+\d+\s+cycles")
_AFTER = re.compile(r"A\.U\. after\s+\d+ cycles")
_ENERGIES = (
    (re.compile(rf"\bEUMP2 =\s*{_NUMBER}(?=\s|$)"), "MP2"),
    (re.compile(rf"\bEUMP3=\s*{_NUMBER}(?=\s|$)"), "MP3"),
    (re.compile(rf"\bUMP4\(DQ\)=\s*{_NUMBER}(?=\s|$)"), "MP4(DQ)"),
    (re.compile(rf"\bUMP4\(SDQ\)=\s*{_NUMBER}(?=\s|$)"), "MP4(SDQ)"),
    (re.compile(rf"\bUMP4\(SDTQ\)=\s*{_NUMBER}(?=\s|$)"), "MP4(SDTQ)"),
    (re.compile(rf"\bMP5 =\s*{_NUMBER}(?=\s|$)"), "MP5"),
    (re.compile(rf"Wavefunction amplitudes converged\. E\(Corr\)=\s*{_NUMBER}(?=\s|$)"), "amplitudes"),
    (re.compile(rf"\bE\(CORR\)=\s*{_NUMBER}(?=\s|$)"), "iteration"),
    (re.compile(rf"^\s*CCSD\(T\)=\s*{_NUMBER}(?=\s|$)"), "CCSD(T)"),
    (re.compile(rf"^\s*QCISD\(T\)=\s*{_NUMBER}(?=\s|$)"), "QCISD(T)"),
)
_DOUBLE_HYBRID = re.compile(rf"^\s*E2\((\S+)\)\s*=\s*\S+\s+E\(\1\)\s*=\s*{_NUMBER}(?=\s|$)")
_TABLE = re.compile(r"^\s*(Input|Standard|Z-Matrix) orientation:")
_KNOWN = re.compile(r"^\s*(Input|Standard|Z-Matrix) orientation:|^\s*Coordinates in L\d+:")
_CHARGE = re.compile(r"^\s*Charge\s*=\s*(-?\d+)\s+Multiplicity\s*=\s*(\d+)\s*(?:in supermolecule)?\s*$")
_STARTS = (" Entering Gaussian System", " Entering Link 1", " Link1:  Proceeding", " Initial command:")
_NOT_MET, _FAILED = "Convergence criterion not met", "Convergence failure"
_DASHES = re.compile(r"^\s*-{5,}\s*$")


@dataclass
class Step:
    """One SCF and what follows it.

    Attributes
    ----------
    numbers : [n_atoms]. positions : [n_atoms, 3], Å. input_frame : whether they are those of the input, as forces are.
    scf_label : "RHF", "UPBE1PBE". energies : hartree, by method; the SCF's under `SCF`.
    converged : of the SCF. forces : [n_atoms, 3], hartree/bohr. stationary : whether Gaussian found it so.
    """

    numbers: Numbers
    positions: Floats
    input_frame: bool
    scf_label: str
    energies: dict[str, float]
    converged: bool
    forces: Floats | None = None
    stationary: bool = False


@dataclass
class Job:
    """One route and what came of it.

    charge : e. multiplicity : 2S+1. None where the log doesn't say. ended : "Normal termination".
    begun : whether anything of it was printed. routed : whether its route was.
    archived : whether its archive entry was printed, which comes after all energies.
    displaced : whether its geometries are displaced ones, for derivatives.
    problems : what of it can't be read. printed : what it prints of its level of theory.
    """

    route: Route = field(default_factory=Route)
    printed: Printed = field(default_factory=Printed)
    charge: int | None = None
    multiplicity: int | None = None
    steps: list[Step] = field(default_factory=list)
    ended: bool = False
    begun: bool = False
    routed: bool = False
    archived: bool = False
    displaced: bool = False
    problems: list[str] = field(default_factory=list)


def read_jobs(text: str) -> list[Job]:
    """The jobs of a log, in order. A last line that no line's end follows is left out: it may be cut short."""
    lines = re.split(r"\r\r\n|\r\n|\n|\r", text)[:-1]
    reader = _Reader()
    for k, line in enumerate(lines):
        reader.take(line, lines, k)
    reader.finish()
    return [job for job in reader.jobs if job.begun]


class _Reader:
    """What was read so far; `take` is given one line after the other."""

    def __init__(self) -> None:
        self.jobs = [Job()]
        self.numbers: Numbers | None = None
        self.geometry: dict[str, Floats] = {}
        self.used = False
        self.failed = False

    def take(self, line: str, lines: list[str], k: int) -> None:
        job = self.jobs[-1]
        if line.startswith(_STARTS):
            if job.ended or job.routed:
                self.finish()
                self.jobs.append(Job(begun=True, printed=Printed(job.printed.version)))
            job.printed.take(lines, k, self.numbers)
            return
        if re.match(r"^ ?#", line) and not _AFTER.search(line) and self._is_route(lines, k):
            self._begin(_join_route(lines, k))
        elif table := _TABLE.match(line):
            self._orientation(table[1], lines, k)
        elif "Coordinates (Angstroms)" in line and not _KNOWN.match(lines[k - 2] if k > 1 else ""):
            self.geometry, self.used = {"broken": np.empty((0, 3))}, False  # a table whose heading is damaged
        elif line.lstrip().startswith("SCF Done") or _AFTER.search(line):
            self._scf(line)
        elif "Forces (Hartrees/Bohr)" in line:
            self._forces(lines, k)
        elif match := _CHARGE.match(line):
            job.charge, job.multiplicity, job.begun = int(match[1]), int(match[2]), True
        elif _NOT_MET in line:
            self.failed = True
        elif _FAILED in line and job.steps:
            job.steps[-1].converged = False
        elif "Stationary point found" in line and job.steps:
            job.steps[-1].stationary = True
        elif line.lstrip().startswith("Normal termination of Gaussian"):
            job.ended = job.begun = True
        elif line.lstrip().startswith("Error termination"):
            job.ended = False
        elif line.startswith((" 1\\1\\", " 1|1|")) or line.endswith(("\\@", "|@")):
            job.archived = True
        elif "D2Numr" in line:
            job.displaced = True
        elif "=" in line and job.steps:
            _read_correlated_energy(line, job)
        else:
            job.printed.take(lines, k, self.numbers)

    def finish(self) -> None:
        """The job's end: an ended one without a line on its amplitudes has converged ones; no geometry may be left."""
        job = self.jobs[-1]
        for step in job.steps:
            if job.ended and "iteration" in step.energies:  # Gaussian 03 and 09
                step.energies.setdefault("amplitudes", step.energies["iteration"])
        if job.ended and job.steps and not self.used:
            for left in self.geometry.values():
                self._check_left(left, job.steps[-1].positions)
        self.geometry, self.used, self.failed = {}, False, False

    def _check_left(self, left: Floats, known: Floats) -> None:
        """A geometry that no SCF followed is one that was printed once more, be it turned, or its SCF is lost."""
        if left.shape != known.shape or np.abs(_distances(left) - _distances(known)).max(initial=0.0) > 1e-3:
            self.jobs[-1].problems.append("a geometry whose SCF energy is missing")

    def _is_route(self, lines: list[str], k: int) -> bool:
        """A route stands between dashes; where a log prints none before it, it is the first of its job."""
        return (k > 0 and bool(_DASHES.match(lines[k - 1]))) or not self.jobs[-1].routed

    def _begin(self, text: str) -> None:
        """A new job, or the route of the one that has just begun."""
        job = self.jobs[-1]
        if job.routed and not job.ended and not job.steps:
            return  # a title that begins with "#"
        if job.routed or job.steps or job.ended:
            self.finish()
            job = Job(printed=Printed(job.printed.version))
            self.jobs.append(job)
        route, job.begun, job.routed = read_route(text), True, True
        before = next((j for j in reversed(self.jobs[:-1]) if j.begun), None)
        if before is not None:
            job.printed.inherit(before.printed, route)
            route = route.after(before.route)
            if route.continues:
                job.charge, job.multiplicity = before.charge, before.multiplicity
        job.route = route
        self.geometry, self.used, self.failed = {}, False, False

    def _orientation(self, kind: str, lines: list[str], k: int) -> None:
        """A table of positions; a damaged one leaves the steps after it without geometry."""
        if self.used:
            self.geometry, self.used = {}, False
        job = self.jobs[-1]
        job.begun = True
        try:
            table = np.array([[float(word) for word in row] for row in _rows(lines, k)])
            if table.ndim != 2 or table.shape[1] not in (5, 6) or (table[:, 0] != np.arange(1, 1 + len(table))).any():
                raise ValueError
        except ValueError:
            self.numbers, self.geometry = None, {"broken": np.empty((0, 3))}
            job.problems.append("a damaged table of positions")
            return
        if (table[:, 1] == -2).any():
            job.problems.append("it is periodic; clusters only")
            self.geometry = {"broken": np.empty((0, 3))}
            return
        if (table[:, 1] == 0).any():
            job.problems.append("it has ghost atoms")
            self.geometry = {"broken": np.empty((0, 3))}
            return
        real = table[:, 1] > 0  # the others are dummy atoms
        frame = "Standard" if kind == "Standard" else "Input"
        for left in self.geometry.values():
            self._check_left(left, table[real, -3:])
        self.numbers = table[real, 1].astype(np.int64)
        self.geometry[frame] = table[real, -3:]

    def _scf(self, line: str) -> None:
        job = self.jobs[-1]
        job.begun = True
        match = _DONE.match(line)
        converged, self.failed = not self.failed, False
        self.used = True
        if match is None:
            job.problems.append("a damaged line 'SCF Done'")
            return
        frame = next((name for name in ("Input", "Standard") if name in self.geometry), None)
        if self.numbers is None or frame is None or "broken" in self.geometry:
            job.problems.append("an SCF energy without a geometry (#P prints it)")
            return
        energies = {SCF: _float(match[2])}
        job.steps.append(Step(self.numbers, self.geometry[frame], frame == "Input", match[1], energies, converged))

    def _forces(self, lines: list[str], k: int) -> None:
        """Of the last step; a damaged table gives none."""
        job = self.jobs[-1]
        if not job.steps:
            return
        step = job.steps[-1]
        try:
            table = np.array([[float(word) for word in row] for row in _rows(lines, k)])
        except ValueError:
            return
        if table.shape == (len(step.numbers), 5) and (table[:, 1] == step.numbers).all() and self.used:
            step.forces = table[:, 2:]


def _distances(positions: Floats) -> Floats:
    """[n, n], Å: the same in every frame."""
    return np.linalg.norm(positions[:, None] - positions[None], axis=-1)


def _read_correlated_energy(line: str, job: Job) -> None:
    """An energy after the SCF, into the last step."""
    energies = job.steps[-1].energies
    for pattern, name in _ENERGIES:
        if match := pattern.search(line):
            energies[name] = _float(match[1])
    if match := _DOUBLE_HYBRID.match(line):
        energies[DOUBLE_HYBRID] = _float(match[2])


def _rows(lines: list[str], k: int) -> Iterator[list[str]]:
    """Words of the rows of the table whose heading is line k: between its second line of dashes and its third.

    Raises
    ------
    ValueError : the table has no end.
    """
    dashes = 0
    first = 2 if "orientation" in lines[k] else 1  # forces' heading has a line of dashes above
    for line in lines[k + 1 : k + 1 + 20_000]:
        if _DASHES.match(line):
            dashes += 1
            if dashes > first:
                return
        elif dashes == first and line.strip():
            yield line.split()
    raise ValueError


def _join_route(lines: list[str], k: int) -> str:
    """A route of several lines; Gaussian wraps it wherever a line is full."""
    parts = []
    for line in lines[k : k + 12]:
        if _DASHES.match(line) or not line.strip():
            break
        parts.append(line[1:] if line.startswith(" ") else line)
    width = max(map(len, parts))
    return "".join(part.ljust(width) for part in parts[:-1]) + parts[-1]


def _float(text: str) -> float:
    return float(text.upper().replace("D", "E"))
