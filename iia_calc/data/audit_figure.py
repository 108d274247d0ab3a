"""Box plots of the energies of every set, as in the SchNet-IIA paper's Figures 5 and S1 to S7.

Boxes span the quartiles with a line at the median; whiskers reach the last energy within 1.5 times the
box's height. What lies beyond is a dot, red where the audit calls the energy failed: those are
failed calculations, not high-energy structures.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from iia_calc.data.flags import AuditedSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINEAR = 30.0
"""eV above the lowest up to which the axis is linear; beyond, logarithmic."""
FAILED, SOUND = "#c23b22", "0.45"


def draw_audit(audited: Sequence[AuditedSet], path: Path) -> None:
    """One panel per folder, one box per set; energies in eV above the set's lowest usable one.

    Sets without energies are left out; without any, no figure is made.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    panels: dict[Path, list[AuditedSet]] = defaultdict(list)
    for a in audited:
        if not np.isfinite(a.item.energies).any():
            continue
        panels[a.item.source.resolve().parent].append(a)
    if not panels:
        return
    widths = [max(len(members), 2) for members in panels.values()]
    rows = _rows(widths)
    height = 3.0 * len(rows) + 0.5
    figure = Figure(figsize=(9.0, height), layout="constrained")
    FigureCanvasAgg(figure)
    members = list(panels.values())
    subfigures = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for subfigure, row in zip(subfigures, rows, strict=True):
        all_axes = subfigure.subplots(1, len(row), width_ratios=[widths[k] for k in row], squeeze=False)[0]
        for axes, k in zip(all_axes, row, strict=True):
            _draw_panel(axes, members[k])
        all_axes[0].set_ylabel("energy above the lowest, eV")
    handles = [Line2D([], [], ls="", marker="o", ms=3, color=color) for color in (FAILED, SOUND)]
    names = ["failed energies", "others beyond the whiskers (1.5 × interquartile range)"]
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    figure.savefig(path, dpi=150)


def _rows(widths: Sequence[int], full: int = 20) -> list[list[int]]:
    """Panels in rows of at most `full` boxes."""
    rows: list[list[int]] = []
    used = full + 1
    for k, width in enumerate(widths):
        if used + width > full:
            rows.append([])
            used = 0
        rows[-1].append(k)
        used += width
    return rows


def _draw_panel(axes: Axes, members: Sequence[AuditedSet]) -> None:
    from matplotlib.ticker import FuncFormatter

    boxes = []
    for place, a in enumerate(members):
        energies = a.item.energies_in("eV")
        known = np.isfinite(energies)
        failed = a.failed[known]
        usable = energies[known][~failed]
        energies = energies[known] - (usable.min() if len(usable) else energies[known].min())
        low, middle, high = np.quantile(energies, [0.25, 0.5, 0.75])
        reach = 1.5 * (high - low)
        inside = energies[(energies >= low - reach) & (energies <= high + reach)]
        boxes.append(
            {"q1": low, "med": middle, "q3": high, "whislo": inside.min(), "whishi": inside.max(), "fliers": []}
        )
        beyond = (energies > high + reach) | (energies < low - reach)
        for mask, color in ((beyond & ~failed, SOUND), (failed & beyond, FAILED)):
            axes.plot(np.full(mask.sum(), place), energies[mask], "o", ms=2, mew=0, alpha=0.5, color=color, zorder=1)
    axes.bxp(boxes, positions=range(len(members)), widths=0.6, showfliers=False, medianprops={"color": "#1f4e79"})
    axes.set_yscale("symlog", linthresh=LINEAR, linscale=2.0)
    beyond_all = [float(np.asarray(line.get_ydata(), dtype=float).max(initial=0.0)) for line in axes.lines]
    top = max([box["whishi"] for box in boxes] + beyond_all)
    ticks = [tick for tick in (0, 10, 20, 30, 100, 300, 1000, 3000) if tick <= max(top, LINEAR) * 1.3]
    axes.set_yticks(ticks, minor=False)
    axes.set_yticks([], minor=True)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.axhline(LINEAR, color="0.85", lw=0.6, zorder=0)
    labels = [_subscripts(a.item.formula) for a in members]
    axes.set_xticks(range(len(members)), labels, rotation=45 if len(members) > 4 else 0, fontsize="small")
    axes.set_xlim(-0.6, len(members) - 0.4)
    axes.set_title(members[0].item.source.resolve().parent.name, fontsize="medium")


def _subscripts(formula: str) -> str:
    return formula.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
