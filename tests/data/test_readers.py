from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.io import read, write
from ase.units import Bohr, Hartree
from made_data import FREE_BORON, boron_set, gaussian_log

from iia_calc.data.gaussian import read_gaussian
from iia_calc.data.published import read_npz
from iia_calc.data.readers import contradicts_label, read_sets
from iia_calc.data.units import unit_by_size
from iia_calc.data.write import convert
from iia_calc.labels.dft.level import DFTLevel
from iia_calc.labels.store import LabelStore

PAIR = np.array([[0.0, 0.0, 0.0], [1.6, 0.0, 0.0]])


class TestUnits:
    @pytest.mark.parametrize(
        ("symbols", "hartree"),
        [("B", -24.5), ("B16Se", -2783.0), ("C20Al", -996.0), ("H2O", -76.4), ("Li4", -29.9)],
    )
    def test_a_total_energy_tells_its_unit(self, symbols, hartree):
        numbers = Atoms(symbols).numbers
        assert unit_by_size(numbers, np.array([hartree])) == "hartree"
        assert unit_by_size(numbers, np.array([hartree * Hartree])) == "eV"

    def test_an_effective_core_leaves_room_below(self):
        numbers = Atoms("N5Ta2").numbers
        assert unit_by_size(numbers, np.array([-388.7])) == "hartree"
        assert unit_by_size(numbers, np.array([-388.7 * Hartree])) is None  # hartree with more of the core, or eV

    def test_binding_energies_tell_nothing(self):
        assert unit_by_size(np.full(8, 5), np.array([-32.0])) is None

    def test_the_estimate_agrees_with_pyscf(self):
        pytest.importorskip("pyscf")
        energy = DFTLevel(gpu=False).element_energy("B")
        assert unit_by_size(np.array([5]), np.array([energy])) == "eV"


class TestNpz:
    def test_reads_what_the_file_holds_whatever_its_name(self, write_npz):
        path = write_npz("SeBn/B=9.npz", [5, 5, 34], np.random.default_rng(0).normal(size=(4, 3, 3)) * 3, [-2440.0] * 4)
        item = read_npz(path)
        assert (item.formula, item.unit, len(item), item.n_atoms) == ("SeB2", "hartree", 4, 3)
        np.testing.assert_allclose(item.energies_in("eV"), -2440.0 * Hartree)
        np.testing.assert_allclose(item.atoms(1).get_potential_energy(), -2440.0 * Hartree)
        assert item.numbers.dtype == np.int64

    def test_the_users_unit_is_followed_and_an_odd_size_said(self, write_npz):
        item = read_npz(write_npz("B2.npz", [5, 5], [PAIR], [-49.0]), unit="eV")
        assert item.unit == "eV"
        assert "look like hartree though labelled eV" in str(contradicts_label(item))

    def test_energies_without_a_tellable_unit_need_one(self, write_npz):
        path = write_npz("B2.npz", [5, 5], [PAIR], [-3.0])
        with pytest.raises(ValueError, match=r"doesn't tell their unit.*say hartree or eV"):
            read_npz(path)
        assert read_npz(path, unit="Ha").unit == "hartree"

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"R": [PAIR], "z": [5, 5]}, r"lacks E \(it has R, z\)"),
            ({"R": [PAIR], "E": [[-49.0]], "z": [5, 5, 5]}, r"\(n_structures, 3, 3\)"),
            ({"R": [PAIR], "E": [[-49.0]] * 2, "z": [5, 5]}, r"energies have shape"),
            ({"R": [PAIR], "E": [[np.nan]], "z": [5, 5]}, "1 energies aren't finite"),
            ({"R": [PAIR * np.nan], "E": [[-49.0]], "z": [5, 5]}, "positions of 1 structures aren't finite"),
            ({"R": [PAIR], "E": [["x"]], "z": [5, 5]}, "E is of type"),
            ({"R": [PAIR], "E": [[-49.0]], "z": [0, 5]}, "from 1 to 118"),
            ({"R": np.empty((0, 2, 3)), "E": np.empty((0, 1)), "z": [5, 5]}, "no structures"),
        ],
    )
    def test_a_bad_file_is_named_with_what_is_wrong(self, tmp_path, arrays, message):
        np.savez(tmp_path / "bad.npz", **{key: np.asarray(value) for key, value in arrays.items()})
        with pytest.raises(ValueError, match=message) as error:
            read_npz(tmp_path / "bad.npz")
        assert "bad.npz" in str(error.value)

    def test_a_file_cut_short(self, tmp_path, write_npz):
        path = write_npz("B2.npz", [5, 5], [PAIR] * 9, [-49.0] * 9)
        path.write_bytes(path.read_bytes()[:300])
        with pytest.raises(ValueError, match="not a sound npz file"):
            read_npz(path)

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="there is no file"):
            read_npz(tmp_path / "none.npz")


class TestGaussian:
    far = PAIR * 1.2
    forces = np.array([[0.01, 0.0, 0.0], [-0.01, 0.0, 0.0]])

    def log(self, tmp_path, **options):
        steps = [(self.far, -48.9, self.forces, True), (PAIR, -49.1, self.forces / 10, True)]
        path = tmp_path / "B2.log"
        path.write_text(gaussian_log(steps, **options))
        return path

    def test_first_and_last_geometry_with_energy_and_forces(self, tmp_path):
        path = self.log(tmp_path)
        first, last = read_gaussian(path, "first"), read_gaussian(path)
        np.testing.assert_allclose(first.atoms.positions, self.far)
        np.testing.assert_allclose(last.atoms.positions, PAIR)
        assert (first.energy, last.energy) == (pytest.approx(-48.9), pytest.approx(-49.1))
        np.testing.assert_allclose(first.forces, self.forces / Bohr)
        assert first.converged
        assert last.ended

    def test_an_scf_that_did_not_converge_is_known(self, tmp_path):
        steps = [(self.far, -48.9, None, False), (PAIR, -49.1, None, True)]
        (tmp_path / "B2.log").write_text(gaussian_log(steps, normal=False))
        first, last = (read_gaussian(tmp_path / "B2.log", which) for which in ("first", "last"))
        assert (first.converged, last.converged, last.ended) == (False, True, False)

    def test_forces_of_another_frame_are_left_out(self, tmp_path):
        assert read_gaussian(self.log(tmp_path, kind="Standard")).forces is None

    def test_a_log_without_scf_energy(self, tmp_path):
        (tmp_path / "B2.log").write_text(gaussian_log([]))
        with pytest.raises(ValueError, match=r"B2.log has no SCF energy \(a line 'SCF Done'\)"):
            read_gaussian(tmp_path / "B2.log")

    def test_the_logs_of_a_folder_are_one_set_and_a_bad_one_is_said(self, tmp_path):
        for k in range(3):
            (tmp_path / f"B2-{k}.log").write_text(gaussian_log([(PAIR * (1 + 0.1 * k), -49.0, None, k != 1)]))
        (tmp_path / "cut.log").write_text(" Entering Gaussian System")
        (item,) = read_sets(tmp_path)
        assert (len(item), item.unit, item.converged.tolist()) == (3, "hartree", [True, False, True])
        assert item.files[2].endswith("B2-2.log")
        assert "1 of 4 logs were left out" in item.remarks[0]


class TestOtherFiles:
    def test_a_database_gives_a_set_per_composition(self, tmp_path):
        with connect(tmp_path / "mixed.db") as database:
            for symbols in ("B2", "B3", "B2"):
                atoms = Atoms(symbols, np.arange(3.0 * int(symbols[1])).reshape(-1, 3))
                atoms.calc = SinglePointCalculator(atoms, energy=FREE_BORON * len(atoms) * Hartree)
                database.write(atoms)
        two, three = read_sets(tmp_path / "mixed.db")
        assert [(item.formula, len(item), item.unit) for item in (two, three)] == [("B2", 2, "eV"), ("B3", 1, "eV")]
        assert two.indices.tolist() == [1, 3]

    def test_hartree_in_an_extxyz_is_told_by_its_size(self, tmp_path):
        atoms = Atoms("B2", PAIR)
        atoms.calc = SinglePointCalculator(atoms, energy=-49.0)
        write(tmp_path / "B2.extxyz", atoms)
        (item,) = read_sets(tmp_path / "B2.extxyz")
        assert (item.unit, item.labelled) == ("hartree", "eV")
        assert "look like hartree though labelled eV" in str(contradicts_label(item))
        with pytest.raises(ValueError, match="say which it is with --unit"):
            convert(tmp_path / "B2.extxyz", tmp_path / "B2.db")

    def test_a_damaged_database(self, tmp_path):
        (tmp_path / "bad.db").write_bytes(b"no database" * 100)
        with pytest.raises(ValueError, match=r"bad.db is not a readable ASE database"):
            read_sets(tmp_path / "bad.db")

    def test_unknown_kinds_and_empty_folders(self, tmp_path):
        (tmp_path / "notes.txt").write_text("x")
        with pytest.raises(ValueError, match="of no kind read here"):
            read_sets(tmp_path / "notes.txt")
        with pytest.raises(ValueError, match=r"the folder .* has no"):
            read_sets(tmp_path)


class TestConversion:
    @pytest.mark.parametrize("suffixes", [(".db", ".npz"), (".extxyz", ".db"), (".npz", ".extxyz")])
    def test_nothing_is_lost_on_the_way(self, tmp_path, write_npz, suffixes):
        made = boron_set(5)
        forces = np.random.default_rng(1).normal(size=made.positions.shape)
        path = write_npz("B8.npz", made.numbers, made.positions, made.energies, F=forces)
        for suffix in suffixes:
            convert(path, tmp_path / f"next{suffix}")
            path = tmp_path / f"next{suffix}"
        (item,) = read_sets(path)
        assert (item.unit, item.labelled) == ("eV", "eV")
        np.testing.assert_allclose(item.positions, made.positions, atol=1e-7)
        np.testing.assert_allclose(item.energies, made.energies_in("eV"), atol=1e-6)
        np.testing.assert_allclose(item.forces, forces * Hartree, atol=1e-6)

    def test_a_structure_knows_its_source_and_is_no_label(self, tmp_path, write_npz):
        made = boron_set(3)
        path = write_npz("B8.npz", made.numbers, made.positions, made.energies)
        convert(path, tmp_path / "B8.db")
        row = connect(tmp_path / "B8.db").get(2)
        assert (row.source, row.source_index, row.level) == (str(path), 1, "published")
        with pytest.raises(ValueError, match="not one of labels"):
            LabelStore(tmp_path / "B8.db")
        convert(path, tmp_path / "B8.extxyz")
        assert read(tmp_path / "B8.extxyz", index=2).info["source_index"] == 2

    def test_a_target_is_never_overwritten(self, tmp_path, write_npz):
        path = write_npz("B2.npz", [5, 5], [PAIR], [-49.0])
        with pytest.raises(FileExistsError, match="name another file"):
            convert(path, path)
        with pytest.raises(ValueError, match="is of no kind written here"):
            convert(path, tmp_path / "B2.pdf")
