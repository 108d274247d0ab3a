"""GFN1-xTB's opinion of energies that others computed: 30 ms a structure, and no model of this project takes part.

`energy_outliers.py` asks a set about itself and so passes what many of its members have in common: where a third of the
energies are failed SCF solutions, some pass. GFN1-xTB knows nothing of the set. The two levels of theory differ by a
constant of each composition, which is where the differences crowd most: failed SCF energies lie above, never below.

Asked for boron and selenium alone, where its verdicts were compared with DFT's (`reproduce.label_quality`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from ase import Atoms

from iia_calc.data.energy_outliers import crowded_and_scatter
from iia_calc.data.recompute import EXCESS
from iia_calc.data.sets import StructureSet
from iia_calc.labels.level import LabelFailed, LevelOfTheory
from iia_calc.labels.xtb import XTBLevel

ELEMENTS = frozenset({5, 34})
FILE = "gfn1-xtb.csv"
EVERY = 50
"""Structures between two calls of `show`."""


def can_judge(found: StructureSet) -> bool:
    """Whether the set has boron and selenium alone, for which GFN1-xTB was compared with DFT."""
    return set(found.numbers.tolist()) <= ELEMENTS


def agrees(
    found: StructureSet, cache: Path | None = None, show: Callable[[int, int], object] | None = None
) -> np.ndarray:
    """[n] bool: energies at most `check.EXCESS` per atom above GFN1-xTB's, after the set's shift.

    False, too, where GFN1-xTB has no energy. `found` has at least four structures, most of them of sound energy.
    """
    above = excess_over_xtb(found, cache, show)
    with np.errstate(invalid="ignore"):
        return above <= EXCESS


def excess_over_xtb(
    found: StructureSet, cache: Path | None = None, show: Callable[[int, int], object] | None = None
) -> np.ndarray:
    """[n] eV/atom by which energies exceed GFN1-xTB's, after the set's shift; NaN where that has none."""
    above = (found.energies_in("eV") - xtb_energies(found, cache, show)) / found.n_atoms
    known = np.isfinite(above)
    return np.asarray(above - crowded_and_scatter(above[known])[0])


def xtb_energies(
    found: StructureSet,
    cache: Path | None = None,
    show: Callable[[int, int], object] | None = None,
    level: LevelOfTheory | None = None,
) -> np.ndarray:
    """GFN1-xTB energies [n], eV; NaN where the SCC doesn't converge.

    cache : folder of a table that gets a line as each ends, by what a structure is and not by its file, so that a
        stopped run goes on and none is repeated; None to keep nothing.
    show : told structures done and all, now and then.

    Raises
    ------
    ImportError : an energy is missing, and tblite isn't installed.
    """
    level = level or XTBLevel()
    path = None if cache is None else cache / FILE
    known = {} if path is None else _read(path)
    keys = [_key(level, found.numbers, x) for x in found.positions]
    missing = [k for k, key in enumerate(keys) if key not in known]
    for done, k in enumerate(missing):
        if show and done % EVERY == 0:
            show(len(keys) - len(missing) + done, len(keys))
        try:
            known[keys[k]] = level.label(Atoms(found.numbers, found.positions[k])).energy
        except LabelFailed:
            known[keys[k]] = float("nan")
        if path is not None:
            _append(path, keys[k], known[keys[k]])
    return np.array([known[key] for key in keys])


def _key(level: LevelOfTheory, numbers: np.ndarray, positions: np.ndarray) -> str:
    digest = hashlib.sha256(level.name.encode())
    for array in (numbers, positions):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:20]


def _read(path: Path) -> dict[str, float]:
    """Energies by key; a line that a kill cut short is none."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    pairs = [line.rstrip("\n").split(",") for line in lines if line.endswith("\n")]
    return {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2 and pair[1] != "energy_eV"}


def _append(path: Path, key: str, energy: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.tell() == 0:
            file.write(b"structure,energy_eV\n")
        else:
            file.seek(-1, 2)
            if file.read(1) != b"\n":
                file.write(b",,\n")  # closes a line that was cut short, as none of a key and an energy
        file.write(f"{key},{float(energy)!r}\n".encode())
