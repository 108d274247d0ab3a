"""What a search is for: a composition, read from a formula or from Atoms; and a charge, where a formula has one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from unicodedata import normalize

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

from search.errors import InputError, InputTypeError

EXAMPLES = "write for example SeB16, B12 or Se2B10"
_PART = re.compile(r"([A-Z][a-z]?)([0-9]*)")
_CHARGED = re.compile(r"(?P<formula>[A-Za-z0-9 ]*?)(?: +(?P<count>[1-9]))?(?P<signs>\++|-+)")


@dataclass(frozen=True)
class Composition:
    """Numbers of atoms per element, e.g. SeB16.

    Attributes
    ----------
    counts : ((symbol, number), ...) with the rarest element first, as the field writes doped
        clusters (SeB16, not B16Se); the host, the most frequent element, is last.
    """

    counts: tuple[tuple[str, int], ...]

    @classmethod
    def parse(cls, source: str | Atoms | Composition, allowed: Collection[str] | None = None) -> Composition:
        """Read a formula ("SeB16", "B12", "Se2B10") or the composition of `source`.

        A formula is element symbols, each followed by its count where that isn't 1, and nothing else.

        Raises
        ------
        ValueError : not a formula, a charge, no atoms, or an element outside `allowed` (which is listed).
        TypeError : neither text nor Atoms.
        """
        if isinstance(source, Composition):
            counted = dict(source.counts)
        elif isinstance(source, Atoms):
            counted = dict(Counter(source.get_chemical_symbols()))
        elif isinstance(source, str):
            counted = _counts(source)
        else:
            raise InputTypeError(f"{source!r} is neither a formula nor Atoms; {EXAMPLES}")
        if not counted:
            raise InputError(f"{source!r} has no atoms; {EXAMPLES}")
        unknown = [symbol for symbol in counted if symbol not in atomic_numbers or symbol == "X"]
        if unknown:
            raise InputError(f"{source!r} has unknown elements {', '.join(unknown)}; {EXAMPLES}")
        if allowed is not None and (outside := sorted(set(counted) - set(allowed))):
            raise InputError(
                f"{source!r} has {', '.join(outside)}, which this potential was not fitted for; "
                f"it knows {', '.join(sorted(allowed))}"
            )
        return cls(tuple(sorted(counted.items(), key=lambda item: (item[1], -atomic_numbers[item[0]]))))

    @property
    def formula(self) -> str:
        """As the field writes it: dopants first, host last, ones left out."""
        return "".join(symbol + (str(count) if count > 1 else "") for symbol, count in self.counts)

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return sum(count for _, count in self.counts)

    @property
    def host(self) -> str:
        """The most frequent element (boron in SeB16)."""
        return self.counts[-1][0]

    @property
    def dopants(self) -> list[str]:
        """One symbol per atom that is not of the host element."""
        return [symbol for symbol, count in self.counts[:-1] for _ in range(count)]

    @property
    def symbols(self) -> list[str]:
        """One symbol per atom, host first: the atom order of every structure a search makes."""
        return [self.host] * self.counts[-1][1] + self.dopants

    @property
    def numbers(self) -> np.ndarray:
        """Atomic numbers [n_atoms], in the order of `symbols`."""
        return np.array([atomic_numbers[symbol] for symbol in self.symbols])

    def matches(self, atoms: Atoms) -> bool:
        """Whether `atoms` consists of these elements in these numbers."""
        return dict(Counter(atoms.get_chemical_symbols())) == dict(self.counts)

    def __str__(self) -> str:
        return self.formula


def parse_formula_and_charge(source: str) -> tuple[Composition, int]:
    """Composition and charge, e, of a formula that may end in a charge; 0 where it doesn't.

    One sign per charge (B12-, SeB10+, B12--), or number and sign after a space (B12 2-). Digits without a space before
    them are the count of the last element: B122- is B122 with charge −1.

    Raises
    ------
    ValueError : not a formula, or a charge that can be read in two ways (B12-2, B12 -2, B12+-); the way to write it
        is said.
    """
    text = source.strip().replace("\N{MINUS SIGN}", "-")
    if not set("+-") & set(text):
        return Composition.parse(source), 0
    match = _CHARGED.fullmatch(text)
    if match is None or (match["count"] and len(match["signs"]) > 1):
        raise InputError(
            f"the charge in {source!r} cannot be read; write one sign per charge (B12-, B12--), "
            "or number and sign after a space (B12 2-)"
        )
    size = int(match["count"] or len(match["signs"]))
    return Composition.parse(match["formula"].strip()), -size if match["signs"][0] == "-" else size


def _counts(formula: str) -> dict[str, int]:
    """Symbol -> count; ValueError for anything but symbols and counts."""
    text, counted, place = formula.strip(), Counter[str](), 0
    while place < len(text):
        match = _PART.match(text, place)
        if match is None or match[2].startswith("0"):
            raise InputError(f"{formula!r} is not a chemical formula{_hint(text[place:])}; {EXAMPLES}")
        counted[match[1]] += int(match[2] or 1)
        place = match.end()
    return dict(counted)


def _hint(rest: str) -> str:
    """What is wrong with a formula from where it can't be read on."""
    first = rest[0]
    if first in "+-\N{MINUS SIGN}":
        return " but one with a charge: give the charge apart, where one can be asked for"
    if not first.isascii() and (plain := normalize("NFKC", first)).isascii():
        return f": {first!r} is no plain character; write {plain}"
    if first in "0123456789":
        return ": a count follows its element's symbol"
    if first.islower():
        return f": no element's symbol begins with {first!r}"
    if first.isupper():
        return ": a count is 1 or more, without leading zeros"
    return f": {first!r} has no place in it"


def bond_lengths(numbers: np.ndarray) -> np.ndarray:
    """Sum of covalent radii, Å, of every pair [n, n] (Cordero et al., Dalton Trans. 2008, 2832)."""
    radii: np.ndarray = covalent_radii[np.asarray(numbers)]
    result: np.ndarray = np.add.outer(radii, radii)
    return result
