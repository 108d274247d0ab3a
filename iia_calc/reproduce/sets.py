"""The paper's sets as tasks: where each lies, which structures count, how they are split.

published : every structure, the numbers as the file has them, random 8:1:1.
corrected : eV, copies of one structure kept in one part of the split, failed SCF solutions left out: those that
    the audit finds, and of boron and selenium those far above GFN1-xTB, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms

from iia_calc.data.duplicates import content_hash, find_copies
from iia_calc.data.published import StructureSet, read_npz
from iia_calc.data.units import EV_PER
from iia_calc.data.xtb_filter import agrees, can_judge
from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure
from search.errors import InputError

TREATMENTS = ("published", "corrected")
JUDGED = 2
"""Structures judged by GFN1-xTB for each that a limit allows: where a third are unsound, that is enough."""
SHARES = (0.8, 0.1, 0.1)
"""Of training, validation and test, as in the paper."""
FILES = (
    (r"SeB(\d+)", "SeBn/B={}.npz"),
    (r"SeB(\d+)-O", "SeBn-O/B={}.npz"),
    (r"B(\d+)", "Bn/B={}.npz"),
    (r"AlC(\d+)", "AlCn/C={}.npz"),
    (r"Ta2N(\d+)-", "Ta2Nn-/Ta2N{}-.npz"),
)
"""What the sets are called here, and where the authors' archive has them."""


@dataclass(frozen=True)
class Task:
    """Labels of one fit; energies in `unit`, forces unknown (NaN).

    Attributes
    ----------
    train, validation, test : no structure in two of them.
    unit : "eV", or "hartree" where the file's numbers are left as they are.
    """

    train: tuple[LabelledStructure, ...]
    validation: tuple[LabelledStructure, ...]
    test: tuple[LabelledStructure, ...]
    unit: str

    @property
    def ev_per_unit(self) -> float:
        """eV per unit of this task's energies."""
        return EV_PER[self.unit]


@dataclass
class Library:
    """The published sets below `folder`, under one treatment; each is read and judged once.

    limit : at most so many structures of a set, drawn at random once and for all.
    cache : folder where GFN1-xTB energies are kept; None to compute them anew.
    tell : told of them as they are computed.
    """

    folder: Path
    treatment: str
    limit: int | None = None
    cache: Path | None = None
    tell: Callable[[str], object] | None = field(default=None, repr=False)
    _read: dict[str, StructureSet] = field(default_factory=dict, repr=False)
    _groups: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.treatment not in TREATMENTS:
            raise InputError(unknown_treatment(self.treatment))
        if self.limit is not None and self.limit < 10:
            raise InputError(f"a split into three parts needs at least 10 structures, not {self.limit}")
        if not self.folder.is_dir():
            raise FileNotFoundError(f"there is no folder {self.folder}; --data is where SeBn, Bn, SeBn-O, ... lie")

    def path(self, name: str) -> Path:
        """The file of a set.

        ValueError : a name that isn't one of the paper's sets; FileNotFoundError : it isn't there."""
        for pattern, template in FILES:
            if match := re.fullmatch(pattern, name):
                path = self.folder / template.format(match[1])
                if not path.is_file():
                    raise FileNotFoundError(f"{name} is wanted, but there is no {path}")
                return path
        raise InputError(f"{name!r} is none of the paper's sets; they are called SeB20, SeB19-O, B21, AlC22, Ta2N3-")

    def structures(self, name: str) -> StructureSet:
        """The structures of a set that count.

        Raises
        ------
        ValueError : the file is unsound, or holds another composition than its name says.
        ImportError : GFN1-xTB is to judge, and tblite isn't installed.
        """
        if name not in self._read:
            found = read_npz(self.path(name))
            wanted = Atoms(re.sub("-O?$", "", name)).get_chemical_formula()
            if found.atoms(0).get_chemical_formula() != wanted:
                raise InputError(f"{found.source} is to hold {name}, but holds {found.formula}")
            if not np.isfinite(found.energies).all():
                raise InputError(f"{found.source} lacks energies; a set of the paper has one for every structure")
            if self.treatment == "corrected":
                found = found.select(sound(found))
            self._read[name] = self._draw(name, found)
        return self._read[name]

    def _draw(self, name: str, found: StructureSet) -> StructureSet:
        """A random `limit` of those that count; as corrected, xTB judges no more than that needs."""
        order = np.random.default_rng(0).permutation(len(found))
        if self.treatment == "corrected" and can_judge(found):
            order = order[: None if self.limit is None else JUDGED * self.limit]

            def show(done: int, total: int) -> None:
                if self.tell:
                    self.tell(f"GFN1-xTB on {name}: {done} of {total}")

            order = order[agrees(found.select(order), self.cache, show)]
        return found.select(np.sort(order[: self.limit]))

    def groups(self, name: str) -> np.ndarray:
        """[n] equal numbers mark structures that must not be parted; all different as published."""
        found = self.structures(name)
        if self.treatment == "published":
            return np.arange(len(found))
        if name not in self._groups:
            self._groups[name] = find_copies([found]).group[0]
        return self._groups[name]

    def task(self, name: str, seed: int, joined: Sequence[str] = ()) -> Task:
        """The set `name` split 8:1:1 by `seed`; all of the sets `joined` go to the training part.

        Raises
        ------
        ValueError : a joined set of the target's own composition, which may share structures with its test.
        """
        target = self.structures(name)
        unit = target.unit if self.treatment == "published" else "eV"
        parts = [self._labels(name, chosen, unit) for chosen in split(self.groups(name), seed)]
        for other in joined:
            found = self.structures(other)
            if found.formula == target.formula:
                raise InputError(f"{other} is of the same composition as {name} and may hold its test structures")
            parts[0] += self._labels(other, np.arange(len(found)), unit)
        train, validation, test = map(tuple, parts)
        return Task(train, validation, test, unit)

    def _labels(self, name: str, chosen: np.ndarray, unit: str) -> list[LabelledStructure]:
        found, energies = self.structures(name), self.structures(name).energies_in(unit)
        unknown = np.full((found.n_atoms, 3), np.nan)
        return [
            LabelledStructure(
                Atoms(found.numbers, found.positions[k]),
                Label(float(energies[k]), unknown),
                f"{name}-{found.indices[k]}",
                "published",
            )
            for k in chosen.tolist()
        ]

    def content(self, name: str) -> str:
        """A hash of the structures of a set that count, and of how they are grouped."""
        return f"{content_hash(self.structures(name))}-{self.structures(name).unit}"


def unknown_treatment(given: str) -> str:
    """The message on a treatment that there isn't."""
    return f"--as is {given!r}; choose {' or '.join(TREATMENTS)}"


def sound(found: StructureSet) -> np.ndarray:
    """[n] bool: energies that the audit does not take for failed SCF solutions (`data.energy_outliers`)."""
    from iia_calc.data.energy_outliers import judge_energies

    return ~judge_energies(found.numbers, found.positions, found.energies_in("eV")).failed


def split(groups: np.ndarray, seed: int) -> list[np.ndarray]:
    """Indices of training, validation and test, near 8:1:1; equal group numbers [n] stay together.

    Raises
    ------
    ValueError : fewer than three groups.
    """
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) < 3:
        raise InputError(f"{len(names)} different structures can't be split into training, validation and test")
    order = np.random.default_rng(seed).permutation(len(names))
    before = np.cumsum(sizes[order]) - sizes[order]  # structures dealt out before each group
    held = [max(1, round(share * len(groups))) for share in SHARES[:0:-1]]  # test, validation
    part = np.where(before < held[0], 2, np.where(before < sum(held), 1, 0))
    where = np.empty(len(names), dtype=int)
    where[order] = part
    of_each = where[np.searchsorted(names, groups)]
    return [np.flatnonzero(of_each == k) for k in range(3)]


def element_energies(labelled: Sequence[LabelledStructure], known: np.ndarray | None = None) -> dict[str, float]:
    """Energies by element whose sums are nearest to the labels' (or to what of them is not `known` [n]).

    Of one composition that is its mean: what SchNetPack's RemoveOffsets removes.
    """
    symbols = sorted({symbol for item in labelled for symbol in item.atoms.get_chemical_symbols()})
    counts = np.array([[item.atoms.get_chemical_symbols().count(s) for s in symbols] for item in labelled], dtype=float)
    energies = np.array([item.label.energy for item in labelled]) - (0.0 if known is None else known)
    return dict(zip(symbols, np.linalg.lstsq(counts, energies, rcond=None)[0].tolist(), strict=True))
