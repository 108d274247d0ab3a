"""What the atlas shows: the known minima of each formula, with all that was recorded or tested of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from iia_calc.common.electrons import multiplicity_of
from iia_calc.common.plain import PLACE, TEXT, Parts
from iia_calc.isomers.checked import SPINS, TABLE, Checked, checks_of, read_checks
from iia_calc.isomers.files import read_checked
from iia_calc.labels.level import same_level
from iia_calc.model.storage import models_folder
from iia_calc.properties.symmetry import Symmetry, symmetry_of
from iia_calc.report.atlas.literature import work_of
from iia_calc.report.words import short_level
from search.errors import InputError
from search.geometry.composition import Composition
from search.geometry.shape import shape_of

LOWEST_SPIN = "lowest multiplicity"
_TOLD = Parts({"level": TEXT, "multiplicity": PLACE, "origin": TEXT}, ("level",))


@dataclass
class Minimum:
    """One structure of the atlas.

    Attributes
    ----------
    number : on its formula's page, from 1. formula : its name there.
    atoms : geometry, Å. level : of theory, in full. method : functional and basis.
    energy, relative : eV, absolute and above the lowest of its formula at this functional and basis.
    multiplicity : 2S+1. is_lowest_spin : whether that is the lowest which its electrons allow.
    shape : planar, tubular, ... symmetry : point group.
    largest_force : eV/Å, at its level.
    checked : what was tested; None where nothing was.
    origin : what it was found in, as recorded; empty where nothing was.
    work : key of the work of literature that describes it; empty where none is known.
    model : the potential of its level. model_energy, model_relative : eV, of that; None where there is none.
    """

    number: int
    formula: str
    atoms: Atoms
    level: str
    energy: float
    relative: float
    multiplicity: int
    is_lowest_spin: bool
    shape: str
    symmetry: Symmetry
    largest_force: float
    checked: Checked | None
    origin: str
    work: str
    model: str = ""
    model_energy: float | None = None
    model_relative: float | None = None

    @property
    def method(self) -> str:
        """Functional and basis."""
        return short_level(self.level)

    @property
    def point_group(self) -> str:
        """Schoenflies symbol."""
        return self.symmetry.point_group

    @property
    def found_in(self) -> str:
        """What it was found in, in words; empty where that wasn't recorded."""
        name, comma, more = self.origin.partition(",")
        if not self.is_lowest_spin and not name:
            return "a relaxation of the lowest multiplicity's structure in this one"
        if not name or " " in name:
            return self.origin
        return f"batch {name} of the labels{comma}{more}"

    @property
    def lowest_frequency(self) -> float | None:
        """cm⁻¹, negative where imaginary; None where not computed."""
        return None if self.checked is None or not self.checked.frequencies else min(self.checked.frequencies)

    @property
    def model_error(self) -> float | None:
        """Potential minus DFT, meV/atom."""
        return None if self.model_energy is None else 1000.0 * (self.model_energy - self.energy) / len(self.atoms)

    def as_plain(self) -> dict[str, Any]:
        """For JSON and CSV: what is known, without the positions."""
        checked = self.checked
        return {
            "formula": self.formula,
            "number": self.number,
            "level": self.level,
            "energy_eV": round(self.energy, 5),
            "relative_energy_eV": round(self.relative, 4),
            "multiplicity": self.multiplicity,
            "point_group": self.point_group,
            "shape": self.shape,
            "largest_force_eV_per_Angstrom": round(self.largest_force, 4),
            "lowest_frequency_per_cm": self.lowest_frequency,
            "n_imaginary": None if checked is None or checked.frequencies is None else checked.n_imaginary,
            "model": self.model or None,
            "model_error_meV_per_atom": None if self.model_error is None else round(self.model_error, 2),
            "model_relative_energy_eV": None if self.model_relative is None else round(self.model_relative, 4),
            "origin": self.origin or None,
        }


def read_minima(folder: Path | None = None, formulas: Iterable[str] = ()) -> dict[str, list[Minimum]]:
    """The known minima by formula: undoped ones first, by size; of each the largest basis first, by energy.

    folder : like models/lowest; None for the shipped one. formulas : only these; all where none is named.

    Raises
    ------
    FileNotFoundError : no table in the folder. InputError : a formula that it doesn't have, or a broken table.
    MissingPackage : pymatgen isn't installed.
    """
    root = models_folder() / "lowest" if folder is None else folder
    tables = [path.parent for path in (root / TABLE, *sorted(root.glob(f"*/{TABLE}"))) if path.exists()]
    if not tables:
        raise FileNotFoundError(f"there is no {TABLE} in {root}; such a folder is models/lowest")
    wanted = {Composition.parse(formula).formula for formula in formulas}
    found: dict[str, list[Minimum]] = defaultdict(list)
    for table in reversed(tables):  # the smallest basis, which has the most formulas, is the first
        for formula, frames in _frames(table).items():
            if not wanted or formula in wanted:
                found[formula] += _minima(formula, frames, read_checks(table), len(found[formula]))
    if missing := sorted(wanted - found.keys()):
        raise InputError(f"no minimum of {', '.join(missing)} is known in {root}")
    return dict(sorted(found.items(), key=lambda item: _place(item[0])))


def _place(formula: str) -> tuple[list[str], int]:
    composition = Composition.parse(formula)
    return composition.dopants, composition.n_atoms


def _frames(table: Path) -> dict[str, list[Atoms]]:
    """Structures of a level by formula, lowest first, those of other multiplicities among them."""
    frames: dict[str, list[Atoms]] = defaultdict(list)
    for path in (table / TABLE, table / SPINS):
        try:
            for atoms in read_checked(path, _TOLD) if path.exists() else []:
                if not np.isfinite(atoms.get_forces()).all() or not np.isfinite(atoms.get_potential_energy()):
                    raise InputError(f"forces of {atoms.get_chemical_formula()} in {path} are not finite")
                frames[Composition.parse(atoms).formula].append(atoms)
        except (RuntimeError, NotImplementedError) as error:  # ASE's, of a structure without them
            raise InputError(f"a structure in {path} has no energy or no forces") from error
    return {formula: sorted(found, key=lambda f: float(f.get_potential_energy())) for formula, found in frames.items()}


def _minima(formula: str, frames: list[Atoms], checks: dict[str, Checked], before: int) -> list[Minimum]:
    """before : structures of larger bases on the page."""
    found = []
    lowest = float(frames[0].get_potential_energy())
    for k, frame in enumerate(frames):
        atoms = Atoms(frame.numbers, frame.positions)
        level = str(frame.info.get("level", ""))
        spin = multiplicity_of(atoms, 0, None)
        multiplicity = int(frame.info.get("multiplicity", spin))
        shape, symmetry = shape_of(atoms), symmetry_of(atoms)
        found.append(
            Minimum(
                number=before + k + 1,
                formula=formula,
                atoms=atoms,
                level=level,
                energy=float(frame.get_potential_energy()),
                relative=float(frame.get_potential_energy()) - lowest,
                multiplicity=multiplicity,
                is_lowest_spin=multiplicity == spin,
                shape=shape,
                symmetry=symmetry,
                largest_force=float((frame.get_forces() ** 2).sum(1).max() ** 0.5),
                checked=checks_of(atoms, checks),
                origin=str(frame.info.get("origin", "")),
                work=work_of(formula, symmetry.point_group, multiplicity),
            )
        )
    return found


def add_model_energies(minima: dict[str, list[Minimum]]) -> list[str]:
    """Add what the shipped potential of each level says of the structures; remarks on levels that have none."""
    from iia_calc.calculator import IIACalculator

    everything = [minimum for found in minima.values() for minimum in found if minimum.is_lowest_spin]
    remarks = []
    for level in dict.fromkeys(minimum.level for minimum in everything):
        name = _model_of(level)
        if name is None:
            remarks.append(f"no shipped potential is of {short_level(level)}: its structures have no model energies")
            continue
        calculator = IIACalculator(name)
        for minimum in (m for m in everything if m.level == level):
            minimum.model = name
            energy = calculator.get_potential_energy(minimum.atoms)  # type: ignore[no-untyped-call]  # ASE's
            minimum.model_energy = float(energy)
    for found in minima.values():
        for level in {minimum.level for minimum in found}:
            same = [m for m in found if m.level == level and m.model_energy is not None]
            for minimum in same:
                minimum.model_relative = (minimum.model_energy or 0.0) - (same[0].model_energy or 0.0)
    return remarks


def _model_of(level: str) -> str | None:
    """The shipped model that was fitted to `level`: the default, or the one most like it."""
    from iia_calc.model.storage import find, read_card, shipped_models

    default = read_card(find())
    cards = [read_card(find(name)) for name in shipped_models()]
    fitting = [card for card in cards if same_level(card.level_of_theory, level)]
    best = sorted(fitting, key=lambda card: (card.name != default.name, card.network != default.network, card.name))
    return best[0].name if best else None
