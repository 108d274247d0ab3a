"""What a model's labels say about a composition."""

from __future__ import annotations

import pytest

from iia_calc.isomers.coverage import check_coverage, coverage
from search.errors import InputError
from search.geometry.composition import Composition

COUNTS = {"B3": 34, "SeB3": 66, "Se2B4": 19, "SeB16": 91, "SeB24": 6, "B24": 5, "B23": 0}


def of(formula):
    return coverage(Composition.parse(formula), "seb", COUNTS)


def test_what_it_was_fitted_to_is_said():
    found = of("SeB16")
    assert "fitted to 91 labels of SeB16 itself (221 of 3 to 25 atoms in all)" in found.text
    assert (found.warnings, found.refusal) == ((), None)
    assert "no labels of B23" in of("B23").text
    assert coverage(Composition.parse("SeB16"), "seb", {}) is None


def test_labels_of_other_levels_are_said_and_reach_farther():
    together = {"GFN1-xTB, 1500 K": {"SeB16": 300, "B40": 7}}
    found = coverage(Composition.parse("SeB16"), "seb", COUNTS, together)
    assert "(221 of 3 to 25 atoms in all), and to 300 by GFN1-xTB (307 in all)" in found.text
    farther = coverage(Composition.parse("B60"), "seb", COUNTS, together)
    assert farther.refusal is None
    assert "the labels end at 25 atoms (SeB24), and B60 has 60; labels of other levels" in farther.warnings[0]
    assert coverage(Composition.parse("B90"), "seb", COUNTS, together).refusal


@pytest.mark.parametrize(
    ("formula", "says"),
    [("SeB40", "the labels end at 25 atoms"), ("B2", "begin at 3 atoms"), ("Se3B12", "as much Se"), ("SeB", "as much")],
)
def test_beyond_the_labels_it_warns(formula, says):
    found = of(formula)
    assert found.refusal is None
    assert says in " ".join(found.warnings)


@pytest.mark.parametrize(("formula", "says"), [("Se8", "100% of Se8 are Se"), ("B80", "B80 has 80"), ("Se3B", "75%")])
def test_far_beyond_it_refuses_unless_told(formula, says):
    composition = Composition.parse(formula)
    with pytest.raises(InputError, match=says):
        check_coverage(composition, "seb", COUNTS, extrapolate=False)
    assert check_coverage(composition, "seb", COUNTS, extrapolate=True) is not None
