from __future__ import annotations

import pytest
from reproduce.made import write_sets


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """A folder of small sets in the layout of the paper's archive."""
    return write_sets(tmp_path_factory.mktemp("sets"))
