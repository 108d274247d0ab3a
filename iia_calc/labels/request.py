"""A label job as the user asks for it: which structures, which level, how many. `labels.run` does it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ase import Atoms

from iia_calc.common.electrons import charge_of_formulas, multiplicity_of
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.jobs import boron_plan
from iia_calc.labels.level import LevelOfTheory
from iia_calc.labels.levels import CHEAP, LevelOptions, check_level, make_level
from iia_calc.labels.sampling import DFT_SAMPLING, Sampling
from iia_calc.labels.store import RECHECKS
from search.errors import InputError, whole, within
from search.geometry.composition import Composition, parse_formula_and_charge

N_LABELS = 1000
"""Where nobody says how many."""
MOST_RATTLED = 1.0
"""Å; more is no copy of a minimum."""


@dataclass(frozen=True)
class LabelRequest:
    """What `iia label` was asked for; its help says what each field means.

    formulas : may end in a charge, "B12-", the same for all.
    charge : e; None for that of the formulas or the structures, which is 0 where they say nothing.

    Raises
    ------
    InputError : settings that contradict one another, or make no sense. FileNotFoundError : nothing to recheck.
    """

    formulas: tuple[str, ...] = ()
    out: Path = Path("labels.db")
    level: str = "gfn1"
    n_labels: int | None = None
    structures: Path | None = None
    minima_of: str | None = None
    lowest: int | None = None
    rattle: float = 0.0
    steps: int | None = None
    walls: bool = False
    recheck: str | None = None
    largest: int | None = None
    functional: str | None = None
    basis: str | None = None
    charge: int | None = None
    multiplicity: int | None = None
    temperature: float | None = None
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        check_level(self.level)
        if self.n_labels is not None and (self.structures is not None or self.recheck):
            raise InputError("the number of labels is that of the file's structures, or of OUT's; leave it out (-n)")
        whole("the number of labels", self.wanted, 1)
        object.__setattr__(self, "seed", whole("seed", self.seed, 0))
        self._check_level()
        self._check_sources()
        self._check_recheck()
        for composition in self.compositions:
            if composition.n_atoms < 3 and self.walls:
                raise InputError(f"{composition} has no walls but those of its curve; give three atoms or more")
        charge = self.total_charge or 0
        if self.structures is None and not self.recheck:
            for composition in self.compositions or tuple(map(Composition.parse, boron_plan())):
                multiplicity_of(Atoms(composition.symbols), charge, self.multiplicity)

    def _check_level(self) -> None:
        """Settings that the level doesn't have."""
        of_dft = {"functional": self.functional, "basis": self.basis}
        given = {name for name, value in of_dft.items() if value is not None and self.level != "dft"}
        if given:
            raise InputError(f"{' and '.join(sorted(given))}: of DFT; add --level dft, not {self.level}")
        if self.temperature is not None and self.level not in CHEAP:
            raise InputError(f"temperature: the electronic one of xTB ({', '.join(CHEAP)}); {self.level} has none")

    def _check_sources(self) -> None:
        """Where the structures come from, and what goes with that."""
        if self.structures is not None and self.minima_of is not None:
            raise InputError("give either a file of structures or a model whose minima are labelled, not both")
        if self.structures is not None and self.formulas:
            raise InputError("the file of structures says what is labelled; leave out the formulas")
        if self.lowest is not None and (self.lowest < 1 or self.minima_of is None):
            raise InputError("lowest is how many minima of each formula are kept, and goes with the minima of a model")
        if self.steps is not None and (self.steps < 0 or self.minima_of is not None or self.structures is not None):
            raise InputError("steps are those of the relaxation of a random start, 0 or more of them")
        if self.walls and (self.steps is not None or self.minima_of is not None or self.structures is not None):
            raise InputError("walls are dense copies of random starts: they need no steps, model or file of structures")
        if within("rattle", self.rattle, 0, MOST_RATTLED, "Å") and self.minima_of is None:
            raise InputError("rattle is an amplitude in Å, and goes with the minima of a model")
        if self.minima_of is not None and not self.formulas:
            raise InputError("say which formulas' minima are to be labelled, e.g. SeB8 SeB10")

    def _check_recheck(self) -> None:
        if self.recheck and (self.level != "dft" or self.structures or self.minima_of or self.walls or self.formulas):
            raise InputError("recheck tests the DFT labels in OUT: give it --level dft and no structures of its own")
        if self.recheck not in (None, *RECHECKS):
            raise InputError(f"recheck is {self.recheck!r}; choose {', '.join(RECHECKS[:-1])} or {RECHECKS[-1]}")
        if self.recheck and not self.out.exists():
            raise FileNotFoundError(f"there is no label database at {self.out} to be rechecked")
        if self.largest is not None and not self.recheck:
            raise InputError("largest leaves out larger clusters of a recheck; formulas say what else is labelled")

    @property
    def compositions(self) -> tuple[Composition, ...]:
        """Of the formulas, without their charge."""
        return tuple(parse_formula_and_charge(formula)[0] for formula in self.formulas)

    @property
    def total_charge(self) -> int | None:
        """Charge, e, that option and formulas agree on; None where neither says one.

        Raises
        ------
        InputError : they don't agree.
        """
        return charge_of_formulas(self.formulas, self.charge)

    @property
    def wanted(self) -> int:
        """How many labels the database is to hold."""
        return N_LABELS if self.n_labels is None else self.n_labels

    @property
    def is_cheap(self) -> bool:
        """Whether many labels of each start can be afforded."""
        return self.level in CHEAP

    def sampling(self) -> Sampling:
        """How much is taken from one random start."""
        sampling = Sampling() if self.is_cheap else DFT_SAMPLING
        return sampling if self.steps is None else replace(sampling, max_steps=self.steps)

    def level_of_theory(self) -> LevelOfTheory:
        """The level with the charge and multiplicity that were asked for."""
        return self.level_with(self.total_charge or 0, self.multiplicity)

    def level_with(self, charge: int, multiplicity: int | None) -> LevelOfTheory:
        """The level for a charge, e, and a multiplicity (None for the lowest)."""
        asked = {"functional": self.functional, "basis": self.basis, "temperature": self.temperature}
        given: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
        return make_level(self.level, LevelOptions(charge, multiplicity, **given))

    def dft_level(self) -> DFTLevel:
        """The DFT level that was asked for."""
        options = LevelOptions()
        return DFTLevel(
            self.functional or options.functional,
            self.basis or options.basis,
            self.total_charge or 0,
            self.multiplicity,
            threads=1,
        )
