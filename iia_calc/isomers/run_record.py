"""run.json: with what settings, versions and weights a search ran, and how each call of it ended."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from iia_calc.common.files import read_json, write_json
from iia_calc.common.plain import (
    COUNT,
    FLAG,
    MAYBE_NAN,
    NUMBER,
    PLACE,
    TEXT,
    WHOLE,
    ByName,
    Kind,
    ListOf,
    OrNull,
    Parts,
    Single,
)
from search import Progress, SearchResult

PACKAGES = ("schnet-iia", "torch", "ase", "numpy", "scipy", "matscipy", "pyscf")
COUNTS = ("n_quenches", "n_evaluations", "n_failed", "n_unconverged", "n_fragmented", "n_uncertain")

_HASHES = Single("the sums of the weights' files", lambda value: isinstance(value, list | str))
_MODEL = Parts({"name": TEXT, "level_of_theory": TEXT, "sha256": _HASHES}, ("name", "level_of_theory"))
_MOVE = Parts(
    {"tries": COUNT, "accepted": COUNT, "improved": COUNT, "share": NUMBER}, ("tries", "accepted", "improved", "share")
)
_VIBRATIONS = Parts({"frequencies": ListOf(NUMBER), "zero_point_energy": NUMBER, "method": TEXT}, ("frequencies",))
_ENERGIES = ("energy", "final_energy", "relative_energy", "s_squared", "ideal_s_squared", "fmax", "moved")
_ISOMER_KINDS: dict[str, Kind] = {
    "rank": OrNull(PLACE),
    "model_rank": PLACE,
    "charge": WHOLE,
    "multiplicity": PLACE,
    "final_multiplicity": OrNull(PLACE),
    "same_as_model_rank": OrNull(PLACE),
    "vibrations": OrNull(_VIBRATIONS),
    "notes": ListOf(TEXT),
    "stability": OrNull(TEXT),
    "level_of_theory": OrNull(TEXT),
    "reason": OrNull(TEXT),
    **dict.fromkeys(_ENERGIES, OrNull(NUMBER)),
}
_ISOMER = Parts(_ISOMER_KINDS, ("rank", "model_rank", "relative_energy"))
_DFT = Parts(
    {
        "level_of_theory": TEXT,
        "ranked_by": OrNull(TEXT),
        "charge": WHOLE,
        "multiplicity": OrNull(PLACE),
        "settings": OrNull(Parts({"basis": OrNull(TEXT), "stability": TEXT, "next_multiplicity": FLAG})),
        "rank_correlation": OrNull(Parts({"n": COUNT, "spearman": MAYBE_NAN}, ("n", "spearman"))),
        "isomers": ListOf(_ISOMER),
    },
    ("level_of_theory", "isomers"),
)
_RUN = Parts(
    {
        "relaxer": TEXT,
        "labels": TEXT,
        "device": TEXT,
        "model": OrNull(_MODEL),
        "calculator": Parts({"text": TEXT}, ("text",)),
        "warnings": ListOf(TEXT),
        "settings": Parts(
            {
                "formula": TEXT,
                "method": OrNull(TEXT),
                "model": OrNull(TEXT),
                "seed": WHOLE,
                "starts": COUNT,
                "islands": PLACE,
                "fmax": NUMBER,
                "time_limit": OrNull(NUMBER),
            }
        ),
        "versions": ByName(OrNull(TEXT)),
        "counts": ByName(COUNT),
        "moves": OrNull(ByName(_MOVE)),
        "convergence": OrNull(Parts({"lowest_found": OrNull(COUNT)})),
        "calls": ListOf(Parts({"seconds": NUMBER})),
        "stopped_by": TEXT,
        "dft": _DFT,
    }
)


class RunRecord:
    """Writes the file after the first batch and at the end, so a killed search has it too.

    Earlier calls on the same folder stay listed under `calls`; one that was killed is still "running".

    Parameters
    ----------
    path : of run.json.
    described : what doesn't change while the search runs; plain data.
    """

    def __init__(self, path: Path, described: dict[str, Any]) -> None:
        self.path, self.described = path, described
        self.began = datetime.now(UTC).isoformat(timespec="seconds")
        self._earlier: list[dict[str, Any]] | None = None

    def note_running(self, progress: Progress) -> None:
        """After a batch: the first one writes, the others return at once."""
        if self._earlier is None:
            counts = {"n_minima": progress.n_minima, "n_quenches": progress.n_quenches}
            self._write(counts, {"began": self.began, "stopped_by": "running"})

    def end(self, result: SearchResult, more: dict[str, Any] | None = None) -> dict[str, Any]:
        """The whole record, written and returned. more : what else is to be said."""
        counts = {"n_minima": len(result.minima)} | {name: getattr(result, name) for name in COUNTS}
        call = {
            "began": self.began,
            "seconds": round(result.seconds, 3),
            "seconds_relaxing": round(result.seconds_relaxing, 3),
            "n_quenches": result.n_quenches,
            "stopped_by": result.stopped_by,
        }
        return self._write(
            counts, call, {"moves": result.moves, "convergence": result.convergence.as_plain(), **(more or {})}
        )

    def _write(
        self, counts: dict[str, Any], call: dict[str, Any], more: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        if self._earlier is None:
            self._earlier = earlier_calls(self.path)
        run = {
            **self.described,
            "counts": counts,
            **(more or {}),
            "calls": [*self._earlier, call],
            "stopped_by": call["stopped_by"],
        }
        write_json(self.path, run)
        return run


def read_run(path: Path) -> dict[str, Any]:
    """What run.json holds, each part that somebody reads of the right kind; empty where there is no such file.

    Raises
    ------
    InputError : it isn't JSON, or one of its parts isn't what a search writes; the message names it.
    """
    if not path.exists():
        return {}
    run: dict[str, Any] = read_json(path)
    _RUN.check(run, f"{path}:")
    return run


def earlier_calls(path: Path) -> list[dict[str, Any]]:
    """`calls` of a run.json; none where there is no such file."""
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["calls"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def versions() -> dict[str, str]:
    """Of Python and of the packages that a result depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found
