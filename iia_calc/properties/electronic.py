"""What a converged mean field says of the electrons: dipole, gap, charges and spins of atoms, bond orders."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import Hartree

from iia_calc.properties.term import term_symbol

BOND = 0.15
"""Bond orders below are left out."""
METHOD = "IAO charges and spins, Mayer bond orders, Kohn-Sham gap, dipole about the centre of mass"


@dataclass(frozen=True)
class ElectronicProperties:
    """Of one structure in one state.

    Attributes
    ----------
    level : of theory. multiplicity : 2S+1. energy : eV.
    dipole : Debye, [3] about the centre of mass. dipole_moment : its length.
    homo, lumo, gap : eV, Kohn-Sham; of both spins the highest occupied and the lowest empty.
    charges : e, of atoms, in intrinsic atomic orbitals (J. Chem. Theory Comput. 2013, 9, 4834).
    spins : unpaired electrons of atoms, the same way; all 0 where restricted.
    bond_orders : (atom, atom, order) after Mayer, of orders above `BOND`.
    valences : of atoms, the sum of their bond orders.
    s_squared : ⟨S²⟩; None where restricted. stability : of the SCF solution.
    term : term symbol of the state (see `iia_calc.properties.term`); empty where it has none.
    """

    level: str
    multiplicity: int
    energy: float
    dipole: tuple[float, float, float]
    dipole_moment: float
    homo: float
    lumo: float
    gap: float
    charges: tuple[float, ...]
    spins: tuple[float, ...]
    bond_orders: tuple[tuple[int, int, float], ...]
    valences: tuple[float, ...]
    s_squared: float | None
    stability: str
    term: str = ""

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> ElectronicProperties:
        """Read what `as_plain` gave."""
        x, y, z = plain["dipole"]
        lists = {
            "dipole": (x, y, z),
            "charges": tuple(plain["charges"]),
            "spins": tuple(plain["spins"]),
            "bond_orders": tuple((int(i), int(j), float(order)) for i, j, order in plain["bond_orders"]),
            "valences": tuple(plain["valences"]),
        }
        return ElectronicProperties(**{**plain, **lists})


def analyse(mean_field: Any, level: str, stability: str, symmetric: Atoms | None = None) -> ElectronicProperties:
    """Properties of PySCF's converged mean field, on the CPU.

    stability : of the solution, in words. symmetric : the structure made symmetric, for the term symbol.
    """
    molecule = mean_field.mol
    orbitals, occupations, energies, densities = _by_spin(mean_field)
    restricted = np.ndim(mean_field.mo_occ) == 1
    overlap = molecule.intor("int1e_ovlp")
    homo = max(float(e[o > 0].max()) for e, o in zip(energies, occupations, strict=True) if (o > 0).any())
    lumo = min(float(e[o == 0].min()) for e, o in zip(energies, occupations, strict=True) if (o == 0).any())
    occupied = [c[:, o > 0] for c, o in zip(orbitals, occupations, strict=True)]
    populations = [_iao_populations(molecule, c, overlap) for c in occupied]
    orders = mayer_bond_orders(molecule, densities[0], densities[1], overlap)
    n = molecule.natm
    dipole = dipole_moment(mean_field)
    return ElectronicProperties(
        level=level,
        multiplicity=molecule.spin + 1,
        energy=float(mean_field.e_tot) * Hartree,
        dipole=(float(dipole[0]), float(dipole[1]), float(dipole[2])),
        dipole_moment=float(np.linalg.norm(dipole)),
        homo=homo * Hartree,
        lumo=lumo * Hartree,
        gap=(lumo - homo) * Hartree,
        charges=_round(molecule.atom_charges() - populations[0] - populations[1]),
        spins=_round(populations[0] - populations[1]),
        bond_orders=tuple(
            (i, j, round(float(orders[i, j]), 4)) for i in range(n) for j in range(i + 1, n) if orders[i, j] > BOND
        ),
        valences=_round(orders.sum(1)),
        s_squared=None if restricted else float(mean_field.spin_square()[0]),
        stability=stability,
        term="" if symmetric is None else term_symbol(molecule, symmetric, occupied),
    )


def dipole_moment(mean_field: Any) -> np.ndarray:
    """Debye, [3], about the centre of mass: where it is told from makes a difference for ions."""
    molecule = mean_field.mol
    masses = molecule.atom_mass_list(isotope_avg=True)
    centre = masses @ molecule.atom_coords() / masses.sum()  # bohr
    with molecule.with_common_orig(centre):
        integrals = molecule.intor_symmetric("int1e_r", comp=3)  # [3, n_ao, n_ao]
    density = np.asarray(mean_field.make_rdm1())
    total = density if density.ndim == 2 else density.sum(0)
    electrons = np.einsum("xij,ji->x", integrals, total)
    nuclei = molecule.atom_charges() @ (molecule.atom_coords() - centre)
    debye: np.ndarray = (nuclei - electrons) * DEBYE
    return debye


DEBYE = 2.541746473
"""Debye of one e·bohr."""


def mayer_bond_orders(molecule: Any, alpha: np.ndarray, beta: np.ndarray, overlap: np.ndarray) -> np.ndarray:
    """Bond orders [n_atoms, n_atoms], zero on the diagonal (Chem. Phys. Lett. 1983, 97, 270; spins as of 1985).

    alpha, beta : densities of the spins, overlap : of the basis, all [n_ao, n_ao].
    """
    total, spin = (alpha + beta) @ overlap, (alpha - beta) @ overlap
    product = total * total.T + spin * spin.T
    slices = [slice(*row[2:]) for row in molecule.aoslice_by_atom()]
    orders = np.array([[product[a, b].sum() for b in slices] for a in slices])
    np.fill_diagonal(orders, 0.0)
    return orders


def _by_spin(mean_field: Any) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    """Orbitals, occupations, energies and densities of alpha and beta electrons."""
    c, o, e = (np.asarray(x) for x in (mean_field.mo_coeff, mean_field.mo_occ, mean_field.mo_energy))
    density = np.asarray(mean_field.make_rdm1())
    if o.ndim == 1:
        return [c, c], [o / 2, o / 2], [e, e], [density / 2, density / 2]
    return list(c), list(o), list(e), list(density)


def _iao_populations(molecule: Any, occupied: np.ndarray, overlap: np.ndarray) -> np.ndarray:
    """Electrons of one spin on each atom, [n_atoms]. occupied : orbitals [n_ao, n_occ]."""
    from pyscf.lo import iao, orth

    if not occupied.shape[1]:
        return np.zeros(molecule.natm)
    minimal = iao.reference_mol(molecule)
    atomic = orth.vec_lowdin(iao.iao(molecule, occupied), overlap)  # [n_ao, n_minimal]
    weights = ((atomic.T @ overlap @ occupied) ** 2).sum(1)  # [n_minimal]
    return np.array([weights[slice(*row[2:])].sum() for row in minimal.aoslice_by_atom()])


def _round(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(v), 4) for v in values)
