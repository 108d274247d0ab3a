"""Arguments of the public functions: what makes no sense is refused by name before anything is computed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.emt import EMT
from clusters import small_potential

import iia_calc
import search
from iia_calc.confirm.settings import ConfirmRequest
from iia_calc.dynamics import DynamicsSettings
from iia_calc.isomers.request import SearchRequest
from search.errors import IIAError

NO_NUMBERS = ("2", "2s", None, True, np.bool_(True), float("nan"), float("inf"), -1, -0.5, [2], np.array([2.0, 3.0]))
NO_WHOLE_NUMBERS = ("2", True, float("nan"), float("inf"), -1, 2.5, [2], np.array([2, 3]), 2.0)
P = np.array([(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0), (0.8, -1.2, 0.3)])


def minima(**settings):
    return search.find_minima("Ar4", search.LennardJones(), **{"quenches": 4, **settings})


def on_islands(**settings):
    islands = settings.pop("islands", 2)
    return search.find_minima_on_islands("Ar4", search.LennardJones, islands, **{"quenches": 4, **settings})


def refused(call, name: str) -> str:
    """The one line with which a call is refused; it names the argument."""
    with pytest.raises(IIAError) as caught:
        call()
    text = str(caught.value)
    assert name in text, text
    assert "\n" not in text
    assert len(text) < 500
    return text


@pytest.fixture(autouse=True)
def nothing_is_computed(monkeypatch):
    """What is refused must be refused before."""

    def computed(*_, **__):
        raise AssertionError("something was computed")

    monkeypatch.setattr(search.LennardJones, "relax", computed)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_numbers_that_are_none(value):
    potential = small_potential()
    negative = isinstance(value, int | float) and value < 0  # energies may be
    calls = {
        "fmax": lambda: iia_calc.PotentialRelaxer(potential, fmax=value),
        "max_step": lambda: iia_calc.PotentialRelaxer(potential, max_step=value),
        "epsilon": lambda: search.LennardJones(epsilon=value),
        "max_step ": lambda: search.ASERelaxer(EMT(), max_step=value),
        "energy_tolerance": lambda: search.Sameness(energy_tolerance=value),
        "temperature": lambda: search.BasinHoppingSettings(temperature=value),
        "selection": lambda: search.BeeColonySettings(selection=value),
        "target_acceptance": lambda: search.BasinHoppingSettings(target_acceptance=value),
        "the energy of B": lambda: iia_calc.Potential(element_energies={"B": "x" if negative else value}),
        "timestep": lambda: DynamicsSettings(timestep=value),
        "friction": lambda: DynamicsSettings(friction=value),
        "fmax ": lambda: SearchRequest("B4", fmax=value),
        "fmax  ": lambda: ConfirmRequest(fmax=value),
    }
    if value is not None:
        calls |= {
            "time_limit": lambda: minima(time_limit=value),
            "time_limit ": lambda: on_islands(time_limit=value),
            "time_limit  ": lambda: SearchRequest("B4", time_limit=value),
            "bond_length": lambda: search.Archive(None, "B4", bond_length=value),
            "bond_length ": lambda: search.ASERelaxer(EMT(), bond_length=value),
            "forces_std_limit": lambda: iia_calc.PotentialRelaxer(potential, forces_std_limit=value),
            "the step of move": lambda: search.Move("mine", lambda x, scale, rng, step: x, step=value),
        }
        if not negative:
            calls["target_energy"] = lambda: minima(target_energy=value)
    for name, call in calls.items():
        assert "must be" in refused(call, name.strip())


@pytest.mark.parametrize("value", NO_WHOLE_NUMBERS, ids=repr)
def test_whole_numbers_that_are_none(value):
    potential = small_potential()
    calls = {
        "quenches": lambda: minima(quenches=value),
        "seed": lambda: minima(seed=value),
        "batch_size": lambda: minima(batch_size=value),
        "until_found": lambda: minima(until_found=value),
        "epoch": lambda: on_islands(epoch=value),
        "workers": lambda: on_islands(workers=value),
        "max_steps": lambda: iia_calc.PotentialRelaxer(potential, max_steps=value),
        "batch_size ": lambda: iia_calc.PotentialRelaxer(potential, batch_size=value),
        "max_steps ": lambda: search.LennardJones(max_steps=value),
        "max_steps  ": lambda: search.ASERelaxer(EMT(), max_steps=value),
        "walkers": lambda: search.BasinHoppingSettings(walkers=value),
        "sources": lambda: search.BeeColonySettings(sources=value),
        "min_atoms": lambda: search.Move("mine", lambda x, scale, rng, step: x, min_atoms=value),
        "steps": lambda: DynamicsSettings(steps=value),
        "threads": lambda: SearchRequest("B4", threads=value),
        "n_lowest": lambda: ConfirmRequest(value),
        "workers ": lambda: ConfirmRequest(workers=value),
        "seed ": lambda: search.BasinHopping("Ar4", seed=value),
    }
    if not isinstance(value, list):
        calls["islands"] = lambda: on_islands(islands=value)
    for name, call in calls.items():
        assert "must be a whole number of at least" in refused(call, name.strip())


def test_functions_paths_and_flags():
    for value in (5, "print", [print], True):
        for name in ("callback", "shape", "uncertain"):
            assert "must be a function" in refused(lambda n=name, v=value: minima(**{n: v}), name)
            assert "must be a function" in refused(lambda n=name, v=value: on_islands(**{n: v}), name)
        for name in ("callback", "say"):
            refused(lambda n=name, v=value: iia_calc.search_isomers("B4", quenches=1, **{n: v}), name)
    for value in (5, 1.5, True, [], b"x", "", "a\0b", Atoms()):
        for name, call in (
            ("archive", lambda v=value: minima(archive=v)),
            ("archive", lambda v=value: search.Archive.read(v)),
            ("out", lambda v=value: SearchRequest("B4", out=v)),
            ("starts", lambda v=value: SearchRequest("B4", starts=v)),
            ("model", lambda v=value: iia_calc.load(v)),
            ("model", lambda v=value: iia_calc.IIACalculator(v)),
        ):
            refused(call, name)
    for value in (1, "yes", None, []):
        refused(lambda v=value: SearchRequest("B4", known=v), "known")
        refused(lambda v=value: on_islands(in_step=v), "in_step")
        refused(lambda v=value: search.BasinHoppingSettings(adapt=v), "adapt")
        refused(lambda v=value: ConfirmRequest(frequencies=v), "frequencies")


def test_dtypes_and_devices():
    for value in ("float16", "float32", torch.float16, torch.int64, float, np.float32, None, 32):
        assert "torch.float32 or torch.float64" in refused(lambda v=value: iia_calc.load(dtype=v), "dtype")
    for value in (torch.float32, "float16", np.float64, None, 64):
        assert "float32 or float64" in refused(lambda v=value: iia_calc.IIACalculator(dtype=v), "dtype")
    for value in (0, 1.5, True, ["cpu"], "gpu", "", "cuda:99"):
        refused(lambda v=value: iia_calc.load(device=v), "device")
        refused(lambda v=value: iia_calc.IIACalculator(device=v), "device")


def test_things_of_another_kind():
    potential = small_potential()
    for value in (None, 5, 4.0, True, ["B4"], b"B4", {"B": 4}, print):
        refused(lambda v=value: search.find_minima(v, search.LennardJones(), quenches=1), "neither a formula nor Atoms")
        refused(lambda v=value: search.Composition.parse(v), "neither a formula nor Atoms")
        refused(lambda v=value: iia_calc.search_isomers(v, quenches=1), "formula")
    for value in (None, 5, "lj", [], Atoms("Ar4", P), search.LennardJones):
        refused(lambda v=value: search.find_minima("Ar4", v, quenches=1), "relaxer")
        refused(lambda v=value: iia_calc.search_isomers("B4", relaxer=v or 5, quenches=1), "relaxer")
        refused(lambda v=value: iia_calc.PotentialRelaxer(v), "potential is")
    for value in (None, 5, [], Atoms(), search.LennardJones()):
        refused(lambda v=value: minima(method=v), "method")
    for value in (5, "hot", [1], 0.5):
        refused(lambda v=value: minima(settings=v), "settings")
        refused(lambda v=value: minima(settings={"moves": v}), "moves")
    for value in ({"rattle": "0.5"}, {"rattle": float("nan")}, {"rattle": True}, {1: 0.5}, {"hop": 1}, {"rattle": -1}):
        refused(lambda v=value: minima(settings={"moves": v}), "move")
    for value in (5, "a.xyz", Atoms("Ar4", P), None, [5], [None], [P]):
        refused(lambda v=value: minima(starts=v), "start")
        refused(lambda v=value: iia_calc.search_isomers("B4", quenches=1, starts=v), "start")
    for value in (5, None, "B4", [Atoms("B4", P)], SimpleNamespace()):
        refused(lambda v=value: iia_calc.confirm_isomers(v, 1), "found")
    for value in (5, None, Atoms("B4", P), "a.xyz", [P]):
        refused(lambda v=value: iia_calc.PotentialRelaxer(potential).relax(v), "structure")
    for value in ([potential], potential, [potential, None], []):
        refused(lambda v=value: iia_calc.Committee(v), "committee")
    for value in (5, "x", search.BasinHoppingSettings()):
        refused(lambda v=value: iia_calc.Potential(v, {"B": -1.0}), "settings")
    for value in (5, "B", ["B"], {"Q": -1.0}, {5: -1.0}, {"X": -1.0}):
        refused(lambda v=value: iia_calc.Potential(element_energies=v), "element")
    for value in (5, "rattle", print, None):
        refused(lambda v=value: search.register_move(v), "no move")
    for value in (["two"], "4", 2.5, [], [None]):
        refused(lambda v=value: on_islands(islands=v), "islands")
    refused(lambda: search.Archive(None, "B4", sameness={"energy_tolerance": 1}), "sameness")
    for value in (0, 1.5, "3.0", True, [3], None):
        refused(lambda v=value: ConfirmRequest(relax=v), "relax")
    refused(lambda: iia_calc.confirm_isomers(None, frequency=True), "found")


def test_numbers_of_numpy_are_numbers():
    settings = search.BasinHoppingSettings(walkers=np.int32(4), temperature=np.float32(0.5))
    assert (settings.walkers, settings.temperature) == (4, 0.5)
    request = SearchRequest("B4", quenches=np.int64(3), time_limit=np.float32(2.0), seed=np.uint8(7), known=np.bool_(0))
    assert (request.quenches, request.time_limit, request.seed, request.known) == (3, 2.0, 7, False)
    assert ConfirmRequest(np.int64(3), charge=np.int8(-1), relax=np.int64(4)).relax == 4
    assert search.LennardJones(epsilon=np.float64(2.0), max_steps=np.int16(50)).signature == (
        search.LennardJones(epsilon=2, max_steps=50).signature
    )
    relaxer = iia_calc.PotentialRelaxer(small_potential(), fmax=np.float64(0.25), batch_size=np.int64(8))
    assert (relaxer.fmax, relaxer.batch_size) == (0.25, 8)
    assert type(relaxer.fmax) is float  # stands in the signature, which must not depend on the type


def test_what_a_relaxer_of_ones_own_gives_is_checked():
    class Odd:
        signature, bond_length, gives = "odd", 3.8, None

        def relax(self, structures):
            return self.gives

    for gives in (None, 5, [None], [Atoms("Ar4", P)] * 8, [], "converged"):
        relaxer = Odd()
        relaxer.gives = gives
        refused(lambda r=relaxer: search.find_minima("Ar4", r, quenches=8), "Odd.relax gives")


@pytest.mark.parametrize(
    ("fmax", "message"),
    [(value, "give at most 1") for value in (1.001, 5, 1e9)]
    + [(value, "give at least 1e-06") for value in (1e-300, 5e-324, 9e-7)],
)
def test_a_force_limit_that_no_minimum_has_or_below_rounding_is_refused(fmax, message):
    for call in (
        lambda: SearchRequest("B4", fmax=fmax),
        lambda: ConfirmRequest(fmax=fmax),
        lambda: iia_calc.PotentialRelaxer(small_potential(), fmax=fmax),
    ):
        assert message in refused(call, "fmax")
    assert [SearchRequest("B4", fmax=value).fmax for value in (1, 1e-6)] == [1.0, 1e-6]


@pytest.mark.parametrize("numbers", [[5, -1], [119, 5], [5, 10**6]])
def test_atomic_numbers_that_no_element_has_are_refused(numbers):
    Z, R, batch = torch.tensor(numbers), torch.tensor([[0.0, 0, 0], [1.6, 0, 0]]), torch.tensor([0, 0])
    assert "1 to 118" in refused(lambda: small_potential()(Z, R, batch), "Z has")
