"""What an evaluation costs against the number of atoms: one cluster at a time, and 32 in a batch.

In seconds of processor time on one thread, which other programs on the machine change little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from equal_fits import DEFAULT, PAINN, PAPER, PLAIN_SCHNET
from peers import spk_calculator
from relaxers import flat

from iia_calc.calculator import IIACalculator
from iia_calc.model.potential import Potential
from search.geometry.composition import Composition
from search.geometry.seeds import seed_structures

SIZES = (8, 16, 24, 40, 64)
BATCH = 32


def cost_by_size(fits: Mapping[str, Potential], seconds: float, figure: Path | None) -> list[str]:
    """Section 4 of speed.py: a table, and a figure of it where one is asked for. seconds : spent on each point."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rates = _measure(fits, seconds)
    torch.set_num_threads(threads)
    if figure is not None:
        _draw(rates, figure)
    return [
        "\n**Atom·steps per second of processor time, one thread, against the number of atoms**\n",
        "| atoms | " + " | ".join(rates) + " |",
        "|---|" + "---|" * len(rates),
        *(f"| {n} | " + " | ".join(f"{each[k]:,.0f}" for each in rates.values()) + " |" for k, n in enumerate(SIZES)),
    ]


def _measure(fits: Mapping[str, Potential], seconds: float) -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {}
    for n in SIZES:
        structures = seed_structures(Composition.parse(f"SeB{n - 1}"), BATCH, np.random.default_rng(0))
        works: dict[str, tuple[Callable[[], object], int]] = {}
        for name in (PLAIN_SCHNET, PAINN):
            works[f"SpkCalculator, {name}"] = _alone(spk_calculator(fits[name], repulsion=True), structures[0]), n
        for name in (PAPER, DEFAULT):
            works[f"IIACalculator, {name}"] = _alone(IIACalculator(fits[name]), structures[0]), n
        for name in (PAPER, DEFAULT):
            works[f"batches of {BATCH}, {name}"] = _together(fits[name], structures), BATCH * n
        for name, (work, n_atoms) in works.items():
            rates.setdefault(name, []).append(n_atoms * _per_second(work, seconds))
    return rates


def _alone(calculator, start) -> Callable[[], object]:
    atoms, rng = start.copy(), np.random.default_rng(0)

    def work() -> None:
        atoms.positions += rng.normal(scale=1e-3, size=atoms.positions.shape)  # nothing is cached
        calculator.calculate(atoms, ["energy", "forces"])

    return work


def _together(potential: Potential, structures) -> Callable[[], object]:
    Z, R, batch = flat(structures)
    return lambda: potential(Z, R + 1e-3 * torch.rand(()), batch)


def _per_second(work: Callable[[], object], seconds: float) -> float:
    """How often `work` is done in a second of processor time: the fastest of ten stretches."""
    work()
    fastest = np.inf
    for _ in range(10):
        begin, count = time.process_time(), 0
        while count == 0 or time.process_time() - begin < seconds / 10:
            work()
            count += 1
        fastest = min(fastest, (time.process_time() - begin) / count)
    return 1 / fastest


def _draw(rates: Mapping[str, list[float]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
    for name, values in rates.items():
        style = {"S": "--", "I": "-", "b": ":"}[name[0]]
        axes.plot(SIZES, values, style, marker="o", markersize=3, label=name)
    axes.set(xlabel="atoms", ylabel="atom·steps per second (one thread)", xscale="log", yscale="log")
    axes.set_xticks(SIZES, [str(n) for n in SIZES], minor=False)
    axes.minorticks_off()
    axes.legend(fontsize="x-small")
    figure.savefig(path, dpi=150)
    plt.close(figure)
