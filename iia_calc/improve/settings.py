"""What an improvement loop was asked for: plain data, kept beside its state."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from iia_calc.common.files import builtin
from iia_calc.improve.sources import SOURCES
from iia_calc.labels.level import LevelOfTheory
from iia_calc.labels.levels import LevelOptions
from iia_calc.labels.request import LabelRequest
from iia_calc.labels.xtb import XTBLevel
from iia_calc.model.network import NetworkSettings
from iia_calc.training.fit import TrainingSettings
from search.errors import InputError
from search.geometry.composition import Composition


@dataclass(frozen=True)
class LoopSettings:
    """A loop is these settings and nothing else; a folder goes on only with the settings it began with.

    Attributes
    ----------
    formulas : searched in every round.
    level, functional, basis, charge, multiplicity : of the labels, as in `iia label`.
    start_from : model the first round searches with and goes on from; None starts from nothing:
        `pretraining_labels` of GFN1-xTB, then `first_labels` at the level itself near xTB minima.
    labels : databases at the level that are trained on beside the loop's own.
    test : databases at the level that errors are measured on, never trained on; empty makes
        `test_labels` of other random starts.
    wall_labels : dense structures that every fit is to see, `labels` counted (`labels.sampling.sample_walls`);
        a fit that sees too few forgets what keeps atoms apart.
    quenches : per formula and round. labels_per_round : new labels of a round, over all formulas.
    share_lowest, share_uncertain : of a round's labels: the lowest minima, and where the committee
        disagrees most; the rest goes to what differs most from everything labelled.
    sources : who else finds wells that are labelled, of `improve.sources.SOURCES`; none for the potential's own
        searches alone. share_foreign : of a round's labels that go to such wells.
    members : of the committee. network : used where nothing is there to start from.
    pretraining, training : how each is fitted.
    """

    formulas: tuple[str, ...]
    level: str = "dft"
    functional: str = "PBE0"
    basis: str = "3-21G"
    charge: int = 0
    multiplicity: int | None = None
    start_from: str | None = None
    labels: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    pretraining_labels: int = 20_000
    first_labels: int = 200
    wall_labels: int = 40
    test_labels: int = 60
    quenches: int = 320
    labels_per_round: int = 100
    share_lowest: float = 0.4
    share_uncertain: float = 0.3
    sources: tuple[str, ...] = ("xtb", "shapes")
    share_foreign: float = 0.3
    members: int = 3
    seed: int = 0
    network: NetworkSettings = field(
        default_factory=lambda: NetworkSettings(
            n_interactions=3, angular=2, directions="convolution", distance_logits=True
        )
    )
    pretraining: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(epochs=5, batch_size=10, validation_share=0.03, optimiser="muon")
    )
    training: TrainingSettings = field(
        default_factory=lambda: TrainingSettings(
            epochs=20, batch_size=5, learning_rate=2e-4, validation_share=0.08, optimiser="muon"
        )
    )

    def __post_init__(self) -> None:
        if not self.formulas:
            raise InputError("say which formulas the loop searches, e.g. SeB8 SeB10")
        for formula in self.formulas:
            Composition.parse(formula)
        for name in ("quenches", "labels_per_round", "members"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("pretraining_labels", "first_labels", "wall_labels", "test_labels"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} cannot be negative, as {getattr(self, name)} is")
        shares = (self.share_lowest, self.share_uncertain)
        if min(shares) < 0 or sum(shares) > 1:
            raise InputError(f"share_lowest and share_uncertain are {shares}; they lie above 0 and sum to 1 at most")
        if not 0 <= self.share_foreign <= 1:
            raise InputError(f"share_foreign is {self.share_foreign}; it lies between 0 and 1")
        if unknown := sorted(set(self.sources) - set(SOURCES)):
            raise InputError(f"sources {', '.join(unknown)} are not known; choose of {', '.join(SOURCES)}")
        if self.start_from is None and not self.labels and self.first_labels < 2:
            raise InputError("a loop from nothing needs first labels: first_labels must be at least 2")
        if not self.test and not self.test_labels:
            raise InputError("errors are measured on held-out labels: give test databases, or test_labels above 0")
        self._request  # noqa: B018  (its checks)

    @property
    def _request(self) -> LabelRequest:
        usual, dft = LevelOptions(), self.level == "dft"  # what only DFT has, others are not asked for
        return LabelRequest(
            level=self.level,
            functional=self.functional if dft or self.functional != usual.functional else None,
            basis=self.basis if dft or self.basis != usual.basis else None,
            charge=self.charge,
            multiplicity=self.multiplicity,
        )

    @property
    def level_of_theory(self) -> LevelOfTheory:
        """Of the loop's labels."""
        return self._request.level_of_theory()

    @property
    def guide(self) -> XTBLevel:
        """What relaxes random starts cheaply, and what is pretrained on."""
        return XTBLevel(charge=self.charge, multiplicity=self.multiplicity)

    def as_plain(self) -> dict[str, Any]:
        """For JSON, and equal to what comes back from there."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=builtin))
        return plain

    @classmethod
    def from_plain(cls, data: Mapping[str, Any]) -> LoopSettings:
        """Read `as_plain`'s result, or part of one: what is left out has its default.

        Raises
        ------
        ValueError : a key that is not a setting (the settings are listed), a value out of range.
        """
        if unknown := sorted(set(data) - set(cls.__dataclass_fields__)):
            raise InputError(
                f"unknown loop settings {', '.join(unknown)}; known: {', '.join(cls.__dataclass_fields__)}"
            )
        values = dict(data)
        for name in ("formulas", "labels", "test"):
            values[name] = tuple(values.get(name, ()))
        if "sources" in values:
            values["sources"] = tuple(values["sources"])
        if "network" in values:
            values["network"] = NetworkSettings.from_dict(values["network"])
        for name in ("pretraining", "training"):
            if name in values:
                values[name] = TrainingSettings.from_dict(values[name])
        return cls(**values)

    @classmethod
    def read(cls, path: Path) -> LoopSettings:
        """From a JSON file. ValueError : not JSON, or not such settings."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path} is not JSON: {error}") from error
        if not isinstance(data, dict):
            raise InputError(f"{path} is not a JSON object of loop settings")
        return cls.from_plain(data)


def settings_of(folder: Path, given: LoopSettings | None) -> LoopSettings:
    """The settings of the loop in `folder`; of a new one those `given`.

    Raises
    ------
    ValueError : it was begun with others, or is new and none are given.
    """
    path = folder / "improve.json"
    if not path.exists():
        if given is None:
            raise InputError(f"{folder} holds no loop to go on with; say which formulas it is to search")
        return given
    found = LoopSettings.read(path)
    if given is not None and given.as_plain() != found.as_plain():
        ours, theirs = given.as_plain(), found.as_plain()
        other = ", ".join(f"{key} {theirs[key]!r}, not {ours[key]!r}" for key in ours if ours[key] != theirs[key])
        raise InputError(f"{folder} was begun with other settings ({other}); go on with those or elsewhere")
    return found
