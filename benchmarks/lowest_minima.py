"""The lowest minima known of each formula: searched with a potential, relaxed by DFT, gathered with structures.

python benchmarks/lowest_minima.py SeB3 SeB4 SeB5 B5 B6 --quenches 600 --dft 3 --runs runs/lowest --out models/lowest
python benchmarks/lowest_minima.py --runs runs/lowest --also runs/minima/*.db --out models/lowest    # gather only

python benchmarks/lowest_minima.py SeB4 B6 --basis def2-TZVP --known --runs runs/tzvp --out models/lowest/def2-tzvp

A stopped run goes on. OUT receives lowest.extxyz (of each formula the lowest, and the lowest of each other shape
within half an eV, lowest first; energies and forces of PBE0 in the basis on them) and lowest.md. With `--also`,
converged structures of other label databases that are lower take the place of a search's. What OUT holds already stays
unless something lower was found; structures that `lowest_checks.py` found to be saddles are left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import repeat
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from iia_calc.confirm.api import confirm_search, dft_level
from iia_calc.confirm.relaxation import largest_force, start_name
from iia_calc.isomers.checked import TABLE, read_checks
from iia_calc.isomers.search import search_isomers
from iia_calc.labels.level import Label
from iia_calc.labels.store import LabelledStructure
from iia_calc.model import storage
from iia_calc.model.hessian import second_derivatives
from iia_calc.training.build import read_labels
from search.geometry.composition import Composition
from search.geometry.shape import shape_of
from search.islands.pool import processes

FMAX = 0.05
"""eV/Å: of a structure that counts as relaxed."""


WITHIN = 0.5
"""eV: as much as another basis set may turn the order of two shapes around."""


@dataclass(frozen=True)
class Lowest:
    """The lowest relaxed structure of a formula, or of a shape of it, and where it came from."""

    item: LabelledStructure
    origin: str

    @property
    def composition(self) -> Composition:
        return Composition.parse(self.item.atoms)

    @cached_property
    def shape(self) -> str:
        return shape_of(self.item.atoms)


def relaxed(paths: Iterable[Path]) -> Iterator[Lowest]:
    for path in paths:
        for item in read_labels([path])[1]:
            if largest_force(item.label) <= FMAX:
                searched = path.name.startswith("dft")
                yield Lowest(item, f"search of {path.parent.name}" if searched else item.batch or path.stem)


def read_table(path: Path) -> list[Lowest]:
    """The minima that a lowest.extxyz holds; none where there is no such file."""
    found = []
    for frame in read(path, ":") if path.exists() else []:
        label = Label(frame.get_potential_energy(), frame.get_forces())
        item = LabelledStructure(Atoms(frame.numbers, frame.positions), label, "", "minimum")
        found.append(Lowest(item, str(frame.info.get("origin", ""))))
    return found


def lowest_of(candidates: Iterable[Lowest], saddles: Set[str] = frozenset()) -> list[Lowest]:
    """Of each formula the lowest of each shape that is within `WITHIN`; undoped ones first, by size, then energy.

    saddles : names of structures to leave out.
    """
    best: dict[tuple[str, str], Lowest] = {}
    for found in candidates:
        if saddles and start_name(found.item.atoms) in saddles:
            continue
        kind = found.composition.formula, found.shape
        if kind not in best or found.item.label.energy < best[kind].item.label.energy - 1e-4:
            best[kind] = found
    lowest: dict[str, float] = {}
    for (formula, _), found in best.items():
        lowest[formula] = min(found.item.label.energy, lowest.get(formula, np.inf))
    kept = [b for (formula, _), b in best.items() if b.item.label.energy < lowest[formula] + WITHIN]
    return sorted(kept, key=lambda b: (b.composition.dopants, b.composition.n_atoms, b.item.label.energy))


def gather(best: list[Lowest], element_energies: dict[str, float], level: str, out: Path) -> str:
    """Write lowest.extxyz and lowest.md; returns the table."""
    frames = []
    lines = ["| formula | energy, eV | above, eV | binding, eV/atom | shape | from |", "|---|---|---|---|---|---|"]
    lowest: dict[str, float] = {}
    for found in best:
        atoms, label = found.item.atoms, found.item.label
        free = sum(element_energies[symbol] for symbol in atoms.get_chemical_symbols())
        formula, shape = found.composition.formula, found.shape
        above = label.energy - lowest.setdefault(formula, label.energy)
        frame = Atoms(atoms.numbers, atoms.positions)
        frame.calc = SinglePointCalculator(frame, energy=label.energy, forces=label.forces)
        frame.info.update(formula=formula, level=level, shape=shape, origin=found.origin)
        frames.append(frame)
        binding = (free - label.energy) / len(atoms)
        lines.append(f"| {formula} | {label.energy:.4f} | {above:.2f} | {binding:.3f} | {shape} | {found.origin} |")
    out.mkdir(parents=True, exist_ok=True)
    write(out / "lowest.extxyz", frames, format="extxyz")
    table = "\n".join(lines) + "\n"
    (out / "lowest.md").write_text(f"{level}; forces below {FMAX} eV/Å\n\n{table}", encoding="utf-8")
    return table


def search_and_confirm(formula: str, options: argparse.Namespace) -> str:
    """Search one formula and relax its lowest isomers by DFT, into its folder of `options.runs`; says what came out."""
    found = search_isomers(
        formula,
        out=options.runs / formula,
        quenches=options.quenches,
        seed=options.seed,
        model=options.model,
        known=options.known,
    )
    curvature = partial(second_derivatives, storage.load(options.model))
    done = confirm_search(
        found,
        options.dft,
        dft_level(formula, basis=options.basis),
        workers=options.workers,
        curvature=curvature,
        each_shape=options.shapes,
    )
    return " ".join([formula, *(f"{c.energy:.4f}" if c.energy is not None else c.reason for c in done)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formulas", nargs="*")
    parser.add_argument("--quenches", type=int, default=600)
    parser.add_argument("--dft", type=int, default=3, help="isomers relaxed by DFT of each formula")
    parser.add_argument("--shapes", action="store_true", help="and the lowest of each shape that these lack")
    parser.add_argument("--model", default=None)
    parser.add_argument("--basis", default="3-21G", help="of the relaxations; the table is of this level")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1, help="isomers relaxed side by side")
    parser.add_argument("--jobs", "-j", type=int, default=1, help="formulas side by side, on one GPU too")
    parser.add_argument("--known", action="store_true", help="begin with the shipped minima, as `iia search` does")
    parser.add_argument("--runs", type=Path, default=Path("runs/lowest"))
    parser.add_argument("--also", type=Path, nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("runs/lowest"))
    options = parser.parse_args()
    with processes(options.jobs) as pool:
        for line in pool.map(search_and_confirm, options.formulas, repeat(options)):
            print(line, flush=True)
    paths = [*sorted(options.runs.glob("*/dft*.db")), *options.also]
    saddles = {name for name, checked in read_checks(options.out).items() if checked.n_imaginary}
    best = lowest_of([*read_table(options.out / TABLE), *relaxed(paths)], saddles)
    level = dft_level(best[0].composition.formula, basis=options.basis)
    print(gather(best, {symbol: level.element_energy(symbol) for symbol in ("B", "Se")}, level.name, options.out))


if __name__ == "__main__":
    main()
