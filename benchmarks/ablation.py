"""What each part of the network earns: equal labels, equal epochs, the same seeds, held-out random starts.

python benchmarks/ablation.py --labels models/labels/gfn1-xtb-0.npz.xz --count 6000 --epochs 3 --out runs/ablation

A stopped run goes on. The table goes to OUT/ablation.md, too.
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch

from iia_calc.labels.npz import open_labels
from iia_calc.model.network import NetworkSettings
from iia_calc.model.potential import Potential
from iia_calc.training.evaluate import held_out_errors
from iia_calc.training.fit import OPTIMISERS, TrainingSettings, fit, read_curve

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
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, nargs="+", required=True, help="label databases of one level")
    parser.add_argument("--count", type=int, default=6000, help="labels trained on")
    parser.add_argument("--test-count", type=int, default=1500, help="labels of other random starts, measured on")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--optimiser", nargs="+", choices=OPTIMISERS, default=["adamw"])
    parser.add_argument("--networks", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NETWORK")
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    stores = [open_labels(path) for path in options.labels]
    train, test = split([item for store in stores for item in store.read()], options.count, options.test_count)
    energies = {symbol: value for store in stores for symbol, value in store.element_energies.items()}
    lines = [
        f"{len(train)} labels, {options.epochs} epochs of batches of {options.batch_size}, {options.seeds} seed(s); "
        f"errors on {len(test)} labels of other starts, all of them ({stores[0].level})",
        "",
        "| network | optimiser | parameters | energy MAE, meV/atom | force MAE, eV/Å | CPU minutes |",
        "|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for name, optimiser in product(options.networks, options.optimiser):
        settings = NetworkSettings(**VARIANTS[name])
        rows, minutes = [], 0.0
        for seed in range(options.seeds):
            folder = options.out / f"{name.replace(' ', '-').replace(',', '')}-{optimiser}-{seed}"
            torch.manual_seed(seed)
            potential = Potential(settings, energies)
            begin = time.process_time()
            wanted = TrainingSettings(
                epochs=options.epochs,
                batch_size=options.batch_size,
                seed=seed,
                validation_share=0.05,
                optimiser=optimiser,
            )
            fit(potential, train, folder, wanted, progress=False)
            spent = time.process_time() - begin
            path = folder / "cpu_seconds"
            if not path.exists() or len(read_curve(folder / "curve.csv")) < options.epochs:
                path.write_text(str(spent))
            minutes += float(path.read_text()) / 60
            error = held_out_errors(potential, test, None)["all"]
            rows.append((error.energy, error.forces))
        mean = np.mean(rows, 0)
        spread = f" ± {np.std(rows, 0, ddof=1)[0]:.1f}" if options.seeds > 1 else ""
        count = sum(parameter.numel() for parameter in potential.parameters())
        errors = f"{mean[0]:.1f}{spread} | {mean[1]:.3f}"
        line = f"| {name} | {optimiser} | {count:,} | {errors} | {minutes / options.seeds:.1f} |"
        lines.append(line)
        print(line, flush=True)
    (options.out / "ablation.md").write_text("\n".join(lines) + "\n")


def split(items: list, count: int, test_count: int) -> tuple[list, list]:
    """Whole random starts go to one side or the other."""
    starts = np.random.default_rng(0).permutation(sorted({item.start for item in items}))
    order = {start: k for k, start in enumerate(starts)}
    items = sorted(items, key=lambda item: order[item.start])
    train = items[:count]
    seen = {item.start for item in train}
    return train, [item for item in items[count:] if item.start not in seen][:test_count]


if __name__ == "__main__":
    main()
