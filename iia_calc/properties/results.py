"""Properties as they are stored: one set for each level of theory, an entry for each isomer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from iia_calc.properties.certificate import RankingCertificate
from iia_calc.properties.electronic import ElectronicProperties
from iia_calc.properties.infrared import InfraredSpectrum
from iia_calc.properties.photoelectron import PhotoelectronSpectrum
from iia_calc.properties.sources import Isomers, Subject
from iia_calc.properties.symmetry import Symmetry
from iia_calc.properties.thermochemistry import Species
from search.geometry.composition import Composition

PREVIEW = "preview"
"""How vibrations of the potential's own second derivatives are marked."""


@dataclass
class IsomerProperties:
    """What is known of one isomer; filled step by step.

    Attributes
    ----------
    subject : the isomer. symmetry : its point group.
    frequencies : cm⁻¹, imaginary ones negative. method : how they came about; `PREVIEW` of the potential's.
    zero_point_energy : eV. free_energy : eV at the table's temperature, electronic energy included.
    relative, relative_with_zpe, relative_free_energy : eV above the lowest isomer.
    rank_with_zpe : 1 is the lowest with zero-point energy; None of saddles and where there are no vibrations.
    population : share at the table's temperature.
    infrared, electronic, photoelectron : by DFT. verdict : whether functionals agree where it stands, in a word.
    doubts : in words.
    """

    subject: Subject
    symmetry: Symmetry | None = None
    frequencies: tuple[float, ...] | None = None
    method: str = ""
    zero_point_energy: float | None = None
    free_energy: float | None = None
    relative: float | None = None
    relative_with_zpe: float | None = None
    relative_free_energy: float | None = None
    rank_with_zpe: int | None = None
    population: float | None = None
    infrared: InfraredSpectrum | None = None
    electronic: ElectronicProperties | None = None
    photoelectron: PhotoelectronSpectrum | None = None
    verdict: str | None = None
    doubts: list[str] = field(default_factory=list)

    @property
    def formula(self) -> str:
        """Boron last, as in SeB8."""
        return Composition.parse(self.subject.atoms).formula

    @property
    def species(self) -> Species | None:
        """For partition functions; None where energy or vibrations are missing."""
        subject, symmetry = self.subject, self.symmetry
        if subject.energy is None or self.frequencies is None or symmetry is None:
            return None
        return Species(
            subject.atoms,
            subject.energy,
            self.frequencies,
            symmetry.symmetry_number,
            symmetry.chiral,
            subject.final_multiplicity,
        )

    def as_plain(self) -> dict[str, Any]:
        """For JSON: eV, Å, cm⁻¹; what isn't known is left out."""
        subject, symmetry = self.subject, self.symmetry
        plain: dict[str, Any] = {
            "rank": subject.rank,
            "model_rank": subject.model_rank,
            "formula": self.formula,
            "symbols": subject.atoms.get_chemical_symbols(),
            "charge": subject.charge,
            "multiplicity": subject.final_multiplicity,
            "energy": subject.energy,
            "relative_energy": self.relative,
        }
        if symmetry is not None:
            plain |= {
                "point_group": symmetry.point_group,
                "symmetry_number": symmetry.symmetry_number,
                "chiral": symmetry.chiral,
                "symmetry_tolerance": symmetry.tolerance,
                "moved_to_symmetrise": round(symmetry.moved, 4),
            }
        if self.frequencies is not None:
            plain |= {
                "frequencies": [round(f, 2) for f in self.frequencies],
                "frequencies_by": self.method,
                "zero_point_energy": self.zero_point_energy,
                "relative_energy_with_zpe": self.relative_with_zpe,
                "rank_with_zpe": self.rank_with_zpe,
                "free_energy": self.free_energy,
                "relative_free_energy": self.relative_free_energy,
                "population": self.population,
            }
        if self.infrared is not None:
            plain["infrared"] = self.infrared.as_plain()
        if self.electronic is not None:
            plain["electronic"] = self.electronic.as_plain()
        if self.photoelectron is not None:
            plain["photoelectron"] = self.photoelectron.as_plain()
        plain["verdict"] = self.verdict
        plain = {name: value for name, value in plain.items() if value is not None}
        return plain | ({"doubts": self.doubts} if self.doubts else {})


@dataclass
class PropertySet:
    """The isomers of one level of theory and their properties.

    Attributes
    ----------
    isomers : whose they are. entries : one for each.
    preview : whether vibrations are of the potential's own second derivatives.
    ranking : orders of the isomers by several functionals.
    temperatures : K. populations : shares [n_temperatures, n_species] of `ranks`; None without vibrations.
    """

    isomers: Isomers
    entries: list[IsomerProperties]
    preview: bool
    temperatures: list[float] = field(default_factory=list)
    populations: np.ndarray | None = None
    ranks: list[int] = field(default_factory=list)
    ranking: RankingCertificate | None = None

    def set_relative_energies(self) -> None:
        """Energies above the lowest isomer, of each formula."""
        lowest: dict[str, float] = {}
        for entry in self.entries:
            if (energy := entry.subject.energy) is not None:
                lowest[entry.formula] = min(energy, lowest.get(entry.formula, energy))
        for entry in self.entries:
            energy = entry.subject.energy
            entry.relative = None if energy is None else energy - lowest[entry.formula]

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        plain: dict[str, Any] = {
            "level_of_theory": self.isomers.level,
            "energies_by": self.isomers.energy_level,
            "preview": self.preview,
            "isomers": [entry.as_plain() for entry in self.entries],
        }
        if self.ranking is not None:
            plain["ranking"] = self.ranking.as_plain()
        if self.populations is not None:
            plain["populations"] = {
                "temperatures": self.temperatures,
                "ranks": self.ranks,
                "shares": np.round(self.populations, 6).tolist(),
            }
        return plain


def start_set(isomers: Isomers, preview: bool) -> PropertySet:
    """A set whose entries know energies and doubts of the confirmation, and nothing else yet."""
    entries = [
        IsomerProperties(s, frequencies=s.frequencies, method=s.method, doubts=list(s.notes)) for s in isomers.subjects
    ]
    found = PropertySet(isomers, entries, preview)
    found.set_relative_energies()
    return found


def with_earlier(new: dict[str, Any], old: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """What `new` tells, and of the same isomers at the same levels what an earlier call told besides.

    Parameters
    ----------
    new, old : `Properties.as_plain`; `old` may be empty. names : of the sets.
    """
    merged = dict(new)
    for name in names:
        if name in new and name in old and _same_isomers(new[name], old[name]):
            isomers = []
            for was, now in zip(old[name]["isomers"], new[name]["isomers"], strict=True):
                doubts = list(dict.fromkeys([*was.get("doubts", []), *now.get("doubts", [])]))
                isomers.append({**was, **now} | ({"doubts": doubts} if doubts else {}))
            merged[name] = {**old[name], **new[name], "isomers": isomers}
    return merged


def _same_isomers(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether two sets are of the same isomers and levels."""
    levels = ("level_of_theory", "energies_by")
    told = [[(isomer.get("model_rank"), isomer.get("energy")) for isomer in plain["isomers"]] for plain in (new, old)]
    return told[0] == told[1] and all(new[key] == old[key] for key in levels)
