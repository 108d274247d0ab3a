"""The page while a search runs: written again every few seconds until the search has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import yaml

from iia_calc.report.findings import read_findings
from iia_calc.report.page import RELOADED_EVERY, write_report
from search.errors import InputError

AGAIN = 2
"""Times in a row that a search must seem to have ended: its last files follow one another."""


def follow(
    folder: Path,
    out: Path | None = None,
    every: float = RELOADED_EVERY,
    wait: Callable[[float], object] = time.sleep,
) -> Path:
    """Write the page of a search again and again until it has ended, the last time without reloading; where it is.

    Ctrl-C ends it before, also with a page that doesn't reload.

    Parameters
    ----------
    folder : of the search. out : as in `write_report`.
    every : seconds between two pages. wait : sleeps so long.

    Raises
    ------
    FileNotFoundError, InputError : as `write_report`; `folder` is a file.
    """
    if folder.is_file():
        raise InputError(f"{folder} is a file; --live follows the folder of a search")
    seen = 0
    try:
        while seen < AGAIN:
            write_report(folder, out, live=True)
            wait(every)
            seen = seen + 1 if has_ended(folder) else 0
    finally:
        path = write_report(folder, out)
    return path


def has_ended(folder: Path) -> bool:
    """Whether nothing more is to come: the search is over, and its confirmation if one was asked for."""
    findings = read_findings(folder)
    if findings.running or findings.run.get("stopped_by") == "running":
        return False
    config = folder / "config.yml"
    asked = yaml.safe_load(config.read_text(encoding="utf-8")) if config.exists() else {}
    return not (asked or {}).get("dft") or bool(findings.dft) or findings.run.get("stopped_by") == "interrupted"
