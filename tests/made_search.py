"""A confirmed search of two molecules that DFT does in a second: HCN and HNC."""

from __future__ import annotations

from pathlib import Path

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from iia_calc.common.files import write_json
from iia_calc.confirm.api import confirm_search
from iia_calc.confirm.settings import Checks
from iia_calc.isomers.files import write_isomers
from iia_calc.isomers.ranking import rank_isomers
from iia_calc.isomers.search import IsomerSearch
from iia_calc.labels.dft.level import DFTLevel

HCN = Atoms("CNH", [[0, 0, 0], [0, 0, 1.15], [0, 0, -1.07]])
HNC = Atoms("CNH", [[0, 0, 0], [0, 0, 1.17], [0, 0, 2.17]])


def confirmed_search(folder: Path, frequencies: bool = True) -> Path:
    """`folder` as `iia search --dft 2 --dft-basis none --stability none` would leave it, HNC first in the search."""
    folder.mkdir()
    minima = []
    for k, molecule in enumerate((HNC, HCN)):
        atoms = molecule.copy()
        atoms.calc = SinglePointCalculator(atoms, energy=float(k))
        atoms.info.update(times_found=1, first_quench=1)
        minima.append(atoms)
    isomers = rank_isomers(minima)
    found = IsomerSearch(isomers, None, folder, {"settings": {}, "relaxer": "by hand", "versions": {}})
    write_isomers(isomers, folder / "isomers.extxyz")
    checks = Checks(None, next_multiplicity=False, stability="none", frequencies=frequencies)
    confirm_search(found, 2, DFTLevel(threads=1), checks=checks, workers=1)
    write_json(folder / "run.json", found.run)
    return folder
