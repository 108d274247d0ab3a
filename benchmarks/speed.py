"""How fast: one SeB20, 64 relaxations, throughput, cost against size; against SchNetPack and torch-sim in the same run.

    python benchmarks/speed.py [--threads 2] [--quick] [--sections 2] [--figure docs/cost-against-size.png]

All networks are fitted to the same GFN1-xTB labels first (kept in --fits): an evaluation takes as long with any
weights, but how many of them a relaxation needs depends on the surface. Ours are the paper's (attention and SMU, 128
features, 5 blocks) and that of the shipped default; SchNetPack's are plain SchNet, of the paper's size, and PaiNN of
its example. Ratios hold within one run. Four sections, printed as Markdown.

1  Energy and forces of one SeB20. IIACalculator against SpkCalculator with SchNetPack's fastest neighbour list. They
   take turns: one call to warm up, a few that count, so that whatever else the machine does hits both. The fastest
   turn says what the program costs on a machine of its own; the processor's time, which other programs change less,
   is that of the median turn.

2  64 relaxations of random SeB20 to one fmax, nothing ended early: PotentialRelaxer, all at once, against ASE's LBFGS
   with SpkCalculator in a loop, and torch-sim's optimisers on our potential where it is installed. The core repulsion
   is the same for all. Beside the times (on the clock, and of the processor, which other programs on the machine
   change less): evaluations, the mean energy of the ends above free atoms on the surface that was relaxed on, and on
   GFN1-xTB (where tblite is installed), one judge for all; of how many, where its SCC doesn't converge.

3  Atom·steps per second of the batched relaxation's evaluations at batch 1, 64 and 1024, on the CPU and on the GPU
   where there is one, and how far the two devices' energies and forces are apart.

4  Atom·steps per second of processor time, on one thread, against the number of atoms; --figure draws it.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

warnings.filterwarnings("ignore")  # of SchNetPack's import

import schnetpack  # noqa: E402
from cost_by_size import cost_by_size  # noqa: E402
from equal_fits import DEFAULT, PAINN, PAPER, PLAIN_SCHNET, EqualFits  # noqa: E402
from peers import spk_calculator  # noqa: E402
from relaxers import FMAX, TORCH_SIM, Outcome, ase_loop, batched, flat, torch_sim  # noqa: E402

from iia_calc.calculator import IIACalculator  # noqa: E402
from iia_calc.model import storage  # noqa: E402
from iia_calc.model.potential import Potential  # noqa: E402
from search.geometry.composition import Composition  # noqa: E402
from search.geometry.seeds import seed_structures  # noqa: E402

CALLS = 3  # of a turn
FORMULA = "SeB20"
Fits = dict[str, Potential]


def clusters(n: int, formula: str = FORMULA) -> list[Atoms]:
    return seed_structures(Composition.parse(formula), n, np.random.default_rng(0))


def one_cluster(fits: Fits, turns: int) -> list[str]:
    """Section 1: milliseconds of each, by turns, on the clock and of the processor."""
    calculators = {
        **{f"SpkCalculator, {name}": spk_calculator(fits[name], repulsion=False) for name in (PLAIN_SCHNET, PAINN)},
        **{f"IIACalculator, {name}": IIACalculator(fits[name]) for name in (PLAIN_SCHNET, PAPER, DEFAULT)},
    }
    atoms = clusters(1)[0]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calculators}
    rng = np.random.default_rng(0)
    for turn in range(turns + 10):
        for name, calculator in calculators.items():
            for call in range(1 + CALLS):
                if call == 1:
                    start, cpu = time.perf_counter(), time.process_time()
                atoms.positions += rng.normal(scale=1e-3, size=atoms.positions.shape)  # nothing is cached
                calculator.calculate(atoms, ["energy", "forces"])
            if turn >= 10:  # the first warm up
                spent = time.perf_counter() - start, time.process_time() - cpu
                times[name].append((1e3 * spent[0] / CALLS, 1e3 * spent[1] / CALLS))
    rows, first, first_cpu = [], 0.0, 0.0
    for name, values in times.items():
        wall, of_cpu = zip(*values, strict=True)
        fastest, median = min(wall), statistics.median(of_cpu)
        first, first_cpu = first or fastest, first_cpu or median
        ratios = f"{fastest:.2f} | {first / fastest:.2f} × | {median:.2f} | {first_cpu / median:.2f} ×"
        rows.append(f"| {name} | {ratios} |")
    head = "| | ms, fastest turn | against the first | CPU ms, median turn | against the first |"
    return [f"**One {FORMULA}, energy and forces** ({turns} turns)\n", head, "|---|---|---|---|---|", *rows]


def relaxations(fits: Fits, n: int) -> list[str]:
    """Section 2: `n` relaxations of each."""
    structures, notes = clusters(n), []
    loops = {name: spk_calculator(fits[name], repulsion=True) for name in (PLAIN_SCHNET, PAINN)}
    for name, calculator in loops.items():
        calculator.calculate(structures[0])
        ours = fits[name](*flat(structures[:1])).forces.numpy()
        notes.append(f"{name}: {np.abs(calculator.results['forces'] - ours).max():.0e}")
    batched(structures[:2], fits[DEFAULT])  # warms up
    rows = [
        *((f"ASE's LBFGS, SpkCalculator, {name}", name, ase_loop(structures, loops[name])) for name in loops),
        *((f"PotentialRelaxer, {name}", name, batched(structures, fits[name])) for name in fits if name != PAINN),
    ]
    if TORCH_SIM:
        torch_sim(structures[:2], fits[DEFAULT], "lbfgs")  # warms up
        for optimizer, name in (("lbfgs", "L-BFGS"), ("fire", "FIRE")):
            rows.append((f"torch-sim's {name}, {DEFAULT}", DEFAULT, torch_sim(structures, fits[DEFAULT], optimizer)))
    peers = [outcome for _, _, outcome in rows[:2]]
    return [
        f"\n**{n} relaxations of {FORMULA} to {FMAX} eV/Å** (on one surface SchNetPack's forces and ours differ by, "
        f"eV/Å: {', '.join(notes)})\n",
        "| | s | CPU s | against ASE with SchNet, with PaiNN | the same in CPU s | evaluations | converged "
        "| mean end, eV | on GFN1-xTB, eV |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_row(name, fits[surface], outcome, peers) for name, surface, outcome in rows),
    ]


def _row(name: str, surface: Potential, outcome: Outcome, peers: list[Outcome]) -> str:
    wall = ", ".join(f"{peer.seconds / outcome.seconds:.1f} ×" for peer in peers)
    cpu = ", ".join(f"{peer.cpu_seconds / outcome.cpu_seconds:.1f} ×" for peer in peers)
    energy, converged = outcome.reached(surface)
    times = f"{outcome.seconds:.1f} | {outcome.cpu_seconds:.1f}"
    ends = f"{outcome.evaluations} | {converged} | {energy:.2f} | {judged(outcome)}"
    return f"| {name} | {times} | {wall} | {cpu} | {ends} |"


def judged(outcome: Outcome) -> str:
    """Mean GFN1-xTB energy of the ends above free atoms, eV."""
    if find_spec("tblite") is None:
        return "no tblite"
    from iia_calc.labels.level import LabelFailed
    from iia_calc.labels.xtb import XTBLevel

    level, energies = XTBLevel(), []
    for atoms in outcome.ends:
        try:
            free = sum(level.element_energy(symbol) for symbol in atoms.symbols)
            energies.append(level.label(atoms).energy - free)
        except LabelFailed:
            continue
    if not energies:
        return "none"
    return f"{np.mean(energies):.2f}" + (f" (of {len(energies)})" if len(energies) < len(outcome.ends) else "")


def throughput(fits: Fits, batches: tuple[int, ...], seconds: float) -> list[str]:
    """Section 3: evaluations as the relaxer makes them."""
    devices = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
    columns = [(name, device) for name in (PAPER, DEFAULT) for device in devices]
    lines = ["\n**Atom·steps per second**\n"]
    lines.append(f"| batch | {' | '.join(f'{name}, {device}' for name, device in columns)} |")
    lines.append("|---|" + "---|" * len(columns))
    for size in batches:
        rates = []
        for name, device in columns:
            model = fits[name].to(device)
            Z, R, batch = flat(clusters(size), device)
            model(Z, R, batch)
            start, count = time.perf_counter(), 0
            while count < 3 or time.perf_counter() - start < seconds:
                model(Z, R + 1e-4 * count, batch).energy.cpu()
                count += 1
            rates.append(f"{count * len(Z) / (time.perf_counter() - start):,.0f}")
        lines.append(f"| {size} | {' | '.join(rates)} |")
    if len(devices) == 2:
        for name in (PAPER, DEFAULT):
            here, there = (fits[name].to(device)(*flat(clusters(64), device)) for device in devices)
            energy = (here.energy - there.energy.cpu()).abs().max().item()
            forces = (here.forces - there.forces.cpu()).abs().max().item()
            lines.append(
                f"\nCPU and GPU: {name} differs by {1e3 * energy:.2g} meV and {1e3 * forces:.2g} meV/Å at most."
            )
            fits[name].to("cpu")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of all programs")
    parser.add_argument("--quick", action="store_true", help="short fits and few structures; not for quoting")
    parser.add_argument("--sections", type=int, nargs="+", default=[1, 2, 3, 4], choices=[1, 2, 3, 4])
    parser.add_argument("--count", type=int, default=3000, help="labels of the fits")
    parser.add_argument("--epochs", type=int, default=2, help="of the fits")
    parser.add_argument("--turns", type=int, default=300, help="of each program in section 1")
    parser.add_argument("--relaxations", type=int, default=64, help="of each program in section 2")
    parser.add_argument("--labels", type=Path, default=storage.models_folder() / "labels/gfn1-xtb-0.npz.xz")
    parser.add_argument("--fits", type=Path, default=Path("runs/speed"), help="where the fitted networks are kept")
    parser.add_argument("--figure", type=Path, help="draw section 4 here")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    count, epochs = (200, 1) if options.quick else (options.count, options.epochs)
    fits = EqualFits(options.labels, count, epochs, options.fits).all()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    print(
        f"{platform.processor() or platform.machine()}, {options.threads} threads{gpu}; torch {torch.__version__}, "
        f"SchNetPack {schnetpack.__version__}; {epochs} epochs on {count} labels ({options.labels.name})\n"
    )
    parts = (
        lambda: one_cluster(fits, 20 if options.quick else options.turns),
        lambda: relaxations(fits, 2 if options.quick else options.relaxations),
        lambda: throughput(fits, (1, 64) if options.quick else (1, 64, 1024), 0.5 if options.quick else 4.0),
        lambda: cost_by_size(fits, 0.3 if options.quick else 2.0, options.figure),
    )
    for section in options.sections:
        print("\n".join(parts[section - 1]()), flush=True)


if __name__ == "__main__":
    main()
