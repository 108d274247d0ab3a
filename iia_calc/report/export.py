"""Isomers for other programs: structures, inputs that are ready to run, and a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io.gaussian import write_gaussian_in
from ase.io.orca import write_orca
from ase.io.xyz import write_xyz

from iia_calc.common.electrons import multiplicity_of
from iia_calc.common.files import write_text
from iia_calc.confirm.levels import functional_and_basis
from iia_calc.report.findings import Entry, Findings
from iia_calc.report.words import short_level
from search.errors import InputError
from search.geometry.composition import Composition

TASKS = {"energy": ("", "", False), "opt": ("opt", "Opt", True), "opt-freq": ("opt freq", "Opt Freq", True)}
"""Keywords of Gaussian and of ORCA, and whether the geometry is relaxed."""
GAUSSIAN_NAMES = {"PBE0": "PBE1PBE", "PBE": "PBEPBE", "TPSS": "TPSSTPSS"}
ORCA_NAMES = {"B3LYP": "B3LYP/G"}
"""What the programs call the functionals that PySCF calls so."""
PYSCF = '''"""{title}"""

from pyscf import dft, gto

atoms = """
{geometry}
"""
molecule = gto.M(atom=atoms, basis="{basis}", charge={charge}, spin={unpaired}, unit="Angstrom")
method = dft.{kind}(molecule, xc="{functional}")
'''
PYSCF_OPT = """
from pyscf.geomopt.geometric_solver import optimize  # pip install geometric

molecule = optimize(method)
method = dft.{kind}(molecule, xc="{functional}")
"""
PYSCF_ENERGY = """
print("energy, hartree:", method.kernel())
"""
PYSCF_FREQUENCIES = """
from pyscf.hessian import thermo

frequencies = thermo.harmonic_analysis(molecule, method.Hessian().kernel())["freq_wavenumber"]
print("frequencies, 1/cm:", frequencies)
"""


@dataclass(frozen=True)
class ExportRequest:
    """What is written of a search.

    Attributes
    ----------
    kind : xyz, gaussian, orca, pyscf or csv.
    lowest : how many isomers, in the order that counts; None for ten, of a table for all.
    geometry : "best" takes the DFT structure where there is one, "potential" never.
    functional, basis : of inputs; None takes those that DFT ranked with, else those of the potential's labels.
    charge, multiplicity : of inputs; None takes those of the confirmation, else 0 and the lowest possible.
    task : of inputs: energy, opt or opt-freq.

    Raises
    ------
    InputError : a setting makes no sense; the message says which would.
    """

    kind: str
    lowest: int | None = None
    geometry: str = "best"
    functional: str | None = None
    basis: str | None = None
    charge: int | None = None
    multiplicity: int | None = None
    task: str = "opt-freq"

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("format", self.kind, tuple(FORMATS)),
            ("geometry", self.geometry, ("best", "potential")),
            ("task", self.task, tuple(TASKS)),
        ):
            if value not in choices:
                raise InputError(f"{name} {value!r} is not known; choose one of {', '.join(choices)}")
        for name, text in (("functional", self.functional), ("basis", self.basis)):
            if text is not None and not (text.strip() and text.isprintable()):
                raise InputError(f"{name} is {text!r}; an input needs its name in one line")
        if self.lowest is not None and self.lowest < 1:
            raise InputError(f"lowest is {self.lowest}; it must be at least 1")


@dataclass(frozen=True)
class Job:
    """One isomer as another program is to see it. title : one line about it."""

    title: str
    atoms: Atoms
    functional: str
    basis: str
    charge: int
    multiplicity: int
    task: str


def export(findings: Findings, request: ExportRequest, out: Path) -> list[Path]:
    """Write one file an isomer into the folder `out`, or for csv the table isomers.csv; the files.

    Raises
    ------
    InputError : there are no isomers, or the electrons don't allow charge and multiplicity; nothing is written then.
    """
    if not findings.isomers:
        raise InputError(f"{findings.source} holds no isomers yet")
    ranks = {entry.rank for entry in findings.ranked}
    order = [*findings.ranked, *(entry for entry in findings.isomers if entry.rank not in ranks)]
    suffix, write = FORMATS[request.kind]
    if write is None:
        texts = {"isomers.csv": table(order[: request.lowest])}
    else:
        chosen = order[: request.lowest or 10]
        width = max(2, len(str(max(entry.rank for entry in chosen))))
        stem = findings.source.stem if " " in findings.formula else findings.formula
        texts = {f"{stem}-{e.rank:0{width}d}{suffix}": write(_job(e, findings, request)) for e in chosen}
    out.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(out / name, text)
    return [out / name for name in texts]


def table(entries: Sequence[Entry]) -> str:
    """Numbers of the isomers as CSV: energies in eV, empty where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ["rank", "relative_energy", "relative_energy_error", "shape", "dopant_bonds", "times_found", "first_quench"]
    dft = ("rank", "relative_energy", "final_energy", "final_multiplicity", "s_squared", "stability", "n_imaginary")
    writer.writerow([*names, "known_dft_relative_energy", *(f"dft_{name}" for name in dft), "notes"])
    for e in entries:
        row = [e.rank, e.relative, e.error, e.shape, e.bonds, e.times_found, e.first_quench, e.known]
        plain = {} if e.dft is None else e.dft.plain
        writer.writerow([*row, *(plain.get(name) for name in dft), "; ".join(plain.get("notes", []))])
    return text.getvalue()


def _job(entry: Entry, findings: Findings, request: ExportRequest) -> Job:
    """The settings of one isomer's file."""
    use_dft = request.geometry == "best" and entry.dft is not None and entry.dft.atoms is not None
    atoms = entry.best if use_dft else entry.atoms
    level = findings.dft.get("ranked_by") or findings.model.get("level_of_theory")
    functional, basis = functional_and_basis(level)
    charge = request.charge if request.charge is not None else int(findings.dft.get("charge") or 0)
    multiplicity = request.multiplicity
    if multiplicity is None and entry.dft is not None and charge == entry.dft.plain.get("charge"):
        multiplicity = entry.dft.plain.get("final_multiplicity") or entry.dft.plain.get("multiplicity")
    whose = short_level(findings.dft.get("level_of_theory")) if use_dft else findings.model.get("name", "given")
    relative = entry.dft.relative if use_dft and entry.dft is not None else entry.relative
    above = "" if relative is None else f", {relative:.3f} eV above the lowest"
    return Job(
        f"{Composition.parse(atoms)} isomer {entry.rank}, geometry: {whose}{above}",
        atoms,
        request.functional or functional,
        request.basis or basis,
        charge,
        multiplicity_of(atoms, charge, multiplicity),
        request.task,
    )


def _xyz(job: Job) -> str:
    return _write(write_xyz, [Atoms(job.atoms.numbers, job.atoms.positions)], comment=job.title, fmt="%15.8f")


def _gaussian(job: Job) -> str:
    basis = job.basis.replace("def2-", "Def2")
    settings = {"method": GAUSSIAN_NAMES.get(job.functional, job.functional), "basis": basis, "chk": "isomer.chk"}
    more = {"charge": job.charge, "mult": job.multiplicity, "extra": TASKS[job.task][0] or "sp"}
    return _write(write_gaussian_in, _plain(job), **settings, **more).replace(
        "Gaussian input prepared by ASE", job.title
    )


def _orca(job: Job) -> str:
    words = [ORCA_NAMES.get(job.functional, job.functional), job.basis, TASKS[job.task][1], "TightSCF"]
    settings = {"orcasimpleinput": " ".join(filter(None, words)), "orcablocks": "%pal nprocs 4 end"}
    params = {**settings, "charge": job.charge, "mult": job.multiplicity}
    return f"# {job.title}\n" + _write(write_orca, _plain(job), params=params)


def _pyscf(job: Job) -> str:
    geometry = "\n".join(
        f"{symbol} {x:.8f} {y:.8f} {z:.8f}"
        for symbol, (x, y, z) in zip(job.atoms.symbols, job.atoms.positions, strict=True)
    )
    text = PYSCF + (PYSCF_OPT if TASKS[job.task][2] else "") + PYSCF_ENERGY
    return (text + (PYSCF_FREQUENCIES if job.task == "opt-freq" else "")).format(
        title=job.title,
        geometry=geometry,
        basis=job.basis,
        charge=job.charge,
        unpaired=job.multiplicity - 1,
        functional=job.functional,
        kind="RKS" if job.multiplicity == 1 else "UKS",
    )


def _plain(job: Job) -> Atoms:
    return Atoms(job.atoms.numbers, job.atoms.positions)


def _write(writer: Callable[..., object], atoms: Any, **settings: Any) -> str:
    """What a writer of ASE writes, as text."""
    text = io.StringIO()
    writer(text, atoms, **settings)
    return text.getvalue()


FORMATS: dict[str, tuple[str, Callable[[Job], str] | None]] = {
    "xyz": (".xyz", _xyz),
    "gaussian": (".gjf", _gaussian),
    "orca": (".inp", _orca),
    "pyscf": (".py", _pyscf),
    "csv": (".csv", None),
}
"""Names of the formats, the ends of their files' names, and what writes one isomer; None for a table of all."""
