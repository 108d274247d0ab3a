"""What properties are asked for: plain settings, checked before anything is computed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from iia_calc.properties.photoelectron import BASIS as DIFFUSE
from iia_calc.properties.symmetry import TOLERANCE
from iia_calc.properties.thermochemistry import SOFT
from search.errors import InputError

POINT_GROUPS, THERMO, INFRARED, ELECTRONIC, RANKING = "point-groups", "thermo", "infrared", "electronic", "ranking"
PHOTOELECTRON = "photoelectron"
WHAT = (POINT_GROUPS, THERMO, INFRARED, ELECTRONIC, RANKING, PHOTOELECTRON)
"""What can be asked for."""
OF_DFT = (INFRARED, ELECTRONIC, RANKING, PHOTOELECTRON)
"""What only DFT can tell, of isomers that it has relaxed."""
FUNCTIONALS = ("PBE", "PBE0", "TPSSh", "r2SCAN")
BASIS = "def2-TZVP"
MOST_TEMPERATURES = 10_000


@dataclass(frozen=True)
class PropertiesRequest:
    """Settings of one call of `iia properties`.

    Attributes
    ----------
    source : a search's folder, or a file of structures.
    what : of `WHAT`.
    lowest : isomers whose vibrations are computed with the potential; point groups are found of all.
    tolerance : Å, of point groups.
    temperature : K, of the table. highest, step : K, of populations against temperature.
    soft : cm⁻¹ below which vibrations count as rotations in the entropy (quasi-RRHO); 0 keeps them harmonic.
    frequencies : compute DFT's frequencies where the confirmation made none.
    functionals : whose orders of the isomers are compared. basis : of these, and of `electronic`.
    diffuse_basis : of photoelectron spectra.
    dft_lowest : confirmed isomers that DFT computes properties of; None for all.
    workers : of DFT, isomers side by side; None is one per core, at most one per isomer.
    threads : CPU threads of each; None shares the cores out.
    model : whose second derivatives preview the vibrations; None is the one that searched.
    out : folder of the results; None is the search's own, or FILE-properties.
    device : of the potential.

    Raises
    ------
    InputError : a setting makes no sense; the message says which would.
    """

    source: Path
    what: tuple[str, ...] = (POINT_GROUPS, THERMO)
    lowest: int = 30
    tolerance: float = TOLERANCE
    temperature: float = 298.15
    highest: float = 1500.0
    step: float = 50.0
    soft: float = SOFT
    frequencies: bool = False
    functionals: tuple[str, ...] = FUNCTIONALS
    basis: str = BASIS
    diffuse_basis: str = DIFFUSE
    dft_lowest: int | None = None
    workers: int | None = None
    threads: int | None = None
    model: str | None = None
    out: Path | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if not self.what:
            raise InputError(f"nothing is asked for; choose of {', '.join(WHAT)}")
        for name in self.what:
            if name not in WHAT:
                raise InputError(f"{name!r} is no property; choose of {', '.join(WHAT)}")
        for count, number in (("lowest", self.lowest), ("dft_lowest", self.dft_lowest), ("workers", self.workers)):
            if number is not None and number < 1:
                raise InputError(f"{count} is {number}; it must be at least 1")
        if RANKING in self.what and len(set(self.functionals)) < 2:
            raise InputError("ranking compares functionals: name at least two, such as PBE,PBE0")
        if not 0 < self.tolerance < 1:
            raise InputError(f"tolerance is {self.tolerance!r}; it must be above 0 and below 1 Å, such as {TOLERANCE}")
        for kelvin, value in (("temperature", self.temperature), ("highest", self.highest), ("step", self.step)):
            if not 0 < value <= 10_000:
                raise InputError(f"{kelvin} is {value!r}; it must be above 0 and at most 10000 K")
        if self.highest / self.step > MOST_TEMPERATURES:
            raise InputError(
                f"step is {self.step!r} K, which makes {self.highest / self.step:.0f} temperatures; give a longer one"
            )
        if not 0 <= self.soft <= 1000:
            raise InputError(f"soft is {self.soft!r}; it must be from 0 to 1000 cm⁻¹, such as {SOFT:g}")

    @property
    def needs_dft(self) -> bool:
        """Whether DFT has to compute something, or may have to."""
        return self.frequencies or any(name in OF_DFT for name in self.what)

    @property
    def temperatures(self) -> list[float]:
        """K, from 0 to the highest."""
        count = int(self.highest / self.step + 1e-9)
        return [k * self.step for k in range(count + 1)]

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}


def parse_what(text: str) -> tuple[str, ...]:
    """The properties of a list with commas, as a command line has it; each once, in the order of `WHAT`.

    Raises
    ------
    InputError : one of them is unknown.
    """
    given = names(text)
    for name in given:
        if name not in WHAT:
            raise InputError(f"{name!r} is no property; choose of {', '.join(WHAT)}")
    return tuple(name for name in WHAT if name in given)


def names(text: str) -> tuple[str, ...]:
    """The parts of a list with commas, without blanks, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
