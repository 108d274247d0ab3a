"""The label files in models/labels: one level each, and nothing that is held out is trained on."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.npz import open_labels
from iia_calc.labels.store import LabelledStructure
from search.geometry.composition import Composition
from search.geometry.fingerprint import Fingerprint

LABELS = Path(__file__).parents[2] / "models" / "labels"
LEVELS = {"pbe0-3-21g": DFTLevel(), "pbe0-def2-tzvp": DFTLevel(basis="def2-TZVP")}
APART = 0.03
"""Å, root mean square difference of sorted distances: nearer structures are one well."""


@cache
def items(name: str) -> list[LabelledStructure]:
    return list(open_labels(LABELS / f"{name}.npz.xz").read())


@pytest.mark.parametrize("name", LEVELS)
def test_files_say_their_level_split_and_batch(name):
    for file, split in ((name, "training"), (f"{name}-held-out", "held-out")):
        store = open_labels(LABELS / f"{file}.npz.xz")
        assert store.level == LEVELS[name].name
        assert set(store.element_energies) >= {"B", "Se"}
        assert {item.split for item in items(file)} == {split}
        assert all(item.batch and item.start and item.origin for item in items(file))


@pytest.mark.parametrize("name", LEVELS)
def test_no_start_and_no_independent_well_is_in_the_training_labels(name):
    held_out, training = items(f"{name}-held-out"), items(name)
    assert not {item.start for item in held_out} & {item.start for item in training}
    wells = [item for item in held_out if item.batch == "independent-wells"]
    known: dict[str, list[np.ndarray]] = defaultdict(list)
    for item in training:
        known[Composition.parse(item.atoms).formula].append(point(item))
    for well in wells:
        others = known[Composition.parse(well.atoms).formula]
        nearest = min((float(np.sqrt(np.mean((point(well) - other) ** 2))) for other in others), default=np.inf)
        assert nearest > APART, f"{well.start} is {nearest:.3f} Å from a training label"
        assert well.label.stability in ("stable", "instability followed")


def test_the_batches_of_earlier_held_out_sets_can_still_be_chosen():
    counts = {"held-out": 149, "held-out-more": 36, "held-out-large": 16, "held-out-b7": 20}
    found = [item.batch for item in items("pbe0-3-21g-held-out")]
    assert {batch: found.count(batch) for batch in counts} == counts


def point(item: LabelledStructure) -> np.ndarray:
    return Fingerprint(item.atoms.positions, item.atoms.numbers).pair_distances
