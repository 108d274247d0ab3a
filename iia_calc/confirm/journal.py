"""Finished steps of a long calculation, one JSON line each, so that a killed run goes on after the last."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from iia_calc.common.files import builtin
from search.errors import InputError


class StoredSteps:
    """An append-only file of results, keyed by the parameters of the step they belong to.

    A line that a killed run left half written is dropped.

    Raises
    ------
    ValueError : the file holds something else.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        for k, line in enumerate(lines):
            try:
                item = json.loads(line)
                self._known[_name(item["step"])] = item["result"]
            except (ValueError, KeyError, TypeError) as error:
                if line.endswith(b"\n"):
                    raise InputError(f"{path}, line {k + 1}, is not a finished step; move the file away") from error
        if lines and not lines[-1].endswith(b"\n"):
            os.truncate(path, sum(map(len, lines[:-1])))

    def __len__(self) -> int:
        return len(self._known)

    def get(self, step: dict[str, Any]) -> Any:
        """The result of `step`, plain data; None where it isn't finished."""
        return self._known.get(_name(step))

    def add(self, step: dict[str, Any], result: Any) -> None:
        """Store the result of `step`; it is on disk when this returns."""
        text = json.dumps({"step": step, "result": result}, ensure_ascii=False, default=builtin)
        with self._lock:
            with self.path.open("a", encoding="utf-8") as out:
                out.write(text + "\n")
                out.flush()
                os.fsync(out.fileno())
            self._known[_name(step)] = json.loads(text)["result"]


def _name(step: dict[str, Any]) -> str:
    return json.dumps(step, sort_keys=True, default=builtin)
