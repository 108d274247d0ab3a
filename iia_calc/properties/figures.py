"""Figures of properties, drawn without a display; the suffix of the file says in which format."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from iia_calc.common.files import replacing
from iia_calc.properties.infrared import WIDTH, broaden, spectrum_grid
from iia_calc.properties.photoelectron import band_curve, band_grid
from iia_calc.properties.results import PropertySet
from iia_calc.report.picture import INK, LEVELS
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


def draw_infrared(found: PropertySet, path: str | Path) -> None:
    """Broadened infrared spectra of the isomers, one below the other, lines as sticks.

    Raises
    ------
    InputError : no isomer has a spectrum.
    """
    told = [(entry, entry.infrared) for entry in found.entries if entry.infrared is not None]
    if not told:
        raise InputError("no isomer has an infrared spectrum")
    grid = spectrum_grid([spectrum for _, spectrum in told])
    figure = Figure(figsize=(5.5, 0.8 + 1.1 * len(told)), layout="constrained")
    FigureCanvasAgg(figure)
    all_axes = figure.subplots(len(told), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (entry, spectrum) in zip(all_axes, told, strict=True):
        axes.plot(grid, broaden(spectrum, grid), lw=1.2, color=LEVELS)
        sticks = axes.twinx()
        real = [(f, i) for f, i in zip(spectrum.frequencies, spectrum.intensities, strict=True) if f > 0]
        sticks.vlines([f for f, _ in real], 0.0, [i for _, i in real], lw=0.7, color=INK)
        for one in (axes, sticks):
            one.set_ylim(bottom=0.0)
            one.tick_params(labelsize=7, colors=INK)
        group = "" if entry.symmetry is None else f", {entry.symmetry.point_group}"
        axes.set_title(f"rank {entry.subject.rank}{group}", fontsize=7, loc="left", color=INK, pad=2)
    all_axes[-1].set_xlabel("wavenumber / cm⁻¹", fontsize=9, color=INK)
    figure.supylabel("curve / km mol⁻¹ cm;  sticks (right) / km mol⁻¹", fontsize=7, color=INK)
    figure.suptitle(f"{found.isomers.level}; Lorentz curves {WIDTH:g} cm⁻¹ wide", fontsize=6, color="#666666")
    save_figure(figure, path)


def draw_photoelectron(found: PropertySet, path: str | Path) -> None:
    """Bands of the anions at their vertical detachment energies, one below the other; a line at the adiabatic one.

    Raises
    ------
    InputError : no isomer has a spectrum.
    """
    told = [(entry, entry.photoelectron) for entry in found.entries if entry.photoelectron is not None]
    if not told:
        raise InputError("no isomer has a photoelectron spectrum")
    grid = band_grid([spectrum for _, spectrum in told])
    figure = Figure(figsize=(4.5, 0.8 + 0.9 * len(told)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (entry, spectrum) in zip(
        figure.subplots(len(told), 1, sharex=True, squeeze=False)[:, 0], told, strict=True
    ):
        axes.plot(grid, band_curve(spectrum, grid), lw=1.2, color=LEVELS)
        adiabatic = spectrum.adiabatic_with_zpe if spectrum.adiabatic_with_zpe is not None else spectrum.adiabatic
        if adiabatic is not None:
            axes.axvline(adiabatic, lw=0.8, ls=":", color=INK)
        axes.set(yticks=[], ylim=(0.0, 1.1 * max(1.0, float(band_curve(spectrum, grid).max()))))
        axes.tick_params(labelsize=7, colors=INK)
        axes.set_title(f"rank {entry.subject.rank}", fontsize=7, loc="left", color=INK, pad=2)
    figure.supxlabel("binding energy / eV", fontsize=9, color=INK)
    figure.suptitle(f"ΔSCF, {told[0][1].level}; dotted: adiabatic", fontsize=6, color="#666666")
    save_figure(figure, path)


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
