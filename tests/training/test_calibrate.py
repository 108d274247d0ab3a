"""A committee's spread against its errors, on real labels."""

import numpy as np
import pytest
import torch

from iia_calc.calculator import IIACalculator
from iia_calc.labels.sampling import Start, sample_start
from iia_calc.labels.xtb import XTBLevel
from iia_calc.model.calibration import Calibration
from iia_calc.model.committee import Committee
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.model.storage import load, save
from iia_calc.relax.batch import PotentialRelaxer, forces_std_limit
from iia_calc.training.calibrate import FLAGGED, RIGHT, _expected, _fit, calibrate, foreseen
from iia_calc.training.evaluate import predict

LEVEL = XTBLevel("GFN1-xTB")


@pytest.fixture(scope="module")
def labelled():
    return [item for k in range(8) for item in sample_start(Start("SeB3", k, seed=5), LEVEL)]


@pytest.fixture(scope="module")
def committee():
    energies = {symbol: LEVEL.element_energy(symbol) for symbol in ("B", "Se")}
    settings = NetworkSettings(n_atom_basis=16, n_interactions=2, n_rbf=10, n_heads=2, angular=1)
    return Committee([Potential(settings, energies).freeze() for _ in range(3)])


@pytest.fixture(scope="module")
def calibrated(committee, labelled):
    return Committee(committee.members, calibrate(committee, labelled))


def test_two_thirds_of_the_errors_lie_within(calibrated, labelled):
    told = foreseen(calibrated, labelled)
    assert told.energies[0] == pytest.approx(0.68, abs=0.02)
    assert told.forces[0] == pytest.approx(0.68, abs=0.01)
    assert told.energies[0] <= told.energies[1] <= 1
    # counted on the other half of the starts: near 68 %, and twice as much holds more
    found = calibrated.calibration
    assert 0.3 < found.forces_coverage[0] < found.forces_coverage[1] <= 1
    assert found.n_structures == len(labelled)
    doubled = Calibration(energy_factor=1e9, forces_factor=1e9)
    assert foreseen(Committee(calibrated.members, doubled), labelled).energies == (1.0, 1.0)


def test_a_floor_is_found_where_there_is_one():
    rng = np.random.default_rng(0)
    spread = rng.uniform(0.0, 2.0, size=4000)
    error = np.abs(rng.normal(size=4000)) * np.hypot(3.0 * spread, 2.0)
    factor, floor = _fit([np.stack([error, spread], 1)])
    assert factor == pytest.approx(3.0, rel=0.2)
    assert floor == pytest.approx(2.0, rel=0.3)
    assert (error < _expected(spread, factor, floor)).mean() == pytest.approx(0.68, abs=0.01)


def test_few_structures_that_are_right_are_called_unknown(calibrated, labelled):
    expected = calibrated.calibration
    energies = {id(told.item): told.energy_std / 4 for told in predict(calibrated, labelled)}
    right = [
        told.item
        for told in predict(calibrated.leader, labelled)
        if abs(told.energy - told.item.label.energy) / 4 < RIGHT
    ]
    assert all(value > 0 for value in energies.values())
    if right:
        assert np.mean([energies[id(item)] > expected.energy_std_limit for item in right]) <= 2 * FLAGGED + 0.1


def test_it_is_calibrated_wherever_it_is_asked(calibrated, labelled, tmp_path):
    card = {"level_of_theory": LEVEL.name, "calibration": calibrated.calibration.as_plain()}
    save(tmp_path / "model", calibrated, card)
    loaded = load(tmp_path / "model")
    assert loaded.calibration.energy_factor == pytest.approx(calibrated.calibration.energy_factor, abs=1e-5)
    assert forces_std_limit(loaded) == pytest.approx(card["calibration"]["forces_std_limit"])
    assert forces_std_limit(loaded.leader) is None
    atoms = labelled[0].atoms
    told = next(iter(predict(calibrated, labelled[:1])))
    calc = IIACalculator(loaded)
    assert calc.get_property("energy_std", atoms) == pytest.approx(told.energy_std, rel=1e-3)
    np.testing.assert_allclose(calc.get_property("forces_std", atoms), told.forces_std, rtol=1e-3)
    region = loaded.calibration.known_region(4, told.energy_std, float(told.forces_std.max()))
    assert calc.get_property("known_region", atoms) == region
    (end,) = PotentialRelaxer(loaded, fmax=0.05).relax([atoms])
    assert end.known_region == loaded.calibration.known_region(4, end.energy_std, end.forces_std)


def test_the_region_ends_where_an_error_is_too_large():
    told = Calibration(energy_std_limit=0.05, forces_std_limit=1.0)
    assert told.known_region(10, 0.4, 0.9)
    assert not told.known_region(10, 0.6, 0.9)
    assert not told.known_region(10, 0.4, 1.1)
    assert Calibration().known_region(10, 1e9, 1e9)  # nobody has measured


def test_cards_from_before_there_were_floors_are_read():
    old = {"energy_factor": 2.0, "forces_factor": 3.0, "forces_std_limit": 0.5, "energy_coverage": [0.6, 0.9]}
    told = Calibration.from_card(old)
    assert told.forces_std_limit == pytest.approx(1.5)  # of the expected error, no longer of the spread
    assert told.forces_std(torch.tensor([0.5])).item() == pytest.approx(1.5)
    assert Calibration.from_card(told.as_plain()) == told


def test_too_few_starts_are_refused(committee, labelled):
    with pytest.raises(ValueError, match="at least four starts, not 1"):
        calibrate(committee, [item for item in labelled if item.start == labelled[0].start])
