"""Point groups of clusters, found by pymatgen and checked against the symmetry operations that were found."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from search.errors import InputError, MissingPackage

if TYPE_CHECKING:
    from pymatgen.symmetry.analyzer import PointGroupAnalyzer

TOLERANCE = 0.2
"""Å by which atoms may miss the place where a symmetry operation puts them."""
ROUNDS = 6
"""Structures are made symmetric at most so often, and the tolerance halved at most so often."""
EIGENVALUES = 0.01
"""Share of the moments of inertia by which equal ones may differ."""
_CUBIC = {"T": (12, 12), "Td": (12, 24), "Th": (12, 24), "O": (24, 24), "Oh": (24, 48), "I": (60, 60), "Ih": (60, 120)}
"""Rotations, and operations in all."""
_AXIAL = re.compile(r"([CDS])(\d+)([vhd]?)")


@dataclass(frozen=True)
class Symmetry:
    """The point group of one structure.

    Attributes
    ----------
    point_group : Schoenflies symbol; C∞v and D∞h of linear ones, Kh of an atom.
    symmetry_number : indistinguishable orientations, as the rotational entropy counts them.
    chiral : whether the mirror image is another molecule.
    tolerance : Å, with which it was found; smaller than asked for where that gave no consistent group.
    atoms : the structure made symmetric, atoms in the same order.
    moved : Å, by which the atom that moved most was displaced to make it so.
    """

    point_group: str
    symmetry_number: int
    chiral: bool
    tolerance: float
    atoms: Atoms
    moved: float


def symmetry_of(atoms: Atoms, tolerance: float = TOLERANCE) -> Symmetry:
    """The point group of `atoms`, which stay as they are.

    A loose tolerance can accept operations that together form a larger group than the symbol found at first.
    Then the structure is made symmetric and looked at again; where that ends nowhere, the tolerance is halved.

    tolerance : Å; 0.1 to 0.3 is right for relaxed clusters.

    Raises
    ------
    InputError : the tolerance isn't above 0, or no atoms. MissingPackage : pymatgen isn't installed.
    """
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance is {tolerance!r}; it must be above 0 and below 1 Å, for example {TOLERANCE}")
    if not len(atoms):
        raise InputError("there are no atoms whose point group could be found")
    if len(atoms) == 1:
        return Symmetry("Kh", 1, False, tolerance, Atoms(atoms.numbers, atoms.positions), 0.0)
    for k in range(ROUNDS):
        found = _consistent(atoms, tolerance / 2**k, EIGENVALUES / 2**k)
        if found is not None:
            return found
    return Symmetry("C1", 1, True, tolerance / 2 ** (ROUNDS - 1), Atoms(atoms.numbers, atoms.positions), 0.0)


def symmetry_number(point_group: str) -> int:
    """How many rotations, the identity among them, a point group has; of C∞v 1 and of D∞h 2.

    Raises
    ------
    InputError : no point group of that symbol.
    """
    return _orders(point_group)[0]


def is_chiral(point_group: str) -> bool:
    """Whether a group has rotations only, so that a molecule of it differs from its mirror image."""
    rotations, order = _orders(point_group)
    return rotations == order and point_group not in ("C∞v", "D∞h", "Kh")


def _orders(point_group: str) -> tuple[int, int]:
    """Rotations and operations in all; infinite ones of linear molecules count once."""
    special = {"C1": (1, 1), "Cs": (1, 2), "Ci": (1, 2), "Kh": (1, 1), "C∞v": (1, 1), "D∞h": (2, 2)}
    if (known := special.get(point_group) or _CUBIC.get(point_group)) is not None:
        return known
    if (parts := _AXIAL.fullmatch(point_group)) is None:
        raise InputError(f"{point_group!r} is no point group; write for example C2v, D10d or Td")
    kind, n, plane = parts[1], int(parts[2]), parts[3]
    if kind == "S":
        return n // 2, n
    rotations = n if kind == "C" else 2 * n
    return rotations, rotations * (2 if plane else 1)


def _consistent(atoms: Atoms, tolerance: float, eigenvalues: float) -> Symmetry | None:
    """The group at this tolerance; None where symbol and operations don't agree, or atoms would move further."""
    structure, symbol, agree = atoms, "", False
    for k in range(ROUNDS):
        analyzer = _analyzer(structure, tolerance if k == 0 else 0.5 * tolerance, eigenvalues)
        operations = [np.asarray(op.rotation_matrix) for op in analyzer.get_symmetry_operations()]
        before, symbol = symbol, analyzer.sch_symbol.replace("*", "∞")
        agree = symbol == before and len(operations) == _orders(symbol)[1]
        if agree:
            break
        symmetric = _symmetrise(structure, operations, tolerance, linear="∞" in symbol)
        if symmetric is None:
            return None
        structure = symmetric
    moved = float(np.linalg.norm(structure.positions - atoms.positions, axis=1).max())
    if not agree or moved > tolerance:
        return None
    return Symmetry(symbol, symmetry_number(symbol), is_chiral(symbol), tolerance, structure, moved)


def _symmetrise(atoms: Atoms, rotations: list[np.ndarray], tolerance: float, linear: bool) -> Atoms | None:
    """Each atom at the mean of its places under all operations; None where they put two atoms in one place.

    rotations : matrices [3, 3], about the centre of mass. linear : put all on the long axis, too.
    """
    centre = atoms.get_center_of_mass()
    x = atoms.positions - centre  # [n, 3]
    if linear:
        axis = np.linalg.svd(x)[2][0]
        x = np.outer(x @ axis, axis)
    total = np.zeros_like(x)
    for matrix in rotations:
        images = x @ matrix.T
        distances = np.linalg.norm(x[:, None] - images[None], axis=2)  # [n, n]
        distances[atoms.numbers[:, None] != atoms.numbers[None]] = np.inf
        nearest = distances.argmin(axis=1)  # the image that lies where atom i is
        if len(set(nearest.tolist())) < len(atoms) or distances.min(axis=1).max() > 2 * tolerance:
            return None
        total += images[nearest]
    return Atoms(atoms.numbers, centre + total / len(rotations))


def _analyzer(atoms: Atoms, tolerance: float, eigenvalues: float) -> PointGroupAnalyzer:
    """pymatgen's analysis; its bare operations of linear molecules stand for infinitely many."""
    try:
        from pymatgen.core.structure import Molecule
        from pymatgen.symmetry.analyzer import PointGroupAnalyzer
    except ImportError as error:
        raise MissingPackage(
            "point groups need pymatgen: pip install '.[properties]' in the folder of SchNet-IIA"
        ) from error
    molecule: Any = Molecule(atoms.get_chemical_symbols(), atoms.positions)
    with (
        warnings.catch_warnings()
    ):  # equal moments of inertia, whose axes NumPy may give as complex by a rounding error
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        return PointGroupAnalyzer(molecule, tolerance=tolerance, eigen_tolerance=eigenvalues)
