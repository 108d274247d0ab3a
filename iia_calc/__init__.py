"""SchNet-IIA: a neural-network potential for doped boron clusters, as an ASE calculator.

`IIACalculator`, `PotentialRelaxer`, `Potential` and `Committee` are loaded when first asked for, so
that importing the package (and `iia --help`) does not wait for torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iia_calc.calculator import IIACalculator
    from iia_calc.model.committee import Committee
    from iia_calc.model.potential import Potential
    from iia_calc.relax.batch import PotentialRelaxer

_HOMES = {
    "IIACalculator": "iia_calc.calculator",
    "PotentialRelaxer": "iia_calc.relax.batch",
    "Potential": "iia_calc.model.potential",
    "Committee": "iia_calc.model.committee",
}

__all__ = ["Committee", "IIACalculator", "Potential", "PotentialRelaxer"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'iia_calc' has no attribute {name!r}")
