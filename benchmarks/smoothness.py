"""How smooth a potential is along six dissociations, beside GFN-xTB and, if wanted, DFT.

python benchmarks/smoothness.py --models seb-def2-tzvp seb-10 --xtb GFN1-xTB

B-B, B-Se and Se-Se from inside their bond; a B atom pulled out of B12, the Se of SeB8, a B atom out of the double
ring of B16 (models/lowest), each along the line from the others' centre, until the nearest atom is at the cutoff.
A force should turn once on the way: it rises to its largest pull and falls to nothing. `turns` counts the places
where the force along the path turns by more than 0.02 eV/Å; tortuosity is the way the energy goes, up and down,
over that of a path with one minimum and one end (1 for a perfect bond; MLIP Arena's measure).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from ase import Atoms
from ase.data import covalent_radii
from ase.io import read

from iia_calc.labels.level import LabelFailed
from iia_calc.model import storage
from iia_calc.model.committee import Committee
from iia_calc.training.smoothness import tortuosity, turns
from search.geometry.composition import Composition

LOWEST = Path(__file__).parents[1] / "models" / "lowest" / "lowest.extxyz"
PULLED = {
    "B from B12": ("B12", "planar", 5),
    "Se from SeB8": ("SeB8", None, 34),
    "B from the ring of B16": ("B16", "tubular", 5),
}
INSIDE = 0.85
"""Of a bond length: where the scans of two atoms begin."""


class Scan(NamedTuple):
    """A path: structures at `places` Å, and the atom that is pulled along `direction`."""

    name: str
    places: np.ndarray
    structures: list[Atoms]
    atom: int
    direction: np.ndarray


class Curve(NamedTuple):
    """Along a path: energy, eV, and the pulled atom's force along it, eV/Å (negative: it is held)."""

    energies: np.ndarray
    forces: np.ndarray


def scans(cutoff: float, step: float) -> list[Scan]:
    """The six paths, `step` Å apart."""
    result = []
    for pair in ("BB", "BSe", "SeSe"):
        atoms = Atoms(pair.replace("BB", "B2").replace("SeSe", "Se2"), positions=np.zeros((2, 3)))
        places = np.arange(INSIDE * covalent_radii[atoms.numbers].sum(), cutoff, step)
        result.append(_scan(pair[: len(pair) // 2] + "-" + pair[len(pair) // 2 :], atoms, 1, np.eye(3)[0], places))
    known = read(LOWEST, ":")
    for name, (formula, shape, number) in PULLED.items():
        atoms = next(a for a in known if Composition.parse(a).formula == formula and shape in (None, a.info["shape"]))
        bare = Atoms(atoms.numbers, positions=atoms.positions - atoms.positions.mean(0))
        candidates = np.flatnonzero(bare.numbers == number)
        atom = int(candidates[np.linalg.norm(bare.positions[candidates], axis=1).argmax()])
        others = np.delete(bare.positions, atom, axis=0)
        direction = bare.positions[atom] - others.mean(0)
        direction /= np.linalg.norm(direction)
        places = np.arange(0.0, 3 * cutoff, step)
        moved = bare.positions[atom] + places[:, None] * direction
        nearest = np.linalg.norm(moved[:, None] - others, axis=2).min(1)
        result.append(_scan(name, bare, atom, direction, places[: int((nearest < cutoff).sum())]))
    return result


def _scan(name: str, atoms: Atoms, atom: int, direction: np.ndarray, places: np.ndarray) -> Scan:
    structures = []
    for place in places:
        structures.append(atoms.copy())
        structures[-1].positions[atom] += place * direction
    return Scan(name, places, structures, atom, direction)


def by_potential(model: str) -> Callable[[Scan], Curve]:
    loaded = storage.load(model, dtype=torch.float64)
    potential = loaded.leader if isinstance(loaded, Committee) else loaded

    def curve(scan: Scan) -> Curve:
        n = len(scan.structures[0])
        energies, forces = [], []
        for begin in range(0, len(scan.structures), 64):
            some = scan.structures[begin : begin + 64]
            prediction = potential(
                torch.from_numpy(np.concatenate([atoms.numbers for atoms in some])),
                torch.from_numpy(np.concatenate([atoms.positions for atoms in some])),
                torch.arange(len(some)).repeat_interleave(n),
            )
            energies += prediction.energy.tolist()
            forces += (prediction.forces.view(len(some), n, 3)[:, scan.atom].numpy() @ scan.direction).tolist()
        return Curve(np.array(energies), np.array(forces))

    return curve


def by_level(level) -> Callable[[Scan], Curve]:
    """Of an xTB or DFT level; points whose SCF fails are left out."""

    def curve(scan: Scan) -> Curve:
        points = []
        for atoms in scan.structures:
            try:
                label = level.label(atoms)
            except LabelFailed:
                continue
            points.append((label.energy, label.forces[scan.atom] @ scan.direction))
        return Curve(*np.array(points).T)

    return curve


def judges(options: argparse.Namespace) -> Iterable[tuple[str, float, Callable[[Scan], Curve]]]:
    """Who draws the curves: a name, the step in Å, and the function."""
    for model in options.models:
        yield model, options.step, by_potential(model)
    if options.xtb:
        from iia_calc.labels.xtb import XTBLevel

        for method in options.xtb:
            yield method, options.level_step, by_level(XTBLevel(method))
    if options.dft:
        from iia_calc.labels.dft.level import DFTLevel

        yield "DFT", options.dft_step, by_level(DFTLevel(basis=options.dft))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["seb-def2-tzvp"], help="names or folders of models")
    parser.add_argument("--step", type=float, default=0.01, help="Å, of the models' scans")
    parser.add_argument("--xtb", nargs="*", choices=["GFN1-xTB", "GFN2-xTB"], default=[], help="beside them")
    parser.add_argument("--level-step", type=float, default=0.05, help="Å, of xTB's scans")
    parser.add_argument("--dft", metavar="BASIS", help="PBE0 in this basis, too: hours")
    parser.add_argument("--dft-step", type=float, default=0.2, help="Å, of DFT's scans")
    parser.add_argument("--cutoff", type=float, default=5.0, help="Å: where the scans end")
    parser.add_argument("--out", type=Path, help="folder for a CSV of each curve")
    options = parser.parse_args()

    print("| scan | of | turns of the force | tortuosity | largest pull, eV/Å |\n|---|---|---|---|---|")
    for name, step, judge in judges(options):
        for scan in scans(options.cutoff, step):
            curve = judge(scan)
            found = f"{turns(curve.forces)} | {tortuosity(curve.energies):.3f} | {-curve.forces.min():.2f}"
            print(f"| {scan.name} | {name} | {found} |", flush=True)
            if options.out:
                options.out.mkdir(parents=True, exist_ok=True)
                with (options.out / f"{name}-{scan.name}.csv".replace(" ", "-").replace("/", "-")).open("w") as out:
                    writer = csv.writer(out)
                    writer.writerow(("place, Å", "energy, eV", "force, eV/Å"))
                    writer.writerows(zip(scan.places, *curve, strict=False))


if __name__ == "__main__":
    main()
