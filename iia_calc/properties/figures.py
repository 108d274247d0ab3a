"""Figures of properties, drawn without a display; the suffix of the file says in which format."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from iia_calc.common.files import replacing
from iia_calc.properties.results import PropertySet
from iia_calc.report.picture import INK
from search.errors import InputError

NAMED = 0.02
"""Share above which an isomer has a line of its own; the others are one."""


def new_figure(width: float = 4.5, height: float = 3.2) -> tuple[Figure, Axes]:
    """A figure, inches, and its axes in the style of the other pictures."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.tick_params(labelsize=8, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure, axes


def save_figure(figure: Figure, path: str | Path) -> None:
    """PNG (300 dpi), SVG or PDF by the suffix, whole or not at all; the same figure gives the same file."""
    path = Path(path)
    kind = path.suffix[1:]
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind, {})
    with replacing(path) as part:
        figure.savefig(part, dpi=300, format=kind, metadata=undated)


def draw_populations(found: PropertySet, path: str | Path) -> None:
    """Shares of the isomers against temperature.

    Raises
    ------
    InputError : there are no populations.
    """
    if found.populations is None:
        raise InputError("there are no populations: the isomers have no vibrations")
    figure, axes = new_figure()
    shown = [k for k in range(len(found.ranks)) if found.populations[:, k].max() >= NAMED]
    for k in shown:
        group = next(e.symmetry for e in found.entries if e.subject.rank == found.ranks[k])
        name = f"{found.ranks[k]}" + ("" if group is None else f" ({group.point_group})")
        axes.plot(found.temperatures, found.populations[:, k], lw=1.4, label=name)
    if len(shown) < len(found.ranks):
        rest = 1.0 - found.populations[:, shown].sum(1)
        axes.plot(found.temperatures, rest, lw=1.0, ls=":", color="#888888", label="others")
    axes.set(xlim=(0, max(found.temperatures)), ylim=(0, 1.02))
    axes.set_xlabel("temperature / K", fontsize=9, color=INK)
    axes.set_ylabel("population", fontsize=9, color=INK)
    level = f"{found.isomers.energy_level}" + (", vibrations: a preview by the potential" if found.preview else "")
    axes.set_title(level, fontsize=6, color="#666666", loc="right")
    axes.legend(fontsize=7, frameon=False, title="rank", title_fontsize=7)
    save_figure(figure, path)
