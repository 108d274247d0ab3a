"""The paper's figures from result tables: one PNG each, printed values beside the obtained ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from ase.units import Hartree

from iia_calc.reproduce.results import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


Curves = Mapping[str, Mapping[int, np.ndarray]]
SHOWN = {
    "table2": ("fig6", {"none": "no transfer", "SeB19 embeddings": "SeB19", "SeB19-O embeddings": "SeB19-O"}),
    "table3": ("fig7", {"SchNet": "SchNet", "SMU": "SMU", "SMU + TL": "SMU + TL"}),
}
"""Experiments with a figure of validation losses: its name, and the rows in it."""


def draw(experiment: str, treatment: str, lines: Sequence[Line], curves: Curves, folder: Path) -> list[Path]:
    """Draw what there is to draw of an experiment."""
    drawn = []
    if experiment in SHOWN:
        name, rows = SHOWN[experiment]
        drawn.append(_losses(curves, rows, folder / f"{name}-{treatment}.png"))
        drawn.append(_bars(lines, folder / f"{experiment}-{treatment}.png"))
    elif experiment in ("fig4", "continuous"):
        drawn.append(_sizes(lines, folder / f"{experiment}-{treatment}.png"))
    elif experiment in ("tableS3", "best"):
        drawn.append(_bars(lines, folder / f"{experiment}-{treatment}.png"))
    return [path for path in drawn if path is not None]


def _losses(curves: Curves, rows: Mapping[str, str], path: Path) -> Path | None:
    """Validation loss against epochs, mean over seeds and each seed."""
    figure, axes = _figure()
    for colour, (key, label) in enumerate(rows.items()):
        of_seeds = list(curves.get(key, {}).values())
        if not of_seeds:
            continue
        shortest = min(map(len, of_seeds))
        epochs = np.arange(1, shortest + 1)
        for one in of_seeds:
            axes.plot(epochs, one[:shortest], f"C{colour}", alpha=0.25, linewidth=0.8)
        axes.plot(epochs, np.mean([one[:shortest] for one in of_seeds], 0), f"C{colour}", label=label)
    if not axes.lines:
        return None
    axes.set(xlabel="epoch", ylabel="validation loss", yscale="log")
    axes.legend(frameon=False)
    return _save(figure, path)


def _bars(lines: Sequence[Line], path: Path) -> Path | None:
    """MAE of each row with its spread, the error of a constant, and what is printed read as hartree."""
    if not lines:
        return None
    figure, axes = _figure(height=0.9 + 0.28 * len(lines))
    place = np.arange(len(lines))[::-1]
    axes.barh(place, [line.mae.mean() for line in lines], color="C0", height=0.6)
    for y, line in zip(place, lines, strict=True):
        axes.plot(line.mae, [y] * len(line.mae), "k.", markersize=4)
        axes.plot([line.constant.mean()] * 2, [y - 0.4, y + 0.4], "C3", linewidth=1.5)
        if line.printed and line.treatment == "published":
            axes.plot(line.printed[0] * Hartree, y, "C1D", markersize=4)
    axes.plot([], [], "C3", label="a constant")
    axes.plot([], [], "k.", label="each seed")
    if any(line.printed for line in lines) and lines[0].treatment == "published":
        axes.plot([], [], "C1D", label="printed, read as hartree/atom")
    axes.set_yticks(place, [line.label for line in lines])
    axes.set(xlabel="test MAE, eV/atom")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return _save(figure, path)


def _sizes(lines: Sequence[Line], path: Path) -> Path | None:
    """MAE against n, directly trained and along the chain, with the error of a constant."""
    if not lines:
        return None
    figure, axes = _figure()
    for colour, (prefix, label) in enumerate((("SeB", "trained directly"), ("chain SeB", "continuous transfer"))):
        chosen = [line for line in lines if line.key.startswith(prefix)]
        n = [int(line.key.removeprefix(prefix)) for line in chosen]
        if not n:
            continue
        deviation = [line.mae.std(ddof=1) if len(line.mae) > 1 else 0.0 for line in chosen]
        axes.errorbar(n, [line.mae.mean() for line in chosen], deviation, fmt=f"C{colour}o-", capsize=3, label=label)
    direct = [line for line in lines if line.key.startswith("SeB")]
    n = [int(line.key.removeprefix("SeB")) for line in direct]
    axes.plot(n, [line.constant.mean() for line in direct], "C3--", label="a constant")
    axes.set(xlabel="n in SeB$_n$", ylabel="test MAE, eV/atom", ylim=(0, None))
    axes.legend(frameon=False)
    return _save(figure, path)


def _figure(height: float = 3.6) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5, height), layout="constrained")
    return figure, figure.subplots()


def _save(figure: Figure, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path
