"""Detachment energies of OH⁻, whose measured ones are known, and of made numbers."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read
from ase.units import Hartree

from iia_calc.common.files import write_json
from iia_calc.confirm.api import confirm_search
from iia_calc.confirm.settings import Checks
from iia_calc.isomers.files import write_isomers
from iia_calc.isomers.ranking import rank_isomers
from iia_calc.isomers.search import IsomerSearch
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.properties.api import find_properties
from iia_calc.properties.photoelectron import band_curve, band_grid, detachment, neutral_multiplicities
from iia_calc.properties.request import PropertiesRequest
from search.errors import InputError


def test_from_total_energies():
    told = detachment(-10.0, {3: -6.0, 1: -7.5}, -7.8, (0.2, 0.25), ("a", "b"))
    assert dict(told.vertical) == {1: 2.5, 3: 4.0}
    assert (told.first, told.adiabatic) == (2.5, pytest.approx(2.2))
    assert told.adiabatic_with_zpe == pytest.approx(2.25)
    assert detachment(-10.0, {1: -7.5}, None, (0.2, 0.25), ("a", "b")).adiabatic_with_zpe is None
    with pytest.raises(InputError, match="at least one multiplicity"):
        detachment(-10.0, {}, None, (None, None), ("a", "b"))
    assert [neutral_multiplicities(m) for m in (1, 2, 3)] == [[2], [1, 3], [2, 4]]


def test_bands_have_the_width_that_is_said():
    told = detachment(0.0, {2: 3.0}, None, (None, None), ("a", "b"))
    curve = band_curve(told, np.array([3.0, 3.025, 2.975]))
    assert curve == pytest.approx([1.0, 0.5, 0.5])
    assert band_grid([told])[[0, -1]] == pytest.approx([2.0, 4.0])


def directly(atoms: Atoms) -> float:
    """Vertical detachment energy, eV, of an anion of singlet state by plain PySCF without density fitting."""
    from pyscf import dft, gto

    place = list(zip(atoms.get_chemical_symbols(), atoms.positions, strict=True))
    anion = gto.M(atom=place, basis="def2-TZVPD", charge=-1, verbose=0)
    neutral = gto.M(atom=place, basis="def2-TZVPD", spin=1, verbose=0)
    energies = [dft.UKS(molecule, xc="PBE0").kernel() for molecule in (anion, neutral)]
    return (energies[1] - energies[0]) * Hartree


@pytest.mark.slow
def test_hydroxide(tmp_path):
    """Measured: 1.83 eV, adiabatic and, as the bond length stays the same, vertical too; PBE0 is 0.2 eV below."""
    pytest.importorskip("pyscf")
    pytest.importorskip("pymatgen")
    from ase.build import molecule

    anion = molecule("OH")
    anion.calc = SinglePointCalculator(anion, energy=0.0)
    anion.info.update(times_found=1, first_quench=1)
    isomers = rank_isomers([anion])
    found = IsomerSearch(isomers, None, tmp_path, {"settings": {}, "relaxer": "by hand"})
    write_isomers(isomers, tmp_path / "isomers.extxyz")
    level = DFTLevel("PBE0", "6-31G*", -1, threads=1)
    checks = Checks(None, next_multiplicity=False, stability="none", frequencies=True)
    confirm_search(found, 1, level, checks=checks, workers=1)
    write_json(tmp_path / "run.json", found.run)
    request = PropertiesRequest(tmp_path, ("photoelectron",), workers=1, threads=1)
    (entry,) = find_properties(request).sets["dft"].entries
    told = entry.photoelectron
    assert list(told.vertical) == [2]
    assert told.first == pytest.approx(directly(entry.subject.atoms), abs=0.02)
    assert told.first == pytest.approx(1.83, abs=0.3)
    assert told.adiabatic_with_zpe == pytest.approx(1.83, abs=0.3)
    assert told.adiabatic <= told.first + 0.01
    assert (tmp_path / "photoelectron.png").exists()
    (neutral,) = read(tmp_path / "neutral-2.extxyz", ":")
    assert neutral.info["charge"] == 0
    assert neutral.info["model_rank"] == entry.subject.rank
    assert neutral.get_distance(0, 1) == pytest.approx(entry.subject.atoms.get_distance(0, 1), abs=0.05)


def test_it_needs_an_anion(hcn_search, tmp_path):
    with pytest.raises(InputError, match="of anions, and these have charge 0; search NCH- with --dft K"):
        find_properties(PropertiesRequest(hcn_search, ("photoelectron",), out=tmp_path))
