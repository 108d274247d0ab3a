from __future__ import annotations

import pytest
from reproduce.made import MadeLevel, write_sets


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """A folder of small sets in the layout of the paper's archive."""
    return write_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(autouse=True)
def made_level(monkeypatch):
    """GFN1-xTB would find nothing right with made energies."""
    monkeypatch.setattr("iia_calc.data.xtb_filter.XTBLevel", MadeLevel)
