"""Which orders are safe and which flip."""

from __future__ import annotations

import pytest

from iia_calc.properties.certificate import CLOSE, FLIPS, SAFE, UNKNOWN, certificate_of


def test_the_words():
    told = certificate_of(
        [1, 2, 3, 4],
        ["planar", "tubular", "planar", "cage"],
        "def2-TZVP",
        {"PBE": "a", "PBE0": "b"},
        {"PBE": [-10.0, -9.7, -9.68, -5.0], "PBE0": [-20.0, -20.1, -19.5, -15.0]},
    )
    assert told.relative["PBE0"] == pytest.approx((0.1, 0.0, 0.6, 5.1))
    assert [told.verdict(k) for k in range(4)] == [FLIPS, FLIPS, CLOSE, SAFE]
    assert told.flips() == ["rank 1 (planar) is below rank 2 (tubular) by PBE, above it by PBE0"]
    assert told.as_plain()["verdicts"] == ["flips", "flips", "close", "safe"]


def test_what_failed_is_unknown_and_not_zero():
    told = certificate_of([1, 2, 3], ["planar"] * 3, "b", {}, {"PBE": [0.0, None, 1.0], "PBE0": [0.0, 0.5, 1.0]})
    assert told.verdict(1) == UNKNOWN
    assert told.pair(0, 2) == SAFE
    assert told.as_plain()["relative_energies"]["PBE"][1] is None
    alone = certificate_of([1], ["planar"], "b", {}, {"PBE": [0.0], "PBE0": [0.0]})
    assert alone.verdict(0) == UNKNOWN
