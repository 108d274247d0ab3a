"""Wells that the potential had no say in: every source gives sound minima, and the same ones again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pytest

from iia_calc.improve.shapes import SHAPES, literature_shape
from iia_calc.improve.sources import SOURCES, WellStart, find_wells, gather_wells, in_one_piece, plan
from iia_calc.labels.xtb import XTBLevel
from search.geometry.composition import Composition, bond_lengths
from search.geometry.shape import shape_of

KNOWN = [
    literature_shape(Composition.parse(formula), np.random.default_rng(0), "disc") for formula in ("SeB4", "SeB5", "B5")
]


@pytest.mark.parametrize("source", SOURCES)
def test_wells_are_minima_in_one_piece_and_reproducible(source):
    composition = Composition.parse("SeB5")
    start = next(s for s in (WellStart(source, "SeB5", k) for k in range(9)) if find_wells(s, KNOWN))
    wells = find_wells(start, KNOWN)
    for well in wells:
        assert well.start == start.name
        assert well.origin.startswith("gfn2 ")
        assert (well.atoms.numbers == composition.numbers).all()
        assert in_one_piece(well.atoms)
        forces = XTBLevel("GFN2-xTB").label(well.atoms).forces
        assert np.linalg.norm(forces, axis=1).max() < 0.06
    again = find_wells(start, KNOWN)
    assert all((one.atoms.positions == two.atoms.positions).all() for one, two in zip(wells, again, strict=True))


def test_what_needs_known_minima_says_so():
    for source in ("neighbours", "homotops"):
        with pytest.raises(ValueError, match="no known minimum to begin with for SeB5"):
            find_wells(WellStart(source, "SeB5", 0))
    with pytest.raises(ValueError, match="choose of xtb, shapes"):
        WellStart("guess", "SeB5", 0)


def test_wells_of_a_formula_side_by_side():
    with ThreadPoolExecutor(1) as executor:
        wells = gather_wells("AlC2", ("xtb", "shapes", "homotops"), 6, 5, [], executor)  # no shape of two atoms
        charged = gather_wells("B5", ("xtb",), 3, 5, [], executor, charge=-1)
    assert {atoms.get_chemical_formula() for atoms in wells} == {"C2Al"}
    assert charged
    for atoms in charged:
        levels = [XTBLevel(method, charge=-1) for method in ("GFN1-xTB", "GFN2-xTB")]
        assert min(np.linalg.norm(level.label(atoms).forces, axis=1).max() for level in levels) < 0.06


def test_a_plan_gives_every_formula_its_share_and_every_source_its_turn():
    starts = list(islice(plan({"SeB5": 2, "B8": 1}, ("xtb", "shapes"), seed=3), 36))
    assert len({start.name for start in starts}) == 36
    assert sum(start.formula == "SeB5" for start in starts) == 24
    assert {start.source for start in starts if start.formula == "B8"} == {"xtb", "shapes"}
    assert {start.method for start in starts} == {"GFN1-xTB", "GFN2-xTB"}
    with pytest.raises(ValueError, match="at least one formula and one source"):
        next(plan({}, ("xtb",)))


@pytest.mark.parametrize("kind", SHAPES)
def test_shapes_are_of_bonded_atoms_apart_from_one_another(kind):
    for formula in ("SeB12", "B16", "SeB23"):
        composition = Composition.parse(formula)
        for seed in range(5):
            atoms = literature_shape(composition, np.random.default_rng(seed), kind)
            apart = atoms.get_all_distances() / bond_lengths(atoms.numbers) + 9.0 * np.eye(len(atoms))
            assert (atoms.numbers == composition.numbers).all()
            assert apart.min() > 0.75
            assert apart.min(0).max() < 1.5


def test_shapes_are_what_they_are_called():
    def shapes(kind: str, formula: str) -> set[str]:
        composition = Composition.parse(formula)
        return {shape_of(literature_shape(composition, np.random.default_rng(k), kind)) for k in range(8)}

    assert shapes("disc", "B12") == {"planar"}
    assert shapes("holed sheet", "B18") == {"planar"}
    assert "tubular" in shapes("double ring", "B20")
    assert "cage" in shapes("holed cage", "B24")
    with pytest.raises(ValueError, match="bilayer needs 8 or more"):
        literature_shape(Composition.parse("SeB5"), np.random.default_rng(0), "bilayer")
