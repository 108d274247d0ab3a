"""Structures of the atlas that the literature describes: formula, point group and spin, and the work."""

from __future__ import annotations

KNOWN = {
    ("B8", "D7h", 3): "zhai-wheels",
    ("B12", "C3v", 1): "zhai-b12",
    ("B20", "D10d", 1): "kiran-b20",
    ("B24", "D12d", 1): "chacko-b24",
}
"""Keys of `report/paper/works.bib` by formula, point group and multiplicity."""


def work_of(formula: str, point_group: str, multiplicity: int) -> str:
    """Key of the work that describes such a structure; empty where none is listed."""
    return KNOWN.get((formula, point_group, multiplicity), "")
