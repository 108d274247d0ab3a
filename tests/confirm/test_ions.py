"""An ion's lowest isomer may lie high on the neutral's surface: what wasn't tried is told."""

from iia_calc.confirm.ions import warn_left_out

RELATIVE = {1: 0.0, 2: 0.003, 3: 0.9, 4: 1.5}


def test_isomers_within_reach_that_were_not_relaxed_are_told():
    assert warn_left_out(RELATIVE, {1, 2, 3}) == ""
    assert "1 more isomer lies within 1 eV" in warn_left_out(RELATIVE, {1, 2})
    assert "--dft 3 takes it in" in warn_left_out(RELATIVE, {1, 2})
    assert "2 more isomers lie" in warn_left_out(RELATIVE, {1})
    assert "--dft 3 takes them in" in warn_left_out(RELATIVE, {1})
