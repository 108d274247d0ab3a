"""What a search meets: minima, points along quenches."""

import numpy as np

from iia_calc import storage
from iia_calc.improve.candidates import gather, load, save
from iia_calc.training.evaluate import NEAR_MINIMUM
from search.composition import Composition


def test_points_along_quenches_are_met_and_kept(tmp_path):
    found = gather(storage.load(), "SeB4", quenches=8, seed=3)
    kinds = {kind: [item for item in found if item.origin == kind] for kind in ("minimum", "path")}
    assert kinds["minimum"]
    assert kinds["path"]
    lowest = min(item.energy for item in found)
    assert lowest == kinds["minimum"][0].energy  # nothing on the way is lower
    assert all(Composition.parse(item.atoms).formula == "SeB4" for item in found)
    largest = [np.linalg.norm(_forces(item.atoms), axis=1).max() for item in kinds["path"]]
    assert max(largest) > 0.03  # on the way,
    assert np.median(largest) < 5 * NEAR_MINIMUM  # but well on it
    save(found, tmp_path / "met.extxyz")
    again = load(tmp_path / "met.extxyz")
    assert [item.origin for item in again] == [item.origin for item in found]
    assert gather(storage.load(), "SeB4", quenches=8, seed=3)[-1].energy == found[-1].energy


def _forces(atoms):
    from iia_calc import IIACalculator

    atoms = atoms.copy()
    atoms.calc = IIACalculator()
    return atoms.get_forces()
