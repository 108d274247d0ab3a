"""Units, columns, charge, multiplicity and level as files declare them; what can't be read costs nothing but itself."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import write
from ase.units import Bohr, Hartree, kcal, mol
from made_data import FREE_BORON, boron_set
from typer.testing import CliRunner

from iia_calc.cli import app
from iia_calc.common.structures import read_cluster
from iia_calc.common.units import energy_in_ev, length_in_angstrom
from iia_calc.data.audit import audit_paths
from iia_calc.data.columns import Wanted
from iia_calc.data.readers import read_path, read_sets
from iia_calc.data.units import ANGSTROM_PER, ENERGY_SPELLINGS, LENGTH_SPELLINGS, check_unit, force_unit
from iia_calc.data.write import convert
from search.errors import InputError

P = np.array([(0.0, 0.0, 0.0), (1.6, 0.0, 0.0), (0.8, 1.4, 0.0), (0.8, -1.2, 0.3)])
FORCES = np.linspace(-0.05, 0.05, 12).reshape(4, 3)
ENERGY = 4 * FREE_BORON  # hartree
EV = ENERGY * Hartree


def frame(**info) -> Atoms:
    """B4 with values in its comment line, or [4, 3] columns."""
    atoms = Atoms("B4", P)
    for name, value in info.items():
        (atoms.arrays if isinstance(value, np.ndarray) else atoms.info)[name] = value
    return atoms


@pytest.fixture
def read(tmp_path):
    def write_and_read(*frames: Atoms, **options):
        write(tmp_path / "b4.extxyz", list(frames), format="extxyz")
        return read_sets(tmp_path / "b4.extxyz", **options)

    return write_and_read


def schnetpack(path, distance, units, properties, metadata=None):
    """A database as SchNetPack's ASEAtomsData writes them."""
    with connect(path, use_lock_file=False) as database:
        for positions, data in properties:
            database.write(Atoms("B4", positions), data=data)
        database.metadata = {
            "_distance_unit": distance,
            "_property_unit_dict": units,
            "atomrefs": {},
            **(metadata or {}),
        }


class TestSchNetPack:
    @pytest.mark.parametrize(
        ("distance", "energy_unit", "force_unit", "length", "energy_ev", "force_ev"),
        [
            ("Bohr", "Hartree", "Hartree/Bohr", Bohr, Hartree, Hartree / Bohr),
            ("Ang", "kcal/mol", "kcal/mol/Ang", 1.0, kcal / mol, kcal / mol),
            ("Ang", "Ha", "eV/Ang", 1.0, Hartree, 1.0),
            ("nm", "eV", "eV/nm", 10.0, 1.0, 0.1),
        ],
    )
    def test_its_units_are_read_and_converted(
        self, tmp_path, distance, energy_unit, force_unit, length, energy_ev, force_ev
    ):
        data = {"energy": np.array([EV / energy_ev]), "forces": FORCES}
        schnetpack(tmp_path / "s.db", distance, {"energy": energy_unit, "forces": force_unit}, [(P / length, data)] * 2)
        (item,) = read_sets(tmp_path / "s.db")
        np.testing.assert_allclose(item.positions[0], P, atol=1e-12)
        np.testing.assert_allclose(item.energies_in("eV"), EV)
        np.testing.assert_allclose(item.forces_in("eV")[1], FORCES * force_ev)
        assert item.unit_origin == "declared"

    def test_other_properties_are_named(self, tmp_path):
        data = {"energy_U0": np.array([ENERGY]), "energy_U": np.array([ENERGY + 0.1]), "gap": np.array([0.2])}
        units = {"energy_U0": "Ha", "energy_U": "Ha", "gap": "Ha"}
        schnetpack(tmp_path / "q.db", "Ang", units, [(P, data)])
        with pytest.raises(
            InputError, match=r"q.db: energy_U and energy_U0 could both be the energy .* --energy COLUMN"
        ):
            read_sets(tmp_path / "q.db")
        (item,) = read_sets(tmp_path / "q.db", wanted=Wanted("energy_U"))
        np.testing.assert_allclose(item.energies_in("eV"), EV + 0.1 * Hartree)
        assert item.remarks == ("the energy is read from energy_U; energy_U0 looks like energies or forces, not used",)

    def test_an_unknown_unit_is_refused(self, tmp_path):
        schnetpack(tmp_path / "s.db", "Ang", {"energy": "erg"}, [(P, {"energy": np.array([ENERGY])})])
        with pytest.raises(InputError, match=r"the energy unit is 'erg'; it must be hartree or eV"):
            read_sets(tmp_path / "s.db")

    def test_reading_changes_nothing(self, tmp_path):
        schnetpack(tmp_path / "s.db", "Ang", {"energy": "eV"}, [(P, {"energy": np.array([EV])})])
        before = (tmp_path / "s.db").read_bytes()
        read_sets(tmp_path / "s.db")
        assert (tmp_path / "s.db").read_bytes() == before
        assert [path.name for path in tmp_path.iterdir()] == ["s.db"]


class TestColumns:
    @pytest.mark.parametrize(
        ("energy", "forces"),
        [
            ("REF_energy", "REF_forces"),
            ("dft_energy", "dft_forces"),
            ("dft_energy", "force"),
            ("energies", "forces"),
            ("TotEnergy", "force"),
            ("total_energy", "Forces"),
            ("Energy", "FORCE"),
            ("pbe0_energy", "pbe0_forces"),
            ("E", "F"),
            ("ref-energy", "ref-force"),
        ],
    )
    def test_energies_and_forces_of_other_names(self, read, energy, forces):
        (item,) = read(frame(**{energy: EV, forces: FORCES, "virial": 3.0}))
        assert item.energies.tolist() == [pytest.approx(EV)]
        np.testing.assert_allclose(item.forces[0], FORCES, atol=1e-7)
        assert not any("virial" in remark for remark in item.remarks)

    def test_forces_of_another_method_are_not_taken(self, read):
        (item,) = read(frame(dft_energy=EV, xtb_forces=FORCES, xtb_energy=EV))
        assert (item.forces, item.energies.tolist()) == (None, [pytest.approx(EV)])
        assert "xtb_energy, xtb_forces look like energies or forces, not used" in item.remarks[0]

    @pytest.mark.parametrize(
        "name", ["free_energy_correction", "binding_energy", "energy_per_atom", "e_gap", "kinetic_energy", "energy_std"]
    )
    def test_other_energies_are_named_and_not_used(self, read, name):
        (item,) = read(frame(**{name: -3.0}))
        assert np.isnan(item.energies).all()
        assert item.unit_origin == "none"
        assert f"{name} looks like energies or forces, not used" in item.remarks[0]

    def test_two_that_could_be_meant(self, read):
        both = frame(dft_energy=EV, xtb_energy=-3.0, forces=FORCES)
        with pytest.raises(
            InputError, match="dft_energy and xtb_energy could both be the energy and differ; say which"
        ):
            read(both)
        (item,) = read(both, wanted=Wanted(energy="dft_energy"))
        assert item.energies.tolist() == [pytest.approx(EV)]
        np.testing.assert_allclose(item.forces[0], FORCES, atol=1e-7)
        assert "xtb_energy looks like energies or forces, not used" in item.remarks[0]
        (item,) = read(both, wanted=Wanted(energy="none"))
        assert np.isnan(item.energies).all()
        assert "dft_energy, xtb_energy look like" in item.remarks[0]

    def test_columns_of_any_name_that_the_user_names(self, read):
        (item,) = read(frame(U0=EV, force_a=FORCES, force_b=2 * FORCES), wanted=Wanted("U0", "force_b"))
        assert item.energies.tolist() == [pytest.approx(EV)]
        np.testing.assert_allclose(item.forces[0], 2 * FORCES, atol=1e-7)
        assert item.remarks[0] == (
            "the energy is read from U0; the forces are read from force_b; "
            "force_a looks like energies or forces, not used"
        )

    def test_a_column_that_is_not_there(self, read):
        with pytest.raises(
            InputError, match=r"no column U1 with a number for each structure \(--energy\); there is energy"
        ):
            read(frame(energy=EV), wanted=Wanted("U1"))
        with pytest.raises(InputError, match=r"no column forces with three numbers for each atom \(--forces\)"):
            read(frame(energy=EV), wanted=Wanted(forces="forces"))

    def test_forces_between_which_the_user_must_choose(self, read):
        (item,) = read(frame(energy=EV, a_forces=FORCES, b_forces=2 * FORCES))
        assert item.forces is None
        assert "a_forces, b_forces look like energies or forces, not used; --forces COLUMN says" in item.remarks[0]

    def test_atomic_energies_are_no_total(self, read):
        (item,) = read(frame(energies=np.full(4, FREE_BORON * Hartree)))
        assert np.isnan(item.energies).all()
        assert "energies looks like energies or forces, not used" in item.remarks[0]

    def test_columns_without_a_name(self, tmp_path):
        rows = "\n".join("B {} {} {} 0.1 0.2 0.3".format(*x) for x in P)
        (tmp_path / "a.xyz").write_text(f"4\n-98.1\n{rows}\n")
        (item,) = read_sets(tmp_path / "a.xyz")
        assert item.forces is None
        assert item.remarks == (
            "3 columns beside the positions without a name, not used",
            "the comment lines hold numbers without a name, not used",
        )


class TestDeclared:
    def test_units_in_the_comment(self, read):
        (item,) = read(frame(energy_unit="Hartree", total_energy=ENERGY, forces_unit="Ha/Bohr", f=FORCES))
        assert (item.unit, item.unit_origin) == ("hartree", "declared")
        np.testing.assert_allclose(item.forces_in("eV")[0], FORCES * Hartree / Bohr, atol=1e-6)

    def test_lengths_in_bohr(self, tmp_path):
        atoms = frame(length_unit="bohr", units="hartree", dft_energy=ENERGY)
        atoms.positions /= Bohr
        write(tmp_path / "b.extxyz", atoms)
        (item,) = read_sets(tmp_path / "b.extxyz")
        np.testing.assert_allclose(item.positions[0], P, atol=1e-7)
        assert item.unit == "hartree"

    def test_no_claim_where_nothing_is_declared(self, tmp_path, read):
        assert read(frame(dft_energy=EV))[0].unit_origin == "format"
        said = CliRunner().invoke(app, ["convert", str(tmp_path / "b4.extxyz"), str(tmp_path / "out.xyz")])
        assert "by the convention of its format: the file says nothing" in said.stdout
        assert read(frame(note="none"))[0].unit_origin == "none"
        said = CliRunner().invoke(app, ["convert", str(tmp_path / "b4.extxyz"), str(tmp_path / "no.xyz")])
        assert "eV" not in said.stdout

    def test_the_command_asks_for_the_column(self, tmp_path, read):
        read(frame(a_energy=EV, b_energy=-3.0), wanted=Wanted("b_energy"))
        source, target = str(tmp_path / "b4.extxyz"), str(tmp_path / "out.db")
        said = CliRunner().invoke(app, ["convert", source, target])
        assert (said.exit_code, said.stderr.count("\n")) == (2, 1)
        assert (
            "a_energy and b_energy could both be the energy and differ; say which is meant with --energy" in said.stderr
        )
        said = CliRunner().invoke(app, ["convert", source, target, "--energy", "a_energy"])
        assert said.exit_code == 0, said.stderr
        assert "b_energy looks like energies or forces, not used" in said.stderr
        assert read_sets(tmp_path / "out.db")[0].energies.tolist() == [pytest.approx(EV)]

    def test_endings_in_capitals(self, tmp_path, read):
        read(frame(energy=EV))
        for name in ("A.DB", "B.EXTXYZ", "C.NPZ"):
            convert(tmp_path / "b4.extxyz", tmp_path / name)
            assert read_sets(tmp_path / name)[0].energies_in("eV").tolist() == [pytest.approx(EV)]
        assert len(read_cluster(tmp_path / "A.DB").atoms) == 4

    def test_charge_multiplicity_and_level_part_sets(self, read):
        states = [{}, {"charge": 0}, {"charge": -1, "spin": 2}, {"charge": -1, "spin": 4}, {"charge": -1, "spin": 2}]
        found = read(*[frame(dft_energy=EV, **state) for state in states], frame(dft_energy=EV, level="PBE/def2-SVP"))
        assert [(item.charge, item.multiplicity, item.level, len(item)) for item in found] == [
            (None, None, None, 1),
            (0, None, None, 1),
            (-1, 2, None, 2),
            (-1, 4, None, 1),
            (None, None, "PBE/def2-SVP", 1),
        ]
        assert len({item.name for item in found}) == 5

    def test_what_belongs_to_a_level_beside_method_and_basis(self, read):
        levels = [
            {"method": "PBE0", "basis": "def2-SVP"},
            {"method": "PBE0", "basis": "def2-SVP", "dispersion": "D3BJ"},
            {"method": "PBE0", "basis": "def2-SVP", "solvent": "water", "grid": 4},
            {"xc": "PBE0", "basis_set": "def2-SVP"},
            {"method": "MP2", "frozen_core": True},
            {"method": "MP2", "frozen_core": False},
        ]
        found = read(*[frame(dft_energy=EV, **level) for level in levels])
        assert [(item.level, len(item)) for item in found] == [
            ("PBE0/def2-SVP", 2),
            ("PBE0/def2-SVP dispersion=D3BJ", 1),
            ("PBE0/def2-SVP grid=4 solvent=water", 1),
            ("MP2 frozen_core=True", 1),
            ("MP2 frozen_core=False", 1),
        ]

    @pytest.mark.parametrize(
        ("info", "message"),
        [
            ({"charge": 0.5}, "it must be a whole number"),
            ({"charge": "minus"}, "it must be a whole number"),
            ({"spin": 0}, "it is a multiplicity 2S"),
            ({"charge": 0, "spin": 2}, "multiplicity 2 is impossible for B4 with charge 0"),
            ({"charge": 40}, "without electrons"),
            ({"energy_unit": "parsec"}, "the energy unit is 'parsec'"),
            ({"length_unit": "mile"}, "the unit of length is 'mile'"),
            ({"units": "au"}, "give energy_unit and length_unit"),
        ],
    )
    def test_nonsense_is_refused_or_set_aside(self, read, info, message):
        with pytest.raises(InputError, match=message):
            read(frame(dft_energy=EV, **info))
        (item,) = read(frame(dft_energy=EV), frame(dft_energy=EV, **info))
        assert len(item) == 1
        assert "1 of 2 structures set aside: frame 2 " in item.remarks[-1]

    def test_a_database_of_rows_with_keys(self, tmp_path):
        with connect(tmp_path / "k.db", use_lock_file=False) as database:
            for charge in (0, -1):
                atoms = frame()
                atoms.calc = SinglePointCalculator(atoms, energy=EV, forces=FORCES)
                database.write(atoms, total_charge=charge, level_of_theory="PBE0/3-21G", energy_before=-1.0)
        neutral, anion = read_sets(tmp_path / "k.db")
        assert [(item.charge, item.level) for item in (neutral, anion)] == [(0, "PBE0/3-21G"), (-1, "PBE0/3-21G")]
        np.testing.assert_allclose(anion.forces[0], FORCES)
        assert "energy_before looks like" in neutral.remarks[0]

    def test_a_database_says_it_once_for_all(self, tmp_path):
        data = [(P, {"energy": np.array([EV])})]
        schnetpack(tmp_path / "s.db", "Ang", {"energy": "eV"}, data, {"charge": 1, "level": "PBE0/3-21G"})
        (item,) = read_sets(tmp_path / "s.db")
        assert (item.charge, item.level) == (1, "PBE0/3-21G")

    def test_an_npz_declares_them_too(self, tmp_path):
        arrays = {"R": [P] * 3, "E": np.full(3, -61_000.0), "z": [5] * 4, "e_unit": "kcal/mol", "level": "PBE0/3-21G"}
        np.savez(tmp_path / "a.npz", charge=[0, -1, 0], **arrays)
        neutral, anion = read_sets(tmp_path / "a.npz")
        assert (neutral.charge, len(neutral), anion.charge, len(anion)) == (0, 2, -1, 1)
        assert (neutral.unit, neutral.level) == ("kcal/mol", "PBE0/3-21G")
        np.testing.assert_allclose(neutral.energies_in("eV"), -61_000.0 * kcal / mol)

    def test_npz_of_other_names(self, tmp_path):
        arrays = {"coords": [P], "energies": [ENERGY], "nuclear_charges": [5] * 4, "forces": [FORCES]}
        np.savez(tmp_path / "m.npz", **arrays)
        (item,) = read_sets(tmp_path / "m.npz")
        assert (item.formula, item.unit, item.unit_origin) == ("B4", "hartree", "size")
        np.testing.assert_allclose(item.forces[0], FORCES)

    def test_they_are_kept_by_conversion(self, tmp_path, read):
        read(frame(dft_energy=EV, charge=-1, spin=2, level="PBE0/3-21G", REF_forces=FORCES))
        path = tmp_path / "b4.extxyz"
        for suffix in (".db", ".npz", ".xyz"):
            convert(path, tmp_path / f"next{suffix}")
            path = tmp_path / f"next{suffix}"
            (item,) = read_sets(path)
            assert (item.charge, item.multiplicity, item.level) == (-1, 2, "PBE0/3-21G")
            np.testing.assert_allclose(item.energies_in("eV"), EV)

    def test_the_same_geometry_in_another_state_is_no_copy(self, tmp_path, read):
        read(frame(dft_energy=EV, charge=0), frame(dft_energy=EV + 2, charge=-1), frame(dft_energy=EV, charge=0))
        copies = [a.copy.tolist() for a in audit_paths([tmp_path / "b4.extxyz"]).sets]
        assert copies == [[False, True], [False]]


@pytest.mark.parametrize(
    ("text", "unit"), [("Ha", "hartree"), ("E_h", "hartree"), ("kJ / mol", "kJ/mol"), ("eV", "eV")]
)
def test_spellings_of_units(text, unit):
    assert check_unit(text) == unit
    assert force_unit(f"{text}/Angstrom") == (unit, "Å")


class TestOneBadFile:
    def test_a_folder_is_read_without_it(self, tmp_path):
        made = boron_set(2)
        good = [Atoms(made.numbers, x) for x in made.positions]
        write(tmp_path / "A.XYZ", good, format="extxyz")
        write(tmp_path / "b.xyz", good, format="extxyz")
        cut = (tmp_path / "b.xyz").read_text().splitlines()[:-3]
        (tmp_path / "cut.xyz").write_text("\n".join(cut[:7]) + "\n")
        (tmp_path / "empty.db").touch()
        (tmp_path / "wrong.npz").write_bytes(b"PK\x03\x04 no zip")
        np.savez(tmp_path / "object.npz", R=np.array([{}], dtype=object), E=[1.0], z=[5])
        (tmp_path / "not.traj").write_bytes(b"\0" * 100)
        found = read_path(tmp_path)
        assert sorted(item.source.name for item in found.sets) == ["A.XYZ", "b.xyz"]
        reasons = {path.name: why for path, why in found.unread}
        assert sorted(reasons) == ["cut.xyz", "empty.db", "not.traj", "object.npz", "wrong.npz"]
        assert "fewer atoms than its first line counts" in reasons["cut.xyz"]
        assert "would have to be unpickled, which is never done" in reasons["object.npz"]
        assert (tmp_path / "empty.db").stat().st_size == 0
        findings = [finding.text for finding in audit_paths([tmp_path]).findings]
        assert sum("was left out" in text for text in findings) == 5

    def test_a_file_is_read_up_to_where_it_is_cut(self, tmp_path):
        made = boron_set(3)
        write(tmp_path / "c.xyz", [Atoms(made.numbers, x) for x in made.positions], format="extxyz")
        text = (tmp_path / "c.xyz").read_text()
        (tmp_path / "c.xyz").write_text(text[: len(text) - 40])
        (item,) = read_sets(tmp_path / "c.xyz")
        assert len(item) == 2
        assert "1 of 3 structures set aside: frame 3 is cut short" in item.remarks[-1]

    def test_a_number_cut_in_its_middle(self, tmp_path):
        write(tmp_path / "d.xyz", frame(), format="extxyz")
        text = (tmp_path / "d.xyz").read_text()
        (tmp_path / "d.xyz").write_text(text[:-4])
        with pytest.raises(InputError, match="cut short in its last number"):
            read_sets(tmp_path / "d.xyz")

    @pytest.mark.parametrize("what", ["npz", "extxyz", "db"])
    def test_readers_set_aside_the_same_structures(self, tmp_path, what):
        positions = np.array([P, P, P * np.array([0.01, 0.01, 0.01]), P])
        positions[1, 2, 0] = np.nan
        path = tmp_path / f"s.{what}"
        frames = [Atoms("B4", x) for x in positions]
        if what == "npz":
            np.savez(path, R=positions, E=np.full(4, EV), z=[5] * 4, unit="eV")
        elif what == "db":
            with connect(path, use_lock_file=False) as database:
                for atoms in frames:
                    atoms.calc = SinglePointCalculator(atoms, energy=EV)
                    database.write(atoms)
        else:
            write(path, [frame_with(atoms) for atoms in frames], format="extxyz")
        (item,) = read_sets(path)
        assert len(item) == 2
        assert "2 of 4 structures set aside" in item.remarks[-1]
        assert "not finite" in item.remarks[-1]
        assert "in one place" in item.remarks[-1]

    def test_pickles_are_never_read(self, tmp_path):
        class Trap:
            def __reduce__(self):
                return (open, (str(tmp_path / "sprung"), "w"))

        np.savez(tmp_path / "t.npz", R=[P], E=[ENERGY], z=[5] * 4, extra=np.array([Trap()], dtype=object))
        (tmp_path / "t.traj").write_bytes(pickle.dumps(Trap()))
        (item,) = read_sets(tmp_path)
        assert "extra would have to be unpickled" in item.remarks[0]
        assert not (tmp_path / "sprung").exists()

    def test_another_databases_tables_are_left_alone(self, tmp_path):
        import sqlite3

        with sqlite3.connect(tmp_path / "o.db") as connection:
            connection.execute("CREATE TABLE minima (energy REAL)")
        connection.close()
        before = (tmp_path / "o.db").read_bytes()
        with pytest.raises(InputError, match="not a readable ASE database: it has no table of systems"):
            read_sets(tmp_path / "o.db")
        assert (tmp_path / "o.db").read_bytes() == before


def frame_with(atoms: Atoms) -> Atoms:
    atoms.info["dft_energy"] = EV
    return atoms


@pytest.mark.parametrize("length", ["Ang", "bohr", "nm"])
@pytest.mark.parametrize("energy", ["eV", "Hartree", "kcal_per_mol", "meV"])
@pytest.mark.parametrize("place", ["units", "schnetpack", "words"])
def test_what_the_metadata_says_of_units_counts_for_every_reader(tmp_path, place, energy, length):
    forces = f"{energy}/{length}"
    units = {"energy": energy, "forces": forces}
    metadata = {
        "units": {"units": units | {"positions": length}, "charge": -1},
        "schnetpack": {"_property_unit_dict": units, "_distance_unit": length, "total_charge": -1},
        "words": {"energy_unit": energy, "length_unit": length, "force_unit": forces, "charge": -1},
    }[place]
    in_ev, in_angstrom = energy_in_ev(energy), length_in_angstrom(length)
    database = connect(tmp_path / "a.db")
    database.metadata = metadata
    data = {"energy": np.array([EV / in_ev]), "forces": FORCES / in_ev * in_angstrom}
    database.write(Atoms("B4", P / in_angstrom), data=data)
    cluster, (item,) = read_cluster(tmp_path / "a.db"), read_sets(tmp_path / "a.db")
    for positions in (cluster.atoms.positions, item.positions[0]):
        np.testing.assert_allclose(positions, P, atol=1e-9)
    for found in (cluster.energy, item.energies_in("eV")[0]):
        assert found == pytest.approx(EV)
    for found in (cluster.forces, item.forces_in("eV")[0]):
        np.testing.assert_allclose(found, FORCES, atol=1e-9)
    assert cluster.charge == item.charge == -1


def test_the_readers_know_the_same_spellings():
    for spellings in ENERGY_SPELLINGS.values():
        assert len({energy_in_ev(spelling) for spelling in spellings}) == 1
    for unit, spellings in LENGTH_SPELLINGS.items():
        for spelling in spellings:
            assert length_in_angstrom(spelling) == pytest.approx(ANGSTROM_PER[unit])


class TestLinks:
    """Folders are read with what they link to; links that lead nowhere are named."""

    def test_linked_files_and_folders(self, tmp_path):
        elsewhere, folder = tmp_path / "elsewhere", tmp_path / "folder"
        elsewhere.mkdir()
        folder.mkdir()
        write(elsewhere / "a.extxyz", frame(dft_energy=EV))
        (folder / "linked").symlink_to(elsewhere)
        (folder / "again").symlink_to(elsewhere)
        (folder / "circle").symlink_to(folder)
        (folder / "b.extxyz").symlink_to(elsewhere / "a.extxyz")
        assert sum(len(item) for item in read_path(folder).sets) == 2

    def test_links_that_lead_nowhere_and_pipes_are_named(self, tmp_path):
        write(tmp_path / "a.extxyz", frame(dft_energy=EV))
        (tmp_path / "gone.xyz").symlink_to(tmp_path / "nothing.xyz")
        (tmp_path / "self.log").symlink_to(tmp_path / "self.log")
        os.mkfifo(tmp_path / "pipe.log")
        found = read_path(tmp_path)
        assert sum(len(item) for item in found.sets) == 1
        assert all(name in " ".join(found.notes()) for name in ("gone.xyz", "self.log", "pipe.log"))
