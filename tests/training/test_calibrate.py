"""A committee's spread against its errors, on real labels."""

import numpy as np
import pytest

from iia_calc.labels.sampling import Start, sample_start
from iia_calc.labels.xtb import XTBLevel
from iia_calc.model.committee import Committee
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.model.storage import load, save
from iia_calc.relax.batch import forces_std_limit
from iia_calc.training.calibrate import BEYOND, calibrate, coverage
from iia_calc.training.evaluate import is_near_minimum, predict

LEVEL = XTBLevel("GFN1-xTB")


@pytest.fixture(scope="module")
def labelled():
    return [item for k in range(8) for item in sample_start(Start("SeB3", k, seed=5), LEVEL)]


@pytest.fixture(scope="module")
def committee():
    energies = {symbol: LEVEL.element_energy(symbol) for symbol in ("B", "Se")}
    settings = NetworkSettings(n_atom_basis=16, n_interactions=2, n_rbf=10, n_heads=2, angular=1)
    return Committee([Potential(settings, energies).freeze() for _ in range(3)])


def test_two_thirds_of_the_errors_lie_within(committee, labelled):
    found = calibrate(committee, labelled)
    spread = {id(told.item): told for told in predict(committee, labelled)}
    forces, energies = [], []
    for told in predict(committee.leader, labelled):
        std = spread[id(told.item)]
        forces.append(np.linalg.norm(told.forces - told.item.label.forces, axis=1) / std.forces_std)
        energies.append(abs(told.energy - told.item.label.energy) / std.energy_std)
    assert (np.concatenate(forces) < found.forces_factor).mean() == pytest.approx(0.68, abs=0.01)
    assert (np.array(energies) < found.energy_factor).mean() == pytest.approx(0.68, abs=0.02)
    near = [told for told in spread.values() if is_near_minimum(told.item)] or list(spread.values())
    largest = [told.forces_std.max() for told in near]
    assert found.forces_std_limit == pytest.approx(BEYOND * np.quantile(largest, 0.99))
    assert found.n_structures == len(labelled)
    # counted on the other half of the starts: near 68 %, and two deviations hold more than one
    assert 0.3 < found.forces_coverage[0] < found.forces_coverage[1] <= 1


def test_coverage_on_other_labels(committee, labelled):
    found = calibrate(committee, labelled)
    energies, forces = coverage(committee, labelled, found.energy_factor, found.forces_factor)
    assert energies[0] == pytest.approx(0.68, abs=0.02)
    assert forces[0] == pytest.approx(0.68, abs=0.01)
    wide = coverage(committee, labelled[:5], 1e9, 1e9)
    assert wide == ((1.0, 1.0), (1.0, 1.0))
    assert coverage(committee, labelled[:5], 1e-9, 1e-9) == ((0.0, 0.0), (0.0, 0.0))


def test_the_card_carries_it_to_the_search(committee, labelled, tmp_path):
    card = {"level_of_theory": LEVEL.name, "calibration": calibrate(committee, labelled).as_plain()}
    save(tmp_path / "model", committee, card)
    loaded = load(tmp_path / "model")
    assert forces_std_limit(loaded) == pytest.approx(card["calibration"]["forces_std_limit"])
    assert forces_std_limit(loaded.leader) is None


def test_too_few_starts_are_refused(committee, labelled):
    with pytest.raises(ValueError, match="at least four starts, not 1"):
        calibrate(committee, [item for item in labelled if item.start == labelled[0].start])
