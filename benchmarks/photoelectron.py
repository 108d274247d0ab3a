"""Detachment energies of B5⁻ to B9⁻ by ΔSCF against experiment, and the error of each functional.

python benchmarks/photoelectron.py 5 6 7             # an hour on one core; a stopped run goes on
python benchmarks/photoelectron.py --table           # of what is done

Of each size the neutral surface is searched, the lowest isomers are relaxed as anions with PBE0 in BASIS, and the one
that is lowest loses its electron, just as `iia search "B5-" --dft 3 --frequencies --descend --functional PBE0 --basis
BASIS --dft-basis none` and `iia properties --what photoelectron --diffuse-basis DIFFUSE` do it. Other functionals give
single points in DIFFUSE at the same structures, begun from the stable solution in BASIS, with the same zero-point
energies. Experiment: J. Phys. Chem. A 2010, 114, 994, adiabatic.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io import read

from iia_calc.common.files import read_json
from iia_calc.confirm.api import confirm_isomers
from iia_calc.confirm.journal import StoredSteps
from iia_calc.isomers.search import search_isomers
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.level import LabelFailed
from iia_calc.properties.api import find_properties
from iia_calc.properties.dft_steps import level_of_name
from iia_calc.properties.request import FUNCTIONALS, PHOTOELECTRON, PropertiesRequest

MEASURED = {5: 2.33, 6: 3.01, 7: 2.55, 8: 3.02, 9: 3.39}
"""Adiabatic detachment energies, eV."""


def detach(size: int, options: argparse.Namespace) -> Path:
    """Search, anions, neutrals and their energies by PBE0; the folder that holds all of it."""
    folder = options.runs / f"B{size}-anion"
    found = search_isomers(f"B{size}", out=folder, quenches=options.quenches, picture=False)
    settings = {"charge": -1, "frequencies": True, "descend": True, "workers": 1, "gpu": False}
    confirm_isomers(found, options.dft, functional="PBE0", basis=options.basis, ranking_basis="none", **settings)
    find_properties(
        PropertiesRequest(folder, (PHOTOELECTRON,), diffuse_basis=options.diffuse, dft_lowest=1, workers=1, threads=1)
    )
    return folder


def energies_by(folder: Path, functional: str) -> None:
    """Single points of anion and neutral by another functional, stored."""
    anion, neutral, told = parts(folder)
    level = level_of_name(told["level"], 1).but(functional=functional)
    smaller = level_of_name(told["relaxed_by"], 1).but(functional=functional)
    multiplicity = int(min(told["vertical_by_multiplicity"], key=told["vertical_by_multiplicity"].get))
    steps = StoredSteps(folder / "functionals.steps.jsonl")
    for place, atoms, charge, spin in (
        ("anion", anion, -1, int(anion.info["final_multiplicity"])),
        ("neutral in its place", anion, 0, multiplicity),
        ("neutral", neutral, 0, multiplicity),
    ):
        key = {"functional": functional, "level": level.name, "place": place}
        if steps.get(key) is None:
            steps.add(key, energy(level.but(charge=charge), smaller.but(charge=charge), atoms, spin))


def energy(level: DFTLevel, smaller: DFTLevel, atoms: Atoms, multiplicity: int) -> dict[str, object]:
    """Of the state that the lowest stable one of a smaller basis leads to, as plain data; why it failed."""
    try:
        return level.state(atoms, multiplicity, check_stability=False, start=smaller).as_plain()
    except LabelFailed as error:
        return {"failed": str(error)}


def parts(folder: Path) -> tuple[Atoms, Atoms, dict]:
    """The lowest anion, the neutral that it relaxes to, and what properties.json says of the detachment."""
    anions = [a for a in read(folder / "confirmed.extxyz", ":") if a.info.get("rank") == 1]
    told = read_json(folder / "properties.json")["dft"]["isomers"][0]["photoelectron"]
    (path,) = folder.glob("neutral-*.extxyz")
    return anions[0], read(path, 0), told


def table(options: argparse.Namespace) -> str:
    """Markdown: of each anion the measured energy and each functional's, with errors; mean errors below."""
    names = options.functionals
    lines = ["| anion | point group, 2S+1 | measured ADE, eV | " + " | ".join(f"{n} ADE (VDE)" for n in names) + " |"]
    lines.append("|---|---|---|" + "---|" * len(names))
    errors: dict[str, list[float]] = {name: [] for name in names}
    for size, measured in MEASURED.items():
        folder = options.runs / f"B{size}-anion"
        if not (folder / "properties.json").exists():
            continue
        first = read_json(folder / "properties.json")["dft"]["isomers"][0]
        row = [f"B{size}⁻", f"{first.get('point_group', '–')}, {first['multiplicity']}", f"{measured:.2f}"]
        for name in names:
            adiabatic, vertical = detachment_by(folder, name)
            row.append("–" if adiabatic is None or vertical is None else f"{adiabatic:.2f} ({vertical:.2f})")
            errors[name] += [] if adiabatic is None else [adiabatic - measured]
        lines.append("| " + " | ".join(row) + " |")
    for what, of in (("mean error", np.mean), ("mean absolute error", lambda e: np.mean(np.abs(e)))):
        means = [f"{of(errors[name]):+.2f} of {len(errors[name])}" if errors[name] else "–" for name in names]
        lines.append(f"| {what} | | | " + " | ".join(means) + " |")
    return "\n".join(lines)


def detachment_by(folder: Path, functional: str) -> tuple[float | None, float | None]:
    """Adiabatic with zero-point energy, and vertical, eV; None where it isn't computed."""
    told = parts(folder)[2]
    if level_of_name(told["level"]).functional == functional:
        return told["adiabatic_with_zpe"], told["first_vertical"]
    level = level_of_name(told["level"]).but(functional=functional).name
    steps = StoredSteps(folder / "functionals.steps.jsonl")
    places = ("anion", "neutral in its place", "neutral")
    found = [steps.get({"functional": functional, "level": level, "place": place}) for place in places]
    if told["adiabatic_with_zpe"] is None or any(step is None or "failed" in step for step in found):
        return None, None
    anion, vertical, neutral = (step["energy"] for step in found)
    zero_point = told["adiabatic_with_zpe"] - told["adiabatic"]
    return neutral - anion + zero_point, vertical - anion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[], help="atoms, of 5 to 9")
    parser.add_argument("--functionals", nargs="*", default=list(FUNCTIONALS), help="PBE0 is always computed")
    parser.add_argument("--quenches", type=int, default=60)
    parser.add_argument("--dft", type=int, default=3, help="isomers relaxed as anions; B6-: 3")
    parser.add_argument("--basis", default="def2-SVP", help="of structures and vibrations")
    parser.add_argument("--diffuse", default="def2-TZVPD", help="of the energies")
    parser.add_argument("--table", action="store_true", help="compute nothing")
    parser.add_argument("--runs", type=Path, default=Path("runs/photoelectron"))
    options = parser.parse_args()
    if unknown := [size for size in options.sizes if size not in MEASURED]:
        parser.error(f"{unknown[0]} atoms: there are measured energies of 5 to 9 here")
    for size in [] if options.table else options.sizes:
        folder = detach(size, options)
        for functional in options.functionals:
            if functional != "PBE0":
                energies_by(folder, functional)
        print(table(options), flush=True)
    if options.table or not options.sizes:
        print(table(options))


if __name__ == "__main__":
    main()
