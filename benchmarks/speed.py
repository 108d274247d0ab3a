"""How fast: one SeB20, 64 relaxations, throughput; against SchNetPack's calculator in the same run.

    python benchmarks/speed.py [--threads 2] [--quick] [--sections 3]

Weights are random: speed doesn't depend on their values. Our networks are the paper's (the default settings:
attention and SMU, 128 features, 5 blocks) and that of the shipped default model. Three sections, printed as Markdown.

1  Energy and forces of one SeB20. IIACalculator against SpkCalculator holding a plain SchNet of the paper's
   size with SchNetPack's fastest neighbour list. They take turns: one call to warm up, a few that count, so
   that whatever else the machine does hits both. The fastest turn says what the program costs on a machine
   of its own, the median what it cost on this one.

2  64 relaxations of SeB20 to one fmax on one potential-energy surface: a plain SchNet whose weights both
   programs hold (attention off, shifted softplus: there the networks are equal), core repulsion included.
   PotentialRelaxer, all at once, against ASE's LBFGS with SpkCalculator in a loop. The two optimisers need
   different numbers of steps, so evaluations and time per evaluation stand beside the total. The other
   networks have surfaces of their own: compare their time per evaluation.

3  Atom·steps per second of the batched relaxation's evaluations at batch 1, 64 and 1024, on the CPU and
   on the GPU where there is one, and how far the two devices' energies and forces are apart.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings

import numpy as np
import torch
from ase import Atoms
from ase.optimize import LBFGS

warnings.filterwarnings("ignore")  # of SchNetPack's import

import schnetpack  # noqa: E402
from schnetpack.interfaces import SpkCalculator  # noqa: E402
from schnetpack.transform import MatScipyNeighborList  # noqa: E402

from iia_calc.calculator import IIACalculator  # noqa: E402
from iia_calc.model import storage  # noqa: E402
from iia_calc.model.network import NetworkSettings  # noqa: E402
from iia_calc.model.potential import Potential  # noqa: E402
from iia_calc.relax.batch import PotentialRelaxer  # noqa: E402
from search.geometry.composition import Composition  # noqa: E402
from search.geometry.seeds import seed_structures  # noqa: E402

CALLS = 3  # of a turn
FORMULA, FMAX, MAX_STEPS = "SeB20", 0.05, 500
HEAD_SCALE = 4.0  # with seed 0 a random plain SchNet then holds clusters together by some 0.5 eV/atom


PLAIN = NetworkSettings(attention=None, activation="ssp", n_embedding=100)  # SchNet as SchNetPack has it
PAPER = NetworkSettings()


def networks() -> dict[str, NetworkSettings]:
    """Ours, by what they are called in the tables."""
    shipped = NetworkSettings.from_dict(storage.read_card(storage.find()).network)
    return {"the paper's network": PAPER, "the default's network": shipped}


def potential(settings: NetworkSettings, device: str = "cpu") -> Potential:
    """Random weights."""
    torch.manual_seed(0)
    made = Potential(settings, {"B": 0.0, "Se": 0.0})
    with torch.no_grad():
        made.head.layers[-1].weight.mul_(HEAD_SCALE if settings == PLAIN else 1.0)
    return made.to(device).freeze()


class PairRepulsion(torch.nn.Module):
    """The core repulsion of a `Potential`, added to the energy of a SchNetPack model."""

    model_outputs = ()

    def __init__(self, repulsion: torch.nn.Module) -> None:
        super().__init__()
        self.repulsion = repulsion

    def forward(self, inputs: dict) -> dict:
        numbers, i, j = inputs["_atomic_numbers"], inputs["_idx_i"], inputs["_idx_j"]
        distances = torch.linalg.norm(inputs["_Rij"], dim=1)
        inputs["energy"] = inputs["energy"] + 0.5 * self.repulsion(numbers[i], numbers[j], distances).sum()
        return inputs


def spk_calculator(ours: Potential, repulsion: bool, device: str = "cpu") -> SpkCalculator:
    """SchNetPack's calculator with its own SchNet, holding the weights of `ours` (a plain one)."""
    s = ours.settings
    network = schnetpack.representation.SchNet(
        s.n_atom_basis,
        s.n_interactions,
        schnetpack.nn.GaussianRBF(s.n_rbf, s.cutoff),
        schnetpack.nn.CosineCutoff(s.cutoff),
    )
    network.load_state_dict(ours.network.state_dict(), strict=False)
    head = schnetpack.atomistic.Atomwise(s.n_atom_basis, output_key="energy")
    for theirs, mine in zip(head.outnet, [m for m in ours.head.layers if hasattr(m, "weight")], strict=True):
        theirs.load_state_dict(mine.state_dict())
    extra = [PairRepulsion(ours.repulsion)] if repulsion else []
    model = schnetpack.model.NeuralNetworkPotential(
        network,
        input_modules=[schnetpack.atomistic.PairwiseDistances()],
        output_modules=[head, *extra, schnetpack.atomistic.Forces()],
    )
    return SpkCalculator(model, MatScipyNeighborList(s.cutoff), energy_unit="eV", device=device)


def clusters(n: int) -> list[Atoms]:
    return seed_structures(Composition.parse(FORMULA), n, np.random.default_rng(0))


def one_cluster(turns: int) -> list[str]:
    """Section 1: milliseconds of each, by turns."""
    calculators = {
        "SpkCalculator, plain SchNet": spk_calculator(potential(PLAIN), repulsion=False),
        **{f"IIACalculator, {name}": IIACalculator(potential(settings)) for name, settings in networks().items()},
        "IIACalculator, plain SchNet": IIACalculator(potential(PLAIN)),
    }
    atoms = clusters(1)[0]
    times: dict[str, list[float]] = {name: [] for name in calculators}
    rng = np.random.default_rng(0)
    for turn in range(turns + 10):
        for name, calculator in calculators.items():
            for call in range(1 + CALLS):
                if call == 1:
                    start = time.perf_counter()
                atoms.positions += rng.normal(scale=1e-3, size=atoms.positions.shape)  # nothing is cached
                calculator.calculate(atoms, ["energy", "forces"])
            if turn >= 10:  # the first warm up
                times[name].append(1e3 * (time.perf_counter() - start) / CALLS)
    rows = []
    for name, values in times.items():
        fastest, median = min(values), statistics.median(values)
        first, first_median = (pick(next(iter(times.values()))) for pick in (min, statistics.median))
        ratios = f"{fastest:.2f} | {first / fastest:.2f} × | {median:.2f} | {first_median / median:.2f} ×"
        rows.append(f"| {name} | {ratios} |")
    head = "| | ms, fastest turn | against SpkCalculator | ms, median turn | against SpkCalculator |"
    return [f"**One {FORMULA}, energy and forces** ({turns} turns)\n", head, "|---|---|---|---|---|", *rows]


def relaxations(n: int) -> list[str]:
    """Section 2: `n` relaxations of each."""
    structures, plain = clusters(n), potential(PLAIN)
    reference, ours = spk_calculator(plain, repulsion=True), IIACalculator(plain)
    reference.calculate(structures[0])
    difference = np.abs(reference.results["forces"] - ours.get_forces(structures[0])).max()

    def batched(model: Potential) -> tuple[float, int, int]:
        start = time.perf_counter()
        results = PotentialRelaxer(model, fmax=FMAX, max_steps=MAX_STEPS).relax(structures)
        return time.perf_counter() - start, sum(r.n_evaluations for r in results), sum(r.converged for r in results)

    def looped() -> tuple[float, int, int]:
        start, evaluations, converged = time.perf_counter(), 0, 0
        for structure in structures:
            atoms = structure.copy()
            atoms.calc = reference
            optimizer = LBFGS(atoms, logfile=None)
            converged += bool(optimizer.run(fmax=FMAX, steps=MAX_STEPS))
            evaluations += optimizer.nsteps + 1
        return time.perf_counter() - start, evaluations, converged

    batched(plain)  # warms up
    rows = {
        "ASE LBFGS + SpkCalculator, plain SchNet": looped(),
        "PotentialRelaxer, the same plain SchNet": batched(plain),
        **{f"PotentialRelaxer, {name}": batched(potential(settings)) for name, settings in networks().items()},
    }
    (total, count, _), *_ = rows.values()
    return [
        f"\n**{n} relaxations of {FORMULA}, fmax {FMAX} eV/Å** (first two rows: one surface, forces differ by "
        f"{difference:.0e} eV/Å)\n",
        "| | s | ratio | evaluations | ms per evaluation | ratio | converged |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {name} | {s:.1f} | {total / s:.1f} × | {k} | {1e3 * s / k:.2f} | {total / count / s * k:.1f} × | {c} |"
            for name, (s, k, c) in rows.items()
        ),
    ]


def throughput(batches: tuple[int, ...], seconds: float) -> list[str]:
    """Section 3: evaluations as the relaxer makes them."""
    devices = ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])
    columns = [(name, settings, device) for name, settings in networks().items() for device in devices]
    lines = ["\n**Atom·steps per second**\n"]
    lines.append(f"| batch | {' | '.join(f'{name}, {device}' for name, _, device in columns)} |")
    lines.append("|---|" + "---|" * len(columns))
    for size in batches:
        rates = []
        for _, settings, device in columns:
            model = potential(settings, device)
            Z, R, batch = flat(clusters(size), device)
            model(Z, R, batch)
            start, count = time.perf_counter(), 0
            while count < 3 or time.perf_counter() - start < seconds:
                model(Z, R + 1e-4 * count, batch).energy.cpu()
                count += 1
            rates.append(f"{count * len(Z) / (time.perf_counter() - start):,.0f}")
        lines.append(f"| {size} | {' | '.join(rates)} |")
    if len(devices) == 2:
        for name, settings in networks().items():
            here, there = (potential(settings, device)(*flat(clusters(64), device)) for device in devices)
            energy = (here.energy - there.energy.cpu()).abs().max().item()
            forces = (here.forces - there.forces.cpu()).abs().max().item()
            lines.append(
                f"\nCPU and GPU: {name} differs by {1e3 * energy:.2g} meV and {1e3 * forces:.2g} meV/Å at most."
            )
    return lines


def flat(structures: list[Atoms], device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Z [n_atoms], R [n_atoms, 3], batch [n_atoms]."""
    numbers = torch.as_tensor(np.concatenate([atoms.numbers for atoms in structures]), dtype=torch.int64)
    positions = torch.as_tensor(np.concatenate([atoms.positions for atoms in structures]), dtype=torch.float32)
    batch = torch.arange(len(structures)).repeat_interleave(torch.tensor([len(atoms) for atoms in structures]))
    return numbers.to(device), positions.to(device), batch.to(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of both programs")
    parser.add_argument("--quick", action="store_true", help="a look in half a minute; not for quoting")
    parser.add_argument("--sections", type=int, nargs="+", default=[1, 2, 3], choices=[1, 2, 3])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    print(
        f"{platform.processor() or platform.machine()}, {options.threads} threads{gpu}; torch {torch.__version__}, "
        f"SchNetPack {schnetpack.__version__}; random weights\n"
    )
    parts = (
        lambda: one_cluster(20 if options.quick else 300),
        lambda: relaxations(2 if options.quick else 64),
        lambda: throughput((1, 64) if options.quick else (1, 64, 1024), 0.5 if options.quick else 4.0),
    )
    for section in options.sections:
        print("\n".join(parts[section - 1]()), flush=True)


if __name__ == "__main__":
    main()
