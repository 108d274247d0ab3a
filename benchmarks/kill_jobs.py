"""The jobs that kills.py stops: their commands, what they store on the way, and how they end."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase.io import read

from iia_calc.common.files import read_json
from iia_calc.labels.store import LabelStore
from search import Archive
from search.errors import InputError

IIA = [sys.executable, "-c", "from iia_calc.cli import main; main()"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
LOWER = 0.01
"""eV by which a copy of a minimum, which replaces it, may be lower."""
Found = dict[str, str]
"""What a job has stored or ended with: a name for each thing, and a text that must stay the same."""


@dataclass(frozen=True)
class Job:
    """One kind of job.

    command : of `iia`, for a folder. stored : what lies in the folder after a stop. end : what an ended job gave.
    share : of all stops, in parts. still_there : whether what was stored before is among what is stored now.
    """

    command: Callable[[Path], list[str]]
    stored: Callable[[Path], Found]
    end: Callable[[Path], Found]
    share: int
    still_there: Callable[[Found, Found], bool] = lambda before, now: all(now.get(k) == v for k, v in before.items())


def minima(folder: Path) -> Found:
    """Energies, eV, of the minima in a search's archive."""
    path = folder / "out" / "archive.db"
    try:
        return {f"{minimum.energy:.6f}": "" for minimum in Archive.read(path)}
    except InputError:  # nothing was written yet: lost, if there was something before
        return {}


def minima_still_there(before: Found, now: Found) -> bool:
    """Whether each minimum is still there, be it as a lower copy of itself."""
    return all(any(abs(float(energy) - float(other)) < LOWER for other in now) for energy in before)


def isomers(folder: Path) -> Found:
    """Energies and positions of the ranked isomers."""
    frames = read(folder / "out" / "isomers.extxyz", index=":")
    return {
        str(rank): f"{atoms.get_potential_energy():.8f} {np.round(atoms.positions, 6).tolist()}"
        for rank, atoms in enumerate(frames)
    }


def labels(*names: str) -> Callable[[Path], Found]:
    """Energies by start and structure in these databases of a folder."""

    def found(folder: Path) -> Found:
        energies = {}
        for path in (folder / name for name in names):
            for item in LabelStore(path).read() if path.exists() and path.stat().st_size else ():
                where = hashlib.sha256(np.round(item.atoms.positions, 6).tobytes()).hexdigest()[:12]
                energies[f"{path.name} {item.start} {where}"] = f"{item.label.energy:.8f}"
        return energies

    return found


def weights(model: str) -> Callable[[Path], Found]:
    """Hashes of the weights of the model in this folder."""

    def found(folder: Path) -> Found:
        card = read_json(folder / model / "card.json")
        return {member["file"]: member["sha256"] for member in card["members"]}

    return found


def improved(folder: Path) -> Found:
    """Labels and weights of a loop."""
    return {**labels(*LOOP_LABELS)(folder), **weights("out/round-00/model")(folder)}


def minima_and_gradients(folder: Path) -> Found:
    """Minima of a search, and DFT gradients of its confirmation."""
    return {**minima(folder), **labels("out/dft.db")(folder)}


def still_there_with_gradients(before: Found, now: Found) -> bool:
    """`minima_still_there`, and every gradient."""
    gradients = [{key: value for key, value in found.items() if value} for found in (before, now)]
    energies = [[key for key, value in found.items() if not value] for found in (before, now)]
    return gradients[0].items() <= gradients[1].items() and minima_still_there(*map(dict.fromkeys, energies))


def confirmed(folder: Path) -> Found:
    """Energies, positions and further figures of the confirmed isomers, and all DFT gradients, in number and value."""
    gradients = labels("out/dft.db")(folder)
    frames = read(folder / "out" / "confirmed.extxyz", index=":")
    ends = {
        str(rank): f"{atoms.get_potential_energy():.8f} {np.round(atoms.positions, 6).tolist()} "
        f"{ {key: value for key, value in atoms.info.items() if 'energy' in key} }"
        for rank, atoms in enumerate(frames)
    }
    return {**gradients, **ends, "gradients": str(len(gradients))}


def nothing(folder: Path) -> Found:
    """Of jobs whose stored things count only at their end."""
    return {}


def searching(formula: str, *options: str, end: Callable[[Path], Found] = isomers, share: int) -> Job:
    """A short search with these options, by the small potential."""
    given = ("--seed", "1", "--no-known", *options)
    return Job(
        lambda folder: ["search", formula, *given, "-m", str(folder.parent / "small"), "--out", str(folder / "out")],
        minima,
        end,
        share,
        minima_still_there,
    )


NETWORK = ("--features", "16", "--interactions", "2", "--rbf", "10", "--heads", "2")
LOOP_LABELS = ("out/labels.db", "out/held-out.db", "out/walls.db")
LOOP = {
    "formulas": ["B5"],
    "level": "gfn1",
    "test_labels": 8,
    "quenches": 16,
    "labels_per_round": 8,
    "wall_labels": 5,
    "members": 2,
    "training": {"epochs": 2, "batch_size": 10, "validation_share": 0.2},
}
DFT = ("--dft", "2", "--basis", "STO-3G", "--dft-basis", "none", "--stability", "none")
JOBS = {
    "search": searching("B5", "--quenches", "96", share=4),
    "bees": searching("B5", "--quenches", "96", "--method", "bee-colony", share=3),
    "islands": searching("B5", "--quenches", "128", "--islands", "2", "-j", "2", share=3),
    "label": Job(
        lambda folder: ["label", "B4", "SeB4", "-n", "60", "--seed", "7", "-o", str(folder / "labels.db")],
        labels("labels.db"),
        labels("labels.db"),
        5,
    ),
    "train": Job(
        lambda folder: (
            ["train", str(folder.parent / "fitted.db"), "-o", str(folder / "model"), *NETWORK, "--epochs", "6"]
        ),
        nothing,
        weights("model"),
        2,
    ),
    "improve": Job(
        lambda folder: (
            ["improve", "--settings", str(folder.parent / "loop.json"), "--rounds", "1", "--out", str(folder / "out")]
        ),
        labels(*LOOP_LABELS),
        improved,
        1,
    ),
    "confirm": replace(
        searching("B4", "--quenches", "16", *DFT, end=confirmed, share=2),
        stored=minima_and_gradients,
        still_there=still_there_with_gradients,
    ),
}


def prepare(place: Path) -> None:
    """Labels that are trained on, and a small potential for searches and loops."""
    for command in (
        ["label", "B5", "-n", "60", "-o", str(place / "fitted.db")],
        ["train", str(place / "fitted.db"), "-o", str(place / "small"), *NETWORK, "--epochs", "30", "--members", "2"],
    ):
        subprocess.run([*IIA, *command], env=ENVIRONMENT, check=True, capture_output=True)
    loop = {**LOOP, "start_from": str(place / "small"), "labels": [str(place / "fitted.db")]}
    (place / "loop.json").write_text(json.dumps(loop))
