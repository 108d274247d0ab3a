"""IIACalculator: the potential as an ASE calculator. A thin shell, and a strict one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list
from scipy.spatial.distance import pdist

from iia_calc.common.electrons import (
    CHARGE_KEYS,
    MULTIPLICITY_KEYS,
    declared_charge,
    declared_multiplicity,
    electron_entries,
    whole_number,
)
from iia_calc.common.structures import COINCIDENT, FARTHEST, Accepts
from iia_calc.model import storage
from iia_calc.model.card import Card
from iia_calc.model.committee import Committee, weights_hash
from iia_calc.model.pairs.clusters import Pairs
from iia_calc.model.pairs.neighbour_list import NeighbourPairs
from iia_calc.model.potential import Potential
from search.errors import InputError, InputTypeError, quote

SPREAD = ("energy_std", "forces_std", "known_region")
"""What a committee tells besides."""
INFO_KEYS = (*CHARGE_KEYS, *MULTIPLICITY_KEYS)


class IIACalculator(Calculator):
    """Energies (eV), forces (eV/Å) and energies per atom of a SchNet-IIA.

    Parameters
    ----------
    model : a folder, the name of a shipped model, a `Potential` or a `Committee`; None for the shipped
        default.
    device : "cpu", "cuda", ...; the CPU by default.
    dtype : "float32" or "float64". In float32 energies are good to 0.1 meV and forces to 0.01 meV/Å,
        far below the potential's own error, at half the time; take float64 for finite differences.
    energy_from : of a committee, "leader" (one member's price) or "mean" (all members').
    charge, multiplicity : what the atoms are, where their `info` doesn't say it; e and 2S + 1. Others than the
        potential was fitted for are refused.

    A committee also offers the errors to expect, `energy_std` (eV) and `forces_std` ([n_atoms], eV/Å), and whether it
    can judge the structure at all, `known_region`; computed when asked for: `calc.get_property("energy_std", atoms)`.

    Raises
    ------
    ValueError : at first use: elements it doesn't know, positions that are not finite, coincident atoms,
        a charge or spin (in `atoms.info`, or as initial charges and magnetic moments) that is not what
        the potential was fitted for. `atoms.info["spin"]` is a multiplicity.
    """

    implemented_properties = ["energy", "free_energy", "forces", "energies"]  # noqa: RUF012 (ASE's way)

    def __init__(
        self,
        model: str | Path | Potential | Committee | None = None,
        *,
        device: str | torch.device | None = None,
        dtype: str = "float32",
        energy_from: str = "leader",
        charge: int | None = None,
        multiplicity: int | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        if dtype not in ("float32", "float64"):
            raise InputError(f"dtype is {quote(dtype)}; it must be float32 or float64, as text")
        if energy_from not in ("leader", "mean"):
            raise InputError(f"energy_from must be leader or mean, not {energy_from!r}")
        if not isinstance(model, Potential | Committee):
            model = storage.load(model, dtype=getattr(torch, dtype), device=device)
        self.model = model
        self.energy_from = energy_from
        self._species: tuple[np.ndarray, torch.Tensor, torch.Tensor] | None = None
        self._accepted: np.ndarray | None = None  # atomic numbers whose elements and lowest multiplicity will do
        self._signature: str | None = None
        self.charge = None if charge is None else whole_number(charge, "charge")
        self.multiplicity = None if multiplicity is None else whole_number(multiplicity, "multiplicity")
        if self.charge is not None and self.card is not None and self.charge != self.card.charge:
            raise InputError(
                f"charge is {self.charge}; the potential was fitted for charge {self.card.charge}. DFT takes any: "
                "iia search FORMULA --dft K --charge, or iia label --level dft --charge"
            )
        if isinstance(model, Committee):
            self.implemented_properties = [*self.implemented_properties, *SPREAD]

    @property
    def card(self) -> Card | None:
        """What the model says of itself."""
        card: Card | None = self.model.card
        return card

    @property
    def signature(self) -> str:
        """The surface that this calculator stands for: the same for the same weights, type and energy, else another.

        A search keeps it beside its minima, so that energies of two models never meet in one ranking.
        """
        members = "mean" if self.energy_from == "mean" else "leader"
        return f"IIACalculator, {weights_hash(self.model)}, {members}, {self.model.dtype}"

    def set(self, **kwargs: Any) -> dict[str, Any]:
        """Refuses: everything is said when the calculator is made.

        Raises
        ------
        InputTypeError : always, with what can be said and when.
        """
        if kwargs:
            raise InputTypeError(
                f"{', '.join(kwargs)} can't be set on an IIACalculator; make another one, which takes "
                "model, device, dtype, energy_from, charge and multiplicity"
            )
        return {}

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """ASE's changes, and "info" if charge or spin were changed there."""
        if self.atoms is not None and len(self.atoms) == len(atoms) and (self.atoms.positions != atoms.positions).any():
            return ["positions"]  # enough to compute anew, and a tenth of ASE's comparison, once per MD step
        changes: list[str] = super().check_state(atoms, tol)  # type: ignore[no-untyped-call]
        if self.atoms is not None and not changes:
            before, now = (electron_entries(a.info, INFO_KEYS) for a in (self.atoms, atoms))
            if before != now:
                changes.append("info")
        return changes

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """ASE's entry: fills `results` with energies (eV), forces [n_atoms, 3] (eV/Å) and what else is asked for."""
        if atoms is not None:
            self.atoms = atoms.copy()  # what ASE's own `calculate` does, less the folder that it makes
        atoms = self.atoms
        if atoms is None:
            raise InputError("there are no atoms to compute: give them")
        leader = self.model.leader
        self.check(atoms)
        Z, element_energies = self._elements(atoms.numbers, leader)  # [n_atoms] each
        # centred in float64: far from the origin float32 would lose the digits of the distances
        centred = atoms.positions - np.add.reduce(atoms.positions) / len(atoms)
        R = torch.from_numpy(centred).to(device=leader.device, dtype=leader.dtype)  # [n_atoms, 3]
        if atoms.pbc.any():
            pairs: Pairs = NeighbourPairs(centred, leader.cutoff, atoms.cell.array, atoms.pbc, leader.device)
        else:
            pairs = leader.layout((len(atoms),), R)
        spread = set(SPREAD) & set(properties)
        if isinstance(self.model, Committee) and (spread or self.energy_from == "mean"):
            mean = self.model.spread(pairs, Z, R)
            self.results["energy_std"] = float(mean.energy_std[0])
            self.results["forces_std"] = mean.forces_std.double().cpu().numpy()
            self.results["known_region"] = self.model.calibration.known_region(
                len(atoms), self.results["energy_std"], float(self.results["forces_std"].max())
            )
            if self.energy_from == "mean":
                self._store(mean.atomic_energies, mean.forces)
                return
        interaction, forces = leader.evaluate(pairs, Z, R)
        self._store(interaction + element_energies, forces)

    def _store(self, atomic: torch.Tensor, forces: torch.Tensor) -> None:
        energies = atomic.cpu().numpy()
        energy = float(energies.sum())
        self.results.update(energy=energy, free_energy=energy, energies=energies, forces=forces.double().cpu().numpy())

    def _elements(self, numbers: np.ndarray, leader: Potential) -> tuple[torch.Tensor, torch.Tensor]:
        """Nuclear charges and element energies (float64), kept from one call to the next of the same atoms."""
        if (
            self._species is None
            or not np.array_equal(self._species[0], numbers)
            or self._species[1].device != leader.device
        ):
            Z = torch.tensor(numbers, dtype=torch.int64, device=leader.device)
            self._species = numbers.copy(), Z, leader.reference(Z)
        return self._species[1:]

    def check(self, atoms: Atoms) -> None:
        """ValueError for anything the potential would answer with a meaningless number."""
        if len(atoms) == 0:
            raise InputError("there are no atoms")
        known = self._accepted is not None and np.array_equal(self._accepted, atoms.numbers)
        if not known:
            self._check_elements(atoms)
        farthest = float(np.abs(atoms.positions).max())  # NaN where one is
        if not np.isfinite(farthest):
            wrong = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
            raise InputError(f"positions of atoms {wrong.tolist()} are not finite")
        if farthest > FARTHEST:
            raise InputError(f"an atom is {farthest:.0e} Å from the origin, where positions have lost their digits")
        self._check_cell(atoms)
        if (pair := _coincident(atoms)) is not None:
            raise InputError(f"atoms {pair[0]} and {pair[1]} coincide (closer than {COINCIDENT} Å)")
        asked = self.charge is not None or self.multiplicity is not None
        plain = not (asked or atoms.info) and len(atoms.arrays) == 2  # nothing that could speak of charge or spin
        if not (known and plain):
            self._check_electrons(atoms)
        if plain and not known:
            self._accepted = atoms.numbers.copy()

    def _check_cell(self, atoms: Atoms) -> None:
        """A periodic direction needs a cell vector that the others don't span."""
        if not atoms.pbc.any():
            return
        cell = atoms.cell.array
        if not np.isfinite(cell).all():
            raise InputError("the cell is not finite")
        bare = [axis for axis, vector in zip("abc", cell, strict=True) if not np.linalg.norm(vector) > 1e-6]
        if periodic := [axis for axis, on in zip("abc", atoms.pbc, strict=True) if on and axis in bare]:
            raise InputError(
                f"the atoms are periodic along {', '.join(periodic)}, where the cell has no length; "
                "give the cell, or pbc=False for a cluster"
            )
        if not bare and abs(np.linalg.det(cell)) < 1e-6:
            raise InputError("the cell has no volume: its vectors lie in a plane; give three independent ones")

    def _check_elements(self, atoms: Atoms) -> None:
        if len(wrong := atoms.numbers[(atoms.numbers < 0) | (atoms.numbers > 118)]):
            raise InputError(f"an atom has the atomic number {wrong[0]}; elements have 1 to 118")
        unknown = sorted(set(atoms.get_chemical_symbols()) - set(self.model.elements))
        if unknown:
            raise InputError(
                f"this potential was not fitted for {', '.join(unknown)}; it knows {', '.join(self.model.elements)}"
            )

    def _check_electrons(self, atoms: Atoms) -> None:
        """What the atoms declare, or else what was said when the calculator was made, must be what was fitted."""
        if self.card is None:
            return
        try:
            charge, multiplicity = declared_charge(atoms), declared_multiplicity(atoms)
            Accepts.of_card(self.card).check_electrons(
                atoms,
                self.charge if charge is None else charge,
                self.multiplicity if multiplicity is None else multiplicity,
            )
        except InputError as error:
            raise InputError(f"the structure: {error}") from None


def _coincident(atoms: Atoms) -> tuple[int, int] | None:
    """The first pair of atoms that coincide, if any do."""
    if atoms.pbc.any() or len(atoms) > 200:
        i, j = neighbor_list("ij", atoms, COINCIDENT)
        return (int(i[0]), int(j[0])) if len(i) else None
    distances = pdist(atoms.positions)  # [n_pairs], i < j
    if not len(distances) or distances.min() >= COINCIDENT:
        return None
    i, j = np.triu_indices(len(atoms), 1)
    first = int(np.argmax(distances < COINCIDENT))
    return int(i[first]), int(j[first])
