"""SchNet-IIA: a neural-network potential for doped boron clusters, as an ASE calculator and as a search for isomers.

Names are loaded when first asked for, so that importing the package (and `iia --help`) does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iia_calc.calculator import IIACalculator
    from iia_calc.confirm.api import confirm_isomers
    from iia_calc.isomers.search import search_isomers
    from iia_calc.model.committee import Committee
    from iia_calc.model.potential import Potential
    from iia_calc.model.storage import load
    from iia_calc.relax.batch import PotentialRelaxer

    __version__: str

_HOMES = {
    "Committee": "iia_calc.model.committee",
    "IIACalculator": "iia_calc.calculator",
    "Potential": "iia_calc.model.potential",
    "PotentialRelaxer": "iia_calc.relax.batch",
    "confirm_isomers": "iia_calc.confirm.api",
    "load": "iia_calc.model.storage",
    "search_isomers": "iia_calc.isomers.search",
}

__all__ = [
    "Committee",
    "IIACalculator",
    "Potential",
    "PotentialRelaxer",
    "__version__",
    "confirm_isomers",
    "load",
    "search_isomers",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("schnet-iia")
        except PackageNotFoundError:
            return "not installed"
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'iia_calc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
