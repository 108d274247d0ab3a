"""The ladder of relative energies for the page: the potential's levels, and DFT's beside them."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from iia_calc.report.charts import nice_ticks, number
from iia_calc.report.findings import Entry

WIDTH, HEIGHT = 620, 430
LEFT, TOP, BOTTOM = 62, 34, 20
LEVELS, NUMBERED = 30, 12
"""Levels of the potential at most, and those of them that are numbered."""
APART = 15.0
"""Between two numbers."""


def ladder_svg(entries: Sequence[Entry]) -> Markup:
    """A line for each isomer; those that DFT ranked have a second one, joined to the first.

    A click on a line chooses the isomer (`data-rank`). entries : by the potential, lowest first.
    """
    by_model = [entry for entry in entries if entry.relative is not None][:LEVELS]
    by_dft = [entry for entry in entries if entry.dft is not None and entry.dft.rank is not None]
    joined = [entry for entry in by_dft if entry not in by_model]  # far up, but DFT saw them
    model = {entry.rank: entry.relative or 0.0 for entry in by_model + joined}
    dft = {entry.rank: entry.dft.relative or 0.0 for entry in by_dft if entry.dft is not None}
    ticks = nice_ticks(max([*model.values(), *dft.values(), 0.05]))
    top = ticks[-1]

    def at(energy: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * energy / top

    first, second = ((LEFT + 40, 190), (WIDTH - 270, 190)) if dft else ((LEFT + 60, 300), (0, 0))
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{at(t):.1f}" y2="{at(t):.1f}"/>'
        f'<text class="tick" x="{LEFT - 8}" y="{at(t) + 4:.1f}" text-anchor="end">{number(t)}</text>'
        for t in ticks
    ]
    numbered = [entry.rank for entry in by_model[:NUMBERED]] + [entry.rank for entry in joined]
    heights = _apart({rank: at(model[rank]) for rank in numbered if rank not in dft})
    for rank, energy in dft.items():
        ends = f'x1="{first[0] + first[1]}" y1="{at(model[rank]):.1f}" x2="{second[0]}" y2="{at(energy):.1f}"'
        parts.append(f'<line class="joined" {ends}/>')
    for entry in by_model + joined:
        kind = "level" if entry.rank in numbered else "level faint"
        label = heights.get(entry.rank)
        parts.append(_level(entry, model[entry.rank], at(model[entry.rank]), first, kind, label))
    for entry in by_dft:
        parts.append(_level(entry, dft[entry.rank], at(dft[entry.rank]), second, "level dft", None))
    heights = _apart({rank: at(energy) for rank, energy in dft.items()})
    for rank, height in heights.items():
        parts.append(_number(rank, second[0] + second[1], at(dft[rank]), height))
    heads = [("potential", first), *([("DFT", second)] if dft else [])]
    for name, (x, width) in heads:
        parts.append(f'<text class="head" x="{x + 0.5 * width}" y="18" text-anchor="middle">{name}</text>')
    middle = 0.5 * (TOP + HEIGHT - BOTTOM)
    parts.append(
        f'<text class="label" x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">'
        "relative energy, eV</text>"
    )
    opening = f'<svg class="ladder" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="ladder of relative energies">'
    return Markup(opening + "".join(parts) + "</svg>")


def _level(entry: Entry, energy: float, y: float, column: tuple[float, float], kind: str, label: float | None) -> str:
    """One line that can be clicked, wider than it looks, its number at height `label` beside it."""
    x, width = column
    title = f"isomer {entry.rank}, {entry.shape}: {energy:.3f} eV"
    beside = "" if label is None else _number(entry.rank, x + width, y, label)
    return (
        f'<g class="{kind}" data-rank="{entry.rank}"><title>{escape(title)}</title>'
        f'<rect class="touch" x="{x}" y="{y - 5:.1f}" width="{width}" height="10"/>'
        f'<line x1="{x}" x2="{x + width}" y1="{y:.1f}" y2="{y:.1f}"/>{beside}</g>'
    )


def _number(rank: int, x: float, y: float, height: float) -> str:
    """An isomer's number beside its line, led to where it has room."""
    return (
        f'<polyline class="lead" points="{x + 3},{y:.1f} {x + 14},{height:.1f} {x + 20},{height:.1f}"/>'
        f'<text class="rank" data-rank="{rank}" x="{x + 24}" y="{height + 4:.1f}">{rank}</text>'
    )


def _apart(heights: dict[int, float]) -> dict[int, float]:
    """The same heights, pushed upwards so far that two numbers don't meet; y points down."""
    found: dict[int, float] = {}
    last = float("inf")
    for rank, height in sorted(heights.items(), key=lambda item: -item[1]):
        last = min(height, last - APART)
        found[rank] = last
    return found
