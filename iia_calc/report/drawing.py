"""Structures as vector drawings for the page: they need no viewer, and print."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.data.colors import jmol_colors
from markupsafe import Markup
from matplotlib.colors import to_hex

from iia_calc.report.picture import COLOURS, FAR, INK, fade, project
from search.geometry.composition import bond_lengths
from search.geometry.pieces import DRAWN_BOND

MARGIN = 0.75
"""Å around the outermost atoms."""


def structure_svg(atoms: Atoms, label: str) -> Markup:
    """A ball-and-stick drawing, back to front, paler with the distance; 1 user unit is 1 Å.

    label : what it shows, for those who can't see it.
    """
    x = project(atoms)  # [n_atoms, 3] Å, z towards the eye
    x[:, 1] *= -1.0  # y points down in SVG
    nearness = np.clip(1.0 - (x[:, 2].max() - x[:, 2]) / FAR, 0.0, 1.0)
    parts: list[tuple[float, str]] = []
    bonded = np.triu(atoms.get_all_distances() < DRAWN_BOND * bond_lengths(atoms.numbers), 1)
    for i, j in zip(*np.nonzero(bonded), strict=True):
        near = 0.5 * float(nearness[i] + nearness[j])
        ends = f'x1="{x[i, 0]:.2f}" y1="{x[i, 1]:.2f}" x2="{x[j, 0]:.2f}" y2="{x[j, 1]:.2f}"'
        for k, (width, paint) in enumerate(((0.2, INK), (0.12, "#e3e3e3"))):
            shade = to_hex(fade(paint, near))
            line = f'<line {ends} stroke="{shade}" stroke-width="{width}" stroke-linecap="round"/>'
            parts.append((min(x[i, 2], x[j, 2]) - 0.01 + 1e-4 * k, line))
    for i, number in enumerate(atoms.numbers):
        red, green, blue = fade(COLOURS.get(atoms.symbols[i], jmol_colors[number]), float(nearness[i]))
        radius = 0.46 * float(np.sqrt(covalent_radii[number] / covalent_radii[5]))
        edge, glint = (
            to_hex(fade(INK, float(nearness[i]))),
            to_hex((0.45 + 0.55 * red, 0.45 + 0.55 * green, 0.45 + 0.55 * blue)),
        )
        paint = to_hex((red, green, blue))
        ball = (
            f'<circle cx="{x[i, 0]:.2f}" cy="{x[i, 1]:.2f}" r="{radius:.2f}" fill="{paint}" stroke="{edge}" '
            f'stroke-width="0.04"/><circle cx="{x[i, 0] - 0.3 * radius:.2f}" cy="{x[i, 1] - 0.3 * radius:.2f}" '
            f'r="{0.3 * radius:.2f}" fill="{glint}"/>'
        )
        parts.append((x[i, 2], ball))
    low, high = x[:, :2].min(0) - MARGIN, x[:, :2].max(0) + MARGIN
    box = f"{low[0]:.2f} {low[1]:.2f} {high[0] - low[0]:.2f} {high[1] - low[1]:.2f}"
    drawn = "".join(text for _, text in sorted(parts, key=lambda part: part[0]))
    return Markup('<svg class="structure" viewBox="{}" role="img" aria-label="{}">').format(box, label) + Markup(
        drawn + "</svg>"
    )
