"""Kills long jobs again and again: nothing that was stored may be lost, and the end must be that of an undisturbed run.

    python benchmarks/kills.py --kills 1000 -o kills.jsonl    # all jobs, some hours; the same command goes on
    python benchmarks/kills.py --jobs search label --kills 20
    python benchmarks/kills.py --kills 0 -o kills.jsonl       # the tables of what there is

Each job runs once undisturbed. Then it is begun anew and stopped at random moments, by SIGKILL (of the process alone,
or of its workers with it), by SIGTERM or by a disk that takes no more (a limit on the size of files), and given again
until it ends. The tables say, by job and by signal, how many stops there were, how often something stored was missing
afterwards, how often there was a traceback, a job that did not end in time or a worker that outlived it, and by job
how often the end differed. To save time most jobs are started by a process that has imported all packages already.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from kill_jobs import ENVIRONMENT, IIA, JOBS, Found, Job, prepare

KINDS = ("SIGKILL", "SIGTERM", "full disk")
FAULTS = ("lost", "traceback", "out of time", "worker left")
PATIENCE = 120.0
"""Seconds that a job may take to end after SIGTERM."""
ATTEMPTS = 12
"""Starts of one run; the last one is left alone."""
FRESH = 0.15
"""Share of starts by an interpreter of their own; most of their time goes into imports."""
PACKAGES = (
    "torch",
    "scipy.optimize",
    "ase.io",
    "matplotlib.pyplot",
    "tblite.interface",
    "pyscf.dft",
    "pytorch_lightning",
)
Row = dict[str, Any]


class Started:
    """A process in a group of its own."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def ended(self, seconds: float) -> bool:
        """Whether the process ends within so many seconds."""
        deadline = time.monotonic() + seconds
        while self.returncode is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > deadline:
                return False
            else:
                time.sleep(0.02)
        return True

    def wait(self) -> int:
        """Its exit status."""
        self.ended(float("inf"))
        assert self.returncode is not None
        return self.returncode


def start(command: Sequence[str], errors: Path, room: int | None = None, fresh: bool = True) -> Started:
    """The command in a process of its own; `room` bytes are the most that a file may have.

    fresh : by a new interpreter; else by a copy of this one, which has imported all packages already.
    """
    pid = os.fork()
    if pid:
        return Started(pid)
    try:  # the child, which never returns
        os.setsid()
        target = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(target, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.environ.update(ENVIRONMENT)
        if room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
        if fresh:
            os.execv(sys.executable, [*IIA, *command])
        sys.argv = ["iia", *command]
        os._exit(run())
    finally:
        os._exit(70)


def run() -> int:
    """The exit status of the command in sys.argv."""
    from iia_calc.cli import main as iia

    status = 0
    try:
        iia()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    return status


def outlived(process: Started) -> bool:
    """Whether workers still run 20 s after the end of their process; they are ended."""
    deadline = time.monotonic() + 20.0
    try:
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def stop(process: Started, kind: str, after: float, with_workers: bool) -> tuple[str | None, list[str]]:
    """What stopped the process (None: it came to its end) and what was wrong with that.

    A full disk that nobody noticed before `after` seconds were over ends by SIGKILL, and counts as that.
    """
    faults = []
    if process.ended(after):
        stopped = kind if kind == "full disk" and process.returncode != 0 else None
    elif kind == "SIGTERM":
        stopped = kind
        os.kill(process.pid, signal.SIGTERM)
        if not process.ended(PATIENCE):
            faults.append("out of time")
    elif kind == "none":
        stopped, faults = None, ["out of time"]
    else:
        stopped = "SIGKILL"
        if not with_workers:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if outlived(process):
        faults.append("worker left")
    return stopped, faults


def disturbed(job: Job, folder: Path, expected: Found, seconds: float, rng: np.random.Generator) -> Row:
    """One run with stops, given again until it ends."""
    kept: Found = {}
    stops: list[Row] = []
    failed = None
    for attempt in range(ATTEMPTS):
        kind = KINDS[int(rng.integers(len(KINDS)))] if attempt < ATTEMPTS - 1 else "none"
        room = int(np.exp(rng.uniform(np.log(5_000), np.log(200_000)))) if kind == "full disk" else None
        after = float(rng.uniform(0.25, 1.1)) * seconds if kind != "none" else 1800.0
        errors = folder.with_suffix(".errors")
        began = time.perf_counter()
        process = start(job.command(folder), errors, room, fresh=rng.random() < FRESH)
        stopped, faults = stop(process, kind, after, bool(rng.integers(2)))
        if stopped is None and attempt == 0:  # the machine has more time for it now
            seconds = min(seconds, time.perf_counter() - began)
        text = errors.read_text(errors="replace")
        if "Traceback" in text:
            faults.append("traceback")
        now = job.stored(folder)
        if not job.still_there(kept, now):
            faults.append("lost")
        kept = now
        if stopped is not None or faults:
            said = text[-4000:] if faults else ""
            stops.append({"kind": stopped or kind, "after": after, "room": room, "faults": faults, "said": said})
        elif process.returncode != 0:
            failed = text[-4000:]
        if stopped is None:
            break
    found = {} if failed is not None else job.end(folder)
    changed = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
    row = {"stops": stops, "different": failed is not None or bool(changed), "failed": failed, "seconds": seconds}
    return row if failed is not None or not changed else {**row, "changed": changed[:20]}


def table(heading: str, groups: Iterable[tuple[str, list[Row]]]) -> str:
    """Stops and their faults, a line a group."""
    lines = [f"| {heading} | stops | {' | '.join(FAULTS)} |", "|---" * (len(FAULTS) + 2) + "|"]
    for name, stops in groups:
        faults = Counter(fault for stop in stops for fault in stop["faults"])
        lines.append(f"| {name} | {len(stops)} | {' | '.join(str(faults[fault]) for fault in FAULTS)} |")
    return "\n".join(lines)


def summary(rows: Sequence[Row]) -> str:
    """The tables by job and by signal."""
    stops = [stop for row in rows for stop in row["stops"]]
    by_job = [(name, [row for row in rows if row["job"] == name]) for name in JOBS]
    ends = [f"| {name} | {len(runs)} | {sum(run['different'] for run in runs)} |" for name, runs in by_job]
    return "\n\n".join(
        (
            table("job", [(name, [stop for run in runs for stop in run["stops"]]) for name, runs in by_job]),
            table("signal", [(kind, [stop for stop in stops if stop["kind"] == kind]) for kind in KINDS]),
            "\n".join(["| job | runs brought to their end | other end |\n|---|---|---|", *ends]),
        )
    )


def undisturbed(name: str, place: Path) -> tuple[Found, float]:
    """How a job ends, and the seconds that takes."""
    folder = place / f"{name}-undisturbed"
    folder.mkdir()
    begin, errors = time.perf_counter(), folder.with_suffix(".errors")
    if start(JOBS[name].command(folder), errors, fresh=False).wait() != 0:
        sys.exit(f"{name} fails undisturbed: {errors.read_text()}")
    return JOBS[name].end(folder), time.perf_counter() - begin


def main() -> None:
    """Runs in turn until there are as many stops as wanted, then the tables; status 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--kills", type=int, default=1000, help="stops in all, those in the file counted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, help="file of results, a JSON line each run; it is gone on with")
    options = parser.parse_args()
    os.environ.update(ENVIRONMENT)  # before the packages that read it: all starts are on as many threads
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        path = options.out or place / "kills.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        done = Counter({name: 0 for name in options.jobs})
        for row in rows:
            done[row["job"]] += len(row["stops"])
        ends: dict[str, tuple[Found, float]] = {}
        if sum(done[name] for name in options.jobs) < options.kills:
            if set(options.jobs) != {"label"}:
                prepare(place)
            for package in PACKAGES:
                import_module(package)
        while sum(done[name] for name in options.jobs) < options.kills:
            name = min(options.jobs, key=lambda name: done[name] / JOBS[name].share)
            ends[name] = ends.get(name) or undisturbed(name, place)
            number = sum(row["job"] == name for row in rows)
            folder = place / f"{name}-{number}"
            folder.mkdir()
            rng = np.random.default_rng([options.seed, list(JOBS).index(name), number])
            row = {"job": name, "run": number, **disturbed(JOBS[name], folder, *ends[name], rng)}
            rows.append(row)
            ends[name] = ends[name][0], row["seconds"]
            done[name] += len(row["stops"])
            with path.open("a") as stream:
                stream.write(json.dumps(row) + "\n")
            shutil.rmtree(folder)
    print(summary(rows))
    sys.exit(int(any(row["different"] or any(stop["faults"] for stop in row["stops"]) for row in rows)))


if __name__ == "__main__":
    main()
