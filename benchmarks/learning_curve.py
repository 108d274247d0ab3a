"""Error against the number of DFT labels, with and without xTB pretraining, on held-out random starts.

python benchmarks/learning_curve.py models/labels/pbe0-3-21g.npz.xz --test models/labels/pbe0-3-21g-held-out.npz.xz \\
    --pretrained gfn1-directional --counts 100 200 400 800 --out runs/learning-curve

Each count takes whole random starts, the larger sets hold the smaller ones. A stopped run goes on. OUT receives
learning_curve.csv and learning_curve.png.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np
import torch

from iia_calc.labels.npz import open_labels
from iia_calc.model import storage
from iia_calc.model.potential import Potential
from iia_calc.training.build import read_labels
from iia_calc.training.evaluate import held_out_errors
from iia_calc.training.fit import OPTIMISERS, TrainingSettings, fit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path, nargs="+")
    parser.add_argument("--test", type=Path, nargs="+", required=True)
    parser.add_argument("--pretrained", required=True, help="model whose network and weights are the start")
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 200, 400, 800])
    parser.add_argument("--updates", type=int, default=2000, help="optimiser steps of each fit")
    parser.add_argument("--optimiser", choices=OPTIMISERS, default="adamw")
    parser.add_argument("--out", type=Path, default=Path("runs/learning-curve"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    items, test = read_labels(options.labels)[1], read_labels(options.test)[1]
    starts = np.random.default_rng(0).permutation(sorted({item.start for item in items}))
    order = {start: k for k, start in enumerate(starts)}
    items.sort(key=lambda item: order[item.start])
    energies = open_labels(options.labels[0]).element_energies
    rates = (1e-3, 4e-4 if options.optimiser == "muon" else 5e-4)  # from nothing, and from pretrained weights
    rows = []
    for count in options.counts:
        if count > len(items):
            print(f"{count} labels are not there, {len(items)} are")
            continue
        for kind in ("pretrained", "from nothing"):
            potential = initial(options.pretrained, energies, pretrained=kind == "pretrained")
            settings = TrainingSettings(
                epochs=max(1, round(10 * options.updates / count)),
                batch_size=10,
                validation_share=0.1,
                learning_rate=rates[kind == "pretrained"],
                optimiser=options.optimiser,
            )
            fit(potential, items[:count], options.out / f"{kind.replace(' ', '-')}-{count}", settings, progress=False)
            error = held_out_errors(potential, test)["all"]
            rows.append((kind, count, error.count, round(error.energy, 2), round(error.forces, 4)))
            print(f"{count} labels, {kind}: {error.energy:.1f} meV/atom, {error.forces:.3f} eV/Å", flush=True)
    with (options.out / "learning_curve.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(("start", "labels", "test structures", "energy MAE meV/atom", "force MAE eV/Å"))
        writer.writerows(rows)
    draw(rows, options.out / "learning_curve.png")


def initial(name: str, energies: dict[str, float], pretrained: bool) -> Potential:
    source = storage.load(name)
    source = getattr(source, "leader", source)
    torch.manual_seed(0)
    potential = Potential(source.settings, energies, source.repulsion.settings)
    if pretrained:
        potential.load_state_dict(source.state_dict())
    return potential


def draw(rows: list[tuple], picture: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    for axes, column, label in zip(
        figure.subplots(1, 2), (3, 4), ("energy MAE, meV/atom", "force MAE, eV/Å"), strict=True
    ):
        for kind in ("pretrained", "from nothing"):
            axes.loglog(
                [r[1] for r in rows if r[0] == kind], [r[column] for r in rows if r[0] == kind], "o-", label=kind
            )
        counts, errors = sorted({r[1] for r in rows}), [r[column] for r in rows]
        marks = [mark * 10.0**k for k in range(-2, 3) for mark in (1, 1.5, 2, 3, 4, 6)]
        within = [mark for mark in marks if 0.8 * min(errors) <= mark <= 1.2 * max(errors)]
        axes.set(xlabel="DFT labels", ylabel=label)
        axes.set_xticks(counts, map(str, counts))
        axes.set_yticks(within, [f"{mark:g}" for mark in within])
        axes.minorticks_off()
        axes.legend(frameon=False)
    figure.savefig(picture, dpi=150)


if __name__ == "__main__":
    main()
