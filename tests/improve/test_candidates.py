"""What a search meets: minima, points along quenches."""

import numpy as np
import pytest
from ase import Atoms
from ase.io import read

from iia_calc.improve.candidates import gather, load, lowest_labelled, save
from iia_calc.isomers.known import starts_from
from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure
from iia_calc.model import storage
from iia_calc.training.evaluate import NEAR_MINIMUM
from search.geometry.composition import Composition


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


@pytest.mark.slow
def test_a_round_begins_where_labels_are_lowest():
    rng = np.random.default_rng(0)

    def labelled(formula, energy, force):
        atoms = Atoms(formula, rng.normal(size=(Composition.parse(formula).n_atoms, 3)))
        return LabelledStructure(atoms, Label(energy, np.full((len(atoms), 3), force)), "start", "path")

    items = [labelled("SeB4", energy, force) for energy, force in ((-2.0, 0.1), (-3.0, 0.1), (-9.0, 5.0))]
    items.append(labelled("B5", -1.0, 0.1))
    lowest = lowest_labelled(items)
    assert [Composition.parse(atoms).formula for atoms in lowest] == ["B5", "SeB4"]
    assert np.array_equal(lowest[1].positions, items[1].atoms.positions)  # -9 eV lies far from a minimum

    known = read(storage.models_folder() / "lowest" / "lowest.extxyz", ":")
    begun = starts_from(known, Composition.parse("SeB16"))[:1]
    found = gather(storage.load(), "SeB16", quenches=4, seed=3, starts=begun)
    random = gather(storage.load(), "SeB16", quenches=4, seed=3)
    assert found[0].energy < random[0].energy - 0.1


def _forces(atoms):
    from iia_calc import IIACalculator

    atoms = atoms.copy()
    atoms.calc = IIACalculator()
    return atoms.get_forces()
