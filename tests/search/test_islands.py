"""Islands: the same for any workers, nothing lost and nothing twice, what is passed on, and whatever dies meanwhile."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest

from search import Archive, BasinHopping, BeeColony, Composition, LennardJones
from search.archive.encoding import pack, unpack
from search.archive.minimum import sound
from search.geometry.fingerprint import Sameness, same
from search.geometry.scale import LengthScale
from search.geometry.seeds import KINDS
from search.islands.run import Island, default_islands, find_minima_on_islands
from search.islands.task import WorkerMismatch, pack_results, run_epoch, unpack_results
from search.relaxers.base import Relaxed
from search.searchers.exchange import LOWEST, note_bests, welcome

FORMULA, ISLANDS, QUENCHES, EPOCH = "Ar12", 3, 96, 8


def search(executor, **more):
    values = {"quenches": QUENCHES, "seed": 4, "epoch": EPOCH, "executor": executor, **more}
    make = values.pop("make_relaxer", LennardJones)
    return find_minima_on_islands(values.pop("formula", FORMULA), make, values.pop("islands", ISLANDS), **values)


def summary(result):
    return [
        (a.get_potential_energy(), a.info["times_found"], a.info["first_quench"], a.positions.tolist())
        for a in result.minima
    ]


def own(islands):
    """What each island did, without how long it took."""
    return [{key: value for key, value in one.items() if not key.startswith("seconds")} for one in islands]


@pytest.fixture(scope="module")
def straight():
    """Undisturbed, one epoch after another."""
    with ThreadPoolExecutor(1) as executor:
        return search(executor)


class Dawdling(ThreadPoolExecutor):
    """Finishes in an order of its own, and keeps what it was given and gave."""

    def __init__(self, workers, seed):
        super().__init__(workers)
        self.rng, self.lock = np.random.default_rng(seed), threading.Lock()
        self.results, self.running, self.most = [], 0, 0

    def submit(self, fn, /, *args):
        return super().submit(self._slowly, float(self.rng.uniform(0.0, 0.15)), fn, *args)

    def _slowly(self, seconds, fn, epoch):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        began = time.perf_counter()
        result = fn(epoch)
        time.sleep(seconds * max(1.0, (time.perf_counter() - began) / 0.05))  # a loaded machine dawdles longer
        with self.lock:
            self.running -= 1
            self.results.append(result)
        return result


@pytest.mark.parametrize("seed", [0, 1])
def test_the_workers_change_nothing(straight, seed):
    with Dawdling(3, seed) as executor:
        result = search(executor)
    assert executor.most > 1
    order = [(one["number"], one["island"]) for one in executor.results]
    assert order != sorted(order)  # they did arrive out of order
    assert summary(result) == summary(straight)
    assert own(result.islands) == own(straight.islands)
    assert result.convergence == straight.convergence
    assert (result.n_quenches, result.n_evaluations) == (QUENCHES, straight.n_evaluations)
    with ThreadPoolExecutor(1) as executor:
        assert summary(search(executor, seed=5)) != summary(straight)


def test_every_minimum_is_merged_once():
    with Dawdling(2, 0) as executor, Archive(None, FORMULA, bond_length=LennardJones().bond_length) as reference:
        result = search(executor)
    numbers = Composition.parse(FORMULA).numbers
    quenches = [r for one in executor.results for r in unpack_results(one["results"], numbers)]
    assert len(quenches) == QUENCHES
    found = [relaxed for relaxed in quenches if sound(relaxed)]
    assert sum(a.info["times_found"] for a in result.minima) == len(found)
    for relaxed in found:
        reference.add(relaxed, 1)
    energies = [a.get_potential_energy() for a in result.minima]
    assert energies == pytest.approx([m.energy for m in reference], abs=1e-6)
    for relaxed in found:
        assert np.abs(np.array(energies) - relaxed.energy).min() < Sameness().energy_tolerance
    minima = list(reference)
    scale = reference.scale.bond
    for k, one in enumerate(minima):
        for other in minima[k + 1 :]:
            if other.energy - one.energy < reference.sameness.energy_tolerance:  # farther apart they are two minima
                assert not same(one.fingerprint, other.fingerprint, scale, reference.sameness)


def test_results_survive_packing():
    numbers = np.array([18, 18])
    atoms = LengthScale.of(Composition.parse("Ar2")).atoms(np.random.default_rng(0).normal(size=(2, 3)))
    results = [
        Relaxed(
            atoms,
            np.float64(-1.25),
            0.001,
            np.bool_(True),
            3,
            4,
            energy_std=np.float32(0.5),
            known_region=np.bool_(False),
        ),
        Relaxed(atoms, float("nan"), float("nan"), False, 0, 1, reason="failed: x"),
    ]
    back = unpack_results(pack_results(results), numbers)
    for before, after in zip(results, back, strict=True):
        assert (after.atoms.positions == before.atoms.positions).all()
        assert repr(float(after.energy)) == repr(float(before.energy))
        assert (after.converged, after.reason, after.energy_std) == (before.converged, before.reason, before.energy_std)
    assert [after.known_region for after in back] == [False, None]


def shape_by_size(atoms):
    return KINDS[int(np.ptp(atoms.positions[:, 0]) * 7) % len(KINDS)]


def begun(kind, shape=None):
    """A searcher that has told one batch, and its bests."""
    searcher = kind(LengthScale.of(Composition.parse("Ar9"), LennardJones()), seed=1, shape=shape)
    results = LennardJones().relax(searcher.ask(searcher.batch_size))
    searcher.tell(results)
    bests = {}
    note_bests(bests, results, shape)
    return searcher, bests, results


def test_bests_are_those_of_each_shape():
    _, bests, results = begun(BasinHopping, shape_by_size)
    for kind, best in bests.items():
        mine = [r for r in results if sound(r) and kind in (LOWEST, shape_by_size(r.atoms))]
        lowest = min(mine, key=lambda r: r.energy)
        assert best["energy"] == lowest.energy
        assert (unpack(best["positions"], -1, 3) == lowest.atoms.positions).all()
    assert len(bests) > 2


@pytest.mark.parametrize("kind", [BasinHopping, BeeColony])
def test_a_guest_takes_the_place_of_the_highest_once(kind):
    searcher, bests, _ = begun(kind)
    walks = searcher.walks
    begun_ones = [k for k, walk in enumerate(walks) if walk.positions is not None]
    highest = max(begun_ones, key=lambda k: walks[k].energy)
    others = [walk.energy for k, walk in enumerate(walks) if k != highest]
    positions = np.random.default_rng(0).normal(size=(9, 3))
    times = searcher.lowest.times
    guests = {LOWEST: {"energy": bests[LOWEST]["energy"] - 1.0, "positions": pack(positions)}}
    assert welcome(searcher, bests, guests) == 1
    assert (walks[highest].positions == positions).all()
    assert [walk.energy for k, walk in enumerate(walks) if k != highest] == others
    assert bests[LOWEST] == guests[LOWEST]
    # It was found elsewhere: from no start of this island.
    assert times > 0
    assert (searcher.lowest.times, searcher.lowest.reached) == (0, [highest])
    assert welcome(searcher, bests, guests) == 0
    worse = {LOWEST: {"energy": bests[LOWEST]["energy"] + 0.5, "positions": pack(positions)}}
    assert welcome(searcher, bests, worse) == 0
    kind.from_state(searcher.state(), searcher.scale).ask(4)


@pytest.mark.parametrize("kind", [BasinHopping, BeeColony])
def test_the_best_of_a_shape_goes_where_that_shape_is_kept(kind):
    searcher, bests, _ = begun(kind, shape_by_size)
    walks = searcher.walks
    energy = min(walk.energy for walk in walks) - 1.0
    guests = {"tubular": {"energy": energy, "positions": pack(np.zeros((9, 3)))}}
    assert welcome(searcher, bests, guests) == 1
    (k,) = [k for k, walk in enumerate(walks) if walk.energy == energy]
    assert searcher.niche(k) == "tubular"
    assert walks[k].home


def test_minima_are_passed_on():
    slow = Island(settings={"walkers": 2, "temperature": 0.0, "moves": {"rattle": 1.0}})
    with Dawdling(1, 0) as executor:
        result = search(executor, formula="Ar31", islands=[Island(), slow], quenches=96)
    assert sum(one["guests"] for one in result.islands) > 0
    table = {(one["island"], one["number"]): one["bests"][LOWEST]["energy"] for one in executor.results}
    for (k, number), lowest in table.items():
        if number > 2:
            assert lowest <= table[1 - k, number - 2] + 1e-3  # at least as low as what it was given
    with Dawdling(1, 0) as executor:
        alone = search(executor, islands=1, quenches=32)
    assert alone.islands[0]["guests"] == 0


def test_one_without_steps_counts_everything_too():
    with Dawdling(3, 0) as executor:
        result = search(executor, in_step=False)
    assert result.n_quenches == QUENCHES
    assert sum(a.info["times_found"] for a in result.minima) == result.convergence.n_quenches


def test_stop_rules(tmp_path):
    with ThreadPoolExecutor(2) as executor:
        target = search(executor, formula="Ar13", quenches=3000, target_energy=-44.326801)
        assert target.stopped_by == "target"
        assert target.minima[0].info["first_quench"] == target.first_hit
        found = search(executor, formula="Ar7", quenches=3000, until_found=4)
        assert found.stopped_by == "found"
        assert found.convergence.lowest_found >= 4
        seen = []
        timed = search(
            executor, formula="Ar13", quenches=None, time_limit=0.5, archive=tmp_path, workers=2, callback=seen.append
        )
        assert timed.stopped_by == "time"
        assert timed.n_quenches > 0
        assert seen[-1].n_quenches == timed.n_quenches
        assert (seen[-1].n_islands, seen[-1].n_workers) == (ISLANDS, 2)
        more = search(executor, formula="Ar13", quenches=timed.n_quenches + 60, archive=tmp_path)
    assert more.n_quenches == timed.n_quenches + 60
    assert sum(a.info["times_found"] for a in more.minima) == more.convergence.n_quenches


def test_going_on_from_any_epoch_is_undisturbed(tmp_path, straight):
    """Interrupted after each arrival in turn, with epochs waiting for their turn in between."""

    class Stop(Exception):
        pass

    def stop(progress):
        waited.append(progress.n_waiting)
        if len(waited) % 3 == 0:
            raise Stop

    waited, ended = [], None
    for turn in range(60):
        try:
            with Dawdling(3, turn) as executor:
                ended = search(executor, archive=tmp_path, callback=stop)
            break
        except Stop:
            continue
    assert turn > 2
    assert max(waited) > 0
    assert summary(ended) == summary(straight)
    assert own(ended.islands) == own(straight.islands)


RUN = """
    import sys
    from search import LennardJones
    from search.islands.run import find_minima_on_islands
    if __name__ == "__main__":
        def show(progress):
            if progress.n_quenches:
                print(progress.n_quenches, flush=True)
        find_minima_on_islands("Ar12", LennardJones, 3, quenches=96, seed=4, epoch=8,  archive=sys.argv[1], workers=2,
                               callback=show)
        print("end", flush=True)
"""


@pytest.mark.slow
def test_killed_it_ends_as_if_undisturbed(tmp_path, straight):
    (tmp_path / "run.py").write_text(textwrap.dedent(RUN))
    command = [sys.executable, tmp_path / "run.py", tmp_path / "out"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        reported = int(process.stdout.readline())
        process.kill()
        assert process.wait() == -signal.SIGKILL
    with Archive(tmp_path / "out") as archive:
        assert archive.state["tally"]["n_quenches"] >= reported
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    assert ended.stdout.split()[-2:] == [str(QUENCHES), "end"]
    with ThreadPoolExecutor(1) as executor:
        assert summary(search(executor, archive=tmp_path / "out")) == summary(straight)


class Dying(LennardJones):
    """Kills its process at the fifth batch, as long as it may."""

    def __init__(self, flag, forever=False):
        super().__init__()
        self.flag, self.forever, self.calls = flag, forever, 0

    def relax(self, structures):
        self.calls += 1
        if self.calls == 5 and (self.forever or not self.flag.exists()):
            self.flag.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().relax(structures)


@pytest.mark.slow
def test_a_process_that_dies_is_replaced(tmp_path, straight):
    seen = []
    result = search(
        None, workers=2, make_relaxer=partial(Dying, tmp_path / "died"), archive=tmp_path / "a", callback=seen.append
    )
    assert (tmp_path / "died").exists()
    assert max(progress.retries for progress in seen) > 0
    assert not any(one["given_up"] for one in result.islands)
    assert summary(result) == summary(straight)


class Sick(ThreadPoolExecutor):
    """Has no luck with some islands."""

    def __init__(self, error, islands):
        super().__init__(1)
        self.error, self.islands, self.tries = error, islands, []

    def submit(self, fn, /, epoch):
        self.tries.append((epoch.island, epoch.attempt))
        return super().submit(self._fail if epoch.island in self.islands else fn, epoch)

    def _fail(self, epoch):
        raise self.error


def test_an_island_that_fails_again_and_again_is_given_up(tmp_path):
    with Sick(OSError("disk is full"), {1}) as executor:
        result = search(executor, archive=tmp_path)
    assert [attempt for island, attempt in executor.tries if island == 1] == [0, 1, 2]
    assert "failed 3 times; the last: OSError: disk is full" in result.islands[1]["given_up"]
    assert [one["quenches"] for one in result.islands] == [32, 0, 32]
    assert result.n_quenches == 64
    with ThreadPoolExecutor(1) as executor:  # where it works, the same call makes up for it
        assert search(executor, archive=tmp_path).n_quenches == QUENCHES
    with Sick(OSError("disk is full"), {0, 1, 2}) as executor, pytest.raises(RuntimeError, match="every island was"):
        search(executor)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ImportError("no module named torch"), WorkerMismatch, "install the same version"),
        (WorkerMismatch("another model"), WorkerMismatch, "another model"),
    ],
)
def test_a_wrong_worker_ends_it_at_once(error, kind, message):
    with Sick(error, {0}) as executor, pytest.raises(kind, match=message):
        search(executor)
    assert len(executor.tries) <= ISLANDS


class Changing(LennardJones):
    made = 0

    def __init__(self):
        type(self).made += 1
        super().__init__(fmax=1e-3 if self.made == 1 else 1e-2)


def test_another_relaxer_on_the_worker_is_noticed():
    with (
        ThreadPoolExecutor(1) as executor,
        pytest.raises(WorkerMismatch, match=r"fmax=0.01.*the search is for .*0.001"),
    ):
        search(executor, make_relaxer=Changing)


def test_the_relaxer_is_made_once_in_each_worker():
    made = []

    def make():
        made.append(threading.get_ident())
        return LennardJones()

    with ThreadPoolExecutor(2) as executor:
        search(executor, make_relaxer=make, quenches=48)
    assert len(made) == 1 + len(set(made[1:])) <= 3  # one here, which says what it is


def test_two_searches_in_one_folder_are_refused(tmp_path):
    def again(progress):
        with pytest.raises(BlockingIOError, match=f"process {os.getpid()}"), ThreadPoolExecutor(1) as second:
            search(second, archive=tmp_path)

    with ThreadPoolExecutor(1) as executor:
        search(executor, archive=tmp_path, quenches=16, callback=again)
        before = (tmp_path / "archive.db").read_bytes()
        for change in ({"islands": 4}, {"seed": 1}, {"epoch": 9}, {"make_relaxer": partial(LennardJones, fmax=1e-2)}):
            with pytest.raises(ValueError, match="belongs to another search"):
                search(executor, archive=tmp_path, **change)
    assert (tmp_path / "archive.db").read_bytes() == before


def test_islands_differ():
    islands = default_islands(4)
    assert [island.method for island in islands] == ["basin-hopping"] * 3 + ["bee-colony"]
    assert len({repr(island) for island in islands}) == 4
    assert {island.method for island in default_islands(5, "bee-colony")} == {"bee-colony"}
    with ThreadPoolExecutor(1) as executor:
        result = search(executor, islands=[Island(), Island()], quenches=32)
    assert result.islands[0]["seed"] != result.islands[1]["seed"]
    assert result.islands[0]["lowest_energy"] != result.islands[1]["lowest_energy"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"islands": 0}, ValueError, "islands is 0"),
        ({"islands": []}, ValueError, "islands is empty"),
        ({"islands": [Island("annealing")]}, ValueError, "choose one of basin-hopping, bee-colony"),
        ({"islands": [Island(settings={"step": 1})]}, ValueError, "BasinHoppingSettings has no step"),
        ({"quenches": None}, ValueError, "nothing says when to stop"),
        ({"epoch": 0}, ValueError, "epoch is 0"),
        ({"workers": 0}, ValueError, "workers is 0"),
        ({"make_relaxer": LennardJones()}, TypeError, "make_relaxer is a LennardJones; give a function"),
        ({"make_relaxer": lambda: LennardJones()}, TypeError, "cannot be sent to another process"),
    ],
)
def test_bad_input(tmp_path, change, error, message):
    with pytest.raises(error, match=message):
        search(None, archive=tmp_path / "a", **{"workers": 1, **change})
    assert not (tmp_path / "a").exists()


def test_an_epoch_done_again_is_the_same():
    epochs = []

    class Keeping(ThreadPoolExecutor):
        def submit(self, fn, /, epoch):
            epochs.append(epoch)
            return super().submit(fn, epoch)

    with Keeping(1) as executor:
        search(executor)
    for epoch in epochs[-2:]:
        one, two = run_epoch(epoch), run_epoch(epoch)
        assert (one["results"], one["state"], one["bests"]) == (two["results"], two["state"], two["bests"])
