"""A search that costs nothing, by Lennard-Jones, and the same one confirmed with longer bonds."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace

import pytest
from ase import Atoms
from ase.calculators.lj import LennardJones

from iia_calc.confirm.api import confirm_search
from iia_calc.isomers.search import search_isomers
from iia_calc.labels.level import Label
from search import ASERelaxer


@dataclass(frozen=True)
class Longer:
    """A level of theory that stands for DFT: Lennard-Jones with longer bonds."""

    name: str = "LJ, charge 0, lowest multiplicity"
    charge: int = 0
    multiplicity: int | None = None

    def label(self, atoms: Atoms) -> Label:
        structure = Atoms(atoms.numbers, atoms.positions, calculator=LennardJones(sigma=1.65, epsilon=1.1, rc=30.0))
        return Label(structure.get_potential_energy(), structure.get_forces())

    def element_energy(self, symbol: str) -> float:
        return 0.0


@pytest.fixture(scope="session")
def search(tmp_path_factory):
    """What `search_isomers` returned for SeB5."""
    relaxer = ASERelaxer(LennardJones(sigma=1.6, epsilon=1.0, rc=30.0), fmax=0.05)
    out = tmp_path_factory.mktemp("searched") / "SeB5-search"
    return search_isomers("SeB5", relaxer=relaxer, out=out, quenches=24, seed=1, known=False)


@pytest.fixture
def folder(search, tmp_path):
    """Its folder, to be written in."""
    return shutil.copytree(search.folder, tmp_path / "SeB5-search")


@pytest.fixture(scope="session")
def confirmed_search(search, tmp_path_factory):
    """The folder of a search whose three lowest another level confirmed: one has frequencies, one is a saddle."""
    found = replace(search, folder=shutil.copytree(search.folder, tmp_path_factory.mktemp("confirmed") / "SeB5-search"))
    confirm_search(found, 3, Longer(), workers=1)
    record = found.folder / "run.json"
    run = json.loads(record.read_text())
    run["dft"].update(
        level_of_theory="PBE0/3-21G, grid 1, charge 0, lowest multiplicity",
        ranked_by="PBE0/3-21G, grid 1, charge 0, lowest multiplicity",
    )
    first, *_, last = run["dft"]["isomers"]
    first["vibrations"] = {"frequencies": [211.4, 350.0, 512.2]}
    last.update(rank=None, notes=["a saddle, no isomer: 212i cm⁻¹"], vibrations={"frequencies": [-212.0, 300.0]})
    record.write_text(json.dumps(run))
    return found.folder


@pytest.fixture
def confirmed(confirmed_search, tmp_path):
    """That folder, to be written in."""
    return shutil.copytree(confirmed_search, tmp_path / "SeB5-confirmed")
