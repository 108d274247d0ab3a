"""Label databases: one level each, nothing twice, and a killed job goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.db import connect

from iia_calc.labels.jobs import boron_plan, plan_starts, run_starts, run_structures
from iia_calc.labels.level import LabelFailed
from iia_calc.labels.minima import model_minima
from iia_calc.labels.npz import open_labels, pack
from iia_calc.labels.request import LabelRequest
from iia_calc.labels.run import run_labels
from iia_calc.labels.sampling import Sampling, Start, sample_start, sample_walls
from iia_calc.labels.store import LabelStore
from iia_calc.labels.xtb import XTBLevel
from search.errors import InputError, JobFailed
from search.geometry.composition import bond_lengths

LEVEL = XTBLevel()


def test_round_trip(tmp_path):
    labelled = [replace(item, split="held-out", batch="first") for item in sample_start(Start("SeB4", 0), LEVEL)]
    store = LabelStore(tmp_path / "labels.db", LEVEL.name)
    assert store.add(labelled) == len(labelled)
    back = list(LabelStore(tmp_path / "labels.db").read())
    for before, after in zip(labelled, back, strict=True):
        assert after.label.energy == pytest.approx(before.label.energy, abs=1e-9)
        assert np.allclose(after.label.forces, before.label.forces, atol=1e-9)
        assert np.allclose(after.atoms.positions, before.atoms.positions, atol=1e-9)
        assert (after.start, after.origin) == (before.start, before.origin)
        assert (after.split, after.batch) == ("held-out", "first")
    assert store.counts() == {"B4Se": len(labelled)}
    assert connect(tmp_path / "labels.db").get(1).toatoms().get_potential_energy() == pytest.approx(
        labelled[0].label.energy
    )


def test_packed_labels_hold_the_same(tmp_path):
    labelled = [
        replace(item, label=item.label._replace(stability=("stable", "")[k % 2]), batch=f"batch {k}")
        for k in range(3)
        for item in sample_start(Start("SeB4", k), LEVEL)
    ]
    store = LabelStore(tmp_path / "labels.db", LEVEL.name)
    store.add(labelled)
    store.add_element_energies({"B": -1.5, "Se": -2.5})
    assert pack(store, tmp_path / "labels.npz.xz") == len(labelled)
    packed = open_labels(tmp_path / "labels.npz.xz")
    assert (packed.level, packed.element_energies, len(packed)) == (store.level, store.element_energies, len(store))
    for before, after in zip(store.read(), packed.read(), strict=True):
        assert np.array_equal(before.atoms.numbers, after.atoms.numbers)
        assert np.allclose(before.atoms.positions, after.atoms.positions, atol=6e-6)
        assert np.allclose(before.label.forces, after.label.forces, atol=6e-4)
        assert after.label.energy == pytest.approx(before.label.energy, abs=1e-6)
        assert (before.start, before.origin, before.multiplicity) == (after.start, after.origin, after.multiplicity)
        assert (before.label.stability, before.split, before.batch) == (after.label.stability, "", after.batch)
    torn = tmp_path / "torn.npz.xz"
    torn.write_bytes((tmp_path / "labels.npz.xz").read_bytes()[:500])
    with pytest.raises(ValueError, match="not a sound file"):
        open_labels(torn)
    with pytest.raises(ValueError, match="are named"):
        pack(store, tmp_path / "labels.npz")


def test_another_level_is_refused(tmp_path):
    LabelStore(tmp_path / "labels.db", LEVEL.name)
    with pytest.raises(ValueError, match="need another file"):
        LabelStore(tmp_path / "labels.db", XTBLevel("GFN2-xTB").name)


def test_foreign_files_are_refused_and_left_alone(tmp_path):
    text = tmp_path / "notes.db"
    text.write_text("these are my notes, not a database\n" * 20)
    with pytest.raises(ValueError, match="not a readable ASE database"):
        LabelStore(text, LEVEL.name)
    assert text.read_text().startswith("these are my notes")
    connect(tmp_path / "mine.db").write(Atoms("B2", [[0, 0, 0], [0, 0, 1.6]]))
    with pytest.raises(ValueError, match="names no level of theory"):
        LabelStore(tmp_path / "mine.db", LEVEL.name)
    with pytest.raises(FileNotFoundError):
        LabelStore(tmp_path / "absent.db")
    with pytest.raises(ValueError, match="name it"):
        LabelStore(tmp_path / "labels.json", LEVEL.name)


def test_a_lock_file_left_by_a_killed_job_stops_nobody(tmp_path):
    store = LabelStore(tmp_path / "labels.db", LEVEL.name)
    (tmp_path / "labels.db.lock").touch()  # as ASE leaves it, and then waits for ever
    writer = threading.Thread(target=store.add, args=[sample_start(Start("B3", 1), LEVEL, Sampling(max_steps=2))])
    writer.daemon = True
    writer.start()
    writer.join(timeout=60)
    assert not writer.is_alive()
    assert len(LabelStore(tmp_path / "labels.db")) == len(store) > 0


def test_a_start_samples_walls_and_torn_bonds_as_well_as_the_minimum():
    labelled = sample_start(Start("SeB8", 3), LEVEL, Sampling(max_steps=150))
    origins = {item.origin for item in labelled}
    assert {"path", "minimum", "rattled", "pulled"} <= origins
    minimum = next(item for item in labelled if item.origin == "minimum")
    assert np.linalg.norm(minimum.label.forces, axis=1).max() < 0.08
    assert all(item.label.energy > minimum.label.energy - 1e-6 for item in labelled if item.origin != "path")
    for item in labelled:
        distance = item.atoms.get_all_distances() / bond_lengths(item.atoms.numbers) + 9 * np.eye(9)
        assert distance.min() > 0.62


def test_walls_are_compressed_and_pressed_copies_of_relaxed_and_raw_starts():
    relaxed, raw = (sample_walls(Start("SeB7", k), LEVEL, LEVEL) for k in (4, 5))
    assert {item.origin for item in relaxed} <= {"compressed", "pressed"}
    assert {item.origin for item in raw} <= {"raw", "compressed", "pressed"}
    assert len(relaxed) >= 2
    assert len(raw) >= 3
    shortest = []
    for item in (*relaxed, *raw):
        distance = item.atoms.get_all_distances() / bond_lengths(item.atoms.numbers) + 9 * np.eye(8)
        shortest.append(distance.min())
        assert distance.min() > 0.62
    assert np.median(shortest) < 0.85
    with pytest.raises(LabelFailed, match="no walls"):
        sample_walls(Start("SeB", 0), LEVEL, LEVEL)


def test_a_wall_job_goes_on_where_it_was(tmp_path):
    request = LabelRequest(("B4", "SeB3"), tmp_path / "walls.db", level="gfn1", n_labels=6, walls=True)
    assert run_labels(request).total >= 6
    first = [item.label.energy for item in LabelStore(request.out).read()]
    assert run_labels(replace(request, n_labels=len(first) + 1)).total > len(first)
    assert [item.label.energy for item in LabelStore(request.out).read()][: len(first)] == first
    with pytest.raises(ValueError, match="they need no steps"):
        LabelRequest(("B4",), walls=True, steps=2)
    with pytest.raises(ValueError, match="three atoms or more"):
        LabelRequest(("B4", "SeB"), walls=True)


def test_the_same_start_gives_the_same_labels_and_others_differ():
    once, again, other = (sample_start(Start("B5", k, seed=4), LEVEL) for k in (1, 1, 2))
    assert [item.label.energy for item in once] == [item.label.energy for item in again]
    assert once[0].label.energy != other[0].label.energy


def test_dimers_are_scanned_from_the_wall_to_apart():
    curve = sample_start(Start("SeB", 0), LEVEL)
    distances = [item.atoms.get_distance(0, 1) for item in curve]
    assert min(distances) < 1.7 < 2.4 < max(distances)
    assert curve[0].label.forces[1, 0] > 5 > -0.5 > min(item.label.forces[1, 0] for item in curve)
    with pytest.raises(LabelFailed, match="single atom"):
        sample_start(Start("B", 0), LEVEL)


def test_plan_covers_every_size():
    plan = boron_plan()
    assert {f"SeB{n}" for n in range(3, 25)} | {f"B{n}" for n in range(3, 25)} <= set(plan)
    names = [start.name for start in islice(plan_starts({"B3": 2, "SeB3": 1}), 7)]
    assert len(set(names)) == 7
    assert names[:3] == ["B3-0-000000", "B3-0-000001", "SeB3-0-000000"]
    with pytest.raises(ValueError, match="at least one formula"):
        next(plan_starts({}))


def test_failures_are_noted_and_not_tried_again(tmp_path):
    class Failing(XTBLevel):
        def label(self, atoms):
            raise LabelFailed("no")

    store = LabelStore(tmp_path / "labels.db", "never")
    starts = [Start("B3", k) for k in range(3)]
    with ThreadPoolExecutor(1) as pool:
        assert run_starts(store, starts, Failing(), n_labels=10, executor=pool, workers=1) == 0
    assert LabelStore(tmp_path / "labels.db").finished_starts() == {start.name for start in starts}


def test_what_was_done_is_stored_when_a_worker_is_lost(tmp_path):
    class Losing(Executor):
        def submit(self, function, *arguments):
            future = Future()
            if any(word in str(arguments) for word in ("dimer-0", "index=0")):
                future.set_exception(BrokenProcessPool("a worker was lost"))
            else:
                future.set_result(function(*arguments))
            return future

    stores = [LabelStore(tmp_path / f"{name}.db", LEVEL.name) for name in ("given", "starts")]
    structures = [(f"dimer-{k}", Atoms("B2", [[0, 0, 0], [0, 0, 1.5 + 0.1 * k]])) for k in range(2)]
    with pytest.raises(JobFailed, match="same command goes on"):
        run_structures(stores[0], structures, LEVEL, origin="given", executor=Losing())
    with pytest.raises(JobFailed, match="same command goes on"):
        run_starts(stores[1], [Start("B3", k) for k in range(2)], LEVEL, n_labels=9, executor=Losing(), workers=1)
    assert stores[0].finished_starts() == {"dimer-1"}
    assert stores[1].finished_starts() == {Start("B3", 1).name}


class Waiting(Executor):
    """Everything handed over ends at one moment, when it is looked at."""

    def submit(self, function, *arguments):
        future = Future()
        future.set_result(function(*arguments))
        return future


def test_what_ended_together_is_stored_in_the_order_given(tmp_path):
    store = LabelStore(tmp_path / "labels.db", LEVEL.name)
    structures = [(f"dimer-{k:02d}", Atoms("B2", [[0, 0, 0], [0, 0, 1.5 + 0.01 * k]])) for k in range(24)]
    run_structures(store, structures, LEVEL, origin="given", executor=Waiting())
    assert [item.start for item in store.read()] == [name for name, _ in structures]


def test_a_stop_after_the_last_label_stores_no_more_than_an_undisturbed_job(tmp_path):
    class Stopped(KeyboardInterrupt):
        pass

    def interrupted():
        raise Stopped

    def job(name, storing=nullcontext):
        store, starts = LabelStore(tmp_path / name, LEVEL.name), [Start("B3", k) for k in range(4)]
        run_starts(store, starts, LEVEL, n_labels=1, executor=Waiting(), workers=2, storing=storing)

    job("whole.db")
    calls = iter([interrupted, nullcontext])  # before the first is stored; then what is there is put away
    with pytest.raises(Stopped):
        job("stopped.db", lambda: next(calls)())
    job("stopped.db")
    stopped, whole = ([item.start for item in LabelStore(tmp_path / f"{n}.db").read()] for n in ("stopped", "whole"))
    assert stopped == whole
    assert set(whole) == {Start("B3", 0).name}


def test_given_structures_are_labelled_once(tmp_path):
    store = LabelStore(tmp_path / "labels.db", LEVEL.name)
    structures = [(f"dimer-{k}", Atoms("B2", [[0, 0, 0], [0, 0, 1.5 + 0.1 * k]])) for k in range(3)]
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            assert run_structures(store, structures, LEVEL, origin="given", executor=pool) == 3
    assert store.element_energies["B"] == pytest.approx(LEVEL.element_energy("B"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"level": "ccsd"}, "choose gfn1, gfn2 or dft"),
        ({"formulas": ("SeBx",)}, "unknown elements Bx"),
        ({"n_labels": 0}, "at least 1"),
        ({"minima_of": "seb"}, "which formulas"),
        ({"rattle": 0.1}, "goes with the minima of a model"),
    ],
)
def test_nonsense_requests(values, message):
    with pytest.raises(ValueError, match=message):
        LabelRequest(**values)


@pytest.mark.slow
def test_a_killed_job_goes_on_where_it_was(tmp_path):
    script = (
        "from pathlib import Path; from iia_calc.labels.request import LabelRequest; import sys\n"
        "from iia_calc.labels.run import run_labels\n"
        "run_labels(LabelRequest(('SeB4', 'B5'), Path(sys.argv[1]), n_labels=int(sys.argv[2]), seed=5))"
    )

    def job(path, n):
        return [sys.executable, "-c", script, str(path), str(n)]

    killed, whole = tmp_path / "killed.db", tmp_path / "whole.db"
    process = subprocess.Popen(job(killed, 100_000), start_new_session=True, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (killed.exists() and _count(killed) > 40):
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    before = _count(killed)
    assert before > 40
    subprocess.run(job(killed, before + 60), check=True, stdout=subprocess.DEVNULL)
    subprocess.run(job(whole, before + 60), check=True, stdout=subprocess.DEVNULL)
    rows = [_rows(path) for path in (killed, whole)]
    assert rows[0] == rows[1]
    assert len(rows[0]) == len(set(rows[0])) >= before + 60


def test_workers_end_with_their_job(tmp_path):
    script = (
        "import sys, time; from iia_calc.common.pools import process_pool\n"
        "with process_pool(1) as pool:\n"
        "    import os; print(pool.submit(os.getpid).result(), flush=True)\n"
        "    pool.submit(time.sleep, 600).result()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as job:
        assert job.stdout is not None
        worker = int(job.stdout.readline())
        assert _is_running(worker)
        job.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and _is_running(worker):
        time.sleep(0.2)
    assert not _is_running(worker)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # one that has ended and that nobody has asked about yet (there may be no init to do it)
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def _count(path) -> int:
    try:
        return connect(path).count()
    except Exception:  # being created
        return 0


def _rows(path) -> list[tuple]:
    return sorted((item.start, item.origin, round(item.label.energy, 6)) for item in LabelStore(path).read())


def test_the_lowest_minima_of_a_model(tmp_path):
    from fitted import model

    everything = model_minima(str(model()), ("SeB4", "B5"), 24, seed=3)
    chosen = model_minima(str(model()), ("SeB4", "B5"), 24, seed=3, lowest=2)
    assert 20 <= len(everything) <= 24
    assert len({name for name, _ in everything}) == len(everything)
    formulas = [atoms.get_chemical_formula() for _, atoms in chosen]
    assert 2 <= len(chosen) <= 4
    assert set(formulas) == {"B4Se", "B5"}
    assert {name for name, _ in chosen} < {name for name, _ in everything}


def test_an_empty_file_is_no_database_to_read_and_a_place_for_a_new_one(tmp_path):
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(ValueError, match="is empty"):
        LabelStore(path)
    assert path.exists()
    assert LabelStore(path, LEVEL.name).level == level_in(path)


def level_in(path) -> str:
    return connect(path).metadata["level"]


def test_a_job_all_of_whose_starts_fail_ends(tmp_path):
    @dataclass(frozen=True)
    class Hopeless:
        charge: int = 0
        multiplicity: int | None = None
        name: str = "hopeless"

        def label(self, atoms):
            raise LabelFailed("no hope")

        def element_energy(self, symbol):
            return 0.0

    store = LabelStore(tmp_path / "none.db", "hopeless")
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(JobFailed, match=r"50 random starts in a row failed.*no hope"),
    ):
        run_starts(store, plan_starts({"B3": 1}), Hopeless(), n_labels=4, executor=executor, workers=1)
    assert len(store.failures()) >= 50


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"formulas": ("B3-",), "multiplicity": 2}, "multiplicity 2 is impossible for B3 .*it must be odd, 1 to 17"),
        ({"formulas": ("B4", "B3"), "multiplicity": 1}, "impossible for B3"),
        ({"multiplicity": 2}, "multiplicity 2 is impossible"),
        ({"formulas": ("B3",), "multiplicity": 40}, "even, 2 to 16"),
        ({"formulas": ("B3",), "charge": 15}, "leaves B3 without electrons"),
    ],
)
def test_electrons_that_formulas_cannot_have_are_refused_before_anything(asked, says):
    with pytest.raises(InputError, match=says):
        LabelRequest(**asked)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"functional": "PBE"}, "functional: of DFT; add --level dft, not gfn1"),
        ({"level": "gfn2", "basis": "def2-SVP", "functional": "PBE"}, "basis and functional: of DFT"),
        ({"level": "dft", "temperature": 300.0}, "temperature: the electronic one of xTB"),
        ({"level": "mine:Level", "temperature": 300.0}, "mine:Level has none"),
        ({"structures": Path("a.xyz"), "n_labels": 5}, "leave it out"),
        ({"seed": -1}, "seed is -1"),
        ({"n_labels": 0}, "number of labels is 0"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(asked, says):
    with pytest.raises(InputError, match=says):
        LabelRequest(**asked)


def test_an_electronic_temperature_below_zero_is_refused():
    for temperature in (-5.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="from 0 to 20000 K"):
            LabelRequest(("B3",), temperature=temperature).level_of_theory()
