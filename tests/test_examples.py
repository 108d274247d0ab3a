"""Every example runs as it stands (short settings) and says what it promises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import fitted
import pytest
from ase.io import read
from cli_process import ENVIRONMENT

EXAMPLES = Path(__file__).parents[1] / "examples"
SAYS = {
    "attach_calculator.py": ["energy ", "largest force", "it knows B, Se"],
    "dask_cluster.py": ["scheduler at tcp://", "from 32 quenches"],
    "find_global_minimum.py": ["basin-hopping:", "bee-colony:", "0.000 eV"],
    "molecular_dynamics.py": ["eV/atom/ps"],
    "train_potential.py": ["saved ", "B3 -"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAYS)
def test_example(name, tmp_path):
    if name == "train_potential.py":
        pytest.importorskip("tblite")
        options = ["--quick"]
    else:
        if name == "dask_cluster.py":
            pytest.importorskip("distributed")
        options = ["--quick", "--model", fitted.model()]
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *options],
        cwd=tmp_path,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    for words in SAYS[name]:
        assert words in done.stdout
    if name == "molecular_dynamics.py":
        assert len(read(tmp_path / "seb8.traj", ":")) == 6


def test_all_are_tested_and_short():
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted(SAYS)
    for name in SAYS:
        assert len((EXAMPLES / name).read_text().splitlines()) <= 70
