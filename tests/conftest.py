"""Lets tests share the helpers that lie beside this file (tests/clusters.py, tests/physics/contract.py)."""

import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from iia_calc.labels.dft.pyscf_import import import_pyscf

sys.path.insert(0, str(Path(__file__).parent))

# A job started in the background of a shell ignores SIGINT, one under nohup SIGHUP, and so would every search that a
# test stops.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Rounding depends on the number of threads, and which minimum a search meets next depends on rounding: tests that
# compare a search in this process with one in another (cli_process.py) need the same. Small tensors gain nothing.
torch.set_num_threads(1)

# Before a test's importorskip, which would leave PySCF the slowest kernels; tests that need it skip where it isn't.
with suppress(ImportError):
    import_pyscf()


def pytest_collection_modifyitems(items):
    """Files with the most slow tests first, so that no process of `make test` is left alone with one at the end."""
    slow: dict[Path, int] = {}
    for item in items:
        slow[item.path] = slow.get(item.path, 0) + (item.get_closest_marker("slow") is not None)
    items.sort(key=lambda item: -slow[item.path])


@pytest.fixture(scope="session")
def hcn_search(tmp_path_factory):
    """Folder of a search whose two isomers, HCN and HNC, DFT has relaxed and found to be minima."""
    pytest.importorskip("pyscf")
    pytest.importorskip("pymatgen")
    from made_search import confirmed_search

    return confirmed_search(tmp_path_factory.mktemp("hcn") / "HCN-search")
