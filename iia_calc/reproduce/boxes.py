"""Fig. 5 and Figs. S1 to S7: how the energies of SeB_n and SeB_n-O lie, as box plots and as numbers.

As in the paper, boxes span the quartiles, whiskers reach the last energy within 1.5 times the box's height, and
what lies beyond is an outlier. Files are taken by what they hold, not by their names.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from iia_calc.data.published import StructureSet, read_npz
from iia_calc.reproduce.experiments import SIZES
from iia_calc.reproduce.gains import FAILS, HOLDS, Verdict
from iia_calc.reproduce.sets import sound

LINEAR = 30.0
"""eV above the lowest up to which the axis is linear; beyond, logarithmic."""
FAILED, SOUND = "#c23b22", "0.45"


@dataclass(frozen=True)
class Box:
    """Of one set; energies in eV above the lowest of SeB_n and SeB_n-O together.

    outliers : beyond the whiskers. failed : energies that the audit takes for failed SCF solutions.
    """

    set: str
    n: int
    structures: int
    q1: float
    median: float
    q3: float
    outliers: int
    outliers_failed: int
    failed: int


def by_size(data: Path) -> dict[str, StructureSet]:
    """The sets below `data` as SeB16, SeB16-O, ...: the first file with each composition of each folder."""
    found: dict[str, StructureSet] = {}
    for folder, end in (("SeBn", ""), ("SeBn-O", "-O")):
        for path in sorted((data / folder).glob("*.npz")):
            item = read_npz(path)
            found.setdefault(f"SeB{int((item.numbers == 5).sum())}{end}", item)
    return found


def write(data: Path, folder: Path) -> Path:
    """fig5.csv and fig5.png.

    Raises
    ------
    FileNotFoundError : there are no such sets.
    """
    sets = by_size(data)
    chosen = [(n, name, sets[name]) for n in SIZES for name in (f"SeB{n}", f"SeB{n}-O") if name in sets]
    if not chosen:
        raise FileNotFoundError(f"there are no sets in {data / 'SeBn'} and {data / 'SeBn-O'}")
    folder.mkdir(parents=True, exist_ok=True)
    panels: dict[int, list[tuple[Box, np.ndarray, np.ndarray]]] = {}
    for n, name, item in chosen:
        good = sound(item)
        pair = [s.energies_in("eV") for m, _, s in chosen if m == n]
        energies = item.energies_in("eV") - min(e.min() for e in pair)
        q1, median, q3 = (float(q) for q in np.quantile(energies, [0.25, 0.5, 0.75]))
        reach = 1.5 * (q3 - q1)
        beyond = (energies > q3 + reach) | (energies < q1 - reach)
        box = Box(
            name,
            n,
            len(energies),
            round(q1, 2),
            round(median, 2),
            round(q3, 2),
            int(beyond.sum()),
            int((beyond & ~good).sum()),
            int((~good).sum()),
        )
        panels.setdefault(n, []).append((box, energies, good))
    _draw(panels, folder / "fig5.png")
    path = folder / "fig5.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Box)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(box) for boxes in panels.values() for box, _, _ in boxes)
    return path


def _draw(panels: dict[int, list[tuple[Box, np.ndarray, np.ndarray]]], path: Path) -> None:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter

    rows = -(-len(panels) // 4)
    figure = Figure(figsize=(9.0, 2.7 * rows + 0.5), layout="constrained")
    for place, (n, boxes) in enumerate(panels.items()):
        axes = figure.add_subplot(rows, 4, place + 1)
        axes.boxplot(
            [energies for _, energies, _ in boxes],
            positions=range(len(boxes)),
            widths=0.6,
            showfliers=False,
            medianprops={"color": "#1f4e79"},
        )
        for at, (box, energies, good) in enumerate(boxes):
            reach = 1.5 * (box.q3 - box.q1)
            beyond = (energies > box.q3 + reach) | (energies < box.q1 - reach)
            for chosen, colour in ((beyond & good, SOUND), (beyond & ~good, FAILED)):
                axes.plot(np.full(chosen.sum(), at), energies[chosen], "o", ms=2, mew=0, alpha=0.5, color=colour)
        axes.set_yscale("symlog", linthresh=LINEAR, linscale=2.0)
        axes.set_yticks([0, 10, 20, 30, 100, 300, 1000])
        axes.set_yticks([], minor=True)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_xticks(range(len(boxes)), [box.set for box, _, _ in boxes], fontsize="small")
        axes.set_title(f"n = {n}" + (" (Fig. 5)" if n == 19 else ""), fontsize="medium")
        if place % 4 == 0:
            axes.set_ylabel("energy above the lowest, eV", fontsize="small")
    handles = [Line2D([], [], ls="", marker="o", ms=3, color=colour) for colour in (FAILED, SOUND)]
    names = ["outliers that are failed SCF solutions", "other outliers"]
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    figure.savefig(path, dpi=120)


def read(path: Path) -> list[Box]:
    """The rows of such a CSV; an absent one has none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        Box(
            row["set"],
            int(row["n"]),
            int(row["structures"]),
            float(row["q1"]),
            float(row["median"]),
            float(row["q3"]),
            int(row["outliers"]),
            int(row["outliers_failed"]),
            int(row["failed"]),
        )
        for row in rows
    ]


def verdicts(boxes: Sequence[Box]) -> list[Verdict]:
    """Of what the paper reads off these figures."""
    of = {box.set: box for box in boxes}
    pairs = [(of[f"SeB{n}"], of[f"SeB{n}-O"]) for n in SIZES if f"SeB{n}" in of and f"SeB{n}-O" in of]
    if not pairs:
        return []
    wider = sum(plain.q3 - plain.q1 > opt.q3 - opt.q1 for plain, opt in pairs)
    more = sum(plain.outliers / plain.structures > opt.outliers / opt.structures for plain, opt in pairs)
    plain_ones = [box for box in boxes if not box.set.endswith("-O")]
    outliers = sum(box.outliers for box in plain_ones)
    failed = sum(box.outliers_failed for box in plain_ones)
    return [
        Verdict(
            "energies of SeB_n scatter more than those of SeB_n-O",
            "seen in all figures",
            f"wider boxes for {wider} of {len(pairs)} sizes",
            HOLDS if wider == len(pairs) else FAILS,
            "their quartiles lie farther apart" if wider == len(pairs) else "not at every size",
        ),
        Verdict(
            "SeB_n has the larger share of outliers",
            "seen in all figures",
            f"for {more} of {len(pairs)} sizes",
            HOLDS if more == len(pairs) else FAILS,
            "their share is larger" if more == len(pairs) else "wider boxes have longer whiskers, and less lies beyond",
        ),
        Verdict(
            "the outliers of SeB_n are high-energy structures",
            "stated",
            f"{failed} of {outliers} are energies that their geometries can't have",
            FAILS if failed > 0.5 * outliers else HOLDS,
            "their SCF failed: geometries without close atoms have sound energies far below"
            if failed > 0.5 * outliers
            else "most of their energies are sound",
        ),
    ]


def section(boxes: Sequence[Box]) -> str:
    """For the page."""
    if not boxes:
        return ""
    text = ["## Energies of SeB_n and SeB_n-O (Fig. 5, Figs. S1 to S7), as published", ""]
    text += ["eV above the lowest of both sets; `iia reproduce fig5 --data published`. No SeB21-O was published.", ""]
    text += ["| set | structures | lower quartile | median | upper quartile | outliers | of these failed SCF |"]
    text += ["|---|---|---|---|---|---|---|"]
    text += [
        f"| {b.set} | {b.structures} | {b.q1:.1f} | {b.median:.1f} | {b.q3:.1f} | {b.outliers} | {b.outliers_failed} |"
        for b in boxes
    ]
    return "\n".join([*text, "", "![fig5](fig5.png)", ""])
