"""A functional or a basis that PySCF can't do is refused in one line, and no database is claimed for it."""

from __future__ import annotations

import pytest
from ase import Atoms
from ase.io import write

from iia_calc.improve import LoopSettings
from iia_calc.improve.loop import Loop
from iia_calc.labels.request import LabelRequest
from iia_calc.labels.run import run_labels
from search.errors import InputError

pytest.importorskip("pyscf")
UNKNOWN = [({"functional": "PBE99"}, "functional 'PBE99'"), ({"basis": "nobasis"}, "no basis 'nobasis' for B")]


@pytest.mark.parametrize(("of_dft", "message"), [*UNKNOWN, ({"functional": "B3LYP-D9"}, "functional 'B3LYP-D9'")])
@pytest.mark.parametrize("given", [False, True])
def test_labels(tmp_path, of_dft, message, given):
    write(tmp_path / "b2.xyz", Atoms("B2", [(0, 0, 0), (0, 0, 1.6)]))
    what = {"structures": tmp_path / "b2.xyz"} if given else {"formulas": ("B3",), "n_labels": 1}
    with pytest.raises(InputError, match=message):
        run_labels(LabelRequest(out=tmp_path / "l.db", level="dft", **what, **of_dft))
    assert not (tmp_path / "l.db").exists()


@pytest.mark.parametrize(("of_dft", "message"), UNKNOWN)
def test_a_loop(tmp_path, of_dft, message):
    with pytest.raises(InputError, match=message):
        Loop(tmp_path / "loop", LoopSettings(("B3",), level="dft", **of_dft))
    assert not (tmp_path / "loop" / "improve.json").exists()
