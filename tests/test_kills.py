"""A short series of benchmarks/kills.py; the long one's figures are in docs/benchmarks.md."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "kills.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")
def test_labels_stand_kills_and_a_full_disk(tmp_path):
    results = tmp_path / "kills.jsonl"
    command = [sys.executable, str(SCRIPT), "--jobs", "label", "-o", str(results), "--kills"]
    for kills in (2, 4):  # the second call goes on
        done = subprocess.run([*command, str(kills)], capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        rows = [json.loads(line) for line in results.read_text().splitlines()]
        stops = [stop for row in rows for stop in row["stops"]]
        assert len(stops) >= kills
        assert f"| label | {len(stops)} | 0 | 0 | 0 | 0 |" in done.stdout
    assert [row["run"] for row in rows] == list(range(len(rows)))
    assert not any(row["different"] for row in rows)
