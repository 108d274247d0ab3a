"""The archive: what enters, what merges, what it refuses, and that ASE reads it."""

import errno
import fcntl
import shutil
import sqlite3
from dataclasses import replace

import ase.db
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from search import Archive, Composition, Relaxed, Sameness
from search.archive.store import MemoryStore
from search.geometry.scale import LengthScale

SCALE = LengthScale(Composition.parse("SeB8"))


def quench(energy, seed=0, **changes):
    atoms = SCALE.atoms(SCALE.seed(np.random.default_rng(seed), "compact"))
    values = {"fmax": 0.01, "converged": True, "n_steps": 5, "n_evaluations": 6, **changes}
    return Relaxed(atoms, energy, **values)


def contents(archive):
    return [(m.energy, m.times_found, m.first_quench, m.energy_std, m.positions.tolist()) for m in archive]


@pytest.mark.parametrize("stored", [True, False])
def test_copies_count_and_the_lowest_geometry_stays(tmp_path, stored):
    with Archive(tmp_path if stored else None, "SeB8") as archive:
        first, new = archive.add(quench(-1.0), 1)
        assert new
        lower = quench(-1.0004)
        lower.atoms.positions[:] = -lower.atoms.positions[[1, 0, *range(2, 9)]] + 0.003  # a mirrored copy
        again, new = archive.add(lower, 2)
        assert not new
        assert again is first
        assert archive.add(quench(-0.9999), 3) == (first, False)
        assert (first.energy, first.times_found, first.first_quench) == (-1.0004, 3, 1)
        assert (first.positions == lower.atoms.positions).all()
        archive.add(quench(-1.0001, seed=1), 4)  # other geometry, same energy
        archive.add(quench(-2.0), 5)  # same geometry, other energy
        assert [m.energy for m in archive] == [-2.0, -1.0004, -1.0001]


@pytest.mark.parametrize("stored", [True, False])
def test_badly_converged_copies_merge_once_better_ones_lower_them(tmp_path, stored):
    with Archive(tmp_path if stored else None, "SeB8") as archive:
        archive.add(quench(0.0028), 1)  # a soft mode left it 3 meV high, so it enters ...
        assert archive.add(quench(0.0), 2)[1]  # ... beside the true minimum
        archive.add(quench(0.0014, seed=1), 3)  # another structure in between stays
        for k, energy in enumerate((0.0019, 0.0011, 0.0009)):
            assert not archive.add(quench(energy), 4 + k)[1]
        found = [(m.energy, m.times_found, m.first_quench) for m in archive]
        assert found == [(0.0, 5, 1), (0.0014, 1, 3)]
        before = contents(archive)
    if stored:
        with Archive(tmp_path) as archive:
            assert contents(archive) == before
        assert contents(Archive.read(tmp_path)) == before


@pytest.mark.parametrize(
    "changes",
    [{"converged": False}, {"fragmented": True}, {"energy": float("nan")}, {"energy": -np.inf}],
)
def test_only_sound_results_enter(changes):
    archive = Archive(None, "SeB8")
    assert archive.add(quench(**{"energy": -1.0, **changes}), 1) == (None, False)
    assert len(archive) == 0
    assert archive.add(quench(-1.0), 2)[1]


def test_reopened_it_is_what_it_was(tmp_path):
    with Archive(tmp_path, "SeB8", signature="mine") as archive:
        for k in range(12):
            archive.add(quench(-1.0 - 0.1 * (k % 7), seed=k % 7, energy_std=0.02), k + 1)
        archive.commit({"n": 3})
        before = contents(archive)
    with Archive(tmp_path, signature="mine") as archive:
        assert contents(archive) == before
        assert archive.state == {"n": 3}
        assert archive.composition.formula == "SeB8"
        assert archive.add(quench(-1.3, seed=3), 13)[1] is False
    assert len(before) == 7


def test_it_is_read_while_it_is_written_and_after(tmp_path):
    with Archive(tmp_path, "SeB8") as archive:
        for k in (1, 2, 3, 4):
            archive.add(quench(-1.0 - k % 2, seed=k % 2, energy_std=0.5), k)
        archive.commit({"n": 3})
        for _ in range(2):
            reader = Archive.read(tmp_path / "archive.db")
            assert contents(reader) == contents(archive)
            assert reader.state == {"n": 3}
            with pytest.raises(ValueError, match="for reading only"):
                reader.add(quench(-5.0), 5)
            archive.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive.db", "archive.db.lock"]


def test_exported_it_is_an_ase_database(tmp_path):
    with Archive(tmp_path, "SeB8") as archive:
        for k in (1, 2, 3, 4):
            archive.add(quench(-1.0 - k % 2, seed=k % 2, energy_std=0.5), k)
        assert archive.export(tmp_path / "ase.db") == 2
        with pytest.raises(ValueError, match="exists"):
            archive.export(tmp_path / "ase.db")
    rows = list(ase.db.connect(tmp_path / "ase.db").select("times_found=2", sort="energy"))
    assert [row.energy for row in rows] == [-2.0, -1.0]
    assert [row.first_quench for row in rows] == [1, 2]
    assert rows[0].energy_std == 0.5
    assert rows[0].toatoms().get_potential_energy() == -2.0
    assert (rows[0].positions == quench(-2.0, seed=1).atoms.positions).all()


def test_a_copy_of_the_file_alone_has_what_was_committed(tmp_path):
    """While the search runs, and what is in the log beside the file is lost."""
    with Archive(tmp_path / "a", "SeB8") as archive:
        for k in range(3):
            archive.enter(quench(-1.0 - k, seed=k), k + 1)
        archive.commit({"n": 3})
        shutil.copy(archive.path, tmp_path / "copy.db")
        assert contents(Archive.read(tmp_path / "copy.db")) == contents(archive)
        archive._store._folded = -np.inf  # a second later
        archive.add(quench(-7.0, seed=7), 4)
        shutil.copy(archive.path, tmp_path / "copy.db")
        assert contents(Archive.read(tmp_path / "copy.db")) == contents(archive)
        (tmp_path / "copy.db").chmod(0o444)
        tmp_path.chmod(0o555)  # not even the folder can be written
        try:
            assert Archive.read(tmp_path / "copy.db").best.energy == -7.0
        finally:
            tmp_path.chmod(0o755)


@pytest.mark.parametrize("made", [False, True])
def test_reading_what_is_not_there_makes_nothing(tmp_path, made):
    path = tmp_path / "deep" / "a.db" if not made else tmp_path / "a.db"
    if made:
        path.touch()
    for open_ in (Archive.read, Archive):
        with pytest.raises(ValueError, match="is empty" if made else "does not exist yet"):
            open_(path)
    assert list(tmp_path.iterdir()) == ([path] if made else [])
    assert not made or path.stat().st_size == 0


def version_1(path, minima, values):
    """An archive as it was: ASE's tables with the search's state beside them."""
    with ase.db.connect(path) as database:
        for energy, seed in minima:
            atoms = quench(energy, seed=seed).atoms
            atoms.calc = SinglePointCalculator(atoms, energy=energy)
            known = {"times_found": 2, "first_quench": seed + 1, "converged": True, "residual_force": 0.01}
            database.write(atoms, key_value_pairs=known)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE search_state (key TEXT PRIMARY KEY, value TEXT)")
        values = {"format": "search archive 1", "composition": "SeB8", **values}
        connection.executemany("INSERT INTO search_state VALUES (?, ?)", list(values.items()))
    connection.close()


def test_archives_of_version_1_are_read_and_gone_on_with(tmp_path):
    path = tmp_path / "archive.db"
    version_1(path, [(-1.0, 0), (-2.0, 1)], {"signature": "mine", "state": '{"n": 3}'})
    before = path.read_bytes()
    known = contents(Archive.read(path))
    assert [entry[:3] for entry in known] == [(-2.0, 2, 2), (-1.0, 2, 1)]
    assert known[0][4] == quench(-2.0, seed=1).atoms.positions.tolist()
    with pytest.raises(ValueError, match="there mine, now yours"):
        Archive(path, "SeB8", signature="yours")
    assert path.read_bytes() == before
    with Archive(path, "SeB8", signature="mine") as archive:
        assert archive.state == {"n": 3}
        assert archive.add(quench(-1.0), 5)[0].times_found == 3
        archive.add(quench(-3.0, seed=2), 6)
        after = contents(archive)
    assert [entry[:2] for entry in after] == [(-3.0, 1), (-2.0, 2), (-1.0, 3)]
    with Archive(path) as archive:
        assert contents(archive) == after
        assert archive.state == {"n": 3}


def test_a_file_system_without_locks_is_not_taken_for_another_process(tmp_path, monkeypatch):
    def unsupported(handle, operation):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.warns(RuntimeWarning, match="no file locks .*make sure that no other search"):
        Archive(tmp_path / "a", "SeB8").close()
    monkeypatch.setattr("search.archive.lock.fcntl", None)  # as on Windows
    with pytest.warns(RuntimeWarning, match="this system has no file locks"):
        Archive(tmp_path / "b", "SeB8").close()


class Listing(MemoryStore):
    """A store of one's own."""

    def __init__(self):
        super().__init__({"composition": "SeB8"})
        self.rows = {}

    def minima(self):
        return [replace(minimum) for minimum in self.rows.values()]

    def write(self, changed, gone, values):
        super().write(changed, gone, values)
        for minimum in changed:
            minimum.row = len(self.rows) if minimum.row is None else minimum.row
            self.rows[minimum.row] = replace(minimum)
        for minimum in gone:
            del self.rows[minimum.row]


def test_a_store_of_ones_own():
    store = Listing()
    archive = Archive(store, signature="mine")
    archive.add(quench(-1.0), 1)
    archive.add(quench(-2.0, seed=1), 2)
    archive.add(quench(-1.0005), 3)
    assert contents(Archive(store, signature="mine")) == contents(archive)
    with pytest.raises(ValueError, match="belongs to another search"):
        Archive(store, signature="yours")


def test_what_was_entered_and_not_committed_is_not_there(tmp_path):
    with Archive(tmp_path, "SeB8") as archive:
        archive.add(quench(-1.0), 1)
        archive.enter(quench(-2.0, seed=1), 2)
    with Archive(tmp_path) as archive:
        assert [m.energy for m in archive] == [-1.0]


def test_a_transaction_that_fails_leaves_nothing(tmp_path):
    with Archive(tmp_path, "SeB8") as archive:
        archive.add(quench(-1.0), 1)
        archive.enter(quench(-2.0, seed=1), 2)
        with pytest.raises(TypeError):
            archive.commit({"not plain": object()})
        with pytest.raises(sqlite3.Error):
            archive._store.write([*archive], [], {"state": object()})
    with Archive(tmp_path) as archive:
        assert [m.energy for m in archive] == [-1.0]


def test_held_by_one(tmp_path):
    with Archive(tmp_path, "SeB8"), pytest.raises(BlockingIOError, match="wait for it or choose another"):
        Archive(tmp_path, "SeB8")
    Archive(tmp_path, "SeB8").close()
    with Archive(tmp_path, "SeB8"), Archive(tmp_path / "other", "SeB8"):
        pass  # two folders don't disturb each other


def foreign_text(path):
    path.write_text("energies of last summer, do not lose")


def foreign_sqlite(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE diary (day TEXT)")
    connection.close()


def foreign_ase(path):
    ase.db.connect(path).write(Atoms("B2", [[0, 0, 0], [0, 0, 1.6]]))


def damaged(path):
    with Archive(path, "SeB8") as archive:
        archive.add(quench(-1.0), 1)
    path.write_bytes(path.read_bytes()[:1500])


@pytest.mark.parametrize("make", [foreign_text, foreign_sqlite, foreign_ase, damaged])
def test_foreign_files_are_refused_and_left_alone(tmp_path, make):
    path = tmp_path / "a.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"a\.db"):
        Archive(path, "SeB8")
    assert path.read_bytes() == before


def test_other_composition_or_signature_is_refused(tmp_path):
    with Archive(tmp_path, "SeB8", signature="seed 1") as archive:
        archive.add(quench(-1.0), 1)
    before = (tmp_path / "archive.db").read_bytes()
    with pytest.raises(ValueError, match="minima of SeB8, not of SeB9"):
        Archive(tmp_path, "SeB9")
    with pytest.raises(ValueError, match="there seed 1, now seed 2"):
        Archive(tmp_path, "SeB8", signature="seed 2")
    assert (tmp_path / "archive.db").read_bytes() == before
    Archive(tmp_path, "SeB8", signature="seed 1").close()  # control, and no lock was left behind


def test_sameness_and_bond_length_are_kept(tmp_path):
    two = Sameness(enantiomers="two")
    with Archive(tmp_path, "SeB8", sameness=two, bond_length=1.5) as archive:
        archive.add(quench(-1.0), 1)
        mirrored = quench(-1.0)
        mirrored.atoms.positions *= -1.0
        assert archive.add(mirrored, 2)[1]
    with Archive(tmp_path) as archive:
        assert archive.sameness == two
        assert archive.scale.bond == pytest.approx(1.5)
    with pytest.raises(ValueError, match="was made with sameness"):
        Archive(tmp_path, sameness=Sameness())
    with pytest.raises(ValueError, match=r"was made with bond_length 1\.5, not 1\.6"):
        Archive(tmp_path, bond_length=1.6)


def test_needs_a_composition(tmp_path):
    with pytest.raises(ValueError, match="needs a composition"):
        Archive()
    with pytest.raises(ValueError, match="does not exist yet"):
        Archive(tmp_path)


def test_atoms_of_another_cluster_are_refused():
    archive = Archive(None, "SeB9")
    with pytest.raises(ValueError, match="does not belong in an archive of SeB9"):
        archive.add(quench(-1.0), 1)
