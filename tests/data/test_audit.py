from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.db import connect
from made_data import binding, boron_set, random_clusters
from scipy.spatial.transform import Rotation

from iia_calc.data.audit import audit_paths, audit_sets
from iia_calc.data.audit_report import as_plain, write
from iia_calc.data.clean import write_clean
from iia_calc.data.duplicates import find_copies
from iia_calc.data.energy_outliers import judge_energies
from iia_calc.data.geometry import Geometry
from iia_calc.data.names import formula_in_name
from iia_calc.data.relaxedness import relaxedness
from iia_calc.labels.npz import open_labels
from iia_calc.labels.store import LabelStore, in_batches
from search.geometry.pieces import soundness

LABELS = Path(__file__).parents[2] / "models" / "labels"


class TestEnergies:
    made = boron_set()

    def judge(self, added: np.ndarray):
        energies = self.made.energies_in("eV") + added
        return judge_energies(self.made.numbers, self.made.positions, energies)

    def test_sound_energies_pass(self):
        assert self.judge(np.zeros(400)).failed.mean() < 0.01

    @pytest.mark.parametrize("share", [0.05, 0.3, 0.5])
    def test_failed_ones_are_found_however_many(self, share):
        rng = np.random.default_rng(2)
        added = np.where(rng.random(400) < share, rng.uniform(8.0, 300.0, 400), 0.0)
        failed = self.judge(added).failed
        assert failed[added > 0].mean() > 0.95
        assert failed[added == 0].mean() < 0.03

    def test_far_too_low_is_no_better(self):
        added = np.zeros(400)
        added[7] = -200.0
        verdict = self.judge(added)
        assert verdict.too_low.nonzero()[0].tolist() == [7]
        assert verdict.too_high.mean() < 0.01

    def test_a_small_set_has_the_free_atoms_alone(self):
        energies = self.made.energies_in("eV")[:10].copy()
        energies[3] += 100.0
        verdict = judge_energies(self.made.numbers, self.made.positions[:10], energies)
        assert np.isnan(verdict.scatter)
        assert verdict.failed.nonzero()[0].tolist() == [3]

    def test_no_label_of_this_project_is_flagged(self, tmp_path):
        """They all are converged ground states, with repulsive walls and torn pieces among them."""
        packed = open_labels(LABELS / "pbe0-3-21g.npz.xz")
        labels = LabelStore(tmp_path / "labels.db", packed.level)
        labels.add(in_batches(packed.read(), ["first"]))
        flagged = {a.item.formula: int(a.failed.sum()) for a in audit_paths([labels.path]).sets if a.failed.any()}
        assert flagged == {}

    def test_what_is_unknown_is_not_judged(self):
        added = np.zeros(400)
        added[:5] = np.nan
        assert not self.judge(added).failed[:5].any()

    def test_the_order_and_orientation_of_structures_mean_nothing(self):
        added = np.where(np.arange(400) % 4 == 0, 30.0, 0.0)
        energies = self.made.energies_in("eV") + added
        turned = self.made.positions[::-1] @ Rotation.random(rng=np.random.default_rng(0)).as_matrix().T
        again = judge_energies(self.made.numbers, turned, energies[::-1])
        np.testing.assert_allclose(again.excess[::-1], self.judge(added).excess, atol=1e-6)


class TestGeometry:
    def test_pieces_agree_with_the_relaxers_word(self):
        positions = random_clusters(60, n_atoms=7, seed=3)
        positions[::2, 6] += 6.0
        numbers = np.array([5] * 6 + [34])
        found = Geometry.of(numbers, positions).fragments > 1
        assert found.tolist() == [soundness(numbers, x)[1] for x in positions]
        assert found.any()
        assert not found.all()

    def test_flat_and_planar(self):
        positions = random_clusters(3, seed=1)
        positions[0, :, 2] = 0.0
        geometry = Geometry.of(np.full(8, 5), positions)
        assert geometry.flat.tolist() == [True, False, False]
        assert geometry.planar[0]

    @pytest.mark.parametrize("n_atoms", [1, 2, 3])
    def test_few_atoms(self, n_atoms):
        positions = np.arange(3.0 * n_atoms).reshape(1, n_atoms, 3)
        assert Geometry.of(np.full(n_atoms, 5), positions).fragments.tolist() == [n_atoms]


class TestRelaxedness:
    def test_forces_decide(self):
        made = boron_set(40)
        forces = np.full(made.positions.shape, 1e-4)
        forces[3] = 0.1  # hartree/Å
        item = replace(made, forces=forces)
        found = relaxedness(item, Geometry.of(item.numbers, item.positions))
        assert found.by_forces
        assert found.unrelaxed.nonzero()[0].tolist() == [3]

    def test_distances_that_crowd_at_a_floor_betray_a_rule(self):
        rng = np.random.default_rng(0)
        positions = random_clusters(60, seed=4, least=1.6)
        pairs = np.linalg.norm(positions[:, :, None] - positions[:, None], axis=-1) + 9.0 * np.eye(8)
        scale = 1.62 / pairs.min((1, 2)) * (1.0 + 0.003 * rng.random(60))
        item = replace(boron_set(60), positions=positions * scale[:, None, None])
        found = relaxedness(item, Geometry.of(item.numbers, item.positions))
        assert found.floor == pytest.approx(1.62, abs=0.01)
        assert found.unrelaxed.all()

    def test_minima_of_this_project_pass(self):
        positions, numbers = [], None
        for minimum in in_batches(open_labels(LABELS / "pbe0-3-21g.npz.xz").read(), ["own-minima"]):
            atoms = minimum.atoms
            if len(atoms) < 5 or np.linalg.norm(minimum.label.forces, axis=1).max() > 1.0:
                continue
            geometry = Geometry.of(atoms.numbers, atoms.positions[None])
            item = replace(
                boron_set(1), numbers=atoms.numbers, positions=atoms.positions[None], energies=np.array([0.0])
            )
            positions.append(bool(relaxedness(item, geometry).unrelaxed[0]))
            numbers = atoms.numbers
        assert numbers is not None
        assert sum(positions) == 0


class TestCopies:
    def test_turned_mirrored_and_renumbered_copies_are_found_and_like_ones_are_not(self):
        made = boron_set(6)
        positions = made.positions.copy()
        turn = Rotation.random(rng=np.random.default_rng(1)).as_matrix()
        positions[3] = positions[0][np.random.default_rng(2).permutation(8)] @ turn.T * [1, 1, -1] + 5.0
        positions[4] = positions[1] + 0.03 * np.random.default_rng(3).normal(size=(8, 3))
        copies = find_copies([replace(made, positions=positions)])
        assert copies.within(0).nonzero()[0].tolist() == [3]

    def test_copies_across_sets_with_atoms_in_another_order(self):
        made = replace(boron_set(4), numbers=np.array([5] * 7 + [34]))
        other = replace(
            made,
            name="other",
            numbers=made.numbers[::-1],
            positions=made.positions[:2, ::-1],
            energies=made.energies[:2],
            indices=np.arange(2),
        )
        copies = find_copies([made, other])
        assert (copies.count_common(0, 1), copies.count_common(1, 0)) == (2, 2)

    def test_the_copy_of_lowest_energy_is_kept(self):
        made = boron_set(5)
        positions, energies = made.positions.copy(), made.energies.copy()
        positions[4], energies[4] = positions[0], energies[0] - 1.0
        audit = audit_sets([replace(made, positions=positions, energies=energies)])
        assert audit.sets[0].copy.nonzero()[0].tolist() == [0]
        (finding,) = [finding.text for finding in audit.findings if finding.kind == "copies"]
        assert "27.2 eV apart: at most one of them is right" in finding


@pytest.mark.parametrize(
    ("path", "formula"),
    [
        ("SeBn/B=21.npz", "SeB21"),
        ("SeBn-O/B=21.npz", "SeB21"),
        ("Bn/B=16.npz", "B16"),
        ("AlCn/C=20.npz", "AlC20"),
        ("Ta2Nn-/Ta2N3-.npz", "Ta2N3"),
        ("any/SeB16-start-3.log", "SeB16"),
        ("any/B=21.npz", None),
        ("any/No.npz", None),
        ("any/labels.db", None),
        ("any/Sample2.db", None),
    ],
)
def test_what_a_name_promises(path, formula):
    assert formula_in_name(Path(path)) == formula


@pytest.fixture
def folder(tmp_path, write_npz):
    """SeBn with a sound B=7, a B=8 that is the same file, and failed energies in both."""
    positions = random_clusters(300, seed=5)
    numbers = [5] * 7 + [34]
    energies = -2389.83 - 7 * 24.474 + binding(positions) / 27.211386
    energies[:30] += 2.0
    write_npz("SeBn/B=7.npz", numbers, positions, energies)
    (tmp_path / "SeBn" / "B=8.npz").write_bytes((tmp_path / "SeBn" / "B=7.npz").read_bytes())
    return tmp_path / "SeBn"


class TestAudit:
    def test_findings_in_plain_language(self, folder):
        texts = [finding.text for finding in audit_paths([folder]).findings]
        assert texts[0] == "SeBn/B=7.npz and SeBn/B=8.npz are the same file"
        assert "SeBn/B=8.npz holds SeB7, its name says SeB8; no file of that folder holds SeB8" in texts
        assert any("give no unit; the size of the energies is that of hartree" in text for text in texts)
        assert any("SeBn/B=7.npz: 30 of 300 energies (10.0%) can't be used" in text for text in texts)

    def test_a_file_named_twice_is_read_once(self, folder):
        assert len(audit_paths([folder, folder / "B=7.npz"]).sets) == 2

    def test_files(self, folder, tmp_path):
        audit = audit_paths([folder])
        write(audit, tmp_path / "audit")
        lines = list(csv.DictReader((tmp_path / "audit" / "audit.csv").read_text().splitlines()))
        assert [(line["holds"], line["failed"], line["copy"]) for line in lines] == [
            ("SeB7", "30", "0"),
            ("SeB7", "30", "300"),
        ]
        structures = list(csv.DictReader((tmp_path / "audit" / "structures.csv").read_text().splitlines()))
        assert len(structures) == 600
        assert "too-high" in structures[0]["flags"]
        plain = json.loads((tmp_path / "audit" / "audit.json").read_text())
        assert plain == json.loads(json.dumps(as_plain(audit)))
        assert (tmp_path / "audit" / "audit.png").read_bytes().startswith(b"\x89PNG")

    def test_cleaning_keeps_what_is_sound_and_says_what_it_dropped(self, folder, tmp_path):
        count, reasons = write_clean(audit_paths([folder]), tmp_path / "clean.db")
        assert (count, reasons["copy"], reasons["too-high"]) == (270, 300, 60)
        rows = list(connect(tmp_path / "clean.db").select())
        assert len(rows) == 270
        assert {row.level for row in rows} == {"published"}
        assert rows[0].source_index == 30
        assert rows[0].energy == pytest.approx(27.211386 * np.load(folder / "B=7.npz")["E"][30, 0], abs=0.01)
        dropped = list(csv.DictReader((tmp_path / "clean.dropped.csv").read_text().splitlines()))
        assert len(dropped) == 330
        assert "not the ground state" in dropped[0]["why"]
        with pytest.raises(FileExistsError):
            write_clean(audit_paths([folder]), tmp_path / "clean.db")

    def test_unknown_flags(self, folder, tmp_path):
        with pytest.raises(ValueError, match=r"ugly is no flag; choose from unconverged"):
            write_clean(audit_paths([folder]), tmp_path / "clean.db", ["ugly"])


def test_the_published_sets_hold_what_is_known_of_them(published):
    chosen = [published / "SeBn-O" / f"B={n}.npz" for n in (21, 22, 23)] + [published / "SeBn" / "B=16.npz"]
    audit = audit_paths(chosen)
    texts = [finding.text for finding in audit.findings]
    assert "SeBn-O/B=22.npz and SeBn-O/B=23.npz are the same file" in texts
    assert any(text.startswith("SeBn-O/B=21.npz holds SeB22, its name says SeB21") for text in texts)
    assert "no structure of all 4 sets is relaxed: the shortest distances begin sharply at 1.70 Å, by a rule" in texts
    plain = audit.sets[3]
    assert (plain.item.formula, len(plain.item), plain.item.unit) == ("SeB16", 500, "hartree")
    assert 0.1 < plain.failed.mean() < 0.3
    assert plain.geometry.flat.mean() == pytest.approx(0.474)
