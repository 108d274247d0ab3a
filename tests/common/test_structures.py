"""The door for structures: what is sound enters unchanged, anything else is refused or set aside with its reason."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.constraints import FixAtoms
from ase.db import connect
from ase.io import write
from ase.units import Bohr, Hartree

from iia_calc.common.electrons import charge_of_formulas
from iia_calc.common.structures import Accepts, check_cluster, check_clusters, read_cluster, read_clusters
from iia_calc.isomers.request import SearchRequest
from iia_calc.isomers.search import first_structure, search_isomers
from search.errors import InputError

P = np.array([(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0), (0.8, -1.2, 0.3)])
NEUTRAL = Accepts(("B", "Se"), 0, "lowest")


def b4(**info) -> Atoms:
    return Atoms("B4", P, info=info)


def changed(change) -> Atoms:
    atoms = b4()
    change(atoms)
    return atoms


UNSOUND = {
    "in one place": lambda a: a.positions.__setitem__(1, a.positions[0] + 0.01),
    "not finite": lambda a: a.positions.__setitem__((2, 0), np.nan),
    "are not finite": lambda a: a.positions.__setitem__((2, 0), np.inf),
    "pbc to False": lambda a: a.set_pbc((True, False, False)),
    "lost their digits": lambda a: a.positions.__iadd__(1e10),
    "Å from the origin, where": lambda a: a.positions.__imul__(1e200 / 1.6),
    "is periodic": lambda a: a.set_pbc(True),
    "no known element": lambda a: a.numbers.__setitem__(0, 0),
    "no atoms": lambda a: a.__delitem__(slice(None)),
    "has C; this potential knows B, Se": lambda a: a.symbols.__setitem__(0, "C"),
}


@pytest.mark.parametrize("message", UNSOUND)
def test_what_is_not_a_sound_cluster_is_refused(message):
    with pytest.raises(InputError, match=rf"^the structure: .*{message}"):
        check_cluster(changed(UNSOUND[message]), NEUTRAL)


def test_where_there_are_many_the_sound_ones_are_kept():
    frames = [b4(), *(changed(change) for change in UNSOUND.values()), changed(UNSOUND["is periodic"]), b4(name="x")]
    found = check_clusters(frames, NEUTRAL)
    assert [cluster.where for cluster in found.kept] == ["structure 1 of 13", "structure 13 of 13"]
    assert len(found.set_aside) == 11
    (line,) = found.lines()
    assert line.startswith("11 of 13 structures set aside: 3 × is periodic")
    assert found.atoms[1].info == {"name": "x"}
    with pytest.raises(InputError, match="none of 2 structures is sound; structure 1 of 2: is periodic"):
        check_clusters([changed(UNSOUND["is periodic"])] * 2)


@pytest.mark.parametrize(
    ("value", "charge"),
    [
        (-1, -1),
        (1.0, 1),
        (np.int64(-2), -2),
        (np.float32(1), 1),
        (np.array([1]), 1),
        ("-1", -1),
        ("+1", 1),
        (None, None),
    ],
)
def test_charges_of_any_sensible_type(value, charge):
    assert check_cluster(b4(charge=value)).charge == charge
    assert check_cluster(b4(total_charge=value)).charge == charge


@pytest.mark.parametrize("value", [0.5, float("nan"), float("inf"), True, "x", "", "1-", [1, 2], {}])
def test_nonsense_is_no_charge_and_no_multiplicity(value):
    for key in ("charge", "spin", "multiplicity"):
        with pytest.raises(InputError, match="must be a whole number"):
            check_cluster(b4(**{key: value}))


def test_numbers_are_shown_as_they_are_written():
    with pytest.raises(InputError, match=r'info\["charge"\] is 0.5; it must be a whole number'):
        check_cluster(b4(charge=np.float64(0.5)))


def test_formulas_and_option_agree_on_a_charge():
    assert charge_of_formulas(["B4-", "SeB4 1-"], None) == -1
    assert charge_of_formulas(["B4-"], -1) == -1
    assert charge_of_formulas(["B4"], 2) == 2
    assert charge_of_formulas([], None) is None
    for formulas, asked in ((["B4-", "B4"], None), (["B4-"], 1), (["B4-"], 0)):
        with pytest.raises(InputError, match="charge"):
            charge_of_formulas(formulas, asked)


def test_charge_and_multiplicity_must_fit_the_electrons_and_one_another():
    assert check_cluster(b4(charge=-1, spin=2)).multiplicity == 2
    assert check_cluster(b4(multiplicity=3.0)).multiplicity == 3
    for info, message in (
        ({"spin": 2}, "must be odd"),
        ({"spin": 0}, "2S\\+1, so 1 or more"),
        ({"charge": 21}, "without electrons"),
        ({"charge": 1, "total_charge": 0}, "two charge values"),
        ({"spin": 1, "multiplicity": 3}, "two multiplicity values"),
    ):
        with pytest.raises(InputError, match=message):
            check_cluster(b4(**info))


def test_initial_charges_and_moments_count():
    atoms = b4()
    atoms.set_initial_charges([-1, 0, 0, 0])
    atoms.set_initial_magnetic_moments([1, 0, 0, 0])
    found = check_cluster(atoms)
    assert (found.charge, found.multiplicity) == (-1, 2)
    atoms.set_initial_charges([-0.4, 0, 0, 0])
    with pytest.raises(InputError, match=r"sum of initial charges is -0.4"):
        check_cluster(atoms)


def test_a_potential_of_neutral_clusters_refuses_ions_and_says_where_to_go():
    with pytest.raises(InputError, match=r"charge -1; .* neutral clusters only; .*iia label --level dft"):
        check_cluster(b4(charge=-1), NEUTRAL)
    with pytest.raises(InputError, match=r"multiplicity 3; .* knows multiplicity 1 here"):
        check_cluster(b4(spin=3), NEUTRAL)
    assert check_cluster(b4(charge=0, spin=1), NEUTRAL).charge == 0


def test_the_structure_given_is_left_as_it_was():
    atoms = b4(energy=-3.0, charge=0, name="x")
    found = check_cluster(atoms)
    assert found.energy == -3.0
    assert found.atoms.info == {"name": "x"}
    assert atoms.info == {"energy": -3.0, "charge": 0, "name": "x"}


def extxyz(path, columns: str, comment: str, value: str) -> None:
    rows = "".join(f"B {x} {y} {z} {value}\n" for x, y, z in P)
    path.write_text(f"4\nProperties=species:S:1:pos:R:3{columns} {comment}\n{rows}")


@pytest.mark.parametrize(
    ("energy", "forces"),
    [("energy", "forces"), ("REF_energy", "REF_forces"), ("dft_energy", "dft_forces"), ("energies", "force")],
)
def test_energies_and_forces_under_the_names_of_the_field(tmp_path, energy, forces):
    path = tmp_path / "a.extxyz"
    extxyz(path, f":{forces}:R:3", f"{energy}=-3.5 QM_energy=7", "1 2 3")
    found = read_clusters(path)
    assert found.kept[0].energy == -3.5
    assert np.array_equal(found.kept[0].forces, [[1, 2, 3]] * 4)
    said = " ".join(found.lines())
    assert "not used, though it looks like energies or forces: QM_energy" in said
    assert ("read from" in said) == (energy != "energy")


def test_an_energy_and_forces_of_two_sources_are_not_mixed(tmp_path):
    path = tmp_path / "a.extxyz"
    extxyz(path, ":REF_forces:R:3", "energy=-3.5", "1 2 3")
    found = read_clusters(path)
    assert (found.kept[0].energy, found.kept[0].forces) == (-3.5, None)
    assert "REF_forces" in found.remarks[0]


def test_declared_units_are_converted(tmp_path):
    path = tmp_path / "a.extxyz"
    extxyz(path, ":forces:R:3", 'energy=-1 energy_unit=hartree forces_unit="hartree/bohr"', "1 2 3")
    found = read_cluster(path)
    assert found.energy == pytest.approx(-Hartree)
    assert found.forces[0, 2] == pytest.approx(3 * Hartree / Bohr)
    extxyz(path, ":forces:R:3", "energy=-1 energy_unit=hartree", "1 2 3")
    assert read_cluster(path).forces is None  # in which unit isn't said
    extxyz(path, "", "energy=-1 energy_unit=furlong", "")
    with pytest.raises(InputError, match="energy unit 'furlong' is not known"):
        read_cluster(path)


def test_a_schnetpack_database_in_bohr_and_hartree(tmp_path):
    database = connect(tmp_path / "s.db")
    database.metadata = {
        "_distance_unit": "Bohr",
        "_property_unit_dict": {"energy": "Hartree", "forces": "Hartree/Bohr"},
    }
    data = {"energy": np.array([-98.0]), "forces": np.full((4, 3), 0.5)}
    database.write(Atoms("B4", P / Bohr), data=data)
    found = read_cluster(tmp_path / "s.db")
    assert np.allclose(found.atoms.positions, P)
    assert found.energy == pytest.approx(-98 * Hartree)
    assert found.forces[1, 1] == pytest.approx(0.5 * Hartree / Bohr)


def test_a_file_damaged_at_its_end_gives_what_is_before(tmp_path):
    path = tmp_path / "a.extxyz"
    write(path, [b4(), b4(), b4()])
    path.write_text(path.read_text()[:-60])
    found = read_clusters(path)
    assert len(found.kept) == 2
    assert "1 of 3 structures set aside: is cut short: it has fewer atoms" in found.lines()[0]
    assert "frame 3 of 3" in found.lines()[0]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xyz", "", "is empty"),
        ("a.db", "text", "not an ASE database"),
        ("a.foo", "text", "no format that ASE knows"),
        ("a.extxyz", "4\n\nB 0 0 0\n", "is cut short: it has fewer atoms than its first line counts"),
    ],
)
def test_files_that_hold_no_structures(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_clusters(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_clusters(tmp_path / "no.xyz")


def test_dynamics_and_searches_refuse_ions(tmp_path):
    path = tmp_path / "ion.extxyz"
    write(path, b4(charge=-1))
    with pytest.raises(InputError, match=r"ion.extxyz: has charge -1; .*neutral clusters only"):
        first_structure(str(path))
    with pytest.raises(InputError, match="has charge -1; the search knows neutral clusters only"):
        search_isomers(SearchRequest("B4", quenches=1, starts=path, out=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


TRIANGLE = Atoms("B3", [(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0)])


def with_info(**info):
    atoms = TRIANGLE.copy()
    atoms.info.update(info)
    return atoms


@pytest.mark.parametrize("name", ["Charge", "CHARGE", "net_charge", "Total charge", "molecular-charge", " charge "])
def test_a_charge_counts_however_its_name_is_written(name):
    assert check_cluster(with_info(**{name: -1})).charge == -1
    with pytest.raises(InputError, match=r"has charge -1; this potential knows neutral clusters only"):
        check_cluster(with_info(**{name: -1}), Accepts(charge=0))
    assert not check_cluster(with_info(**{name: -1})).atoms.info  # nothing of it beside another number later


@pytest.mark.parametrize("name", ["Spin", "Multiplicity", "spin-multiplicity", "mult"])
def test_a_multiplicity_counts_however_its_name_is_written(name):
    assert check_cluster(with_info(**{name: 4})).multiplicity == 4


def test_what_looks_like_a_charge_and_is_not_read_is_named():
    found = check_clusters([with_info(formal_charge=1, spin_state="high", dft_charge=1), TRIANGLE])
    assert found.remarks == ("not used, though it looks like a charge or spin: formal_charge",)


@pytest.mark.parametrize(
    ("info", "factor"),
    [
        ({"length_unit": "bohr"}, 0.529177),
        ({"Position_units": "nm"}, 10.0),
        ({"units": "Bohr"}, 0.529177),
        ({"units": "metal"}, 1.0),
        ({"units": "eV"}, 1.0),
        ({"energy_unit": "Hartree"}, 1.0),
    ],
)
def test_positions_are_in_the_units_that_are_declared(info, factor):
    given = with_info(**info)
    given.positions /= factor
    found = check_clusters([given])
    np.testing.assert_allclose(found.atoms[0].positions, TRIANGLE.positions, atol=1e-5)
    assert not found.atoms[0].info  # they are in Å now
    assert bool(found.remarks) == (factor != 1.0)


@pytest.mark.parametrize("info", [{"length_unit": "parsec"}, {"units": "furlong"}, {"units": "au"}, {"length_unit": 1}])
def test_a_unit_that_is_not_known_is_refused(info):
    with pytest.raises(InputError, match="unit"):
        check_cluster(with_info(**info))


def test_forces_of_lengths_in_another_unit_are_not_guessed():
    given = with_info(length_unit="bohr", energy=-1.0)
    given.positions /= 0.529177
    given.arrays["forces"] = np.ones((3, 3))
    found = check_cluster(given)
    assert found.energy == -1.0
    assert found.forces is None


def test_constraints_are_told_to_be_dropped():
    fixed = TRIANGLE.copy()
    fixed.set_constraint(FixAtoms([0]))
    assert check_clusters([fixed, TRIANGLE]).remarks == (
        "constraints of 1 of 2 structures are not kept: all atoms are free",
    )
