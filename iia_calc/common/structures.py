"""The one door for structures from outside: files and Atoms, checked before anything is computed.

A sound cluster has known elements, finite positions, no two atoms in one place, no periodic direction, and a
charge and multiplicity that its electrons allow. `check_cluster` refuses anything else; where there are many
structures, `check_clusters` and `read_clusters` keep the sound ones and say what became of the others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from ase import Atoms
from scipy.spatial import cKDTree

from iia_calc.common.columns import declared_length, looks_like_result, looks_like_unit, read_columns
from iia_calc.common.electrons import (
    CHARGE_KEYS,
    MULTIPLICITY_KEYS,
    declared_charge,
    declared_multiplicity,
    electron_entries,
    multiplicity_of,
    unread_electrons,
)
from iia_calc.common.structure_files import read_frames
from search.errors import InputError

COINCIDENT = 0.1
"""Å; no physical path leads here (B-B: some 800 eV), only a mistake in the input."""
FARTHEST = 1e9
"""Å from the origin; beyond, a float64 no longer tells 10⁻⁶ Å apart."""
REASONS = 4
"""Different reasons told in one line."""


class Card(Protocol):
    """What a potential says of the structures it was fitted to."""

    @property
    def elements(self) -> Collection[str]:
        """Symbols of the elements that the model knows."""

    @property
    def charge(self) -> int:
        """Total charge, e, of the labels it was fitted to."""

    @property
    def spin(self) -> str | int:
        """ "lowest", or the multiplicity 2S+1 of the labels."""


@dataclass(frozen=True)
class Accepts:
    """Which clusters can be treated.

    Attributes
    ----------
    elements : symbols; None for all.
    charge : the only one, e; None for any.
    multiplicity : the only one, "lowest" for the lowest that the electrons allow, None for any.
    who : what refuses the others, for messages.
    """

    elements: Collection[str] | None = None
    charge: int | None = None
    multiplicity: int | Literal["lowest"] | None = None
    who: str = "this potential"

    @staticmethod
    def of_card(card: Card) -> Accepts:
        """What the potential with this card was fitted for."""
        return Accepts(card.elements, card.charge, "lowest" if card.spin == "lowest" else int(card.spin))

    def check_elements(self, atoms: Atoms) -> None:
        """InputError where there is an element that isn't one, or isn't among `elements`."""
        if (numbers := atoms.numbers).min() < 1 or numbers.max() > 118:
            raise InputError("an atom is of no known element")
        symbols = set(atoms.get_chemical_symbols())
        if self.elements is not None and (unknown := sorted(symbols - set(self.elements))):
            raise InputError(f"has {', '.join(unknown)}; {self.who} knows {', '.join(sorted(self.elements))}")

    def check_electrons(self, atoms: Atoms, charge: int | None, multiplicity: int | None) -> None:
        """InputError where a declared charge or multiplicity is impossible, or isn't what can be treated."""
        if charge is not None and self.charge is not None and charge != self.charge:
            knows = "neutral clusters" if self.charge == 0 else f"clusters of charge {self.charge:+d}"
            raise InputError(f"has charge {charge:+d}; {self.who} knows {knows} only; {_WAY_TO_GO}")
        total = charge if charge is not None else self.charge or 0
        if multiplicity is None:
            multiplicity_of(atoms, total, None)
            return
        multiplicity_of(atoms, total, multiplicity)
        wanted = multiplicity_of(atoms, total, None) if self.multiplicity == "lowest" else self.multiplicity
        if wanted is not None and multiplicity != wanted:
            lowest = ", the lowest that the electrons allow" if self.multiplicity == "lowest" else ""
            raise InputError(
                f"has multiplicity {multiplicity}; {self.who} knows multiplicity {wanted} here{lowest}; {_WAY_TO_GO}"
            )


_WAY_TO_GO = "DFT honours charge and multiplicity: iia label --level dft --structures FILE"


@dataclass(frozen=True)
class Cluster:
    """A sound structure from outside.

    Attributes
    ----------
    atoms : elements and positions [n_atoms, 3], Å, and the plain part of `info` (names, remarks) without anything
        that speaks of energies, forces, charge or spin.
    where : for messages, e.g. "a.xyz, frame 3 of 5".
    charge : e, multiplicity : 2S+1, as declared; None where nothing is declared.
    energy : eV, forces : [n_atoms, 3], eV/Å, as brought along; None where there are none.
    masses : [n_atoms], u, where the file says others than those of the elements. constrained : atoms were held fast.
    """

    atoms: Atoms
    where: str = "the structure"
    charge: int | None = None
    multiplicity: int | None = None
    energy: float | None = None
    forces: np.ndarray | None = None
    masses: np.ndarray | None = None
    constrained: bool = False


@dataclass(frozen=True)
class Clusters:
    """What was read: sound clusters in their order, the others with the reason, and what else a user should know."""

    kept: tuple[Cluster, ...]
    set_aside: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def atoms(self) -> list[Atoms]:
        """The structures alone."""
        return [cluster.atoms for cluster in self.kept]

    def lines(self) -> list[str]:
        """What to print, a line each: how many were set aside and why, then the remarks. Empty where all is well."""
        if not self.set_aside:
            return list(self.remarks)
        reasons = Counter(reason for _, reason in self.set_aside).most_common()
        first = {reason: where for where, reason in reversed(self.set_aside)}
        told = "; ".join(
            f"{reason} ({first[reason]})" if count == 1 else f"{count} × {reason} (first: {first[reason]})"
            for reason, count in reasons[:REASONS]
        )
        if others := sum(count for _, count in reasons[REASONS:]):
            told += f"; {others} for other reasons"
        total = len(self.kept) + len(self.set_aside)
        return [f"{len(self.set_aside)} of {total} structures set aside: {told}", *self.remarks]


def check_cluster(atoms: Atoms, accepts: Accepts = Accepts(), where: str = "the structure") -> Cluster:
    """`atoms` as a sound cluster; the input isn't changed.

    Raises
    ------
    InputError : what is wrong with it; the message begins with `where`.
    """
    try:
        positions = atoms.positions * declared_length(atoms.info)
        check_geometry(Atoms(atoms.numbers, positions, pbc=atoms.pbc))
        accepts.check_elements(atoms)
        charge, multiplicity = declared_charge(atoms), declared_multiplicity(atoms)
        accepts.check_electrons(atoms, charge, multiplicity)
        columns = read_columns(atoms)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    bare = Atoms(atoms.numbers, positions, info=_plain_info(atoms.info))
    masses = atoms.get_masses() if atoms.has("masses") else None
    constrained = bool(atoms.constraints)
    return Cluster(bare, where, charge, multiplicity, columns.energy, columns.forces, masses, constrained)


def check_geometry(atoms: Atoms) -> None:
    """InputError where there are no atoms, a periodic direction, positions not finite or two atoms in one place."""
    if not len(atoms):
        raise InputError("there are no atoms")
    if atoms.pbc.any():
        raise InputError('is periodic, and these are clusters only; if it is one, set pbc to False (pbc="F F F")')
    if not (finite := np.isfinite(atoms.positions).all(axis=1)).all():
        raise InputError(f"positions of atoms {np.flatnonzero(~finite).tolist()} are not finite")
    if (farthest := float(np.abs(atoms.positions).max())) > FARTHEST:
        raise InputError(f"an atom is {farthest:.0e} Å from the origin, where positions have lost their digits")
    if (pair := coincident_atoms(atoms.positions)) is not None:
        raise InputError(f"atoms {pair[0]} and {pair[1]} are in one place (closer than {COINCIDENT} Å)")


def coincident_atoms(positions: np.ndarray, closer: float = COINCIDENT) -> tuple[int, int] | None:
    """The first two of `positions` [n_atoms, 3], Å, that are nearer than `closer`; None where none are."""
    pairs = cKDTree(positions).query_pairs(closer, output_type="ndarray")
    return min((int(i), int(j)) for i, j in pairs) if len(pairs) else None


def check_clusters(frames: Iterable[Atoms], accepts: Accepts = Accepts(), what: str = "structure") -> Clusters:
    """The sound ones of `frames`; the others are set aside with the reason.

    Raises
    ------
    InputError : none is sound, or there are none.
    """
    items = list(frames)
    if not items:
        raise InputError(f"no {what} was given")
    return _sorted_out([(f"{what} {k} of {len(items)}", atoms) for k, atoms in enumerate(items, 1)], accepts)


def read_clusters(path: str | Path, accepts: Accepts = Accepts()) -> Clusters:
    """All sound structures of a file that ASE reads, or of a label or SchNetPack database.

    A file that is damaged after some frames gives those before. Energies and forces are in eV and eV/Å, converted
    where the file declares other units; columns that look like them and aren't used are named in the remarks.

    Raises
    ------
    FileNotFoundError : no such file.
    InputError : the file can't be read, or holds no sound structure.
    """
    found = read_frames(Path(path))
    return _sorted_out(found.named, accepts, found.lost, found.remarks)


def read_cluster(path: str | Path, accepts: Accepts = Accepts()) -> Cluster:
    """The first structure of a file, which must be sound.

    Raises
    ------
    FileNotFoundError : no such file.
    InputError : the file can't be read, or its first structure isn't sound.
    """
    where, atoms = read_frames(Path(path), only_first=True).named[0]
    return check_cluster(atoms, accepts, where)


def _sorted_out(
    named: Sequence[tuple[str, Atoms]],
    accepts: Accepts,
    lost: Sequence[tuple[str, str]] = (),
    said: Sequence[str] = (),
) -> Clusters:
    """The sound ones of structures with where they stand. lost : the unreadable ones. said : remarks on the file."""
    kept, aside = [], list(lost)
    used: Counter[str] = Counter()
    unused: Counter[str] = Counter()
    electrons: Counter[str] = Counter()
    n_constrained = n_converted = 0
    for where, atoms in named:
        try:
            cluster = check_cluster(atoms, accepts, where)
        except InputError as error:
            aside.append((where, str(error).removeprefix(f"{where}: ")))
            continue
        kept.append(cluster)
        columns = read_columns(atoms)
        used.update(name for name in (columns.energy_name, columns.forces_name) if name not in ("", "energy", "forces"))
        unused.update(columns.unused)
        electrons.update(unread_electrons(atoms.info))
        n_constrained += cluster.constrained
        n_converted += declared_length(atoms.info) != 1.0
    if not kept:
        if len(aside) == 1:
            raise InputError(": ".join(aside[0]))
        raise InputError(f"none of {len(aside)} structures is sound; {aside[0][0]}: {aside[0][1]}")
    remarks = list(said)
    if used:
        remarks.append(f"energies or forces read from {', '.join(sorted(used))}")
    if unused:
        remarks.append(f"not used, though it looks like energies or forces: {', '.join(sorted(unused))}")
    if electrons:
        remarks.append(f"not used, though it looks like a charge or spin: {', '.join(sorted(electrons))}")
    if n_converted:
        remarks.append(f"positions of {n_converted} of {len(kept)} structures converted to Å, as their units say")
    if n_constrained:
        remarks.append(f"constraints of {n_constrained} of {len(kept)} structures are not kept: all atoms are free")
    return Clusters(tuple(kept), tuple(aside), tuple(remarks))


def _plain_info(info: dict[str, Any]) -> dict[str, Any]:
    """Names and remarks: text, numbers and flags that speak of nothing a calculation gives or needs."""
    return {
        key: value
        for key, value in info.items()
        if isinstance(value, str | int | float | bool | np.number | np.bool_)
        and not looks_like_result(key)
        and not looks_like_unit(key)
        and not electron_entries({key: value}, (*CHARGE_KEYS, *MULTIPLICITY_KEYS))
    }
