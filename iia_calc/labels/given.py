"""Structures of a file for a label job: the sound ones, and the charge and multiplicity that they share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from iia_calc.common.electrons import multiplicity_of
from iia_calc.common.structures import Accepts, Cluster, read_clusters
from iia_calc.labels.identity import content_name
from search.errors import InputError


@dataclass(frozen=True)
class Given:
    """What is to be labelled: (start name, Atoms), and with which electrons.

    charge : e. multiplicity : 2S+1; None for the lowest.
    remarks : what was set aside and why, a line each.
    """

    structures: list[tuple[str, Atoms]]
    charge: int
    multiplicity: int | None
    remarks: list[str]


def read_given(path: Path, charge: int | None = None, multiplicity: int | None = None) -> Given:
    """The sound structures of a file with the charge and multiplicity to label them with.

    A label database is of one charge: `charge`, or where that is None the one that the structures declare (nothing
    declared is neutral). The multiplicity likewise; without any it is the lowest. Structures that declare
    another one are set aside.

    Raises
    ------
    FileNotFoundError : no such file.
    InputError : the file holds nothing sound, or structures of several charges and `charge` doesn't say which.
    """
    found = read_clusters(path)
    if charge is None:
        charge = _shared_charge(path, found.kept)
    if multiplicity is None:
        multiplicity = _shared_multiplicity(found.kept, charge)
    kept, aside = [], list(found.set_aside)
    accepts = Accepts(None, charge, "lowest" if multiplicity is None else multiplicity, "this job")
    for cluster in found.kept:
        try:
            accepts.check_electrons(cluster.atoms, cluster.charge, cluster.multiplicity or multiplicity)
        except InputError as error:
            aside.append((cluster.where, str(error).partition(";")[0]))
            continue
        kept.append((content_name(cluster.atoms), cluster.atoms))
    if not kept:
        raise InputError(f"{path}: no structure can be labelled with {_words(charge, multiplicity)}; {aside[-1][1]}")
    remarks = type(found)(found.kept[: len(kept)], tuple(aside), found.remarks).lines()
    return Given(kept, charge, multiplicity, remarks)


def _shared_charge(path: Path, clusters: tuple[Cluster, ...]) -> int:
    charges = Counter(cluster.charge or 0 for cluster in clusters)
    if len(charges) > 1:
        told = ", ".join(f"{count} of charge {charge:+d}" for charge, count in sorted(charges.items()))
        raise InputError(f"{path} holds structures of several charges ({told}): say with --charge which to label")
    return next(iter(charges))


def _shared_multiplicity(clusters: tuple[Cluster, ...], charge: int) -> int | None:
    """The one that all declare, where it isn't the lowest of each; None for the lowest."""
    declared = {cluster.multiplicity for cluster in clusters}
    if len(declared) != 1 or None in declared:
        return None
    (shared,) = declared
    lowest = all(multiplicity_of(cluster.atoms, charge, None) == shared for cluster in clusters)
    return None if lowest else shared


def _words(charge: int, multiplicity: int | None) -> str:
    spin = "the lowest multiplicity" if multiplicity is None else f"multiplicity {multiplicity}"
    return f"charge {charge:+d} and {spin}"
