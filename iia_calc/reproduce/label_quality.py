"""What is wrong among the energies that pass the audit: GFN1-xTB's opinion of every SeB_n set, and our model's.

GFN1-xTB decides what `--as corrected` keeps. The model decides nothing: it is fitted to converged labels of our own at
the paper's level of theory, and never saw a published energy. What its energies miss of the published ones, one shift
of each set taken out and nothing trained, is the scatter of both; where that grows with the parity of n, it is the
labels'.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from iia_calc.data import recompute as check
from iia_calc.data.model_filter import excess_over
from iia_calc.data.xtb_filter import agrees
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.model.potential import Potential
from iia_calc.reproduce.experiments import FITTED, SIZES
from iia_calc.reproduce.sets import Library, sound

MODEL = FITTED
"""Its first member is asked. Pretrained on GFN1-xTB labels, so that the two opinions aren't wholly independent."""
DFT_CHECKED = "SeB16"
"""The set whose energies are recomputed, for they cost least."""


@dataclass(frozen=True)
class Doubt:
    """Of one set.

    passed : structures that pass the audit. kept : of these, at most 0.25 eV/atom above GFN1-xTB.
    doubted_rejected, doubted_kept : of those that GFN1-xTB rejects, and of those it keeps, how many are more than
        0.25 eV/atom above the model.
    mae_passed, mae_kept : eV/atom between the published energies and the model's, after a shift.
    """

    set: str
    electrons: int
    published: int
    passed: int
    kept: int
    doubted_rejected: int
    doubted_kept: int
    mae_passed: float
    mae_kept: float


def write(data: Path, folder: Path, cache: Path, show: Callable[[int, int, str], object] | None = None) -> Path:
    """doubts.csv of SeB16 to SeB23. cache : folder of the GFN1-xTB energies.

    Raises
    ------
    FileNotFoundError, ValueError : a set is missing or unsound. ImportError : tblite isn't installed.
    """
    library, potential = Library(data, "published"), _potential()
    rows = []
    for place, name in enumerate(f"SeB{n}" for n in SIZES):
        found = library.structures(name)

        def tell(done: int, total: int, place: int = place, name: str = name) -> None:
            if show:
                show(place, len(SIZES), f"{name}: GFN1-xTB on {done} of {total}")

        passed = found.select(sound(found))
        kept = agrees(passed, cache, tell)
        above = excess_over(potential, passed.numbers, passed.positions, passed.energies_in("eV"))
        doubted = above > check.EXCESS
        rows.append(
            Doubt(
                name,
                int(found.numbers.sum()),
                len(found),
                len(passed),
                int(kept.sum()),
                int((doubted & ~kept).sum()),
                int((doubted & kept).sum()),
                _scatter(above),
                _scatter(above[kept]),
            )
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "doubts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Doubt)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
    return path


def _potential() -> Potential:
    model = storage.load(MODEL)
    return model.leader if isinstance(model, Committee) else model


def _scatter(above: np.ndarray) -> float:
    return round(float(np.abs(above - np.median(above)).mean()), 4)


def recompute(
    data: Path, folder: Path, cache: Path, count: int, show: Callable[[int, int, str], object] | None = None
) -> Path:
    """doubts-dft.csv: PBE0/3-21G on `count` structures that GFN1-xTB rejects and `count` that it keeps.

    All of them pass the audit. The recomputed energies stay in `cache`, and a stopped run goes on.

    Raises
    ------
    FileNotFoundError, ValueError : the set is missing or unsound. ImportError : tblite or PySCF isn't installed.
    """
    found = Library(data, "published").structures(DFT_CHECKED)
    passed = found.select(sound(found))
    rejected = ~agrees(passed, cache)
    level = check.check_level("dft")

    def tell(done: int, total: int) -> None:
        if show:
            show(done, total, f"{level.name} on {DFT_CHECKED}: {done} of {total}")

    rows = check.recompute([passed], [rejected], count, cache / "dft.csv", level=level, callback=tell)
    result = check.judge(rows)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "doubts-dft.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("set", "asked", "rejected", "rejected_right", "kept", "kept_right", "unknown"))
        writer.writerow(
            (
                DFT_CHECKED,
                count,
                result.flagged,
                result.flagged_right,
                result.passed,
                result.passed_right,
                result.not_recomputed,
            )
        )
    return path


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV; an absent one has none."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def section(rows: Sequence[dict[str, str]], recomputed: Sequence[dict[str, str]]) -> str:
    """For the page. recomputed : the rows of doubts-dft.csv."""
    if not rows:
        return ""
    text = ["## Energies that pass the audit and are too high all the same", ""]
    text += [
        "`iia reproduce doubts --data published`. Of the energies that pass the audit, GFN1-xTB keeps those that are "
        "at most 0.25 eV/atom above its own after the set's shift: these are the structures of `--as corrected`. "
        f"`{MODEL}` (first member; our own PBE0/3-21G labels, no published energy, nothing trained but one shift for "
        "each set) is asked the same and decides nothing.",
        "",
        f"| set | electrons | published | pass the audit | GFN1-xTB keeps | of the rejected, `{MODEL}` doubts "
        f"| of the kept | MAE of `{MODEL}` on all that pass, eV/atom | on the kept |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        parity = "even" if int(row["electrons"]) % 2 == 0 else "odd"
        gone = int(row["passed"]) - int(row["kept"])
        text.append(
            f"| {row['set']} | {row['electrons']}, {parity} | {row['published']} | {row['passed']} | {row['kept']} | "
            f"{row['doubted_rejected']} of {gone} | {row['doubted_kept']} of {row['kept']} | "
            f"{float(row['mae_passed']):.3f} | {float(row['mae_kept']):.3f} |"
        )
    text += ["", parity_sentence(rows)]
    text += [dft_sentence(row) for row in recomputed] or ["No DFT has confirmed GFN1-xTB's verdicts yet."]
    return "\n".join([*text, ""])


def parity_sentence(rows: Sequence[dict[str, str]]) -> str:
    """How what is rejected, and what of it the model doubts, depends on the number of electrons being even."""
    shares, doubted = [], []
    for odd in (0, 1):
        mine = [row for row in rows if int(row["electrons"]) % 2 == odd]
        passed, kept, both = (sum(int(row[name]) for row in mine) for name in ("passed", "kept", "doubted_rejected"))
        shares.append(100 * (passed - kept) / max(passed, 1))
        doubted.append(f"{both} of {passed - kept}")
    return (
        f"Of the sets with an even number of electrons GFN1-xTB rejects {shares[0]:.0f} %, of those with an odd one "
        f"{shares[1]:.0f} %. The geometries were drawn alike, which points at the calculations; where the number "
        "is even, a restricted singlet's SCF may have ended above its lowest solution. "
        f"Of what it rejects `{MODEL}` doubts {doubted[0]} where the number is even, {doubted[1]} where it is odd: the "
        "others may be errors of GFN1-xTB, and sound energies left out with the failed ones."
    )


def dft_sentence(row: dict[str, str]) -> str:
    """What PBE0/3-21G says of GFN1-xTB's verdicts."""
    unknown = f"; on {row['unknown']} more no SCF converged" if int(row["unknown"]) else ""
    return (
        f"PBE0/3-21G on {row['set']}, structures that pass the audit (`iia reproduce doubts --check {row['asked']} "
        f"--data published`): {row['rejected_right']} of {row['rejected']} that GFN1-xTB rejects are more than 0.25 "
        f"eV/atom too high, {row['kept_right']} of {row['kept']} that it keeps are not{unknown}."
    )
