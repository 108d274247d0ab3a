"""What a GPU makes of the potential: predictions, energies and forces, relaxations, a search and a fit, beside the CPU.

    python benchmarks/gpu.py -o gpu.md                  # about a minute and a half on an H100
    python benchmarks/gpu.py --only relaxations search
    python benchmarks/gpu.py --device cpu --quick       # tries the script where there is no GPU

1  predictions  held-out structures on both devices: the largest differences.
2  evaluations  energies and forces in float32, one SeB20 and batches, called as they are and replayed from a graph; a
                step of a relaxation; where the time of one evaluation goes.
3  relaxations  random starts of SeB20 to 0.05 eV/Å, the committee's looks included.
4  search       `iia search SeB16` on the GPU and on two CPU threads: quenches per second.
5  fit          five epochs of the shipped labels (--fit).

Each section has a time limit and ends alone: what it printed stays, in FILE and, as data, in FILE.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from iia_calc.isomers.request import SearchRequest
from iia_calc.isomers.search import search_isomers
from iia_calc.labels.npz import PackedLabels
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.pairs.clusters import ClusterPairs
from iia_calc.model.potential import Potential
from iia_calc.relax.advance import Rules
from iia_calc.relax.batch import PotentialRelaxer, forces_std_limit
from iia_calc.relax.captured import Recorder
from iia_calc.relax.fixed import FixedBatch
from search.geometry.composition import Composition
from search.geometry.seeds import seed_structures

LABELS = storage.models_folder() / "labels"
HELD_OUT = LABELS / "pbe0-def2-tzvp-held-out.npz.xz"
FIT = ("gfn1-xtb-0", "gfn1-xtb-1", "gfn1-xtb-2", "gfn1-xtb-thin", "gfn1-xtb-walls", "pbe0-3-21g", "pbe0-def2-tzvp")
FORMULA, SEARCHED = "SeB20", "SeB16"
BARS = {"energy": 0.05, "forces": 0.1, "rate": 1.5e6, "one": 0.5, "relaxations": 500.0, "search": 30.0, "fit": 30.0}


class Report:
    """Lines to the screen and to a file, and figures beside them, written as they come."""

    def __init__(self, path: Path | None) -> None:
        self.path, self.lines, self.figures = path, list[str](), dict[str, Any]()

    def say(self, line: str = "") -> None:
        """Another line of Markdown."""
        print(line, flush=True)
        self.lines.append(line)
        self._write()

    def note(self, **figures: Any) -> None:
        """More figures."""
        self.figures.update(figures)
        self._write()

    def _write(self) -> None:
        if self.path is not None:
            self.path.write_text("\n".join(self.lines) + "\n")
            self.path.with_suffix(".json").write_text(json.dumps(self.figures, indent=1) + "\n")


class Bench:
    """The sections; see the module's docstring."""

    def __init__(self, options: argparse.Namespace, report: Report) -> None:
        self.options, self.report, self.device = options, report, torch.device(options.device)
        self.quick, self.on_gpu = options.quick, self.device.type == "cuda"

    def synchronize(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize()

    def load(self, dtype: torch.dtype = torch.float32, device: str | None = None) -> Potential | Committee:
        return storage.load(self.options.model, dtype=dtype, device=device or self.options.device)

    def per_call(self, work: Callable[[], object], least: float = 0.4) -> float:
        """Seconds a call, of as many as take `least` seconds."""
        work()
        self.synchronize()
        begin, calls = time.perf_counter(), 0
        while time.perf_counter() - begin < (0.02 if self.quick else least):
            for _ in range(1 if self.quick else 5):
                work()
            calls += 1 if self.quick else 5
            self.synchronize()
        return (time.perf_counter() - begin) / calls

    def predictions(self) -> None:
        """Held-out structures on both devices, in double and in single precision."""
        structures = [item.atoms for item in PackedLabels(HELD_OUT).read()]
        structures = structures[:12] if self.quick else structures
        Z = torch.as_tensor(np.concatenate([a.numbers for a in structures]))
        R = torch.as_tensor(np.concatenate([a.positions for a in structures]))
        batch = torch.repeat_interleave(torch.arange(len(structures)), torch.tensor([len(a) for a in structures]))
        self.report.say(f"| {len(structures)} held-out structures | energies, meV | forces, meV/Å | bar |")
        self.report.say("|---|---|---|---|")
        exact = None
        for dtype in (torch.float64, torch.float32):
            found = {}
            for device in ("cpu", self.options.device):
                leader = self.load(dtype, device).leader
                prediction = leader(Z.to(device), R.to(device), batch.to(device))
                found[device] = prediction.energy.cpu().double(), prediction.forces.cpu().double()
            here, there = found["cpu"], found[self.options.device]
            exact = exact or here
            for name, a, b in (("CPU and GPU", here, there), ("GPU and CPU in float64", exact, there)):
                energy, forces = 1e3 * float((a[0] - b[0]).abs().max()), 1e3 * float((a[1] - b[1]).abs().max())
                kind = str(dtype).removeprefix("torch.")
                self.report.say(
                    f"| {kind}, {name} | {energy:.2g} | {forces:.2g} | {BARS['energy']}, {BARS['forces']} |"
                )
                self.report.note(**{f"predictions {kind} {name}": [energy, forces]})

    def starts(self, count: int, seed: int = 0) -> list[Atoms]:
        return seed_structures(Composition.parse(FORMULA), count, np.random.default_rng(seed))

    def evaluation(self, leader: Potential, starts: Sequence[Atoms]) -> tuple[Callable[[], None], list[torch.Tensor]]:
        """Energies and forces of clusters of one size into tensors that stay where they are."""
        frozen = leader.for_inference()
        assert frozen is not None
        Z = torch.as_tensor(np.concatenate([a.numbers for a in starts]), device=self.device)
        R = torch.as_tensor(np.concatenate([a.positions for a in starts]), device=self.device, dtype=leader.dtype)
        (part,) = frozen.prepare([ClusterPairs([len(a) for a in starts], self.device)], Z)
        energies, forces = torch.zeros(len(Z), dtype=leader.dtype, device=self.device), torch.zeros_like(R)

        @torch.no_grad()
        def evaluate() -> None:
            with torch.inference_mode():
                e, f = frozen.evaluate(part, R)
                energies.copy_(e)
                forces.copy_(f)

        return evaluate, [energies, forces]

    def evaluations(self) -> None:
        """Energies and forces, called and replayed; a step of a relaxation; a profile."""
        leader = self.load().leader
        frozen = leader.for_inference()
        assert frozen is not None
        self.report.say(f"Triton's kernels in use: {frozen.fuse}.\n")
        atoms = len(self.starts(1)[0])
        self.report.say(f"| {FORMULA} | called, ms | replayed, ms | replayed, million atom·steps/s | a step, ms |")
        self.report.say("|---|---|---|---|---|")
        for size in (1, 4) if self.quick else (1, 16, 64, 256, 1024, 4096):
            starts = self.starts(size)
            evaluate, results = self.evaluation(leader, starts)
            called = self.per_call(evaluate)
            recorder = Recorder(self.device)
            replayed = self.per_call(recorder(evaluate, results))
            batch = FixedBatch([leader], size, atoms, Rules(1e-9, 10**6, 0.2), None, Recorder(self.device))
            every = list(range(size))
            batch.fill(every, every, [a.numbers for a in starts], [a.positions for a in starts])
            batch.run(2)
            step = self.per_call(lambda batch=batch: batch.run(1))  # type: ignore[misc]
            rate = size * atoms / replayed / 1e6
            self.report.say(
                f"| {size} | {1e3 * called:.3f} | {1e3 * replayed:.3f} | {rate:.3f} | {1e3 * step:.3f} |"
                + (f" not captured: {recorder.why_not}" if recorder.why_not else "")
            )
            self.report.note(**{f"evaluation {size}": {"called": called, "replayed": replayed, "step": step}})
            if self.on_gpu:
                self.report.note(**{f"memory {size}": torch.cuda.max_memory_allocated() / 2**30})
            del evaluate, results, batch
            gc.collect()
        self.report.say(
            f"\nBars: {BARS['one']} ms for one, {BARS['rate'] / 1e6} million atom·steps/s in large batches."
        )
        self.profile(leader, 4 if self.quick else 512)

    def profile(self, leader: Potential, size: int) -> None:
        """Which kernels take the time of one evaluation."""
        from torch.profiler import ProfilerActivity, profile

        evaluate, _ = self.evaluation(leader, self.starts(size))
        evaluate()
        kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if self.on_gpu else [])]
        with profile(activities=kinds, record_shapes=True) as seen:
            evaluate()
            self.synchronize()
        sort = "self_cuda_time_total" if self.on_gpu else "self_cpu_time_total"
        for shapes in (False, True):
            averages = seen.key_averages(group_by_input_shape=shapes)
            rows = 16 if shapes else 12
            table = averages.table(sort_by=sort, row_limit=rows, max_name_column_width=70, max_shapes_column_width=90)
            self.report.say(f"\n```text\n{size} clusters at once\n{table}\n```")

    def relaxations(self) -> None:
        """Random starts, as a search would relax them."""
        model = self.load()
        count = 6 if self.quick else self.options.starts
        limit = forces_std_limit(model)
        self.report.say(f"| {count} random {FORMULA} | s | a second | evaluations | ends | memory, GiB |")
        self.report.say("|---|---|---|---|---|---|")
        starts = self.starts(count, seed=1)
        for name, surface, watch in (("leader alone", model.leader, None), ("committee looks", model, limit)):
            relaxer = PotentialRelaxer(
                surface, fmax=0.05, forces_std_limit=watch, batch_size=4 if self.quick else None, fixed_shape=True
            )
            assert relaxer.on_device is not None
            begin = time.perf_counter()
            relaxer.relax(self.starts(2 if self.quick else 600, seed=2))
            first = time.perf_counter() - begin
            begin = time.perf_counter()
            results = relaxer.relax(starts)
            spent = time.perf_counter() - begin
            ends = dict(Counter(r.reason for r in results))
            mean = float(np.mean([r.n_evaluations for r in results]))
            memory = torch.cuda.max_memory_allocated() / 2**30 if self.on_gpu else float("nan")
            why = relaxer.on_device.recorder.why_not
            self.report.say(
                f"| {name} | {spent:.2f} | {count / spent:.0f} | {mean:.1f} | {ends} | {memory:.1f} |"
                + (f" not captured: {why}" if why else "")
            )
            figures = {"seconds": spent, "rate": count / spent, "evaluations": mean, "ends": ends, "captures": first}
            self.report.note(**{f"relaxations {name}": figures})
        self.report.say(
            f"\nBar: {BARS['relaxations']:.0f} a second. Six hundred others first, captures included: {first:.1f} s."
        )
        few = starts[:2] if self.quick else starts[:16]
        here = PotentialRelaxer(self.load(device="cpu").leader, fmax=0.05).relax(few)
        there = PotentialRelaxer(model.leader, fmax=0.05, fixed_shape=True).relax(few)
        apart = [1e3 * abs(a.energy - b.energy) for a, b in zip(here, there, strict=True)]
        counts = [(a.n_evaluations, b.n_evaluations) for a, b in zip(here, there, strict=True)]
        same = sum(value < 5.0 for value in apart)
        self.report.say(f"Same minimum as on the CPU: {same} of {len(few)}; evaluations there and here: {counts}.")

    def search(self) -> None:
        """The search of the command line, on two CPU threads and on the device."""
        rates = {}
        seconds = 3.0 if self.quick else self.options.seconds
        self.report.say(
            f"| search of {SEARCHED}, {seconds:.0f} s each | quenches | a second | share relaxing | lowest, eV |"
        )
        self.report.say("|---|---|---|---|---|")
        for device in ("cpu", self.options.device):
            threads = 2 if device == "cpu" and not self.quick else 1
            with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                request = SearchRequest(
                    "SeB6" if self.quick else SEARCHED,
                    time_limit=seconds,
                    device=device,
                    threads=threads,
                    out=Path(folder) / "search",
                    picture=False,
                    model=self.options.model,
                    known=False,
                )
                result = search_isomers(request).result
            name = f"{device}, {threads} thread{'s' * (threads > 1)}"
            rates[name] = result.n_quenches / result.seconds
            share = result.seconds_relaxing / result.seconds
            lowest = result.minima[0].info.get("energy", float("nan")) if result.minima else float("nan")
            self.report.say(f"| {name} | {result.n_quenches} | {rates[name]:.1f} | {share:.2f} | {lowest} |")
            self.report.note(**{f"search {name}": {"rate": rates[name], "share relaxing": share}})
        first, last = next(iter(rates.values())), list(rates.values())[-1]
        self.report.say(f"\n{last / first:.1f} times as many (bar {BARS['search']:.0f}).")
        self.report.note(search=last / first)

    def fit(self) -> None:
        """Five epochs on the shipped labels of all three levels together."""
        from iia_calc.training.build import labels_by_level
        from iia_calc.training.fit import TrainingSettings, fit
        from iia_calc.training.levels import LevelPotential

        names = FIT[3:4] if self.quick else FIT
        known = labels_by_level([LABELS / f"{name}.npz.xz" for name in names])
        labelled = [item for level in known.values() for item in level.labelled]
        numbers = [k for k, level in enumerate(known.values()) for _ in level.labelled]
        if self.quick:
            labelled, numbers = labelled[:200], numbers[:200]
        network = self.load(device="cpu").leader.settings
        potential = LevelPotential(network, [level.element_energies for level in known.values()]).to(self.device)
        settings = TrainingSettings(epochs=1 if self.quick else 5, batch_size=256, learning_rate=2e-3, optimiser="muon")
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            errors = fit(potential, labelled, Path(folder) / "fit", settings, progress=False, levels=numbers)
            spent = time.perf_counter() - begin
        self.report.say(f"{settings.epochs} epochs of {len(labelled)} labels: {spent:.1f} s (bar {BARS['fit']:.0f} s).")
        self.report.say(f"Validation: {errors}")
        self.report.note(fit=spent)


SECTIONS = {"predictions": 40, "evaluations": 60, "relaxations": 60, "search": 60, "fit": 120}
"""Each with its time limit, s."""


def _out_of_time(*_: Any) -> None:
    raise TimeoutError("the section's time is up")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=None, help="Markdown file; figures go to .json beside it")
    parser.add_argument("--model", default=None)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--only", nargs="+", choices=[*SECTIONS], help="these sections alone")
    parser.add_argument("--fit", action="store_true", help="the fit as well")
    parser.add_argument("--starts", type=int, default=4096, help="relaxations")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each search")
    parser.add_argument("--limit", type=float, default=280.0, help="seconds for everything: no section begins later")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("CUDA sees no device: there is nothing to compare with the CPU")
    report = Report(options.output)
    card = torch.cuda.get_device_name() if options.device == "cuda" else "no GPU"
    report.say(f"{card}, {os.cpu_count()} CPU cores, torch {torch.__version__}\n")
    torch.set_num_threads(1 if options.quick else 2)
    bench = Bench(options, report)
    chosen = options.only or [name for name in SECTIONS if name != "fit" or options.fit]
    signal.signal(signal.SIGALRM, _out_of_time)
    begin = time.perf_counter()
    for name in chosen:
        left = options.limit - (time.perf_counter() - begin)
        if left < 5:
            report.say(f"\n{name}: no time left")
            continue
        report.say(f"\n## {name}\n")
        start = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, min(left, SECTIONS[name]))
        try:
            getattr(bench, name)()
        except Exception:
            report.say(f"\n```text\n{traceback.format_exc()}\n```")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        report.say(f"\n({name}: {time.perf_counter() - start:.1f} s)")
        gc.collect()
        if bench.on_gpu:
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
