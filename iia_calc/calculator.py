"""IIACalculator: the potential as an ASE calculator. A thin shell, and a strict one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list
from scipy.spatial.distance import pdist

from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.pairs.clusters import Pairs
from iia_calc.model.pairs.neighbour_list import NeighbourPairs
from iia_calc.model.potential import Potential
from search.errors import InputError

COINCIDENT = 0.1  # Å; no physical path leads here (B-B: some 800 eV), only a mistake in the input
INFO_KEYS = ("charge", "spin", "multiplicity")


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

    A committee also offers `energy_std` (eV) and `forces_std` ([n_atoms], eV/Å), computed when asked
    for: `calc.get_property("energy_std", atoms)`.

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
        **kwargs,
    ):
        super().__init__(**kwargs)
        if dtype not in ("float32", "float64"):
            raise InputError(f"dtype must be float32 or float64, not {dtype!r}")
        if energy_from not in ("leader", "mean"):
            raise InputError(f"energy_from must be leader or mean, not {energy_from!r}")
        if not isinstance(model, Potential | Committee):
            model = storage.load(model, dtype=getattr(torch, dtype), device=device)
        self.model = model
        self.energy_from = energy_from
        self._species: tuple[np.ndarray, torch.Tensor, torch.Tensor] | None = None
        if isinstance(model, Committee):
            self.implemented_properties = [*self.implemented_properties, "energy_std", "forces_std"]

    @property
    def card(self) -> storage.Card | None:
        """What the model says of itself."""
        return self.model.card

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """ASE's changes, and "info" if charge or spin were changed there."""
        if self.atoms is not None and len(self.atoms) == len(atoms) and (self.atoms.positions != atoms.positions).any():
            return ["positions"]  # enough to compute anew, and a tenth of ASE's comparison, once per MD step
        changes = super().check_state(atoms, tol)
        if self.atoms is not None and not changes:
            before, now = ({key: a.info.get(key) for key in INFO_KEYS} for a in (self.atoms, atoms))
            if before != now:
                changes.append("info")
        return changes

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        if atoms is not None:
            self.atoms = atoms.copy()  # what ASE's own `calculate` does, less the folder that it makes
        atoms = self.atoms
        leader = self.model.leader if isinstance(self.model, Committee) else self.model
        self.check(atoms)
        Z, element_energies = self._known(atoms.numbers, leader)  # [n_atoms] each
        R = torch.as_tensor(atoms.positions, dtype=leader.dtype, device=leader.device)  # [n_atoms, 3]
        if atoms.pbc.any():
            pairs: Pairs = NeighbourPairs(atoms.positions, leader.cutoff, atoms.cell.array, atoms.pbc, leader.device)
        else:
            pairs = leader.layout((len(atoms),), R)
        spread = {"energy_std", "forces_std"} & set(properties)
        if isinstance(self.model, Committee) and (spread or self.energy_from == "mean"):
            mean = self.model.spread(pairs, Z, R)
            self.results["energy_std"] = float(mean.energy_std[0])
            self.results["forces_std"] = mean.forces_std.double().cpu().numpy()
            if self.energy_from == "mean":
                self._store(mean.atomic_energies, mean.forces)
                return
        interaction, forces = leader.evaluate(pairs, Z, R)
        self._store(interaction + element_energies, forces)

    def _store(self, atomic: torch.Tensor, forces: torch.Tensor) -> None:
        energies = atomic.cpu().numpy()
        energy = float(energies.sum())
        self.results.update(energy=energy, free_energy=energy, energies=energies, forces=forces.double().cpu().numpy())

    def _known(self, numbers: np.ndarray, leader: Potential) -> tuple[torch.Tensor, torch.Tensor]:
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
        if self._species is None or not np.array_equal(self._species[0], atoms.numbers):
            self._check_elements(atoms)
        if not np.isfinite(atoms.positions).all():
            wrong = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
            raise InputError(f"positions of atoms {wrong.tolist()} are not finite")
        if (pair := _coincident(atoms)) is not None:
            raise InputError(f"atoms {pair[0]} and {pair[1]} coincide (closer than {COINCIDENT} Å)")
        self._check_electrons(atoms)

    def _check_elements(self, atoms: Atoms) -> None:
        unknown = sorted(set(atoms.get_chemical_symbols()) - set(self.model.elements))
        if unknown:
            raise InputError(
                f"this potential was not fitted for {', '.join(unknown)}; it knows {', '.join(self.model.elements)}"
            )

    def _check_electrons(self, atoms: Atoms) -> None:
        if self.card is None:
            return
        charge = atoms.info.get("charge")
        if charge is None and atoms.has("initial_charges"):
            charge = float(atoms.get_initial_charges().sum())
        if charge is not None and abs(charge - self.card.charge) > 1e-6:
            raise InputError(
                f"these atoms have charge {charge:g}; the potential was fitted for charge {self.card.charge}"
            )
        electrons = int(atoms.numbers.sum()) - self.card.charge
        lowest = self.card.spin == "lowest"
        fitted = 1 + electrons % 2 if lowest else int(self.card.spin)
        asked = next((atoms.info[key] for key in ("multiplicity", "spin") if atoms.info.get(key) is not None), None)
        if asked is None and atoms.has("initial_magmoms") and np.ndim(atoms.get_initial_magnetic_moments()) == 1:
            unpaired = abs(float(atoms.get_initial_magnetic_moments().sum()))
            asked = unpaired + 1 if unpaired > 1e-6 else None
        if asked is not None and abs(asked - fitted) > 1e-6:
            raise InputError(
                f"these atoms have multiplicity {asked:g}; the potential was fitted for multiplicity {fitted}"
                + (" (the lowest that their electrons allow)" if lowest else "")
            )


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
