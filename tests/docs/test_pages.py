"""The code on the documentation's pages and in the README runs as it is printed.

The `python` and `shell` blocks of a page run in order, in one empty folder; the Python ones share their names, and
`yaml` blocks are files for them. HTML comments steer it (page_blocks.py); `<!-- slow -->` and `<!-- needs: pyscf -->`
stand anywhere on a page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cli_process
import pytest
from page_blocks import blocks_of

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    **cli_process.ENVIRONMENT,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
}


def pages() -> list:
    """A test for each page that has code, with the marks it asks for."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    marked = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        if not {"commands", "_build"} & set(path.parts) and blocks_of(text):
            marks = [pytest.mark.slow] if "<!-- slow -->" in text else []
            marked.append(pytest.param(path, id=str(path.relative_to(ROOT)), marks=marks))
    return marked


@pytest.mark.parametrize("page", pages())
def test_page(page, tmp_path, monkeypatch):
    text = page.read_text(encoding="utf-8")
    for package in re.findall(r"<!-- needs: (\S+) -->", text):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = ModuleType("page")  # classes of a page find their names in it
    monkeypatch.setitem(sys.modules, "page", module)
    for block in blocks_of(text):
        if block.file is not None:
            (tmp_path / block.file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.file).write_text(block.code, encoding="utf-8")
        elif block.language == "python":
            source = "\n" * (block.line - 1) + block.code  # a traceback then shows the page's own lines
            exec(compile(source, str(page), "exec", dont_inherit=True), vars(module))
        else:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.code],
                env=ENVIRONMENT,
                capture_output=True,
                text=True,
                timeout=600,
            )
            assert done.returncode == 0, f"{page}:{block.line}\n{block.code}\n{done.stdout}\n{done.stderr}"


def test_collects_and_shortens():
    page = (
        "text\n<!-- in tests: --time 2m -> -n 8 -->\n```shell\niia search B4 --time 2m\n```\n"
        "<!-- not run: needs a cluster -->\n```shell\nsrun iia\n```\n```python\nx = 1\n```\n```text\nout\n```\n"
    )
    assert [(b.language, b.code) for b in blocks_of(page)] == [("shell", "iia search B4 -n 8\n"), ("python", "x = 1\n")]
    with pytest.raises(AssertionError, match="isn't in the block"):
        blocks_of(page.replace("B4 --time 2m", "B4 --time 3m"))
