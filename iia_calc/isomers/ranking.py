"""Minima of a search as ranked isomers: energies, shapes, bonds, how sure the order is, and which are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ase import Atoms

from iia_calc.isomers.known import KnownMinimum, match_known
from search.geometry.shape import DopantBonds, dopant_bonds, shape_of

if TYPE_CHECKING:
    from iia_calc.model.committee import Committee


@dataclass(frozen=True)
class Isomer:
    """One distinct minimum of a search.

    Attributes
    ----------
    rank : 1 is the lowest.
    atoms : the structure, its energy (eV) on it.
    energy, relative : eV, absolute and above the lowest.
    shape : planar, tubular, cage or compact (`search.geometry.shape`); of a known minimum that of its DFT geometry.
    bonds : of each dopant atom.
    error : expected error of the energy, eV: two thirds of the energies held out of the training were wrong by less;
        None without a committee.
    relative_error : expected error of `relative`, eV, from the expected errors of both energies
        (`Calibration.difference_std`).
    times_found, first_quench : how many quenches ended here, and the first that did.
    known_region : whether the committee can judge this structure; None without one.
    known : the known DFT minimum that this is, if it is one.
    """

    rank: int
    atoms: Atoms
    energy: float
    relative: float
    shape: str
    bonds: tuple[DopantBonds, ...]
    error: float | None
    times_found: int
    first_quench: int
    relative_error: float | None = None
    known_region: bool | None = None
    known: KnownMinimum | None = None

    @property
    def relative_per_atom(self) -> float:
        """eV/atom above the lowest."""
        return self.relative / len(self.atoms)

    @property
    def tied(self) -> bool:
        """Whether it may as well be the lowest: its relative energy is below `relative_error`."""
        return self.rank > 1 and self.relative_error is not None and self.relative < self.relative_error


def rank_isomers(
    minima: Sequence[Atoms],
    committee: Committee | None = None,
    known: Sequence[KnownMinimum] = (),
) -> list[Isomer]:
    """Minima of a search, lowest first, with what a chemist asks about each.

    Parameters
    ----------
    committee : its calibration says the errors of differences, and what it knows; None leaves these out.
    known : DFT minima of this composition.
    """
    energies = [float(atoms.get_potential_energy()) for atoms in minima]
    calibration = None if committee is None else committee.calibration
    matches = match_known(minima, known)
    isomers = []
    for k, atoms in enumerate(minima):
        error, of_forces = atoms.info.get("energy_std"), atoms.info.get("forces_std")
        known_region = None
        if calibration is not None and error is not None and of_forces is not None:
            known_region = calibration.known_region(len(atoms), error, of_forces)
        lowest = minima[0].info.get("energy_std")
        of_difference = None
        if calibration is not None and error is not None and lowest is not None:
            of_difference = calibration.difference_std(lowest, error) if k else 0.0
        match = matches.get(k)
        isomers.append(
            Isomer(
                rank=k + 1,
                atoms=atoms,
                energy=energies[k],
                relative=energies[k] - energies[0],
                shape=shape_of(atoms) if match is None else match.shape,
                bonds=tuple(dopant_bonds(atoms)),
                error=error,
                times_found=int(atoms.info["times_found"]),
                first_quench=int(atoms.info["first_quench"]),
                relative_error=of_difference,
                known_region=known_region,
                known=match,
            )
        )
    return isomers
