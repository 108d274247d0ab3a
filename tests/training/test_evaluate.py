"""What of held-out labels is new, and what a fit has seen by chance."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from scipy.spatial.transform import Rotation

from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure
from iia_calc.training.evaluate import new_structures
from search.geometry.composition import Composition
from search.geometry.seeds import random_cluster


def labelled(atoms: Atoms) -> LabelledStructure:
    return LabelledStructure(atoms, Label(0.0, np.zeros((len(atoms), 3))), "s", "minimum")


def test_only_what_is_far_from_all_known_structures_of_its_formula_is_new():
    rng = np.random.default_rng(3)
    known = [random_cluster(Composition.parse("SeB7"), rng) for _ in range(3)]
    turned = known[1].copy()
    turned.positions = -turned.positions @ Rotation.random(random_state=1).as_matrix() + rng.normal(scale=0.02, size=3)
    turned = turned[rng.permutation(len(turned))]
    moved = known[2].copy()
    moved.positions[0] += 1.5 * (moved.positions[0] - moved.positions.mean(0))
    swapped = known[0].copy()
    swapped.numbers = np.roll(swapped.numbers, 3)
    other = random_cluster(Composition.parse("SeB8"), rng)
    candidates = [labelled(a) for a in (known[0], turned, moved, swapped, other)]
    new = new_structures(candidates, [labelled(a) for a in known])
    assert [candidates.index(item) for item in new] == [2, 3, 4]
    assert new_structures(candidates, []) == candidates
