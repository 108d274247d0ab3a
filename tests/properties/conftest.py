from __future__ import annotations

import pytest
from made_search import confirmed_search


@pytest.fixture(scope="session")
def hcn_search(tmp_path_factory):
    """Folder of a search whose two isomers, HCN and HNC, DFT has relaxed and found to be minima."""
    pytest.importorskip("pyscf")
    pytest.importorskip("pymatgen")
    return confirmed_search(tmp_path_factory.mktemp("hcn") / "HCN-search")
