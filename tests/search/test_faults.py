"""What goes wrong around a search: dying devices, odd calculators and numbers, signals, scripts without a guard."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones as ASELennardJones

from search import Archive, ASERelaxer, BasinHoppingSettings, LennardJones, Relaxed, find_minima, find_minima_on_islands
from search.errors import JobFailed, whole
from search.relaxers.identity import calculator_signature, describe
from search.stopping import Interrupts


def summary(result):
    return [(a.get_potential_energy(), a.info["times_found"], a.positions.tolist()) for a in result.minima]


class Dying(LennardJones):
    """The device is lost after so many structures, for good."""

    def __init__(self, alive):
        super().__init__()
        self.alive = alive

    def relax(self, structures):
        if self.alive <= 0:
            raise OSError("the device is lost")
        self.alive -= len(structures)
        return super().relax(structures)


@pytest.mark.parametrize("every", [-1.0, 1e9])
@pytest.mark.parametrize("method", ["basin-hopping", "bee-colony"])
def test_a_relaxer_that_dies_ends_the_search_and_costs_nothing(tmp_path, monkeypatch, method, every):
    """It stops, what was found is kept, and the same call on a device that works ends as if nothing had happened."""
    monkeypatch.setattr("search.run.STORED_EVERY", every)
    limits = {"quenches": 320, "seed": 1, "batch_size": 8, "method": method}
    dying = Dying(80)
    with pytest.raises(JobFailed, match=r"each of the last 56 structures; the last: failed: OSError: the device is"):
        find_minima("Ar9", dying, archive=tmp_path, **limits)
    with Archive(tmp_path) as archive:
        kept = [m.energy for m in archive]
        assert archive.state["tally"]["n_quenches"] == 80
        assert archive.state["tally"]["n_failed"] == 0
    assert kept == [m[0] for m in summary(find_minima("Ar9", LennardJones(), **{**limits, "quenches": 80}))]
    ended = find_minima("Ar9", LennardJones(), archive=tmp_path, **limits)
    assert summary(ended) == summary(find_minima("Ar9", LennardJones(), **limits))


def test_some_failures_end_nothing():
    class Shaky(LennardJones):
        """Fails for the first 40 of every 48."""

        done = 0

        def relax(self, structures):
            results = super().relax(structures)
            for k in range(len(results)):
                self.done += 1
                if self.done > 8 and self.done % 48 < 40:
                    nan = float("nan")
                    results[k] = Relaxed(structures[k], nan, nan, False, 0, 1, reason="failed: now and then")
            return results

    result = find_minima("Ar7", Shaky(), quenches=240, batch_size=8)
    assert result.n_quenches == 240
    assert result.n_failed > 150


def test_an_island_whose_relaxer_dies_is_given_up_and_made_up_for(tmp_path):
    limits = {"quenches": 96, "seed": 4, "epoch": 16}
    made = []

    def make():
        made.append(Dying(10**9 if len(made) != 1 else 32))
        return made[-1]

    with ThreadPoolExecutor(1) as executor:  # the worker's first relaxer dies; the one made after it lives
        result = find_minima_on_islands("Ar9", make, 2, executor=executor, archive=tmp_path / "a", **limits)
        straight = find_minima_on_islands("Ar9", LennardJones, 2, executor=executor, **limits)
        assert len(made) == 3
        assert summary(result) == summary(straight)
        dead = pytest.raises(JobFailed, match=r"every island was given up.*failed for each of 16 structures")
        with dead:
            find_minima_on_islands("Ar9", lambda: Dying(0), 2, executor=executor, archive=tmp_path / "b", **limits)


class Odd(Calculator):
    """Gives its results in odd shapes."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, shape_energy, shape_forces=lambda forces: forces):
        super().__init__()
        self.inner, self.shapes = ASELennardJones(rc=1e4), (shape_energy, shape_forces)

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        inner = atoms.copy()
        inner.calc = self.inner
        energy, forces = self.shapes
        self.results = {"energy": energy(inner.get_potential_energy()), "forces": forces(inner.get_forces())}


def odd(*shapes):
    return ASERelaxer(Odd(*shapes), bond_length=LennardJones().bond_length, signature="odd")


@pytest.mark.parametrize(
    "shapes",
    [(lambda e: np.array([e]),), (lambda e: np.array([[e]]),), (np.float32, lambda f: f.ravel()), (np.array,)],
)
def test_energies_as_arrays_of_one_are_numbers(shapes):
    result = find_minima("Ar4", odd(*shapes), quenches=8)
    assert result.n_failed == 0
    assert result.best_energy == pytest.approx(-6.0, abs=1e-3)


def test_energies_of_other_shapes_are_said():
    with pytest.raises(JobFailed, match=r"the calculator gives an energy of shape \[2\], not one number"):
        find_minima("Ar4", odd(lambda e: np.array([e, e])), quenches=16)
    with pytest.raises(JobFailed, match=r"the calculator gives forces of shape \[3\] for 4 atoms"):
        find_minima("Ar4", odd(float, lambda f: f[0]), quenches=16)


def test_numpy_numbers_are_numbers(tmp_path):
    plain = {"seed": 3, "quenches": 32, "batch_size": 8, "settings": {"walkers": 4, "temperature": 0.5}}
    straight = find_minima("Ar7", LennardJones(), archive=tmp_path / "a", **plain)
    settings = BasinHoppingSettings(walkers=np.int64(4), temperature=np.float64(0.5))
    for kind in (np.int64, np.uint8):
        numbers = {"seed": kind(3), "quenches": kind(32), "batch_size": kind(8), "settings": settings}
        for archive in (tmp_path / kind.__name__, tmp_path / "a"):  # "a": the same search, which goes on
            result = find_minima("Ar7", LennardJones(), archive=archive, **numbers)
            assert summary(result) == summary(straight)
            assert json.dumps(result.seed) == "3"
    with ThreadPoolExecutor(1) as executor:
        limits = {"executor": executor, "quenches": np.int64(32), "seed": np.int64(3), "epoch": np.int32(8)}
        found = find_minima_on_islands("Ar7", LennardJones, np.int64(2), archive=tmp_path / "i", **limits)
        assert found.n_quenches == 32
        target = found.minima[0].get_potential_energy()
    hit = find_minima("Ar7", LennardJones(), target_energy=np.float32(target + 1e-3), archive=tmp_path / "t", seed=1)
    assert hit.stopped_by == "target"


@pytest.mark.parametrize("value", [2.0, "3", None, True, np.bool_(True), -1, np.array([1, 2])])
def test_what_is_no_whole_number(value):
    with pytest.raises(ValueError, match="it must be a whole number of at least 0"):
        whole("seed", value, least=0)


class Spring(Calculator):
    """Has a constant that ASE's parameters don't know of."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012

    def __init__(self, stiffness, table=None):
        super().__init__()
        self.stiffness, self.table, self.calls = stiffness, table, 0

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        positions = atoms.positions
        self.results = {"energy": 0.5 * self.stiffness * (positions**2).sum(), "forces": -self.stiffness * positions}


class Network:
    def __init__(self, *weights):
        self.weights = weights

    def state_dict(self):
        return {f"layer {k}": np.array(values) for k, values in enumerate(self.weights)}


class Learned(Spring):
    """Keeps networks, under names that the constructor doesn't have."""

    def __init__(self, *networks):
        super().__init__(1.0)
        self.members = list(networks)


class Named(Spring):
    def __init__(self, weights):
        super().__init__(1.0)
        self.signature = f"weights {weights}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (EMT(), EMT(asap_cutoff=True)),
        (ASELennardJones(epsilon=1.0), ASELennardJones(epsilon=1.1)),
        (Spring(1.0), Spring(1.5)),
        (Spring(1.0, np.arange(4.0)), Spring(1.0, np.arange(4.0)[::-1])),
        (Learned(Network([1.0, 2.0])), Learned(Network([1.0, 2.5]))),
        (Learned(Network([1.0, 2.0]), Network([3.0])), Learned(Network([1.0, 2.0]), Network([4.0]))),
        (Named("a"), Named("b")),
        (Spring(1.0), Named("a")),
    ],
)
def test_two_surfaces_are_told_apart(one, other):
    assert calculator_signature(one) != calculator_signature(other)
    assert ASERelaxer(one).signature != ASERelaxer(one, fmax=0.03).signature


@pytest.mark.parametrize(
    "make",
    [
        EMT,
        lambda: ASELennardJones(epsilon=1.0, sigma=np.float64(2.0)),
        lambda: Spring(1.0, {"b": np.arange(3), "a": {4, 3}}),
        lambda: Spring(1.0, object()),
        lambda: Spring(1.0, Spring),
        lambda: Learned(Network([1.0, 2.0]), Network([3.0])),
        lambda: Named("a"),
    ],
)
def test_the_same_surface_is_recognised(make):
    used, fresh = make(), make()
    before = calculator_signature(used)
    find_minima("Cu2", ASERelaxer(used, max_steps=3), quenches=2)
    assert calculator_signature(used) == calculator_signature(fresh) == before
    assert "0x" not in before


def test_a_description_says_what_is_in_it():
    assert describe(np.float64(2.0)) == "2.0"
    assert describe({"b": 1, "a": [True, None]}) == "{'a': [True, None], 'b': 1}"
    assert describe(np.zeros(2)) != describe(np.zeros(2, dtype=int))
    assert describe(ASELennardJones) == "ase.calculators.lj.LennardJones"


def test_an_archive_of_another_surface_is_refused_and_of_the_same_gone_on_with(tmp_path):
    find_minima("Cu3", Spring(1.0), quenches=8, archive=tmp_path)
    assert find_minima("Cu3", Spring(1.0), quenches=16, archive=tmp_path).n_quenches == 16
    with pytest.raises(ValueError, match=r"relaxer was .*stiffness=1\.0.*, now .*stiffness=2\.0"):
        find_minima("Cu3", Spring(2.0), quenches=24, archive=tmp_path)


def test_an_archive_of_before_says_why_it_cannot_go_on(tmp_path):
    find_minima("Cu3", EMT(), quenches=8, archive=tmp_path)
    with Archive(tmp_path) as archive:
        asked = json.loads(archive._store.values["signature"])
        old = "EMT({'asap_cutoff': False}) {'fmax': 0.02, 'max_steps': 500, 'max_step': 0.2}"
        archive._store.write([], [], {"signature": json.dumps({**asked, "relaxer": old}, sort_keys=True)})
    with pytest.raises(ValueError, match=r"made by an earlier version, which told calculators apart by their names"):
        find_minima("Cu3", EMT(), quenches=16, archive=tmp_path)


def test_uncertain_quenches_are_handed_out_as_they_come():
    class Unsure(LennardJones):
        def relax(self, structures):
            return [
                relaxed
                if k % 4
                else Relaxed(relaxed.atoms, relaxed.energy, 1.0, False, 1, 1, reason="uncertain", forces_std=2.0)
                for k, relaxed in enumerate(super().relax(structures))
            ]

    seen = []
    result = find_minima(
        "Ar7",
        Unsure(),
        quenches=32,
        batch_size=8,
        uncertain=lambda some: seen.append([r.forces_std for r in some]),
        callback=lambda progress: seen.append(progress.n_quenches),
    )
    assert seen == [[2.0, 2.0], 8, [2.0, 2.0], 16, [2.0, 2.0], 24, [2.0, 2.0], 32]
    assert result.n_uncertain == 8


RUN = """
    import sys
    from search import LennardJones, find_minima, find_minima_on_islands
    def show(progress):
        print(progress.n_quenches, flush=True)
    if __name__ == "__main__":
        if sys.argv[2] == "islands":
            result = find_minima_on_islands("Ar13", LennardJones, 2, time_limit=300, workers=2, epoch=8,
                                            archive=sys.argv[1], callback=show)
        else:
            result = find_minima("Ar13", LennardJones(), time_limit=300, archive=sys.argv[1], callback=show)
        print("end", result.stopped_by, len(result.minima), result.n_quenches, flush=True)
"""


@pytest.mark.parametrize("how", ["one", "islands"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_search_with_its_result(tmp_path, how, number):
    (tmp_path / "run.py").write_text(textwrap.dedent(RUN))
    command = [sys.executable, tmp_path / "run.py", tmp_path / "out", how]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        while int(process.stdout.readline()) < 32:
            pass
        os.killpg(process.pid, number)  # a terminal and a batch system send it to the workers too
        rest = process.stdout.read().split()
    assert process.returncode == 0
    assert rest[-4:-2] == ["end", "interrupted"]
    with Archive(tmp_path / "out") as archive:
        assert len(archive) == int(rest[-2]) > 0
        assert archive.state["tally"]["n_quenches"] == int(rest[-1])


def test_handlers_of_ones_own_and_ignored_signals_stay(tmp_path):
    received = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    own = signal.getsignal(signal.SIGTERM)
    try:
        with Interrupts() as interrupts:
            with interrupts.hold():
                os.kill(os.getpid(), signal.SIGTERM)
                os.kill(os.getpid(), signal.SIGHUP)
                assert received == []
            assert received == [signal.SIGTERM]
            os.kill(os.getpid(), signal.SIGTERM)
            assert received == [signal.SIGTERM] * 2
        assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGHUP, ignored)


def test_a_script_without_a_main_guard_is_told_so_in_one_line(tmp_path):
    script = """
        from search import LennardJones, find_minima_on_islands
        find_minima_on_islands("Ar7", LennardJones, 2, quenches=64, workers=2, archive="out")
    """
    (tmp_path / "run.py").write_text(textwrap.dedent(script))
    began = time.monotonic()
    done = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "search.errors.JobFailed: no worker process could start. In a script"
    )
    assert 'if __name__ == "__main__":' in done.stderr.splitlines()[-1]
    assert done.stderr.count("Traceback") == 1
    assert time.monotonic() - began < 60


def test_search_is_imported_without_fcntl(tmp_path):
    code = """
        import sys
        sys.modules["fcntl"] = None  # as on Windows
        from search import LennardJones, find_minima
        import warnings
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = find_minima("Ar4", LennardJones(), quenches=8, archive="out")
        print(len(result.minima), *(str(w.message) for w in caught))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("1 this system has no file locks")
