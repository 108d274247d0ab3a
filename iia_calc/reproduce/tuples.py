"""Kernel-charge feature tuples (Table S2): a composition as the electron configurations of its atoms.

Each element is encoded by its charge, the occupations of its subshells 1s ... 6d and the numbers of its valence
s, p, d and f electrons: the table of SchNetPack's NuclearEmbedding. Source and target of a transfer are compared
by the difference of their tuples.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ase.data import atomic_numbers, chemical_symbols

from search.errors import InputError
from search.geometry.composition import Composition

SUBSHELLS = (
    "1s",
    "2s",
    "2p",
    "3s",
    "3p",
    "4s",
    "3d",
    "4p",
    "5s",
    "4d",
    "5p",
    "6s",
    "4f",
    "5d",
    "6p",
    "7s",
    "5f",
    "6d",
    "vs",
    "vp",
    "vd",
    "vf",
)
"""Columns of SchNetPack's table after the charge; vs ... vf are the valence electrons."""


def configuration(symbol: str) -> dict[str, int]:
    """SchNetPack's row of an element: Z, and the occupations that aren't zero.

    Raises
    ------
    ValueError : an element beyond its table.
    """
    from schnetpack.nn.embedding import electron_config

    number = atomic_numbers[symbol]
    if number > 86:
        raise InputError(f"{symbol} is beyond radon, where the columns' scales are known")
    # the columns are scaled to at most 1: by the last element's charge, and by what a full subshell holds
    shares = electron_config[number]
    scale = {"s": 2, "p": 6, "d": 10, "f": 14}
    largest = [len(electron_config) - 1] + [scale[name[-1]] for name in SUBSHELLS]
    values = [round(float(share) * most) for share, most in zip(shares, largest, strict=True)]
    return {name: value for name, value in zip(("Z", *SUBSHELLS), values, strict=True) if value}


def charges(formula: str) -> tuple[int, ...]:
    """Nuclear charges, ascending: (5, ..., 5, 34) for SeB_n."""
    counts = Composition.parse(formula).counts
    return tuple(sorted(atomic_numbers[symbol] for symbol, count in counts for _ in range(count)))


def difference(source: str, target: str) -> Counter[int]:
    """Charges that the target has more of (positive) or fewer (negative) than the source."""
    more = Counter(charges(target))
    more.subtract(charges(source))
    return Counter({z: count for z, count in more.items() if count})


def table(formulas: Sequence[str], target: str) -> list[dict[str, str]]:
    """Rows of Table S2."""
    rows = []
    for formula in formulas:
        counts = Counter(charges(formula))
        change = difference(formula, target)
        rows.append(
            {
                "composition": formula,
                "tuple": ", ".join(f"{z} ({count}×)" for z, count in counts.items()),
                f"to {target}": ", ".join(f"{n:+d} {chemical_symbols[z]}" for z, n in change.items()) or "none",
                "encoding": "; ".join(
                    f"{chemical_symbols[z]}: "
                    + " ".join(f"{name}={value}" for name, value in configuration(chemical_symbols[z]).items())
                    for z in counts
                ),
            }
        )
    return rows


def write(folder: Path) -> Path:
    """The table for n = 20; the -O sets have the tuples of the plain ones."""
    path, rows = folder / "tableS2.csv", table(("B20", "B21", "SeB19", "SeB20"), "SeB20")
    folder.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path
