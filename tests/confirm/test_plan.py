"""Levels of a confirmation: the model's own by default, checked, and how far isomers are relaxed."""

from __future__ import annotations

import pytest

from iia_calc.confirm.levels import basis_functions, functional_and_basis
from iia_calc.confirm.plan import GRADIENTS, plan_confirmation
from iia_calc.confirm.settings import ConfirmRequest
from search.errors import InputError
from search.geometry.composition import Composition

pytest.importorskip("pyscf")

OURS = "PBE0/3-21G, density fitting, grid 1, charge 0, lowest multiplicity"
LARGE = "PBE0/def2-TZVP, density fitting, grid 3, charge 0, lowest multiplicity"


def test_the_models_own_level_by_default():
    small = plan_confirmation("SeB4", OURS, ConfirmRequest())
    assert small.level.name == OURS
    assert (small.gradients, small.checks.basis) == (None, "def2-TZVP")
    large = plan_confirmation("SeB4", LARGE, ConfirmRequest())
    assert large.level.name == LARGE  # its grid too, so that the relaxations are labels like the others
    assert (large.gradients, large.checks.basis) == (GRADIENTS, None)
    assert plan_confirmation("SeB4", "GFN1-xTB, Te 1500 K", ConfirmRequest()).level.name == OURS
    assert functional_and_basis(None) == ("PBE0", "3-21G")


def test_what_is_asked_for_wins():
    plan = plan_confirmation("SeB4", LARGE, ConfirmRequest(functional="PBE", basis="def2-SVP", relax="full"))
    assert plan.level.name.startswith("PBE/def2-SVP, density fitting, grid 1")
    assert (plan.gradients, plan.checks.basis) == (None, "def2-TZVP")
    assert plan_confirmation("SeB4", OURS, ConfirmRequest(relax="4")).gradients == 4
    assert plan_confirmation("SeB4", OURS, ConfirmRequest(ranking_basis="none")).checks.basis is None
    anion = plan_confirmation("SeB4", OURS, ConfirmRequest(charge=-1))
    assert (anion.level.charge, anion.level.name) == (-1, OURS.replace("charge 0", "charge -1"))


@pytest.mark.parametrize(
    "settings", [{"n_lowest": 0}, {"workers": 0}, {"fmax": 0.0}, {"relax": "0"}, {"relax": "much"}, {"descend": True}]
)
def test_nonsense_is_refused(settings):
    with pytest.raises(InputError):
        ConfirmRequest(**settings)


def test_basis_functions_are_pyscfs():
    from pyscf import gto

    for basis in ("3-21G", "def2-SVP", "def2-TZVP", "6-31G*"):
        atoms = [("Se", (0, 0, 0)), ("B", (0, 0, 2)), ("B", (0, 2, 0))]
        expected = gto.M(atom=atoms, basis=basis, spin=0, verbose=0).nao
        assert basis_functions(Composition.parse("SeB2"), basis) == expected


def test_the_time_is_told_beforehand_and_the_cheaper_way_named():
    large = plan_confirmation("SeB16", LARGE, ConfirmRequest())
    text = large.describe(5, n_cores=2)
    assert "relaxing 5 isomers by at most 3 gradients each with PBE0/def2-TZVP" in text
    assert "about 2 h without a GPU" in text
    assert "--basis 3-21G is cheaper" in text
    small = plan_confirmation("SeB16", OURS, ConfirmRequest(ranking_basis="none"))
    assert small.seconds(5, 2) < 0.4 * large.seconds(5, 2)
    assert large.seconds(5, 1) == pytest.approx(2 * large.seconds(5, 2))
    assert "cheaper" not in small.describe(5, n_cores=2)
