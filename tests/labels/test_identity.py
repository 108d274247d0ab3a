"""One structure is labelled once, whoever asks and whatever its file is called; unsound ones cost only themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from cli_process import ENVIRONMENT, IIA

from iia_calc.labels.claims import Claims
from iia_calc.labels.identity import KnownStructures, content_name
from iia_calc.labels.jobs import run_structures
from iia_calc.labels.level import LabelFailed
from iia_calc.labels.request import LabelRequest
from iia_calc.labels.run import run_labels
from iia_calc.labels.store import LabelStore
from iia_calc.labels.xtb import XTBLevel
from search.errors import InputError, JobFailed

P = np.array([(0, 0, 0), (1.6, 0, 0), (0.8, 1.4, 0), (0.8, -1.2, 0.3)])
OWN = "own_level:Morse"


def b4(stretch: float = 1.0, **info) -> Atoms:
    return Atoms("B4", stretch * P, info=info)


@pytest.fixture(autouse=True)
def _own_level_can_be_imported(monkeypatch):
    """Worker processes get the path, too."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


def label(out, *frames, name="clusters.xyz", **request):
    """A job on a file of `frames`; the outcome and the remarks."""
    folder = out.parent / f"{len(list(out.parent.iterdir()))}"
    folder.mkdir()
    write(folder / name, frames, format="extxyz")
    remarks = []
    request = {"level": OWN} | request
    outcome = run_labels(LabelRequest(structures=folder / name, out=out, **request), on_remark=remarks.append)
    return outcome, remarks


def test_files_of_one_name_with_other_frames_are_all_labelled(tmp_path):
    out = tmp_path / "l.db"
    assert label(out, b4(), b4(1.1))[0].made == {"B4": 2}
    assert label(out, b4(1.2), b4(1.3), b4(1.1))[0].made == {"B4": 2}  # the last one is there
    assert label(out, b4(1.3), name="other.xyz")[0].made == {}
    moved = b4(1.2)
    moved.translate([3, -2, 1])
    outcome, _ = label(out, moved, b4(1.4), b4(1.4))
    assert (outcome.made, outcome.total) == ({"B4": 1}, 5)
    energies = sorted(item.label.energy for item in LabelStore(out).read())
    assert len(np.unique(np.round(energies, 6))) == 5
    assert len({item.start for item in LabelStore(out).read()}) == 5


def test_content_is_elements_coordinates_charge_and_spin():
    known = KnownStructures()
    assert known.add(b4(), 0, 1)
    assert not known.add(b4(1 + 1e-5), 0, 1)
    assert known.add(b4(1.001), 0, 1)
    assert known.add(b4(), -1, 2)
    assert known.add(b4(), 0, 3)
    assert known.add(Atoms("SeB3", P), 0, 1)
    assert content_name(b4()) == content_name(Atoms("B4", P + 5.0)) != content_name(b4(1.001))
    assert content_name(b4()).startswith("B4-")


def test_unsound_structures_are_set_aside_and_the_rest_labelled(tmp_path):
    overlapping, periodic = b4(), b4(1.05)
    overlapping.positions[1] = overlapping.positions[0]
    periodic.pbc = True
    outcome, remarks = label(tmp_path / "l.db", overlapping, b4(), periodic, level="gfn1")
    assert outcome.made == {"B4": 1}
    assert len(remarks) == 1
    assert remarks[0].startswith("2 of 3 structures set aside: atoms 0 and 1 are in one place")
    assert "is periodic" in remarks[0]
    with pytest.raises(InputError, match="is periodic"):
        label(tmp_path / "l.db", periodic)


def test_what_one_structure_makes_the_method_raise_is_its_failure_alone(tmp_path):
    far = b4()
    far.positions += 1000.0
    outcome, _ = label(tmp_path / "l.db", far, b4(1.1))
    assert (outcome.made, outcome.failed) == ({"B4": 1}, 1)
    assert "ZeroDivisionError: far away" in outcome.line()
    assert "1 new labels of Morse, charge 0 (B4 1), 1 in all; 1 failed" in outcome.line()
    again, _ = label(tmp_path / "l.db", far, b4(1.1))
    assert (again.made, again.failed, again.failed_before) == ({}, 0, 1)
    with pytest.raises(JobFailed, match=r"no label could be made: .*far away"):
        label(tmp_path / "other.db", far)
    with pytest.raises(JobFailed, match="failed earlier"):
        label(tmp_path / "other.db", far)


def test_elements_that_the_level_lacks_cost_only_their_structures(tmp_path):
    uranium = [Atoms("UB3", P * (1 + 0.01 * k)) for k in range(40)]  # more than are handed out at once
    outcome, _ = label(tmp_path / "l.db", *uranium, b4(), level="gfn1")
    assert (outcome.made, outcome.failed) == ({"B4": 1}, 40)
    assert "Z >86" in outcome.line()


def test_two_atoms_in_one_place_are_a_failure_of_the_label():
    with pytest.raises(LabelFailed, match="interatomic distances"):
        XTBLevel().label(Atoms("B3", [(0, 0, 0), (0, 0, 0), (1.6, 0, 0)]))


def test_charge_and_multiplicity_are_those_the_structures_declare(tmp_path):
    outcome, remarks = label(tmp_path / "anion.db", b4(charge=-1, spin=2), b4(1.1, charge=-1.0), level="gfn1")
    assert outcome.made == {"B4": 2}
    assert not remarks
    assert "charge -1" in outcome.level
    assert {(item.charge, item.multiplicity) for item in LabelStore(tmp_path / "anion.db").read()} == {(-1, 2)}
    neutral = XTBLevel().label(b4()).energy
    labelled = sorted(LabelStore(tmp_path / "anion.db").read(), key=lambda item: item.atoms.positions.max())
    anion = labelled[0].label.energy  # two workers: the order of the rows is that in which they were ready
    assert anion == pytest.approx(XTBLevel(charge=-1).label(b4()).energy, abs=1e-6)
    assert abs(anion - neutral) > 0.5
    label(tmp_path / "triplet.db", b4(spin=3), b4(1.1, multiplicity="3"), level="gfn1")
    assert {item.multiplicity for item in LabelStore(tmp_path / "triplet.db").read()} == {3}


def test_charges_do_not_mix(tmp_path):
    frames = b4(charge=-1), b4(1.1), b4(1.2, charge=0)
    with pytest.raises(InputError, match=r"several charges \(1 of charge -1, 2 of charge \+0\): say with --charge"):
        label(tmp_path / "l.db", *frames)
    outcome, remarks = label(tmp_path / "l.db", *frames, charge=0)
    assert outcome.made == {"B4": 2}
    assert "1 of 3 structures set aside: has charge -1" in remarks[0]
    outcome, remarks = label(tmp_path / "m.db", b4(), b4(1.1, spin=3), level="gfn1")
    assert outcome.made == {"B4": 1}
    assert "has multiplicity 3" in remarks[0]
    with pytest.raises(InputError, match="need another file"):
        label(tmp_path / "l.db", b4(charge=1))


def test_a_charge_at_the_end_of_a_formula(tmp_path):
    request = LabelRequest(("B4-", "SeB3-"), tmp_path / "l.db", n_labels=4, steps=2)
    assert "charge -1" in run_labels(request).level
    assert {item.charge for item in LabelStore(tmp_path / "l.db").read()} == {-1}
    with pytest.raises(InputError, match="of several"):
        LabelRequest(("B4-", "B4"))
    with pytest.raises(InputError, match="has charge -1, but charge \\+1"):
        LabelRequest(("B4-",), charge=1)


def test_a_level_of_ones_own(tmp_path):
    outcome, _ = label(tmp_path / "l.db", b4(), charge=-1)
    assert outcome.level == "Morse, charge -1"
    starts = run_labels(LabelRequest(("B4",), tmp_path / "m.db", level=OWN, n_labels=3))
    assert starts.total >= 3
    for level, message in (
        ("own_level:no_level", "must be called with charge and multiplicity"),
        ("own_level:Other", "has no Other"),
        ("no_module_at_all:Level", "can't be imported"),
        (":Level", "choose gfn1, gfn2 or dft, or MODULE:CLASS"),
    ):
        with pytest.raises(InputError, match=message):
            run_labels(LabelRequest(("B4",), tmp_path / "n.db", level=level))


def test_what_another_job_labels_is_left_to_it(tmp_path):
    store = LabelStore(tmp_path / "l.db", "Morse, charge 0")
    structures = [("mine", b4()), ("theirs", b4(1.2))]
    from own_level import Morse

    with ThreadPoolExecutor(1) as pool, Claims(store.path) as other:
        assert other.take([content_name(b4(1.2)), content_name(b4(1.2))])[0] == {content_name(b4(1.2))}
        assert run_structures(store, structures, Morse(), origin="given", executor=pool) == 1
        assert other.take([content_name(b4())])[0] == set()  # done
        other.close()
        assert run_structures(store, structures, Morse(), origin="given", executor=pool) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["l.db"]  # the last job took the claims away


def test_claims_of_a_dead_job_are_free(tmp_path):
    script = (
        f"from pathlib import Path; from iia_calc.labels.claims import Claims; import os\n"
        f"c = Claims(Path({str(tmp_path / 'l.db')!r})); c.take(['a', 'b']); c.finish(['b']); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script], check=False)
    with Claims(tmp_path / "l.db") as claims:
        assert claims.others() == 0
        assert claims.take(["a", "b", "c"]) == ({"a", "c"}, True)
        with Claims(tmp_path / "l.db") as second:
            assert second.others() == 1
            assert second.take(["a", "d"]) == ({"d"}, False)


@pytest.mark.slow
def test_two_jobs_on_one_database_share_the_work(tmp_path):
    command = [*IIA, "label", "B3", "B4", "SeB3", "-n", "150", "-o", "l.db", "--seed", "3"]
    jobs = [
        subprocess.Popen(command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    said = [job.communicate(timeout=180)[0].decode() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0]
    assert all("new labels of GFN1-xTB" in text for text in said)
    items = list(LabelStore(tmp_path / "l.db").read())
    assert len(items) >= 150
    assert len({(item.start, item.atoms.positions.tobytes()) for item in items}) == len(items)
    by_start = {item.start: sum(other.start == item.start for other in items) for item in items}
    assert max(by_start.values()) <= 18  # 9 of the path, 5 rattled and 4 distorted copies: each start once
    assert not (tmp_path / ".l.db.claims").exists()


@pytest.mark.slow
def test_a_signal_ends_a_job_with_what_there_is(tmp_path):
    import signal
    import time

    job = subprocess.Popen(
        [*IIA, "label", "B4", "-n", "100000", "-o", "l.db"], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE
    )
    while not (tmp_path / "l.db").exists() or not len(LabelStore(tmp_path / "l.db", XTBLevel().name)):
        time.sleep(0.2)
    job.send_signal(signal.SIGTERM)
    said = job.communicate(timeout=30)[0].decode()
    assert job.returncode in (130, 143)
    assert "interrupted: the same command goes on" in said
    assert f"{len(LabelStore(tmp_path / 'l.db'))} in all" in said


def test_failures_written_by_a_killed_job_cost_nothing(tmp_path):
    store = LabelStore(tmp_path / "l.db", "never")
    store.failures_path.write_text(json.dumps({"start": "a", "reason": "no"}) + '\n{"start": "b", "rea')
    store.add_failure("c", "no")
    assert store.finished_starts() == {"a", "c"}
    assert os.path.exists(store.failures_path)
