"""A disk that takes no more: a clear message, what was stored stays, the same command goes on.

A limit on the size of files stands for the disk; the write fails in the kernel just the same.
"""

import resource
import subprocess

import pytest
from cli_process import ENVIRONMENT, IIA

from iia_calc.labels.store import LabelStore
from search.archive.archive import Archive
from search.geometry.composition import Composition


def run(*arguments, bytes_per_file=None):
    def limit():
        if bytes_per_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_per_file, bytes_per_file))

    return subprocess.run(
        [*IIA, *map(str, arguments)], env=ENVIRONMENT, preexec_fn=limit, capture_output=True, text=True, timeout=240
    )


@pytest.mark.parametrize("room", [30_000, 110_000])
def test_labels_stay_and_go_on(tmp_path, room):
    path = tmp_path / "labels.db"
    command = ("label", "B3", "B4", "-n", 90, "-o", path)
    full = run(*command, bytes_per_file=room)
    assert full.returncode == 2
    assert "cannot be opened or written" in full.stderr or "cannot be written" in full.stderr
    assert "Traceback" not in full.stderr
    kept = [item.label.energy for item in LabelStore(path, "GFN1-xTB, Te 1500 K, charge 0, lowest multiplicity").read()]
    assert bool(kept) == (room > 100_000)
    after = run(*command)
    assert after.returncode == 0, after.stderr
    energies = [item.label.energy for item in LabelStore(path).read()]
    assert energies[: len(kept)] == kept
    assert len(energies) >= 90


def minima(folder):
    with Archive(folder / "archive.db", Composition.parse("SeB5")) as archive:
        return [minimum.energy for minimum in archive]


@pytest.mark.slow
def test_minima_stay_and_the_search_goes_on(tmp_path):
    command = ("search", "SeB5", "--quenches", 120, "--out", tmp_path / "search")
    full = run(*command, bytes_per_file=130_000)
    assert full.returncode == 2
    assert "make room, then give the same command again" in full.stderr
    kept = minima(tmp_path / "search")
    assert kept
    after = run(*command)
    assert after.returncode == 0, after.stderr
    energies = minima(tmp_path / "search")
    assert min(energies) <= min(kept)
    assert len(energies) >= len(kept)
