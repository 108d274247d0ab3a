"""Kills long jobs again and again: nothing that was stored may be lost, and the end must be that of an undisturbed run.

    python benchmarks/kills.py --kills 1000                   # all jobs, some hours
    python benchmarks/kills.py --jobs search label --kills 20

Each job runs once undisturbed. Then it is begun anew and stopped at random moments, by SIGKILL, by SIGTERM or by a
disk that takes no more (a limit on the size of files), and given again until it ends. The table says how many stops
there were of each kind, how often something stored was missing afterwards, how often the end differed, and how often
there was a traceback.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase.db import connect
from ase.io import read

from iia_calc.common.files import read_json
from iia_calc.labels.store import LabelStore

IIA = [sys.executable, "-c", "from iia_calc.cli import main; main()"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
KINDS = ("SIGKILL", "SIGTERM", "full disk")
Found = dict[str, str]
"""What a job has stored or ended with: a name for each thing, and a text that must stay the same."""


@dataclass(frozen=True)
class Job:
    """One kind of job.

    command : of `iia`, for a folder. stored : what lies in the folder after a stop. end : what an ended job gave.
    """

    command: Callable[[Path], list[str]]
    stored: Callable[[Path], Found]
    end: Callable[[Path], Found]


def minima(folder: Path) -> Found:
    """Energies, eV, of the minima in a search's archive, as they were written."""
    path = folder / "out" / "archive.db"
    if not path.exists():
        return {}
    with connect(path) as database:
        return {f"{row.energy:.6f}": "" for row in database.select(include_data=False)}


def isomers(folder: Path) -> Found:
    """Energies and positions of the ranked isomers."""
    frames = read(folder / "out" / "isomers.extxyz", index=":")
    return {
        str(rank): f"{atoms.get_potential_energy():.8f} {np.round(atoms.positions, 6).tolist()}"
        for rank, atoms in enumerate(frames)
    }


def labels(folder: Path) -> Found:
    """Energies by start and structure."""
    path = folder / "labels.db"
    if not path.exists() or not path.stat().st_size:
        return {}
    found = {}
    for item in LabelStore(path).read():
        where = hashlib.sha256(np.round(item.atoms.positions, 6).tobytes()).hexdigest()[:12]
        found[f"{item.start} {where}"] = f"{item.label.energy:.8f}"
    return found


def weights(folder: Path) -> Found:
    """Hashes of a model's weights."""
    card = read_json(folder / "model" / "card.json")
    return {member["file"]: member["sha256"] for member in card["members"]}


def confirmed(folder: Path) -> Found:
    """DFT energies of the confirmed isomers."""
    frames = read(folder / "out" / "confirmed.extxyz", index=":")
    return {str(rank): f"{atoms.get_potential_energy():.6f}" for rank, atoms in enumerate(frames)}


def nothing(folder: Path) -> Found:
    """Of jobs whose stored things count only at their end."""
    return {}


def searching(*options: str) -> Job:
    """A short search with these options."""
    return Job(
        lambda folder: ["search", "SeB6", "--seed", "1", *options, "--out", str(folder / "out")], minima, isomers
    )


JOBS = {
    "search": searching("--quenches", "80"),
    "bees": searching("--quenches", "80", "--method", "bee-colony"),
    "islands": searching("--quenches", "128", "--islands", "2", "-j", "2"),
    "label": Job(
        lambda folder: ["label", "B4", "SeB4", "-n", "150", "--seed", "7", "-o", str(folder / "labels.db")],
        labels,
        labels,
    ),
    "train": Job(
        lambda folder: ["train", str(folder.parent / "fitted.db"), "-o", str(folder / "model"), "--epochs", "4"],
        nothing,
        weights,
    ),
    "confirm": Job(
        lambda folder: [
            "search",
            "B3",
            "--quenches",
            "16",
            "--no-known",
            "--dft",
            "2",
            "--basis",
            "3-21G",
            "--dft-basis",
            "none",
            "--out",
            str(folder / "out"),
        ],
        minima,
        confirmed,
    ),
}


@dataclass
class Tally:
    """What came of the stops of one job."""

    stops: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    different: int = 0
    tracebacks: int = 0


def start(command: Sequence[str], room: int | None = None) -> subprocess.Popen[str]:
    """The command in a process group of its own; `room` bytes are the most that a file may have."""

    def limit() -> None:
        if room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    return subprocess.Popen(
        [*IIA, *command],
        env=ENVIRONMENT,
        preexec_fn=limit,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def stop(process: subprocess.Popen[str], kind: str, after: float) -> tuple[bool, str]:
    """Whether the process was stopped before its end, and what it wrote to standard error."""
    try:
        errors = process.communicate(timeout=after)[1]
        return kind == "full disk" and process.returncode != 0, errors
    except subprocess.TimeoutExpired:
        if kind == "SIGTERM":
            process.terminate()
        else:  # a full disk that nobody noticed in time ends like a kill
            os.killpg(process.pid, signal.SIGKILL)
    try:
        return True, process.communicate(timeout=120)[1]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return True, process.communicate()[1] + "\nTraceback: none, but it did not end within two minutes of SIGTERM"


def disturbed(job: Job, folder: Path, expected: Found, seconds: float, rng: np.random.Generator, tally: Tally) -> None:
    """One run with stops, given again until it ends."""
    kept: Found = {}
    for attempt in range(12):
        kind = KINDS[int(rng.integers(len(KINDS)))] if attempt < 11 else "none"
        room = int(rng.integers(20_000, 400_000)) if kind == "full disk" else None
        process = start(job.command(folder), room)
        stopped, errors = stop(process, kind, float(rng.uniform(0.2, 1.1)) * seconds if attempt < 11 else 3600.0)
        if "Traceback" in errors:
            tally.tracebacks += 1
            print(f"{kind}, {room or ''}:\n{errors}", file=sys.stderr)
        tally.stops[kind] += stopped
        now = job.stored(folder)
        tally.lost += any(now.get(name) != text for name, text in kept.items())
        kept = now
        if not stopped and process.returncode == 0:
            break
    tally.different += job.end(folder) != expected


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--kills", type=int, default=1000, help="stops in all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    failed = False
    print("| job | SIGKILL | SIGTERM | full disk | lost | other end | tracebacks |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        if "train" in options.jobs:
            subprocess.run(
                [*IIA, "label", "B4", "-n", "60", "-o", str(place / "fitted.db")],
                env=ENVIRONMENT,
                check=True,
                capture_output=True,
            )
        for name in options.jobs:
            job, tally, undisturbed = JOBS[name], Tally(), place / f"{name}-undisturbed"
            undisturbed.mkdir()
            begin = time.perf_counter()
            process = start(job.command(undisturbed))
            if process.wait() != 0:
                sys.exit(f"{name} fails undisturbed: {process.stderr.read() if process.stderr else ''}")
            seconds, run = time.perf_counter() - begin, 0
            while sum(tally.stops.values()) < options.kills / len(options.jobs):
                folder = place / f"{name}-{run}"
                folder.mkdir()
                disturbed(job, folder, job.end(undisturbed), seconds, rng, tally)
                run += 1
            counts = " | ".join(str(tally.stops[kind]) for kind in KINDS)
            print(f"| {name} | {counts} | {tally.lost} | {tally.different} | {tally.tracebacks} |", flush=True)
            failed |= bool(tally.lost or tally.different or tally.tracebacks)
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
