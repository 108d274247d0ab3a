"""The picture of a search: an energy ladder beside the lowest structures, drawn without any viewer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patches import Circle

from iia_calc.common.files import replacing
from search.errors import InputError
from search.geometry.composition import Composition, bond_lengths
from search.geometry.pieces import DRAWN_BOND
from search.geometry.shape import dopant_bonds, principal_axes, shape_of

COLOURS = {"B": "#e8a09a", "Se": "#f28c1e"}
"""By element; others have those of Jmol."""
LEVELS, BETTER, INK, FAINT = "#7a1f3d", "#1f5a7a", "#333333", "#b5b5b5"
DRAWN, PER_ROW = 8, 4
WINDOW = 60
"""Levels shown in the ladder at most."""
FAR = 5.0
"""Å behind the foremost atom at which an atom is palest."""


def draw_isomers(
    isomers: Sequence[Atoms],
    energies: Sequence[float],
    path: str | Path,
    title: str | None = None,
    confirmed: Mapping[int, float] | None = None,
    level: str | None = None,
    shapes: Sequence[str] | None = None,
) -> None:
    """Draw the ladder of all energies, and the structures of the lowest eight.

    Parameters
    ----------
    isomers, energies : lowest first; energies in eV, absolute or relative.
    path : of the picture, its suffix .png (300 dpi), .svg or .pdf; replaced at once, so that it is never half written.
    title : above the ladder; by default the formula.
    confirmed : relative energies, eV, that DFT gives, by index of the isomer: a second ladder beside the first.
    level : level of theory of the energies, written below.
    shapes : of the isomers; None derives them from the structures.

    Raises
    ------
    InputError : no isomers, or not one energy for each.
    """
    if not len(isomers):
        raise InputError("there are no isomers to draw")
    if len(isomers) != len(energies):
        raise InputError(f"{len(isomers)} isomers, but {len(energies)} energies")
    relative = np.asarray(energies, dtype=float) - float(np.min(energies))
    shown = list(isomers[:DRAWN])
    flat = [project(atoms) for atoms in shown]
    reach = tuple(max(float(np.abs(x[:, k]).max()) for x in flat) + 0.8 for k in (0, 1))
    figure, grid = _layout(len(shown), reach[1] / reach[0], bool(confirmed))
    ladder = figure.add_subplot(grid[:, 0])
    _draw_ladder(ladder, relative[:WINDOW], len(shown), confirmed or {})
    ladder.set_title(title or with_subscripts(Composition.parse(shown[0]).formula), fontsize=11, pad=8)
    for k, (atoms, x) in enumerate(zip(shown, flat, strict=True)):
        axes = figure.add_subplot(grid[k // PER_ROW, 1 + k % PER_ROW])
        draw_structure(axes, atoms, x, (reach[0], reach[1]))
        better = f"  ·  DFT {confirmed[k]:.2f}" if confirmed and k in confirmed else ""
        axes.set_title(rf"$\mathbf{{{k + 1}}}$    {relative[k]:.2f} eV{better}", fontsize=9, color=INK, pad=3)
        _write_below(axes, atoms, shape_of(atoms) if shapes is None else shapes[k])
    if level is not None:
        figure.text(0.995, 0.005, f"model: {level}", fontsize=6, color="#666666", ha="right", va="bottom")
    with replacing(path) as part:
        figure.savefig(part, dpi=300, format=Path(path).suffix[1:] or "png")


def _layout(n_drawn: int, tallness: float, two_ladders: bool) -> tuple[Figure, GridSpec]:
    """The figure, and its grid: the ladder in the first column, structures in the others.

    tallness : height over width of the structures.
    """
    columns, rows = min(PER_ROW, n_drawn), -(-n_drawn // PER_ROW)
    tall = 1.6 * min(max(tallness, 0.45), 1.0) + 0.5
    wide = 1.0 if two_ladders else 0.0
    figure = Figure(figsize=(1.9 + wide + 1.6 * columns, max(3.0, 0.45 + tall * rows)))
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(
        rows,
        columns + 1,
        width_ratios=[1.1 + wide] + [1.6] * columns,
        left=0.62 / figure.get_figwidth(),
        right=0.99,
        bottom=0.08,
        top=0.88,
        wspace=0.08,
        hspace=0.3,
    )
    return figure, grid


def _write_below(axes: Axes, atoms: Atoms, shape: str) -> None:
    """The shape, and of a single dopant how many bonds it has."""
    bonds = dopant_bonds(atoms)
    bound = f"  ·  {bonds[0].symbol} {len(bonds[0].lengths)}-fold" if len(bonds) == 1 else ""
    axes.text(
        0.5,
        -0.02,
        shape + bound,
        transform=axes.transAxes,
        fontsize=7.5,
        color="#666666",
        ha="center",
        va="top",
    )


def project(atoms: Atoms) -> np.ndarray:
    """Positions [n, 3] as they are looked at, Å: x to the right, y up, z towards the eye.

    The eye looks along the flattest direction; what isn't planar is tilted by 25°, or a tube would be a circle.
    """
    axes = principal_axes(atoms.positions)
    x: np.ndarray = (atoms.positions - atoms.positions.mean(0)) @ axes.T
    if shape_of(atoms) != "planar":
        c, s = np.cos(np.radians(25.0)), np.sin(np.radians(25.0))
        x = x @ np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])
    if np.abs(x[:, 2].min()) > x[:, 2].max():  # what sticks out points at the eye
        x = x * np.array([1.0, -1.0, -1.0])
    centred: np.ndarray = x - 0.5 * (x.min(0) + x.max(0))
    return centred


def draw_structure(axes: Axes, atoms: Atoms, x: np.ndarray, reach: tuple[float, float]) -> None:
    """Bonds and shaded discs, back to front, on `axes` that show ±`reach` (x, y) Å. x : [n, 3] as of `project`."""
    nearness = np.clip(1.0 - (x[:, 2].max() - x[:, 2]) / FAR, 0.0, 1.0)  # 1 nearest to the eye
    bonded = atoms.get_all_distances() < DRAWN_BOND * bond_lengths(atoms.numbers)
    for i, j in zip(*np.nonzero(np.triu(bonded, 1)), strict=True):
        near = 0.5 * (nearness[i] + nearness[j])
        order = min(x[i, 2], x[j, 2]) - 0.01
        for width, shade in ((2.6, fade(INK, near)), (1.5, fade("#d9d9d9", near))):
            axes.plot(x[[i, j], 0], x[[i, j], 1], color=shade, lw=width, zorder=order, solid_capstyle="round")
            order += 1e-4
    for i in np.argsort(x[:, 2], kind="stable"):
        symbol = atoms.symbols[i]
        colour = COLOURS.get(symbol, jmol_colors[atoms.numbers[i]])
        radius = 0.46 * np.sqrt(covalent_radii[atoms.numbers[i]] / covalent_radii[5])
        middle = float(x[i, 0]), float(x[i, 1])
        axes.add_patch(
            Circle(middle, radius, fc=fade(colour, nearness[i]), ec=fade(INK, nearness[i]), lw=0.7, zorder=x[i, 2])
        )
        shine = tuple(0.45 + 0.55 * channel for channel in fade(colour, nearness[i]))
        glint = middle[0] - 0.3 * radius, middle[1] + 0.3 * radius
        axes.add_patch(Circle(glint, 0.3 * radius, fc=shine, ec="none", zorder=x[i, 2] + 1e-4))
    axes.set(xlim=(-reach[0], reach[0]), ylim=(-reach[1], reach[1]), aspect="equal")
    axes.axis("off")


def with_subscripts(formula: str) -> str:
    """SeB16 -> SeB₁₆."""
    return formula.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))


def with_charge(formula: str, charge: int) -> str:
    """SeB10, -1 -> SeB₁₀⁻."""
    if not charge:
        return with_subscripts(formula)
    size = "" if abs(charge) == 1 else str(abs(charge))
    sign = "+" if charge > 0 else "-"
    return with_subscripts(formula) + f"{size}{sign}".translate(str.maketrans("0123456789+-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"))


def _draw_ladder(axes: Axes, relative: np.ndarray, n_drawn: int, confirmed: Mapping[int, float]) -> None:
    """A line for every energy; those drawn are dark and numbered, numbers pushed apart where they meet.

    What is confirmed has a second line on the right, joined to the first, and its number there.
    """
    span = max(float(relative.max()), *confirmed.values(), 0.1)
    axes.hlines(relative[n_drawn:], 0.0, 0.5, color=FAINT, lw=0.8)
    axes.hlines(relative[:n_drawn], 0.0, 0.5, color=LEVELS, lw=1.6)
    low, high, step = -0.04 * span, 1.04 * span, 0.05 * span
    over = _number(axes, 0.5, dict(enumerate(relative[:n_drawn].tolist())), step, LEVELS)
    if confirmed:
        left, right = 1.15, 1.65
        axes.hlines(list(confirmed.values()), left, right, color=BETTER, lw=1.6)
        for k, energy in confirmed.items():
            if k < len(relative):
                axes.plot([0.88, left], [relative[k], energy], color=FAINT, lw=0.6, ls=":")
        over = max(over, _number(axes, right, confirmed, step, BETTER))
        for middle, name, colour in ((0.25, "model", LEVELS), (0.5 * (left + right), "DFT", BETTER)):
            axes.text(middle, low - 0.01 * span, name, fontsize=8, ha="center", va="top", color=colour)
    axes.set(xlim=(-0.03, 2.1 if confirmed else 1.0), ylim=(low, max(high, over)), xticks=[])
    axes.set_ylabel("relative energy / eV", fontsize=9, color=INK)
    axes.tick_params(labelsize=8, colors=INK)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)


def _number(axes: Axes, x: float, energies: Mapping[int, float], step: float, colour: str) -> float:
    """Numbers of the lines that end at `x`, at least `step` apart; returns the height of the highest one."""
    height = -np.inf
    for k, energy in sorted(energies.items(), key=lambda item: item[1]):
        height = max(energy, height + step)
        axes.plot([x + 0.02, x + 0.12, x + 0.22], [energy, height, height], color=colour, lw=0.5)
        axes.text(x + 0.25, height, str(k + 1), fontsize=8, va="center", color=colour)
    return height


def fade(colour: Any, nearness: float) -> tuple[float, float, float]:
    """Towards white with distance from the eye."""
    strength = 0.4 + 0.6 * float(nearness)
    red, green, blue = (1.0 - strength * (1.0 - channel) for channel in to_rgb(colour))
    return red, green, blue
