"""What the supporting information says of one confirmed search."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.units import Hartree

from iia_calc.properties.api import DFT
from iia_calc.properties.request import THERMO, PropertiesRequest
from iia_calc.properties.results import IsomerProperties, PropertySet, start_set
from iia_calc.properties.sources import Isomers, need_confirmed, read_source
from iia_calc.properties.stored import read_properties
from iia_calc.properties.symmetry import symmetry_of
from iia_calc.properties.vibrations import add_free_energies
from search.errors import InputError

SPINS = {1: "singlet", 2: "doublet", 3: "triplet", 4: "quartet", 5: "quintet", 6: "sextet"}


@dataclass(frozen=True)
class PaperIsomer:
    """A row of the table and a block of coordinates.

    Attributes
    ----------
    name : formula, charge and rank, such as SeB8-2.
    atoms : structure, Å. energy : eV, electronic. relative, relative_with_zpe : eV above the lowest.
    zero_point_energy : eV. point_group, multiplicity : as told. lowest_frequency : cm⁻¹, imaginary ones negative.
    s_squared : ⟨S²⟩, 0 of restricted singlets. notes : doubts, in words.
    term : term symbol, where `iia properties --what electronic` told it.
    """

    name: str
    atoms: Atoms
    energy: float
    relative: float
    relative_with_zpe: float | None
    zero_point_energy: float | None
    point_group: str
    multiplicity: int
    lowest_frequency: float | None
    s_squared: float | None
    notes: tuple[str, ...]
    term: str = ""

    @property
    def hartree(self) -> float:
        """The electronic energy in hartree, as other programs print it."""
        return self.energy / Hartree

    @property
    def state(self) -> str:
        """Its term symbol, or singlet, doublet, ..."""
        return self.term or SPINS.get(self.multiplicity, f"multiplicity {self.multiplicity}")


@dataclass(frozen=True)
class PaperSystem:
    """One formula and charge.

    Attributes
    ----------
    name : of files and structures, such as SeB8 or SeB8-anion. formula, charge : of the cluster.
    isomers : lowest first. level : of structures and frequencies. energy_level : of the energies.
    run : what run.json holds. found : the confirmed isomers with vibrations, for figures.
    """

    name: str
    formula: str
    charge: int
    isomers: tuple[PaperIsomer, ...]
    level: str
    energy_level: str
    run: dict[str, Any]
    found: PropertySet

    @property
    def has_frequencies(self) -> bool:
        """Whether any isomer has DFT frequencies."""
        return any(isomer.zero_point_energy is not None for isomer in self.isomers)


def search_folder(source: str | Path) -> Path:
    """The folder of a search: as given, or FORMULA-search of a formula.

    Raises
    ------
    FileNotFoundError : neither is there.
    """
    for path in (Path(source), Path(f"{source}-search")):
        if path.is_dir():
            return path
    raise FileNotFoundError(f"there is no folder {source} or {source}-search; iia search FORMULA --dft 5 makes one")


def read_system(source: str | Path, tolerance: float) -> PaperSystem:
    """One confirmed search. tolerance : Å, of point groups.

    Raises
    ------
    FileNotFoundError : no such search. InputError : it isn't confirmed by DFT.
    """
    path = search_folder(source)
    request = PropertiesRequest(path, (THERMO,), tolerance=tolerance)
    searched = read_source(path)
    confirmed = need_confirmed(searched, "the supporting information")
    told = {isomer["model_rank"]: isomer for isomer in searched.run.get("dft", {}).get("isomers", [])}
    terms = _terms(path, confirmed)
    found = start_set(confirmed, preview=False)
    for entry in found.entries:
        entry.symmetry = symmetry_of(entry.subject.atoms, tolerance)
    add_free_energies(found, request.temperature, request.temperatures, request.soft)
    charge = confirmed.subjects[0].charge
    name = searched.formula + {0: "", 1: "-cation", -1: "-anion"}.get(charge, f"-charge{charge:+d}")
    isomers = tuple(
        _isomer(entry, f"{name}-{entry.subject.rank}", told.get(entry.subject.model_rank, {}), terms)
        for entry in found.entries
    )
    return PaperSystem(
        name, searched.formula, charge, isomers, confirmed.level, confirmed.energy_level, searched.run, found
    )


def _terms(folder: Path, confirmed: Isomers) -> dict[int, str]:
    """Term symbols of these isomers by their rank in the search, as far as properties.json tells them."""
    isomers = read_properties(folder).get(DFT, {}).get("isomers", [])
    energies = {subject.model_rank: subject.energy for subject in confirmed.subjects}
    return {
        rank: isomer.get("electronic", {}).get("term", "")
        for isomer in isomers
        if (rank := isomer.get("model_rank")) in energies and energies[rank] == isomer.get("energy")
    }


def _isomer(entry: IsomerProperties, name: str, told: dict[str, Any], terms: dict[int, str]) -> PaperIsomer:
    subject, symmetry = entry.subject, entry.symmetry
    if subject.energy is None or entry.relative is None or symmetry is None:
        raise InputError(f"{name} has no energy; confirm its search again")
    ideal = told.get("ideal_s_squared")
    s_squared = told.get("s_squared")
    return PaperIsomer(
        name=name,
        atoms=subject.atoms,
        energy=subject.energy,
        relative=entry.relative,
        relative_with_zpe=entry.relative_with_zpe,
        zero_point_energy=entry.zero_point_energy,
        point_group=symmetry.point_group,
        multiplicity=subject.final_multiplicity,
        lowest_frequency=min(entry.frequencies) if entry.frequencies else None,
        s_squared=0.0 if s_squared is None and ideal == 0.0 else s_squared,
        notes=tuple(entry.doubts),
        term=terms.get(subject.model_rank, ""),
    )
