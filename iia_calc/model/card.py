"""The card of a model: what the weights are, and what they were fitted to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from search.errors import InputError

FORMAT = 1
UNITS = {"energy": "eV", "length": "Å", "forces": "eV/Å"}


class ModelError(InputError):
    """A folder that is not a model, or not a sound one."""


@dataclass(frozen=True)
class Card:
    """What a model is. The first block is derived when it is saved; the second is for the trainer to say.

    Attributes
    ----------
    elements, cutoff (Å), units : what it takes and gives.
    network, repulsion, element_energies (eV) : everything but the weights.
    members : weights files, leader first, each with its sha256.
    level_of_theory : of the labels, in full.
    charge : of every label, e.
    spin : "lowest" (singlet, or doublet for odd electron counts), or a multiplicity.
    label_counts : labels of this level of theory by formula.
    fitted_together : labels by formula of each further level of theory that was fitted in the same fit.
    data_hash : sha256 of the labels.
    held_out_errors : by formula, e.g. {"SeB16": {"energy_mae_meV_per_atom": 31.0, ...}}.
    calibration : of a committee, what its spread is worth (`model.calibration.Calibration`).
    distance : of a committee, the file of its `LabelDistance` with its sha256, and the level of the labels in it.
    """

    name: str
    elements: list[str]
    cutoff: float
    network: dict[str, Any]
    repulsion: dict[str, Any]
    element_energies: dict[str, float]
    members: list[dict[str, str]]
    code_version: str
    level_of_theory: str
    charge: int = 0
    spin: str | int = "lowest"
    label_counts: dict[str, int] = field(default_factory=dict)
    fitted_together: dict[str, dict[str, int]] = field(default_factory=dict)
    data_hash: str = ""
    held_out_errors: dict[str, dict[str, float]] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    distance: dict[str, str] = field(default_factory=dict)
    notes: str = ""
    units: dict[str, str] = field(default_factory=lambda: dict(UNITS))
    format: int = FORMAT

    @classmethod
    def from_dict(cls, data: object, where: str = "card") -> Card:
        """Read and check; ModelError says which key is wrong and how."""
        if not isinstance(data, Mapping):
            raise ModelError(f"{where} is not a JSON object")
        if data.get("format") != FORMAT:
            raise ModelError(
                f"{where} has format {data.get('format')!r}; this version reads format {FORMAT}, another may read it"
            )
        names = {f.name for f in fields(cls)}
        if unknown := sorted(set(data) - names):
            raise ModelError(f"{where} has unknown keys {', '.join(unknown)}; there are {', '.join(sorted(names))}")
        if missing := sorted(REQUIRED - set(data)):
            raise ModelError(f"{where} lacks {', '.join(missing)}")
        for key, kinds in KINDS.items():
            if key in data and (not isinstance(data[key], kinds) or isinstance(data[key], bool)):
                raise ModelError(f"{where}: {key} must be {_words(kinds)}, not {data[key]!r}")
        if bare := sorted(set(data["elements"]) - set(data["element_energies"])):
            raise ModelError(f"{where} has no element energy for {', '.join(bare)}")
        if data.get("units", UNITS) != UNITS:
            raise ModelError(f"{where}: units must be {UNITS}, not {data['units']}")
        if not data["members"] or not all(set(m) == {"file", "sha256"} for m in data["members"]):
            raise ModelError(f"{where}: members must be a list of at least one {{file, sha256}}")
        if data.get("distance") and not {"file", "sha256"} <= set(data["distance"]):
            raise ModelError(f"{where}: distance must be {{file, sha256, level_of_theory}}")
        return cls(**data)


REQUIRED = {
    "name",
    "elements",
    "cutoff",
    "network",
    "repulsion",
    "element_energies",
    "members",
    "code_version",
    "level_of_theory",
}
KINDS: dict[str, tuple[type, ...]] = {
    "name": (str,),
    "elements": (list,),
    "cutoff": (int, float),
    "network": (dict,),
    "repulsion": (dict,),
    "element_energies": (dict,),
    "members": (list,),
    "code_version": (str,),
    "level_of_theory": (str,),
    "charge": (int,),
    "spin": (str, int),
    "label_counts": (dict,),
    "fitted_together": (dict,),
    "data_hash": (str,),
    "held_out_errors": (dict,),
    "calibration": (dict,),
    "distance": (dict,),
    "notes": (str,),
    "units": (dict,),
}
TRAINERS = (
    "name",
    "level_of_theory",
    "charge",
    "spin",
    "label_counts",
    "fitted_together",
    "data_hash",
    "held_out_errors",
    "calibration",
    "notes",
)


def _words(kinds: tuple[type, ...]) -> str:
    return " or ".join(kind.__name__ for kind in kinds)
