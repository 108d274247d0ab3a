"""Any ASE calculator in a model's place, with elements that no model knows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.io import read

from iia_calc import search_isomers
from iia_calc.cli.views.isomers import describe_bonds
from iia_calc.isomers.calculator import CalculatorChoice, read_settings
from iia_calc.isomers.request import SearchRequest
from search.errors import InputError
from search.geometry.composition import Composition
from search.geometry.shape import dopant_bonds, shape_of
from search.relaxers.identity import calculator_signature

EMT_PATH = "ase.calculators.emt:EMT"


def nearest_neighbours(atoms: Atoms, within: float) -> int:
    """Pairs closer than `within`, Å."""
    distances = atoms.get_all_distances()
    return int((distances[np.triu_indices(len(atoms), 1)] < within).sum())


def test_settings_are_read_as_python_has_them():
    given = ["method=GFN2-xTB", "charge=-1", "accuracy=1e-3", "spin=true", "kpts=(1, 2, 1)", "command='a=b'"]
    assert read_settings(given) == {
        "method": "GFN2-xTB",
        "charge": -1,
        "accuracy": 1e-3,
        "spin": True,
        "kpts": (1, 2, 1),
        "command": "a=b",
    }
    for wrong in (["method"], ["=3"], ["a b=3"], ["a=1", "a=2"]):
        with pytest.raises(InputError, match="--set"):
            read_settings(wrong)


@pytest.mark.parametrize(
    ("path", "settings", "says"),
    [
        ("ase.calculators.emt", {}, "not of the form MODULE:CLASS"),
        ("no.such:EMT", {}, "module 'no.such' can't be imported"),
        ("ase.calculators.emt:ETM", {}, "has no ETM"),
        ("ase.atoms:Atoms", {}, "is no ASE calculator"),
        ("search.relaxers.lennard_jones:LennardJones", {}, "is no ASE calculator"),
        ("search.relaxers.lennard_jones:LennardJones", {"sigma": -1}, "can't be made: InputError"),
    ],
)
def test_what_is_no_calculator_is_refused(path, settings, says):
    with pytest.raises(InputError, match=says):
        CalculatorChoice(path, settings).make()


def test_elements_are_tried_before_the_search():
    choice = CalculatorChoice(EMT_PATH)
    choice.check(Composition.parse("Cu3"))
    with pytest.raises(InputError, match=r"can't compute SeCu3: .*No EMT-potential for Se"):
        choice.check(Composition.parse("SeCu3"))
    assert choice.remarks() == []
    assert "may ignore asap_cutof: it has asap_cutoff" in CalculatorChoice(EMT_PATH, {"asap_cutof": True}).remarks()[0]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"calculator_settings": {"charge": 1}}, "are of a calculator"),
        ({"calculator": "EMT"}, "not of the form"),
        ({"calculator": EMT_PATH, "model": "seb-10"}, "model: only of a model"),
        ({"calculator": EMT_PATH, "device": "cpu", "extrapolate": True}, "device, extrapolate: only of a model"),
    ],
)
def test_requests_that_make_no_sense(settings, says):
    with pytest.raises(InputError, match=says):
        SearchRequest("Cu13", **settings)


def test_the_signature_does_not_depend_on_what_was_computed_last():
    calculator = LennardJones()
    before = calculator_signature(calculator)
    Atoms("Ar2", [[0, 0, 0], [0, 0, 1.2]], calculator=calculator).get_potential_energy()
    assert calculator_signature(calculator) == before

    class KeepsAtoms(EMT):
        def __init__(self, atoms: Atoms | None = None, charge: int = 0) -> None:
            super().__init__()
            self.atoms, self.charge = atoms, charge

    assert calculator_signature(KeepsAtoms()) == calculator_signature(KeepsAtoms(Atoms("Cu")))
    assert calculator_signature(KeepsAtoms()) != calculator_signature(KeepsAtoms(charge=1))


def test_a_search_on_a_calculator_and_its_files(tmp_path):
    request = SearchRequest("Cu13", calculator=EMT_PATH, quenches=32, out=tmp_path / "cu", picture=False)
    found = search_isomers(request)
    lowest = found.isomers[0].atoms
    assert nearest_neighbours(lowest, 2.9) == 42  # the icosahedron: 12 bonds of the centre, 30 edges
    lowest.calc = EMT()
    assert lowest.get_potential_energy() == pytest.approx(found.isomers[0].energy, abs=1e-9)
    assert np.linalg.norm(lowest.get_forces(), axis=1).max() < request.fmax
    assert read(tmp_path / "cu/isomers.extxyz").info["calculator"] == EMT_PATH
    run = json.loads((tmp_path / "cu/run.json").read_text())
    assert run["calculator"]["name"] == EMT_PATH
    assert "model" not in run
    assert (found.level_of_theory, found.surface) == (None, EMT_PATH)
    again = search_isomers(request)  # goes on from what is there
    assert again.isomers[0].energy == found.isomers[0].energy
    other = SearchRequest("Cu13", calculator="ase.calculators.lj:LennardJones", quenches=12, out=tmp_path / "cu")
    with pytest.raises(InputError, match="another search"):
        search_isomers(other)


def test_many_elements(tmp_path):
    request = SearchRequest("AuAgNi2Cu3", calculator=EMT_PATH, quenches=16, out=tmp_path / "alloy", picture=False)
    found = search_isomers(request)
    assert request.folder.name == "alloy"
    assert found.result.n_failed == 0
    for isomer in found.isomers:
        assert sorted(isomer.atoms.get_chemical_symbols()) == ["Ag", "Au", "Cu", "Cu", "Cu", "Ni", "Ni"]
        assert [bonds.symbol for bonds in isomer.bonds] == ["Ag", "Au", "Ni", "Ni"] or [
            bonds.symbol for bonds in isomer.bonds
        ] == ["Au", "Ag", "Ni", "Ni"]
    assert {"swap", "relocate"} <= set(found.result.moves)
    text = describe_bonds(found.isomers[0].bonds)
    assert [part.split()[0] for part in text.split(", ")] == ["Au", "Ag", "Ni"]


@pytest.mark.slow
def test_islands_find_the_lowest_homotops_of_a_nanoalloy(tmp_path):
    """Copper goes inside and gold is spread over the icosahedron; 7.4208 eV is the lowest of long runs."""
    request = SearchRequest(
        "Au6Cu7", calculator=EMT_PATH, quenches=120, seed=3, islands=2, workers=1, out=tmp_path / "alloy", picture=False
    )
    found = search_isomers(request)
    assert found.isomers[0].energy == pytest.approx(7.4208, abs=1e-3)
    symbols, distances = found.isomers[0].atoms.symbols, found.isomers[0].atoms.get_all_distances()
    assert symbols[int((distances < 2.9).sum(1).argmax())] == "Cu"


def test_an_alloy_has_the_shape_of_all_its_atoms():
    flat = [[0.0, 0.0, 0.0], [2.4, 0.0, 0.0], [1.2, 2.1, 0.0]]
    top, below = [1.2, 0.7, 2.0], [1.2, 0.7, -2.0]
    doped = Atoms("Cu3Au", [*flat, top])  # three of four atoms are copper, which is flat
    alloy = Atoms("Cu3Au2", [*flat, top, below])
    half = Atoms("Cu3Au3", [*flat, top, below, [3.4, 1.9, 1.0]])
    assert [shape_of(atoms) for atoms in (doped, alloy, half)] == ["planar", "planar", "compact"]
    assert len(dopant_bonds(half)) == 3
