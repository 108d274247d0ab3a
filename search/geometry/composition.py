"""What a search is for: a composition, read from a formula or from Atoms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.formula import Formula

from search.errors import InputError


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

        Raises
        ------
        ValueError : not a formula, no atoms, or an element outside `allowed` (which is listed).
        """
        if isinstance(source, Composition):
            counted = dict(source.counts)
        elif isinstance(source, Atoms):
            counted = dict(Counter(source.get_chemical_symbols()))
        else:
            try:
                counted = dict(Formula(source.strip(), strict=True).count())
            except (ValueError, KeyError, AttributeError) as error:
                raise InputError(
                    f"{source!r} is not a chemical formula; write for example SeB16, B12 or Se2B10"
                ) from error
        if sum(counted.values()) < 1:
            raise InputError(f"{source!r} has no atoms; write for example SeB16, B12 or Se2B10")
        unknown = [symbol for symbol in counted if symbol not in atomic_numbers or symbol == "X"]
        if unknown:
            raise InputError(f"{source!r} has unknown elements {', '.join(unknown)}")
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
        return dict(Counter(atoms.get_chemical_symbols())) == dict(self.counts)

    def __str__(self) -> str:
        return self.formula


def bond_lengths(numbers: np.ndarray) -> np.ndarray:
    """Sum of covalent radii, Å, of every pair [n, n] (Cordero et al., Dalton Trans. 2008, 2832)."""
    radii = covalent_radii[np.asarray(numbers)]
    return radii[:, None] + radii[None, :]
