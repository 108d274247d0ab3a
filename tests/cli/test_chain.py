"""From a formula to the supporting information, as a new user does it: search, page, properties, paper."""

from __future__ import annotations

import json
import re

import pytest

pytest.importorskip("pyscf")
pytest.importorskip("pymatgen")


@pytest.mark.slow
def test_from_a_formula_to_the_supporting_information(iia, tmp_path):
    done = iia("search", "B3", "-n", 12, "--dft", 2, "--frequencies", "--basis", "3-21G", "--dft-workers", 1)
    first = done.stderr.splitlines()[0]
    assert re.fullmatch(r"DFT of 2 isomers after the search: about \d+ (s|min) without a GPU", first)
    iia("report", "B3-search")
    iia("properties", "B3-search")
    iia("paper", "B3")
    page = (tmp_path / "B3-search/report.html").read_text(encoding="utf-8")
    assert "It was relaxed by DFT" in page or "isomers relaxed by DFT" in page
    told = json.loads((tmp_path / "B3-search/properties.json").read_text())
    (lowest, *_) = told["dft"]["isomers"]
    assert lowest["point_group"] == "D3h"
    assert min(lowest["frequencies"]) > 0
    text = (tmp_path / "paper/supporting.md").read_text()
    assert "| B3-1 | D3h | doublet |" in text
    assert "def2-TZVP" in text
    assert (tmp_path / "paper/B3-populations.pdf").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("paper", "SeB4"), "needs isomers that DFT has relaxed, and SeB4-search has none"),
        (("properties", "SeB4-search", "--what", "ranking"), "ranking needs isomers that DFT has relaxed"),
        (("properties", "nowhere"), "nowhere"),
        (("report", "nowhere"), "nowhere"),
    ],
)
def test_what_can_not_be_done_is_one_line(iia, searched, tmp_path, arguments, message):
    (tmp_path / "SeB4-search").symlink_to(searched[0])
    done = iia(*arguments, code=2)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
