"""How isomers are confirmed by DFT: what is relaxed, at which level, and what is computed of it then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

import numpy as np

from iia_calc.common.electrons import whole_number
from search.errors import InputError, InputTypeError, check_flags, force_limit, quote, whole, whole_or_none

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
        check_flags(next_multiplicity=self.next_multiplicity, frequencies=self.frequencies, descend=self.descend)
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
        changed: dict[str, Any] = {
            "n_lowest": whole("n_lowest", self.n_lowest, 1),
            "workers": whole_or_none("workers", self.workers, 1),
            "max_steps": whole("max_steps", self.max_steps, 1),
            "multiplicity": whole_or_none("multiplicity", self.multiplicity, 1),
            "charge": whole_number(self.charge, "charge"),
            "fmax": force_limit("fmax", self.fmax),
        }
        if self.relax not in (AUTO, FULL):
            text = str(self.relax) if isinstance(self.relax, str | int | np.integer) else ""
            if not text.isdecimal() or int(text) < 1:
                raise InputError(f"relax is {quote(self.relax)}; write full, or how many gradients an isomer may take")
            changed["relax"] = int(text)
        for name, value in changed.items():
            object.__setattr__(self, name, value)
        for name in ("functional", "basis", "ranking_basis"):
            value = getattr(self, name)
            if not isinstance(value, str | None) or (value is None and name == "ranking_basis"):
                raise InputTypeError(f"{name} is {quote(value)}; it must be a name, as text")
        check_flags(each_shape=self.each_shape, gpu=bool(self.gpu) if self.gpu is None else self.gpu)
        self.checks(None)

    def checks(self, basis: str | None) -> Checks:
        """What is computed at the relaxed structures. basis : of the single points, None for none."""
        return Checks(basis, self.next_multiplicity, self.stability, self.frequencies, self.descend)


def confirm_request(n_lowest: Any, settings: Mapping[str, Any]) -> ConfirmRequest:
    """The request for so many isomers; an unknown keyword is refused, with the one that was meant.

    Raises
    ------
    InputError, InputTypeError : as `ConfirmRequest`, or an unknown keyword.
    """
    known = [field.name for field in fields(ConfirmRequest)]
    for name in settings:
        if name not in known[1:]:
            close = get_close_matches(name, known[1:], 1)
            meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(known[1:])}"
            raise InputTypeError(f"a confirmation has no setting {name!r}; {meant}")
    return ConfirmRequest(n_lowest, **settings)
