"""The ranking certificate: whether the order of isomers survives a change of functional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

SAFE, CLOSE, FLIPS, UNKNOWN = "safe", "close", "flips", "unknown"
"""Of an isomer: functionals agree where it stands; agree, but by less than `MARGIN`; don't; too few of them told."""
MARGIN = 0.05
"""eV; two isomers nearer than this are not ordered by any functional."""


@dataclass(frozen=True)
class RankingCertificate:
    """Energies of confirmed isomers by several functionals at the same geometries.

    Attributes
    ----------
    ranks : of the isomers, as confirmed. shapes : theirs.
    basis : of all. levels : name by functional.
    relative : by functional, eV above its lowest isomer in the order of `ranks`; None where it failed.
    """

    ranks: tuple[int, ...]
    shapes: tuple[str, ...]
    basis: str
    levels: Mapping[str, str]
    relative: Mapping[str, tuple[float | None, ...]]

    def pair(self, i: int, j: int) -> str:
        """`SAFE`, `CLOSE`, `FLIPS` or `UNKNOWN` for two isomers, by their places in `ranks`."""
        gaps = list(self._gaps(i, j).values())
        if len(gaps) < 2:
            return UNKNOWN
        if min(gaps) < 0 < max(gaps):
            return FLIPS
        return CLOSE if min(abs(gap) for gap in gaps) < MARGIN else SAFE

    def verdict(self, i: int) -> str:
        """One word for the isomer at place `i`: the worst of its pairs."""
        words = [self.pair(min(i, j), max(i, j)) for j in range(len(self.ranks)) if j != i]
        return next((word for word in (FLIPS, CLOSE, UNKNOWN) if word in words), SAFE if words else UNKNOWN)

    def flips(self) -> list[str]:
        """Pairs whose order depends on the functional, in words; those of different shapes are named first."""
        found = []
        for i, j in combinations(range(len(self.ranks)), 2):
            if self.pair(i, j) != FLIPS:
                continue
            gaps = self._gaps(i, j)
            first = [name for name, gap in gaps.items() if gap > 0]
            second = [name for name, gap in gaps.items() if gap <= 0]
            one, two = (f"rank {self.ranks[k]} ({self.shapes[k]})" for k in (i, j))
            text = f"{one} is below {two} by {', '.join(first)}, above it by {', '.join(second)}"
            found.append((self.shapes[i] == self.shapes[j], text))
        return [text for _, text in sorted(found, key=lambda item: item[0])]

    def _gaps(self, i: int, j: int) -> dict[str, float]:
        """eV from isomer `i` up to `j`, by functional, where both are known."""
        found = {}
        for name, energies in self.relative.items():
            low, high = energies[i], energies[j]
            if low is not None and high is not None:
                found[name] = high - low
        return found

    def as_plain(self) -> dict[str, Any]:
        """For JSON; relative energies in eV."""
        return {
            "ranks": list(self.ranks),
            "shapes": list(self.shapes),
            "basis": self.basis,
            "levels": dict(self.levels),
            "relative_energies": {name: list(values) for name, values in self.relative.items()},
            "verdicts": [self.verdict(i) for i in range(len(self.ranks))],
            "flips": self.flips(),
        }


def certificate_of(
    ranks: Sequence[int],
    shapes: Sequence[str],
    basis: str,
    levels: Mapping[str, str],
    energies: Mapping[str, Sequence[float | None]],
) -> RankingCertificate:
    """The certificate of absolute energies, eV, by functional; None where a calculation failed."""
    relative = {}
    for name, values in energies.items():
        lowest = min((value for value in values if value is not None), default=0.0)
        relative[name] = tuple(None if value is None else value - lowest for value in values)
    return RankingCertificate(tuple(ranks), tuple(shapes), basis, dict(levels), relative)
