"""What each part of the network earns: equal labels, equal epochs, the same seeds, held-out random starts.

python benchmarks/ablation.py --labels models/labels/gfn1-xtb-0.npz.xz --count 6000 --epochs 3 --out runs/ablation

With several --rates each network has the learning rate that does best on other labels than those it is measured on.
Peers are SchNetPack's networks in the same fit. A stopped run goes on. The table goes to OUT/ablation.md, too.
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from peers import PEERS, peer_potential

from iia_calc.labels.npz import open_labels
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.training.evaluate import held_out_errors
from iia_calc.training.fit import OPTIMISERS, TrainingSettings, fit, read_curve

VECTORS = {"kind": "vectors", "angular": 1, "attention": None, "n_interactions": 3, "n_rbf": 12, "n_heads": 16}
VARIANTS = {
    "neither (SchNet)": {"attention": None, "activation": "ssp"},
    "SMU": {"attention": None},
    "attention": {"activation": "ssp"},
    "both (SchNet-IIA)": {},
    "both, logits see distances": {"distance_logits": True},
    "both, attention sees directions": {"angular": 2, "distance_logits": True},
    "the same, 3 blocks": {"angular": 2, "distance_logits": True, "n_interactions": 3},
    "convolution sees directions, 3 blocks": {
        "angular": 2,
        "directions": "convolution",
        "distance_logits": True,
        "n_interactions": 3,
    },
    "the same without attention": {"angular": 2, "directions": "convolution", "attention": None, "n_interactions": 3},
    "vectors": VECTORS,
    "vectors and tensors": VECTORS | {"angular": 2},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, nargs="+", required=True, help="label databases of one level")
    parser.add_argument("--count", type=int, default=6000, help="labels trained on")
    parser.add_argument("--test-count", type=int, default=1500, help="labels of other random starts, measured on")
    parser.add_argument("--choose-count", type=int, default=700, help="labels of still others, which choose the rate")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--choose-epochs", type=int, help="of the fits that choose the rate; as many by default")
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--optimiser", nargs="+", choices=OPTIMISERS, default=["adamw"])
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-3], help="learning rates to choose from")
    names = [*VARIANTS, *PEERS]
    parser.add_argument("--networks", nargs="+", choices=names, default=list(VARIANTS), metavar="NETWORK")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    stores = [open_labels(path) for path in options.labels]
    labelled = [item for store in stores for item in store.read()]
    bench = Bench(
        options,
        split(labelled, options.count, options.test_count, options.choose_count),
        {symbol: value for store in stores for symbol, value in store.element_energies.items()},
    )
    lines = [
        f"{len(bench.train)} labels, {options.epochs} epochs of batches of {options.batch_size}, {options.seeds} "
        f"seed(s); errors on {len(bench.test)} labels of other starts, all of them ({stores[0].level})",
        "",
        "| network | optimiser | learning rate | parameters | energy MAE, meV/atom | force MAE, eV/Å | CPU minutes |",
        "|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name, optimiser in product(options.networks, options.optimiser):
        lines.append(bench.row(name, optimiser))
        print(lines[-1], flush=True)
    (options.out / "ablation.md").write_text("\n".join(lines) + "\n")


class Bench:
    """The labels of a comparison, and what it measures of a network.

    labels : those trained on, those measured on, those that choose a learning rate.
    """

    def __init__(self, options: argparse.Namespace, labels: tuple[list, list, list], energies: dict[str, float]):
        self.options, self.energies = options, energies
        self.train, self.test, self.others = labels

    def row(self, name: str, optimiser: str) -> str:
        """A line of the table."""
        options, rates = self.options, self.options.rates
        rate, epochs = rates[0], options.choose_epochs or options.epochs
        if len(rates) > 1:
            scores = [self.score(self.fitted(name, optimiser, rate, 100, epochs)[0]) for rate in rates]
            rate = rates[int(np.argmin(scores))]
        rows, minutes = [], 0.0
        for seed in range(options.seeds):
            potential, spent = self.fitted(name, optimiser, rate, seed, options.epochs)
            error = held_out_errors(potential, self.test, None)["all"]
            rows.append((error.energy, error.forces))
            minutes += spent / 60 / options.seeds
        mean, spread = np.mean(rows, 0), ("", "")
        if options.seeds > 1:
            deviation = np.std(rows, 0, ddof=1)
            spread = f" ± {deviation[0]:.1f}", f" ± {deviation[1]:.3f}"
        count = sum(parameter.numel() for parameter in potential.parameters())
        errors = f"{mean[0]:.1f}{spread[0]} | {mean[1]:.3f}{spread[1]}"
        return f"| {name} | {optimiser} | {rate:g} | {count:,} | {errors} | {minutes:.1f} |"

    def score(self, potential: Potential) -> float:
        """Of the labels that choose: the logarithm of both errors' product."""
        error = held_out_errors(potential, self.others, None)["all"]
        return float(np.log(error.energy * error.forces))

    def fitted(self, name: str, optimiser: str, rate: float, seed: int, epochs: int) -> tuple[Potential, float]:
        """A fitted potential, and the CPU seconds of its fit."""
        options = self.options
        plain = "".join(c for c in name.replace(" ", "-") if c.isalnum() or c == "-")
        folder = options.out / f"{plain}-{optimiser}-{rate:g}-{epochs}-{seed}"
        torch.manual_seed(seed)
        if name in PEERS:
            potential = peer_potential(name, self.energies)
        else:
            potential = Potential(NetworkSettings(**VARIANTS[name]), self.energies)
        begin = time.process_time()
        wanted = TrainingSettings(
            epochs=epochs,
            batch_size=options.batch_size,
            seed=seed,
            validation_share=0.05,
            optimiser=optimiser,
            learning_rate=rate,
        )
        finished = len(read_curve(folder / "curve.csv")) >= epochs
        fit(potential, self.train, folder, wanted, progress=False)
        path = folder / "cpu_seconds"
        if not finished or not path.exists():
            path.write_text(str(time.process_time() - begin))
        return potential, float(path.read_text())


def split(items: list, *counts: int) -> tuple[list, ...]:
    """Lists of labels of these lengths; whole random starts go to one of them."""
    starts = np.random.default_rng(0).permutation(sorted({item.start for item in items}))
    order = {start: k for k, start in enumerate(starts)}
    left, parts = sorted(items, key=lambda item: order[item.start]), []
    for count in counts:
        parts.append(left[:count])
        seen = {item.start for item in parts[-1]}
        left = [item for item in left[count:] if item.start not in seen]
    return tuple(parts)


if __name__ == "__main__":
    main()
