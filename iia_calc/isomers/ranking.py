"""Minima of a search as ranked isomers: energies, shapes, bonds, how sure the order is, and which are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from iia_calc.isomers.known import KnownMinimum, match_known
from search.geometry.shape import DopantBonds, dopant_bonds, shape_of

if TYPE_CHECKING:
    from iia_calc.model.committee import Committee

COMPARED = 500
"""Isomers whose differences from the lowest are given an error: all members are asked about each."""


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
    relative_error : of `relative`, eV: the standard deviation of the members' differences, times the calibration's
        `energy_factor`. That factor was fitted to total energies; on differences of isomers it was not tested.
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
    committee : asked about the differences between isomers, and what it knows; None leaves these out.
    known : DFT minima of this composition.
    """
    energies = [float(atoms.get_potential_energy()) for atoms in minima]
    spread = [] if committee is None else relative_deviations(committee, minima[:COMPARED])
    calibration = None if committee is None else committee.calibration
    matches = match_known(minima, known)
    isomers = []
    for k, atoms in enumerate(minima):
        error, of_forces = atoms.info.get("energy_std"), atoms.info.get("forces_std")
        known_region = None
        if calibration is not None and error is not None and of_forces is not None:
            known_region = calibration.known_region(len(atoms), error, of_forces)
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
                relative_error=calibration.energy_factor * spread[k] if calibration and k < len(spread) else None,
                known_region=known_region,
                known=match,
            )
        )
    return isomers


def relative_deviations(committee: Committee, minima: Sequence[Atoms], batch_size: int = 64) -> list[float]:
    """Standard deviation over the members, eV, of each structure's energy above the first one."""
    import torch

    device, dtype = committee.device, committee.dtype
    parts = []
    for begin in range(0, len(minima), batch_size):
        part = minima[begin : begin + batch_size]
        Z = torch.as_tensor(np.concatenate([a.numbers for a in part]), dtype=torch.int64, device=device)  # [n_atoms]
        R = torch.as_tensor(np.concatenate([a.positions for a in part]), dtype=dtype, device=device)  # [n_atoms, 3]
        sizes = torch.tensor([len(a) for a in part], device=device)
        batch = torch.arange(len(part), device=device).repeat_interleave(sizes)  # [n_atoms]
        parts.append(torch.stack([member(Z, R, batch).energy for member in committee.members]))
    if not parts:
        return []
    energies = torch.cat(parts, dim=1).double()  # [n_members, n_structures]
    return [float(s) for s in (energies - energies[:, :1]).std(0)]
