"""What the confirmation of an ion may have missed: isomers that lie higher on the neutral's surface."""

from __future__ import annotations

from collections.abc import Collection, Mapping

REACH = 1.0
"""eV above the neutral's lowest isomer from where an ion's lowest one may come: that of B6⁻ is 0.9 eV up there."""


def warn_left_out(relative: Mapping[int, float], tried: Collection[int]) -> str:
    """A sentence about isomers within `REACH` that were not relaxed with the charge; empty where there are none.

    relative : eV above the neutral's lowest isomer, by rank. tried : ranks of those that DFT took up.
    """
    near = [rank for rank, energy in relative.items() if energy <= REACH and rank not in tried]
    if not near:
        return ""
    lie, was, one, all_ = (
        ("isomer lies", "was", "it", "it") if len(near) == 1 else ("isomers lie", "were", "one", "them")
    )
    return (
        f"{len(near)} more {lie} within {REACH:g} eV of the neutral's lowest and {was} not relaxed with the charge, "
        f"which may make {one} the lowest; --dft {max(near)} takes {all_} in"
    )
