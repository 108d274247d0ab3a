"""What a search may be asked for, and what is refused before anything is computed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from iia_calc.isomers.request import DEFAULT_TIME, SearchRequest, search_request
from search.errors import InputError, InputTypeError


def test_defaults_and_plain_values():
    request = SearchRequest("B16Se", seed=np.int64(3), out="here", fmax=np.float32(0.01))
    assert (request.formula, request.method, request.time_limit) == ("SeB16", "basin-hopping", DEFAULT_TIME)
    assert (type(request.seed), request.seed, request.folder) == (int, 3, Path("here"))
    assert SearchRequest("SeB16", quenches=5).time_limit is None
    assert SearchRequest("SeB16").folder == Path("SeB16-search")
    assert SearchRequest("SeB16", islands=4).method is None
    with pytest.raises(FrozenInstanceError):
        request.seed = 4


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"seed": -1}, "seed is -1"),
        ({"seed": None}, "seed is None"),
        ({"seed": 1.5}, "whole number"),
        ({"seed": True}, "whole number"),
        ({"quenches": 0}, "at least 1"),
        ({"time_limit": float("nan")}, "above 0"),
        ({"time_limit": "2m"}, "a number of seconds"),
        ({"fmax": 0}, "a force in eV/Å"),
        ({"method": "annealing"}, "basin-hopping, bee-colony"),
        ({"workers": 2}, "more than 1 island"),
        ({"islands": 2, "workers": 2, "dask": "tcp://here:1"}, "how many it has"),
    ],
)
def test_nonsense_is_refused(settings, says):
    with pytest.raises(InputError, match=says):
        SearchRequest("SeB16", **settings)


def test_misspelt_keywords_are_refused():
    with pytest.raises(InputTypeError, match="did you mean quenches"):
        search_request("SeB16", {"quench": 5})
    with pytest.raises(InputTypeError, match="in the SearchRequest itself"):
        search_request(SearchRequest("SeB16"), {"quenches": 5})
    with pytest.raises(InputTypeError, match="a formula or a SearchRequest"):
        search_request(16, {})
    assert search_request("SeB16", {"quenches": 5}) == SearchRequest("SeB16", quenches=5)


@pytest.mark.parametrize(
    "settings", [{"known": "no"}, {"picture": 0}, {"extrapolate": "no"}, {"method": 5}, {"calculator": object()}]
)
def test_what_is_of_another_kind_is_not_taken_for_true(settings):
    with pytest.raises(InputTypeError, match=next(iter(settings))):
        SearchRequest("B4", **settings)
