"""What a search is asked for: plain settings, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from iia_calc.isomers.calculator import CalculatorChoice
from iia_calc.isomers.method import check_method, plain_shares
from search.errors import InputError, InputTypeError, check_flags, checked_path, force_limit, positive, quote, whole
from search.geometry.composition import Composition

DEFAULT_TIME = 120.0
"""Seconds a search takes where no limit is given."""
WHOLE_NUMBERS = {"quenches": 1, "until_found": 1, "seed": 0, "batch_size": 1, "threads": 1, "islands": 1, "workers": 1}
"""Fields that are whole numbers, with the least value of each."""
TEXTS = {
    "method": "a name or MODULE:CLASS",
    "calculator": "MODULE:CLASS",
    "device": "cpu, cuda or cuda:1",
    "dask": "a scheduler's address",
}
"""Fields that are text, with what they say."""
REQUIRED = ("seed", "threads", "islands")
"""Of these the ones that can't be None."""


@dataclass(frozen=True)
class SearchRequest:
    """Settings of one search for the isomers of a cluster; `iia search` builds one from its options.

    Attributes
    ----------
    formula : neutral composition, for example SeB16.
    quenches, time_limit, until_found : when to stop, whichever comes first. Relaxations in total, those of earlier
        calls in the same folder included; seconds of this call; independent starts that reached the lowest minimum.
        Two minutes where none is given.
    method : "basin-hopping", "bee-colony", or MODULE:CLASS of a searcher of one's own. None is basin hopping, and a
        mixture of both on several islands.
    moves : shares of moves in place of the method's: {"symmetrise": 0.1}; 0 leaves one out. "MODULE:NAME" is a move
        that MODULE registers.
    seed : the same seed gives the same search on one machine.
    known : begin with the known lowest minima of the formula and of its neighbours.
    starts : file of further structures to begin with.
    out : folder of the results, by default FORMULA-search; the same request on it goes on where it ended.
    model : name of a shipped model or a model's folder; None is the default one.
    calculator : an ASE calculator in a model's place, MODULE:CLASS, for example ase.calculators.emt:EMT; then any
        elements can be searched.
    calculator_settings : its keywords.
    device : "cpu", "cuda", ...; None takes the GPU where there is one.
    batch_size : structures relaxed at once; None is the method's own.
    threads : CPU threads of PyTorch. Rounding, and so the search, depends on them.
    fmax : largest force on any atom of a converged minimum, eV/Å.
    islands : searchers of different seeds and settings that pass on their best minima.
    workers : processes for the islands; None is one per core.
    dask : address of a Dask scheduler, whose workers run the islands, for example tcp://host:8786.
    asynchronous : islands never wait for slow workers; two runs will then differ.
    extrapolate : search even where the model has no labels near this composition or size.
    picture : draw isomers.png and write report.html.

    Raises
    ------
    InputError, InputTypeError : a setting makes no sense; the message says which would.
    """

    formula: str
    quenches: int | None = None
    time_limit: float | None = None
    until_found: int | None = None
    method: str | None = None
    moves: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    known: bool = True
    starts: Path | None = None
    out: Path | None = None
    model: str | None = None
    calculator: str | None = None
    calculator_settings: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    batch_size: int | None = None
    threads: int = 1
    fmax: float = 0.005
    islands: int = 1
    workers: int | None = None
    dask: str | None = None
    asynchronous: bool = False
    extrapolate: bool = False
    picture: bool = True

    def __post_init__(self) -> None:
        self._set("formula", Composition.parse(self.formula).formula)
        for name, least in WHOLE_NUMBERS.items():
            value = getattr(self, name)
            self._set(name, None if value is None and name not in REQUIRED else whole(name, value, least))
        if self.time_limit is not None:
            self._set("time_limit", positive("time_limit", self.time_limit, "a number of seconds"))
        self._set("fmax", force_limit("fmax", self.fmax))
        for name in ("known", "asynchronous", "extrapolate", "picture"):
            check_flags(**{name: getattr(self, name)})
            self._set(name, bool(getattr(self, name)))
        for name, what in TEXTS.items():
            if not isinstance(value := getattr(self, name), str | None):
                raise InputTypeError(f"{name} is {quote(value)}; a search that can be repeated takes {what} as text")
        for name, what in (("starts", "a file of structures"), ("out", "a folder"), ("model", "a name or a folder")):
            value = getattr(self, name)
            self._set(name, None if value is None else checked_path(name, value, what))
        self._set("model", None if self.model is None else str(self.model))
        self._set("moves", plain_shares(self.moves))
        if not isinstance(self.calculator_settings, Mapping):
            raise InputTypeError(f"calculator_settings is {quote(self.calculator_settings)}; give values by keyword")
        self._set("calculator_settings", dict(self.calculator_settings))
        self._check()
        self._check_calculator()
        if self.quenches is None and self.time_limit is None and self.until_found is None:
            self._set("time_limit", DEFAULT_TIME)
        if self.method is None and self.islands == 1:
            self._set("method", "basin-hopping")

    def _check(self) -> None:
        if self.method is not None:
            check_method(self.method)
        if self.islands == 1 and (self.workers is not None or self.dask is not None or self.asynchronous):
            raise InputError("workers, dask and asynchronous spread islands: ask for more than 1 island (--islands N)")
        if self.dask is not None and self.workers is not None:
            raise InputError("workers are processes on this machine; with dask the cluster says how many it has")
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file; --out needs a folder (it may not exist yet)")

    def _check_calculator(self) -> None:
        if self.calculator is None:
            if self.calculator_settings:
                raise InputError("calculator_settings (--set) are of a calculator: give one (--calculator)")
            return
        CalculatorChoice(self.calculator)
        given = {"model": self.model, "device": self.device, "extrapolate": self.extrapolate or None}
        if wrong := [name for name, value in given.items() if value is not None]:
            raise InputError(f"{', '.join(wrong)}: only of a model, whose place the calculator takes; leave out one")

    @property
    def composition(self) -> Composition:
        """The formula as numbers of atoms."""
        return Composition.parse(self.formula)

    @property
    def chosen_calculator(self) -> CalculatorChoice | None:
        """The ASE calculator that takes a model's place; None where a model relaxes."""
        return None if self.calculator is None else CalculatorChoice(self.calculator, self.calculator_settings)

    @property
    def folder(self) -> Path:
        """Where the results are kept."""
        return self.out if self.out is not None else Path(f"{self.formula}-search")

    def as_plain(self) -> dict[str, Any]:
        """For JSON."""
        return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def search_request(request: SearchRequest | str, settings: dict[str, Any]) -> SearchRequest:
    """`request` itself, or the one for a formula with `settings`, keywords of `SearchRequest`.

    Raises
    ------
    InputTypeError : an unknown keyword, or keywords beside a request.
    InputError : as `SearchRequest`.
    """
    known = [field.name for field in fields(SearchRequest)]
    for name in settings:
        if name not in known:
            close = get_close_matches(name, known, 1)
            meant = f"; did you mean {close[0]}?" if close else f"; there are {', '.join(known[1:])}"
            raise InputTypeError(f"a search has no setting {name!r}{meant}")
    if isinstance(request, SearchRequest):
        if settings:
            raise InputTypeError(f"{', '.join(settings)} must stand in the SearchRequest itself")
        return request
    if not isinstance(request, str):
        raise InputTypeError(f"a search needs a formula or a SearchRequest, not {quote(request)}")
    return SearchRequest(request, **settings)
