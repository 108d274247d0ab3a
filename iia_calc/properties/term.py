"""The term symbol of an electronic state: in which irreducible representation its determinant is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from scipy.linalg import fractional_matrix_power

BROKEN = 0.1
"""Orbitals by which the count of an irreducible representation may miss a whole number."""
FINITE = {"Dooh": "D2h", "Coov": "C2v"}
"""Of linear molecules the subgroup whose representations all have one dimension."""
IN_WORDS = {"Dooh": "D∞h", "Coov": "C∞v"}


def term_symbol(molecule: Any, symmetric: Atoms, occupied: Sequence[np.ndarray]) -> str:
    """As "3B1g (D2h of D∞h)": 2S+1, the representation, and the group it is of, where that isn't the whole one.

    PySCF tells it in the largest subgroup of the point group whose representations have one dimension (D2h and its
    subgroups). Empty where the state doesn't have the symmetry of the structure, and for atoms.

    Parameters
    ----------
    molecule : PySCF's. symmetric : its structure made symmetric, atoms in the same order.
    occupied : orbitals [n_ao, n_occupied] of alpha and of beta electrons.
    """
    placed = _place(molecule, symmetric)
    if placed is None:
        return ""
    from pyscf import symm

    overlap, total = placed.intor("int1e_ovlp"), 0
    for orbitals in occupied:
        if not orbitals.shape[1]:
            continue
        # the structure was moved a little: the orbitals are made orthonormal again
        moved = orbitals @ fractional_matrix_power(orbitals.T @ overlap @ orbitals, -0.5)
        for number, basis in zip(placed.irrep_id, placed.symm_orb, strict=True):
            part = basis.T @ overlap @ moved  # [n_of_irrep, n_occupied]
            count = float((part * np.linalg.solve(basis.T @ overlap @ basis, part)).sum())
            if abs(count - round(count)) > BROKEN:
                return ""
            total ^= number * (round(count) % 2)
    name, whole = placed.groupname, placed.topgroup
    symbol = f"{molecule.spin + 1}{symm.irrep_id2name(name, total)}"
    return symbol if name == whole else f"{symbol} ({name} of {IN_WORDS.get(whole, whole)})"


def _place(molecule: Any, symmetric: Atoms) -> Any:
    """PySCF's molecule at the symmetric structure, which knows its group; None of an atom."""
    from pyscf import gto

    if len(symmetric) < 2:
        return None
    settings = {
        "atom": list(zip(symmetric.get_chemical_symbols(), symmetric.positions, strict=True)),
        "basis": molecule.basis,
        "ecp": molecule.ecp,
        "charge": molecule.charge,
        "spin": molecule.spin,
        "symmetry": True,
        "verbose": 0,
    }
    placed = gto.M(**settings)
    if (smaller := FINITE.get(placed.groupname)) is not None:
        placed = gto.M(**settings, symmetry_subgroup=smaller)
    return placed
