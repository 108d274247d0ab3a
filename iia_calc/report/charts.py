"""Small plots for the page as SVG: lines over a count, with axes that a reader can read off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 44


def step_chart(x: Sequence[float], y: Sequence[float], x_label: str, y_label: str) -> Markup:
    """A curve that keeps its value until the next point, from 0 on both axes.

    Parameters
    ----------
    x, y : the points, x ascending.
    """
    across, up = nice_ticks(float(max(x))), nice_ticks(float(max(y)))
    right, top = max(across[-1], float(max(x))), max(up[-1], float(max(y)))

    def at(a: float, b: float) -> tuple[float, float]:
        return (
            LEFT + (WIDTH - LEFT - RIGHT) * a / (right or 1.0),
            HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * b / (top or 1.0),
        )

    path, before = [], None
    for a, b in zip(x, y, strict=True):
        across_at, up_at = at(a, b)
        path.append(f"M{across_at:.1f},{up_at:.1f}" if before is None else f"H{across_at:.1f}V{up_at:.1f}")
        before = b
    drawn = [f'<path class="curve" d="{"".join(path)}"/>']
    for tick in across:
        px, py = at(tick, 0.0)
        drawn.append(f'<text class="tick" x="{px:.1f}" y="{py + 18:.1f}" text-anchor="middle">{number(tick)}</text>')
    for tick in up:
        px, py = at(0.0, tick)
        drawn.insert(0, f'<line class="grid" x1="{px:.1f}" x2="{WIDTH - RIGHT}" y1="{py:.1f}" y2="{py:.1f}"/>')
        drawn.append(f'<text class="tick" x="{px - 8:.1f}" y="{py + 4:.1f}" text-anchor="end">{number(tick)}</text>')
    middle = 0.5 * (TOP + HEIGHT - BOTTOM)
    labels = Markup(
        '<text class="label" x="{}" y="{}" text-anchor="middle">{}</text>'
        '<text class="label" x="{}" y="{}" text-anchor="middle" transform="rotate(-90 14 {})">{}</text>'
    ).format(0.5 * (LEFT + WIDTH - RIGHT), HEIGHT - 6, x_label, 14, middle, middle, y_label)
    name = f"{y_label} over {x_label}"
    opening = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, name)
    return opening + Markup("".join(drawn)) + labels + Markup("</svg>")


def nice_ticks(largest: float, about: int = 5) -> list[float]:
    """Round numbers from 0 to `largest` or just above it, about so many."""
    if not largest > 0:
        return [0.0, 1.0]
    rough = largest / about
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(power * min((k for k in (1, 2, 5, 10) if k * power >= rough * 0.999), default=10))
    return [k * step for k in range(int(np.ceil(largest / step - 1e-9)) + 1)]


def number(value: float) -> str:
    """2500 -> 2,500; 0.20000000001 -> 0.2."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"
