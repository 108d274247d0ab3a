"""What is computed of an isomer once it is relaxed at the better level."""

from __future__ import annotations

from dataclasses import dataclass

from search.errors import InputError

STABILITY = ("all", "relaxation", "none")


@dataclass(frozen=True)
class Checks:
    """What is computed at a relaxed structure.

    basis : of the single points that rank; None to rank in the relaxation's basis.
    stability : in which bases the SCF solution is tested: "all", "relaxation" (its basis only) or "none".
    frequencies : whether it is a minimum. descend : push a saddle off, relax and test again, once.
    """

    basis: str | None = "def2-TZVP"
    next_multiplicity: bool = True
    stability: str = "all"
    frequencies: bool = False
    descend: bool = False

    def __post_init__(self) -> None:
        if self.stability not in STABILITY:
            raise InputError(f"stability {self.stability!r} is not known; choose one of {', '.join(STABILITY)}")
        if self.descend and not self.frequencies:
            raise InputError("only frequencies tell a saddle: descend needs frequencies")
