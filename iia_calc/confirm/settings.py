"""How isomers are confirmed by DFT: what is relaxed, at which level, and what is computed of it then."""

from __future__ import annotations

from dataclasses import dataclass

from search.errors import InputError

STABILITY = ("all", "relaxation", "none")
AUTO, FULL, NONE = "auto", "full", "none"


@dataclass(frozen=True)
class Checks:
    """What is computed at a relaxed structure.

    Attributes
    ----------
    basis : of the single points that rank; None to rank in the relaxation's basis.
    next_multiplicity : whether the multiplicity above the lowest is computed too.
    stability : in which bases the SCF solution is tested: "all", "relaxation" (its basis only) or "none".
    frequencies : whether it is a minimum.
    descend : push a saddle off, relax and test again, once.

    Raises
    ------
    InputError : unknown stability, or `descend` without frequencies.
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


@dataclass(frozen=True)
class ConfirmRequest:
    """Settings of one confirmation of a search's isomers by DFT.

    Attributes
    ----------
    n_lowest : how many of the lowest isomers are relaxed.
    each_shape : the lowest of each shape that these lack, too.
    functional, basis : of the relaxation; None takes those of the model's labels where PySCF made them, else
        PBE0/3-21G.
    ranking_basis : of the single points that rank; "none" ranks as relaxed, "auto" is def2-TZVP where the relaxation's
        basis is smaller and none where it isn't.
    relax : "full"; a number of gradients an isomer at most, the force that remains is then shown; or "auto": full in a
        basis smaller than def2-TZVP, 3 gradients from there on.
    charge : total charge, e. multiplicity : 2S+1; None is the lowest possible.
    next_multiplicity, stability, frequencies, descend : see `Checks`.
    workers : isomers side by side; None is one per core.
    fmax : largest force of a converged structure, eV/Å. max_steps : optimiser steps per isomer in this call.
    gpu : False keeps to the CPU; None takes gpu4pyscf where it is installed and a GPU is there.

    Raises
    ------
    InputError : a setting makes no sense.
    """

    n_lowest: int = 5
    each_shape: bool = False
    functional: str | None = None
    basis: str | None = None
    ranking_basis: str = AUTO
    relax: str | int = AUTO
    charge: int = 0
    multiplicity: int | None = None
    next_multiplicity: bool = True
    stability: str = "all"
    frequencies: bool = False
    descend: bool = False
    workers: int | None = None
    fmax: float = 0.05
    max_steps: int = 100
    gpu: bool | None = None

    def __post_init__(self) -> None:
        for name, value in (("n_lowest", self.n_lowest), ("workers", self.workers), ("max_steps", self.max_steps)):
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")
        if not self.fmax > 0:
            raise InputError(f"fmax is {self.fmax!r}; it must be above 0 eV/Å")
        if self.relax not in (AUTO, FULL):
            try:
                gradients = int(self.relax)
            except ValueError:
                gradients = 0
            if gradients < 1:
                raise InputError(f"relax is {self.relax!r}; write full, or how many gradients an isomer may take")
            object.__setattr__(self, "relax", gradients)
        self.checks(None)

    def checks(self, basis: str | None) -> Checks:
        """What is computed at the relaxed structures. basis : of the single points, None for none."""
        return Checks(basis, self.next_multiplicity, self.stability, self.frequencies, self.descend)
